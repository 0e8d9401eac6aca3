// The history of a view: its changes by tick, the oldest forgotten when the bytes are used up.
//
// Threads: one core.
// Owns:    the rows, string bytes included.
// Bounds:  bytes_max, counted as the rows' values, string bytes, tick and weight; blocks of 1,024 rows are used again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/state/row_selector.h"

namespace laminar::stream {

class ChangeLog {
 public:
  ChangeLog(std::vector<data::Type> types, uint64_t bytes_max);

  // Ticks do not go back.
  void append(uint64_t tick, const data::Batch& batch);
  // Changes of ticks >= from_tick in order, each batch of one tick, with weights.
  void scan(uint64_t from_tick, const std::function<void(uint64_t tick, const data::Batch&)>& visit);

  // From this tick on all changes are here.
  uint64_t complete_from() const { return evicted_rows_ == 0 ? 0 : evicted_tick_ + 1; }
  uint64_t evicted_rows() const { return evicted_rows_; }
  // Of an empty log: what an earlier one had forgotten.
  void restore(uint64_t evicted_rows, uint64_t complete_from) {
    evicted_rows_ = evicted_rows;
    evicted_tick_ = complete_from == 0 ? 0 : complete_from - 1;
  }
  uint64_t rows() const { return rows_; }
  uint64_t bytes() const { return bytes_; }

 private:
  static constexpr uint32_t kBlockRows = 1024;
  struct Block {
    explicit Block(const std::vector<data::Type>& types) : rows(types, kBlockRows), ticks(kBlockRows) {}
    data::BatchBuffer rows;
    std::vector<uint64_t> ticks;
    uint32_t begin = 0;  // rows before it are forgotten
  };
  uint64_t row_bytes(const data::BatchBuffer& rows, uint32_t row) const;
  void evict();

  const uint64_t bytes_max_;
  std::vector<data::Type> types_;
  uint64_t fixed_row_bytes_ = 0;
  std::vector<std::unique_ptr<Block>> blocks_;  // from head_, oldest first
  size_t head_ = 0;
  std::vector<std::unique_ptr<Block>> free_;
  RowSelector selector_;
  std::vector<uint32_t> selection_;
  uint64_t rows_ = 0, bytes_ = 0, evicted_rows_ = 0, evicted_tick_ = 0, last_tick_ = 0;
};

}  // namespace laminar::stream
