// Watermarks of a source: one for each partition, made row by row, and their combination.
//
// A partition's watermark is the largest event time of its rows so far, less the delay. The source's watermark is the
// least over the active partitions and never goes back. A partition without rows for the idle timeout is not active;
// when it comes back, or is new, it starts at no less than the source's watermark. When no partition is active, the
// greatest of the idle ones counts: so it does not matter which of them fell silent first. Where a partition that is new
// or comes back starts is known to the row, not to the tick.
//
// Threads: one core.
// Costs:   O(log partitions) for each partition that a tick moved; idleness is looked for when the clock may have
//          brought some.
// Time:    event times in us since 1970; the clock comes as an argument, so a replay sees the same watermarks. Where it
//          jumps back, idle times count anew from there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "data/batch.h"
#include "data/type.h"

namespace laminar::stream {

struct WatermarkOptions {
  int64_t delay_us = 0;
  int64_t idle_timeout_us = 30'000'000;  // 0: never idle
  // A row further ahead of the clock than this does not move the watermark.
  int64_t future_skew_max_us = data::kWatermarkEnded;  // no limit
};

class WatermarkTracker {
 public:
  explicit WatermarkTracker(WatermarkOptions options) : options_(options) {}

  // Partitions count from 0; those not yet known get added, idle time counted from now.
  void ensure_partition(uint32_t partition, int64_t now_us);
  size_t partition_count() const { return partitions_.size(); }

  struct Judged {
    bool any_behind = false;   // some row lies at or behind the watermark before it: row_watermark is filled
    uint32_t future_rows = 0;  // beyond the skew, see is_future()
  };
  // Takes `rows` event times of a partition in order; validity null: no NULLs. Fills row_watermark[0..rows) only where
  // any row is behind; room for rows values.
  Judged advance(uint32_t partition, const int64_t* times, const uint64_t* validity, uint32_t rows, int64_t now_us,
                 int64_t* row_watermark);
  // The same for one row; gives the watermark before it. A future row moves nothing.
  int64_t advance_row(uint32_t partition, int64_t time, bool future, int64_t now_us) {
    touch(partition, now_us);
    int64_t& watermark = partitions_[partition].watermark;
    const int64_t before = watermark;
    if (!future) watermark = std::max(watermark, less_delay(time));
    return before;
  }
  // Rows without event time were read: the partition is alive.
  void touch(uint32_t partition, int64_t now_us);
  bool is_future(int64_t time, int64_t now_us) const {
    int64_t limit;
    if (__builtin_add_overflow(now_us, options_.future_skew_max_us, &limit)) return time == kInfinity;
    return time > limit || time == kInfinity;
  }

  // Partitions that are not idle are not so because of the time that has passed: nobody asked them for rows.
  void keep_alive(int64_t now_us);
  // The watermark that a row of this time makes.
  int64_t less_delay(int64_t time) const;

  // No earlier row will come from the partition; a lower watermark than its own is ignored.
  void advance_to(uint32_t partition, int64_t watermark, int64_t now_us);

  void end_partition(uint32_t partition);
  void end_all();
  // The partition is somebody else's from now on: it counts no more. With rows of it, it is there again.
  void remove_partition(uint32_t partition);

  // At the end of a tick: the combined watermark.
  int64_t combine(int64_t now_us);
  int64_t combined() const { return combined_; }
  // The same inside a tick, of the rows so far.
  int64_t combine_again() { return combine(now_us_); }
  // All partitions that have not ended are idle, as of the last combine().
  bool all_idle() const { return active_ == 0 && ended_ < partitions_.size(); }
  // When combine() may find a partition idle that is not so yet; kWatermarkEnded: never.
  int64_t idle_check_us() const { return idle_check_us_; }
  int64_t partition_watermark(uint32_t partition) const { return partitions_[partition].watermark; }
  // How the partition's watermark was lifted above what its own rows made, and to what: where a row was late by that very
  // watermark, this is why.
  enum class Lift : uint8_t { kNone, kReturned, kNew };
  Lift partition_lift(uint32_t partition) const { return partitions_[partition].lift; }
  int64_t partition_lifted_to(uint32_t partition) const { return partitions_[partition].lifted_to; }
  uint64_t returns() const { return returns_; }
  bool partition_ended(uint32_t partition) const { return partitions_[partition].ended; }
  bool partition_idle(uint32_t partition) const { return partitions_[partition].idle && !partitions_[partition].ended; }

  // All of it but the options, for checkpoints.
  void save(ByteWriter& out) const;
  bool load(ByteReader& in);
  // The lifts, which came to the format later.
  void save_lifts(ByteWriter& out) const;
  void load_lifts(ByteReader& in);

 private:
  static constexpr int64_t kInfinity = data::kWatermarkEnded;  // TIMESTAMP 'infinity'
  struct Partition {
    int64_t watermark = data::kWatermarkNone;
    int64_t last_row_us = 0;  // by the clock
    bool idle = false;
    bool ended = false;
    bool removed = false;
    bool moved = false;  // in moved_
    Lift lift = Lift::kNone;
    int64_t lifted_to = data::kWatermarkNone;
  };
  void mark_moved(uint32_t partition);
  void find_idle(int64_t now_us);
  void set_leaf(uint32_t partition);

  WatermarkOptions options_;
  std::vector<Partition> partitions_;
  // least_[leaves_ + p] is the watermark of p while it is active, least_[i] the least of least_[2i] and least_[2i + 1].
  std::vector<int64_t> least_;
  uint32_t leaves_ = 0;
  std::vector<uint32_t> moved_;  // partitions whose leaf is not up to date
  uint32_t active_ = 0, ended_ = 0;
  uint64_t returns_ = 0;  // of partitions that had been idle or removed
  int64_t combined_ = data::kWatermarkNone;
  int64_t now_us_ = data::kWatermarkNone;  // the last clock seen
  int64_t idle_check_us_ = data::kWatermarkEnded;
};

// Event times of a column in us, whatever its unit: TIMESTAMP and TIMESTAMP WITH TIME ZONE as they are, _S, _MS, _NS
// and DATE converted, rounded towards the past; what does not fit is +-infinity. Returns the column's own values or
// `scratch`, filled.
const int64_t* event_times_us(const data::Type& type, const data::Column& column, uint32_t rows, int64_t* scratch);
bool is_event_time_type(const data::Type& type);

}  // namespace laminar::stream
