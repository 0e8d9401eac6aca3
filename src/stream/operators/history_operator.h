// Keeps the changes that pass through it, tick by tick, for changes('v') and SUBSCRIBE ... AS OF TICK.
//
// Bounds:  bytes_max bytes; the oldest ticks go, counted. At least the newest chunk stays.
// Memory:  chunks circulate once the bound is reached.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "stream/operators/operator.h"

namespace laminar::stream {

class HistoryOperator final : public Operator {
 public:
  HistoryOperator(std::vector<data::Type> types, uint64_t bytes_max);

  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const TickInfo& tick) override;

  // Changes of ticks >= from_tick in order; every batch is of one tick and carries weights.
  void scan(uint64_t from_tick, const std::function<void(uint64_t tick, const data::Batch& batch)>& visit);
  // Every change of this tick and later ones is here.
  uint64_t first_tick() const { return first_tick_; }
  uint64_t evicted_rows() const { return evicted_rows_; }
  uint64_t state_bytes() const override;
  uint64_t state_rows() const override { return rows_; }

 private:
  static constexpr uint32_t kChunkRows = 512;
  struct Chunk {
    explicit Chunk(const std::vector<data::Type>& types) : rows(types, kChunkRows) { ticks.reserve(kChunkRows); }
    data::BatchBuffer rows;
    std::vector<uint64_t> ticks;  // of each row; those of the running tick are not there yet
  };
  uint64_t chunk_bytes(const Chunk& chunk) const { return row_bytes_ * kChunkRows + chunk.rows.strings_held(); }
  Chunk& room();

  const uint64_t bytes_max_;
  uint64_t row_bytes_ = 8 + 8;  // weight, tick
  std::deque<std::unique_ptr<Chunk>> chunks_;
  std::unique_ptr<Chunk> spare_;
  uint64_t full_bytes_ = 0;  // of all chunks but the last
  uint64_t rows_ = 0, evicted_rows_ = 0, first_tick_ = 0;
};

}  // namespace laminar::stream
