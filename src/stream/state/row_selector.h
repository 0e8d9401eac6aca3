// Some rows of a batch as a new batch: values are gathered, long string bytes stay where they are.
//
// Threads: one core.
// Owns:    the gathered columns; they and the result live until the next call, strings as long as the input's.
// Memory:  the first call that has to gather allocates, later ones don't.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/batch.h"
#include "data/type.h"

namespace laminar::stream {

class RowSelector {
 public:
  explicit RowSelector(std::vector<data::Type> types) : types_(std::move(types)), needed_(types_.size(), true) {}

  // Columns that nobody reads need no gathering: their values in the result are unspecified but safe to read.
  void need_only(std::vector<bool> needed) { needed_ = std::move(needed); }

  // Rows selection[0..count), in that order, repeats allowed, at most kBatchRowsMax. Weights, row watermarks and
  // sequences go with their rows. A run of neighbours is passed by reference where validity words allow it.
  data::Batch select(const data::Batch& from, const uint32_t* selection, uint32_t count);

  const std::vector<data::Type>& types() const { return types_; }

 private:
  std::vector<data::Type> types_;
  std::vector<bool> needed_;
  std::vector<data::Column> columns_;
  std::optional<data::BatchBuffer> buffer_;
};

}  // namespace laminar::stream
