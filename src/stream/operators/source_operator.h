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

#include "stream/operators/operator.h"
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
};

class SourceOperator final : public Operator {
 public:
  static constexpr uint32_t kPartitionsMax = 65'535;

  // No `time`: rows flow, the watermark stays unknown until the source ends.
  SourceOperator(std::vector<data::Type> types, std::optional<SourceTime> time);
  ~SourceOperator() override;

  void begin_tick(const TickInfo& tick) { now_us_ = tick.now_us; }
  void push(uint32_t partition, const data::Batch& batch) override;
  void finish(const TickInfo& tick) override;

  // Whether finish() would find a partition that has become idle.
  bool clock_due(int64_t now_us) const { return now_us >= tracker_.idle_check_us(); }

  // Makes partitions known before their first rows, so that the watermark waits for them.
  void ensure_partitions(uint32_t count, int64_t now_us);
  // The user's word that the partition's rows are no earlier from now on; counts at the next finish().
  void advance_watermark(uint32_t partition, int64_t watermark);
  // No row will come from it any more; counts at the next finish().
  void end_partition(uint32_t partition);
  // The same for all, after the rows of the running tick.
  void end_all() { ending_ = true; }

  // Rows read of a partition, which is the offset of its next row. A source that starts in the middle sets it.
  uint64_t partition_offset(uint32_t partition) const { return offsets_[partition]; }
  void set_partition_offset(uint32_t partition, uint64_t offset);
  int64_t partition_watermark(uint32_t partition) const { return tracker_.partition_watermark(partition); }
  uint64_t future_rows() const { return future_rows_; }
  uint32_t partition_count() const { return static_cast<uint32_t>(tracker_.partition_count()); }
  bool partition_idle(uint32_t partition) const { return tracker_.partition_idle(partition); }
  bool partition_ended(uint32_t partition) const { return tracker_.partition_ended(partition); }
  // What the partition column says, as text; the number where no column does.
  std::string partition_name(uint32_t partition) const;
  // Null without PER KEY.
  const KeyWatermarks* key_watermarks() const;

  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;

 private:
  const data::Type& time_type() const { return time_->read_as ? *time_->read_as : types()[time_->column]; }
  struct Partitioning;
  struct Keying;
  WatermarkTracker::Judged advance_keys(const data::Batch& batch, const int64_t* times, const uint64_t* validity);
  void push_by_column(const data::Batch& batch);
  void report_future(const data::Batch& batch, const int64_t* times, const uint64_t* validity);

  std::optional<SourceTime> time_;
  WatermarkTracker tracker_;
  std::vector<uint64_t> offsets_;
  std::vector<int64_t> times_, row_watermark_;
  int64_t now_us_ = 0;
  uint64_t future_rows_ = 0;
  std::unique_ptr<Partitioning> by_column_;
  std::unique_ptr<Keying> by_key_;
  bool ending_ = false;
};

}  // namespace laminar::stream
