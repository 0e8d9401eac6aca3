// ORDER BY event time: gives rows in the order of their times, as the watermark passes them.
//
// A row with time t goes out when the watermark is above t, since rows of that very time may come until then. Rows of
// one time keep the total order of the input. A row that comes for a time already passed is late.
//
// State:   the rows above the watermark. Those beyond `memory_bytes` go to runs: temporary files, each in order, without a
//          name from the moment they are made, read back as the watermark passes.
// Bounds:  memory_bytes of rows, and one block of each run; nothing is dropped.
// Memory:  no heap call after warm-up while nothing is spilled.
// Errors:  a temporary file that cannot be written or read back ends the process: rows would be lost.
#pragma once

#include <cstdio>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "plan/node.h"
#include "stream/operators/operator.h"

namespace laminar::stream {

class SortOperator final : public Operator {
 public:
  static Result<std::unique_ptr<SortOperator>> make(const plan::SortNode& node);
  ~SortOperator() override;

  void push(uint32_t port, const data::Batch& batch) override;
  bool can_correct(int64_t) const override { return false; }
  void finish(const TickInfo& tick) override;
  uint64_t state_bytes() const override;
  uint64_t state_rows() const override { return heap_.size() + spilled_rows_; }

  // Tables: 0 the rows, also those in runs, 1 the watermark seen. All are put each time: they are soon others.
  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;

 private:
  struct Chunk {
    explicit Chunk(const std::vector<data::Type>& types) : buffer(types) {}
    data::BatchBuffer buffer;
    uint32_t living = 0;  // rows that have not gone out
  };
  struct Entry {
    int64_t time;
    uint64_t sequence;
    Chunk* chunk;
    uint32_t row;
    bool operator>(const Entry& other) const {
      return time != other.time ? time > other.time : sequence > other.sequence;
    }
  };
  // Rows in order in a file, read back block by block.
  struct Run {
    explicit Run(const std::vector<data::Type>& types) : block(types) {}
    std::FILE* file = nullptr;
    uint64_t rows_left = 0;  // in the file
    data::BatchBuffer block;
    data::Batch view;
    uint32_t next = 0;  // row of the block
  };

  explicit SortOperator(const plan::SortNode& node);
  int64_t column_time(int64_t watermark) const;
  void take(const data::Batch& batch, uint32_t row, int64_t time);
  void release(const Entry& entry);
  Run* first_run(int64_t before);
  void release_from(Run& run);
  void spill();
  bool read_block(Run& run, uint64_t rows_left, data::BatchBuffer& block);
  void fill(Run& run);
  void put(const data::Batch& batch, uint32_t row, uint64_t sequence);
  void flush();
  data::Batch view_of(Chunk& chunk);

  uint32_t time_column_;
  int64_t time_offset_us_;
  uint64_t memory_bytes_;
  int64_t last_watermark_ = data::kWatermarkNone;
  std::vector<Entry> heap_;  // the earliest on top
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<Chunk*> free_chunks_;
  Chunk* current_ = nullptr;
  uint64_t held_bytes_ = 0;  // of the rows in memory, about
  uint64_t row_bytes_ = 0;
  std::vector<std::unique_ptr<Run>> runs_;
  uint64_t spilled_rows_ = 0;
  ByteWriter bytes_;
  std::string read_bytes_;
  data::BatchBuffer out_;
};

}  // namespace laminar::stream
