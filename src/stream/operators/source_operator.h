// The head of a source: tags rows with their place in the total order and the watermark before them, and gives the
// source's watermark at the end of the tick.
//
// push(partition, batch) takes rows of one partition in order: the port is the partition. Where a column tells the
// partition, each of its values is one, in order of appearance, and the port does not matter. A tick starts with
// begin_tick(), which brings the clock.
//
// PER KEY, the values of some columns have a watermark each (time/key_watermarks.h): rows are judged by that of their key,
// its moves go to the operators behind the rows of a tick, and the source's own watermark is the floor of all keys.
//
// State:  a watermark and an offset for each partition; a watermark for each key.
// Bounds: kPartitionsMax partitions; values of the column beyond that share the last one.
// Errors: a row further ahead of the clock than the skew is counted and reported, flows on, and moves no watermark.
//         A row without a time flows on too; operators that need its time count it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "expr/program.h"
#include "stream/operators/operator.h"
#include "stream/state/row_selector.h"
#include "stream/time/key_watermarks.h"
#include "stream/time/watermark_tracker.h"

namespace laminar::stream {

struct SourceTime {
  uint32_t column = 0;  // a timestamp of any unit, a date, or a BIGINT
  std::optional<data::Type> read_as = {};  // BIGINT: the timestamp type that counts in its unit
  WatermarkOptions watermark = {};
  std::optional<uint32_t> partition_column = {};
  // PER KEY: the columns that are the key, and how far behind the greatest watermark of all no key lies; < 0: any.
  std::vector<uint32_t> key_columns = {};
  int64_t key_floor_us = -1;
  // Only rows for which it is true move the watermark; null: all do. A BOOLEAN over the source's columns that never fails.
  expr::ExprPtr when = nullptr;
  // The column is the clock's time, so no row comes from before it: the watermark follows the clock without rows, too.
  bool by_clock = false;
};

class SourceOperator;

// How far a source may run: see watermark_group_operator.h.
class DriftLimit {
 public:
  virtual ~DriftLimit() = default;
  // The watermark that the source may reach: kWatermarkEnded: any, kWatermarkNone: none is known yet.
  virtual int64_t limit_of(const SourceOperator& source) = 0;
  virtual void count_dropped(const SourceOperator& source, uint64_t rows) = 0;
};

class SourceOperator final : public Operator {
 public:
  static constexpr uint32_t kPartitionsMax = 65'535;
  static constexpr int64_t kClockWatermarkStepUs = 250'000;

  // No `time`: rows flow, the watermark stays unknown until the source ends.
  SourceOperator(std::vector<data::Type> types, std::optional<SourceTime> time);
  ~SourceOperator() override;

  void begin_tick(const TickInfo& tick) { now_us_ = tick.now_us; }
  void push(uint32_t partition, const data::Batch& batch) override;
  // The port by which a batch without rows says that a partition has ended, in its place among rows.
  static constexpr uint32_t end_port(uint32_t partition) { return partition | kEndPort; }
  void finish(const TickInfo& tick) override;

  // Whether finish() would find a partition that has become idle, or the clock well ahead of a watermark that follows it.
  bool clock_due(int64_t now_us) const {
    if (time_ && time_->by_clock) return output_watermark() != data::kWatermarkEnded && now_us - now_us_ >= kClockWatermarkStepUs;
    return now_us >= tracker_.idle_check_us();
  }

  // Makes partitions known before their first rows, so that the watermark waits for them.
  void ensure_partitions(uint32_t count, int64_t now_us);
  // The user's word that the partition's rows are no earlier from now on; counts at the next finish().
  void advance_watermark(uint32_t partition, int64_t watermark);
  // No row will come from it any more; counts at the next finish().
  void end_partition(uint32_t partition);
  // It is read elsewhere from now on; rows bring it back. Counts at the next finish().
  void leave_partition(uint32_t partition);
  // No row will come from any, after those of the running tick.
  void end_all() { ending_ = true; }

  // Rows read of a partition, which is the offset of its next row. A source that starts in the middle sets it.
  uint64_t partition_offset(uint32_t partition) const { return offsets_[partition]; }
  void set_partition_offset(uint32_t partition, uint64_t offset);
  int64_t partition_watermark(uint32_t partition) const { return tracker_.partition_watermark(partition); }
  uint64_t future_rows() const { return future_rows_; }
  uint32_t partition_count() const { return static_cast<uint32_t>(tracker_.partition_count()); }
  bool partition_idle(uint32_t partition) const { return tracker_.partition_idle(partition); }
  bool partition_ended(uint32_t partition) const { return tracker_.partition_ended(partition); }
  uint64_t partition_returns() const { return tracker_.returns(); }
  // Whether a row with this place and the watermark before it was judged by a watermark that others had made, and why.
  WatermarkTracker::Lift lift_of(uint64_t sequence, int64_t watermark) const {
    const auto partition = static_cast<uint32_t>(sequence >> 48);
    return partition < partition_count() && tracker_.partition_lifted_to(partition) == watermark ? tracker_.partition_lift(partition)
                                                                                                 : WatermarkTracker::Lift::kNone;
  }
  // What the partition column says, as text; the number where no column does.
  std::string partition_name(uint32_t partition) const;
  // Null without PER KEY.
  const KeyWatermarks* key_watermarks() const;

  // Limits by which reading pauses, and by which rows are dropped.
  std::vector<DriftLimit*> pausing_limits, dropping_limits;
  // Held by a limit: nothing is read of it, and it does not fall idle for that. hold() and release() come in pairs.
  void hold() { ++holds_; }
  void release(int64_t now_us);
  bool held() const { return holds_ > 0; }
  // Where this batch may take the watermark, at most, and where the limits let it go; both without effect.
  int64_t watermark_with(const data::Batch& batch);
  int64_t pausing_limit() const;
  // Of all rows that have come, those of the running tick included.
  int64_t watermark_so_far() { return tracker_.combine_again(); }
  // What the very first row made of it.
  int64_t first_watermark() const { return first_watermark_; }

  bool saves_state() const override { return true; }
  uint32_t state_version() const override { return 2; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;

 private:
  static constexpr uint32_t kEndPort = 1u << 31;
  const data::Type& time_type() const { return time_->read_as ? *time_->read_as : types()[time_->column]; }
  struct Partitioning;
  struct Keying;
  WatermarkTracker::Judged advance_keys(const data::Batch& batch, const int64_t* times, const uint64_t* validity);
  void push_kept(uint32_t partition, const data::Batch& batch);
  void note_first(const int64_t* times, const data::Column& column, uint32_t rows);
  void push_by_column(const data::Batch& batch);
  // The batch without the rows beyond the dropping limits.
  data::Batch drop_excess(const data::Batch& batch);
  WatermarkTracker::Judged advance_marked(uint32_t partition, const data::Batch& batch, const int64_t* times, const uint64_t* validity);
  // The rows that move the watermark, as bits; null where all do.
  const uint64_t* marked_rows(const data::Batch& batch);
  static bool marked(const uint64_t* marks, uint32_t row) { return !marks || (marks[row >> 6] >> (row & 63) & 1); }
  void report_future(const data::Batch& batch, const int64_t* times, const uint64_t* validity);

  std::optional<SourceTime> time_;
  WatermarkTracker tracker_;
  std::vector<uint64_t> offsets_;
  std::vector<int64_t> times_, row_watermark_;
  int64_t now_us_ = 0, first_watermark_ = data::kWatermarkNone;
  uint64_t future_rows_ = 0;
  std::unique_ptr<Partitioning> by_column_;
  std::unique_ptr<Keying> by_key_;
  std::unique_ptr<expr::Program> when_;
  expr::RowErrors when_errors_;
  std::vector<uint32_t> when_rows_;
  std::vector<uint64_t> marks_;
  bool ending_ = false;
  uint32_t holds_ = 0;
  std::unique_ptr<RowSelector> selector_;  // of kept rows
  std::vector<uint32_t> kept_;
};

}  // namespace laminar::stream
