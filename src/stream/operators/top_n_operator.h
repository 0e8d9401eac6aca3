// The first rows of each partition by an order: ORDER BY ... LIMIT, and row_number, rank or dense_rank up to a bound.
//
// At the end of a tick it gives what changed in the result. Where partitions have an event time and it speaks on window
// close or after the watermark, a partition comes out once, when its time lies below the watermark.
//
// State:   the rows that can be in the result (all rows where the input retracts); a partition whose time lies below
//          the watermark is final: its result goes to compact columns where content is kept, its rows are released, and
//          later rows for it are late.
//          Over windows, while nobody follows the result, open windows are ranked when they are read; the input sends the
//          rows of closed ones alone.
// Content: always.
#pragma once

#include <memory>
#include <optional>

#include "base/status.h"
#include "plan/node.h"
#include "stream/operators/operator.h"
#include "stream/state/row_log.h"
#include "stream/state/top_n_state.h"

namespace laminar::stream {

class TopNOperator final : public Operator {
 public:
  static Result<std::unique_ptr<TopNOperator>> make(const plan::TopNNode& node);

  void push(uint32_t port, const data::Batch& batch) override;
  bool can_correct(int64_t) const override { return !time_partition_; }
  void finish(const TickInfo& tick) override;
  bool holds_content() const override { return true; }
  void keep_content(bool keep) override { keep_content_ = keep; }
  void scan_content(const BatchVisitor& visit) override;
  uint64_t state_bytes() const override { return state_->bytes() + closed_.bytes(); }
  uint64_t state_rows() const override { return state_->rows().rows() + closed_.rows(); }
  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;
  void outputs_changed() override;
  bool wants_open_windows() const override { return !closing_; }
  void set_input_apart() override;
  // Rows found with a negative weight: a fault of ours.
  uint64_t faults() const { return state_->faults(); }

 private:
  explicit TopNOperator(const plan::TopNNode& node);
  // Whether the row belongs to a partition that is final, or has no time where it needs one; counts and reports it.
  bool refuse(const data::Batch& batch, uint32_t row);
  bool refuses_none(const data::Batch& batch) const;
  void take_partition_columns(const data::Batch& batch);
  bool one_partition(uint32_t rows) const;
  void apply(const data::Batch& batch, uint32_t row, uint32_t partition, bool created);
  uint32_t find_or_create(const data::Batch& batch, uint32_t row, uint64_t hash, bool& created);
  int64_t complete_below(int64_t watermark) const;
  void touch(uint32_t partition);
  void emit_changes(uint32_t partition, bool send);
  void read_open_windows();
  void scan_open_windows(const BatchVisitor& visit);
  void complete_partitions();
  void complete(uint32_t partition);
  void close_batch(const data::Batch& batch);
  void append_difference(uint32_t slot, TopNState::Ranks ranks, TopNState::Ranks without, int64_t sign);
  void append(uint32_t slot, int64_t rank, int64_t weight);
  void flush();

  const std::vector<uint32_t> partition_;
  const bool row_number_;
  const bool output_rank_;
  const bool on_close_;
  std::optional<uint32_t> time_partition_;
  int64_t time_offset_us_ = 0;
  bool tag_watermark_ = false;  // some output column is event time
  bool keep_content_ = false;
  bool publishing_ = false;
  std::vector<data::Type> input_types_;
  TopNState all_;
  std::optional<TopNState> closing_;  // where closed windows alone come: no more rows than can be in the result
  TopNState* state_ = &all_;          // the one in use
  RowLog closed_;
  uint64_t saved_rows_ = 0;

  // Scratch.
  std::vector<data::Column> partition_columns_;
  std::vector<std::vector<uint64_t>> unique_;  // floating-point partition columns as keys
  std::vector<uint64_t> hashes_, prefixes_;
  std::vector<uint32_t> touched_;
  std::vector<TopNState::Visible> visible_;
  std::vector<uint32_t> old_;
  struct Timer {
    int64_t time;
    uint32_t partition;
    uint64_t order;  // of creation
    bool operator<(const Timer& other) const {  // the heap's top is the earliest
      return time != other.time ? time > other.time : order > other.order;
    }
  };
  std::vector<Timer> timers_;
  uint64_t timers_made_ = 0;
  int64_t final_below_ = data::kWatermarkNone;
  data::BatchBuffer out_;
  const BatchVisitor* scan_visit_ = nullptr;  // where flush() goes instead of the outputs
};

}  // namespace laminar::stream
