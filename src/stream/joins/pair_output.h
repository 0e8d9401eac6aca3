// Output rows of a join put together from rows of two stores, column by column.
//
// Threads: one core.
// Owns:    the columns of the batch; long string bytes stay in the stores, so a slot must outlive the batch it went into.
// Bounds:  one batch; nothing allocates after construction.
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/state/row_store.h"

namespace laminar::stream {

class PairOutput {
 public:
  static constexpr uint32_t kNone = RowStore::kNone;

  static constexpr uint32_t kNotStored = ~uint32_t{0};

  // `types`: the left columns and then the right ones. `stored`: where each stands in its store; one that does not is the
  // same in all rows.
  PairOutput(std::vector<data::Type> types, size_t left_width, std::vector<uint32_t> stored);

  bool empty() const { return rows_ == 0; }
  bool full() const { return rows_ == data::kBatchRowsMax; }
  // Without a right row its columns are NULL.
  void add(uint32_t left_slot, uint32_t right_slot, int64_t weight) {
    left_[rows_] = left_slot;
    right_[rows_] = right_slot;
    buffer_.weights()[rows_] = weight;
    buffer_.has_weights |= weight != 1;
    without_right_ |= right_slot == kNone;
    ++rows_;
  }
  // The number of the next row.
  uint64_t sequence() const { return sequence_; }
  void set_sequence(uint64_t sequence) { sequence_ = sequence; }
  // The rows added since the last time; valid until the next add().
  data::Batch take(const RowStore& left, const RowStore& right);

 private:
  data::BatchBuffer buffer_;
  const uint32_t left_width_;
  const std::vector<uint32_t> stored_;
  uint32_t rows_ = 0;
  bool without_right_ = false;
  uint64_t sequence_ = 0;
  std::vector<uint32_t> left_, right_;
};

}  // namespace laminar::stream
