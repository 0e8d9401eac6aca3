#include "stream/time/watermark_tracker.h"

#include <algorithm>

#include "base/check.h"

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;

namespace {

struct Range {
  int64_t least = kWatermarkEnded;
  int64_t greatest = kWatermarkNone;
};

// Out of line: inlined into the caller, g++ 12 does not vectorize the loops.
__attribute__((noinline)) Range range_of(const int64_t* times, uint32_t rows) {
  int64_t least = kWatermarkEnded, greatest = kWatermarkNone;
  for (uint32_t i = 0; i < rows; ++i) {
    least = std::min(least, times[i]);
    greatest = std::max(greatest, times[i]);
  }
  return {least, greatest};
}

__attribute__((noinline)) Range range_of_valid(const int64_t* times, const uint64_t* validity, uint32_t rows) {
  Range range;
  for (uint32_t i = 0; i < rows; ++i) {
    if (!(validity[i >> 6] >> (i & 63) & 1)) continue;
    range.least = std::min(range.least, times[i]);
    range.greatest = std::max(range.greatest, times[i]);
  }
  return range;
}

__attribute__((noinline)) bool ascending(const int64_t* times, uint32_t rows, bool strictly) {
  uint64_t steps_back = 0;
  if (strictly) {
    for (uint32_t i = 1; i < rows; ++i) steps_back |= times[i] <= times[i - 1];
  } else {
    for (uint32_t i = 1; i < rows; ++i) steps_back |= times[i] < times[i - 1];
  }
  return steps_back == 0;
}

int64_t floor_divide(int64_t value, int64_t by) {
  const int64_t quotient = value / by;
  return quotient - (value % by < 0);
}

int64_t saturating_multiply(int64_t value, int64_t by) {
  int64_t result;
  if (!__builtin_mul_overflow(value, by, &result)) return result;
  return value < 0 ? kWatermarkNone + 1 : kWatermarkEnded;
}

constexpr int64_t kDayUs = 86'400'000'000;

}  // namespace

int64_t WatermarkTracker::less_delay(int64_t time) const {
  int64_t result;
  if (__builtin_sub_overflow(time, options_.delay_us, &result)) return kWatermarkNone + 1;
  return std::max(result, kWatermarkNone + 1);
}

void WatermarkTracker::ensure_partition(uint32_t partition, int64_t now_us) {
  if (partition < partitions_.size()) return;
  if (!partitions_.empty()) combine(now_us);
  while (partitions_.size() <= partition) {
    Partition added;
    added.watermark = added.lifted_to = combined_;
    if (combined_ != kWatermarkNone) added.lift = Lift::kNew;
    added.last_row_us = now_us;
    partitions_.push_back(added);
    ++active_;
  }
  moved_.reserve(partitions_.size());
  if (partitions_.size() > leaves_) {
    while (leaves_ < partitions_.size()) leaves_ = std::max(1u, leaves_ * 2);
    least_.assign(size_t{2} * leaves_, kWatermarkEnded);
    for (uint32_t p = 0; p < partitions_.size(); ++p) set_leaf(p);
  } else {
    for (uint32_t p = 0; p < partitions_.size(); ++p) mark_moved(p);
  }
  int64_t due;
  if (options_.idle_timeout_us > 0 && !__builtin_add_overflow(now_us, options_.idle_timeout_us, &due)) idle_check_us_ = std::min(idle_check_us_, due);
}

void WatermarkTracker::mark_moved(uint32_t partition) {
  if (partitions_[partition].moved) return;
  partitions_[partition].moved = true;
  moved_.push_back(partition);
}

void WatermarkTracker::set_leaf(uint32_t partition) {
  const Partition& state = partitions_[partition];
  uint32_t at = leaves_ + partition;
  least_[at] = state.ended || state.idle ? kWatermarkEnded : state.watermark;
  for (at /= 2; at > 0; at /= 2) {
    const int64_t least = std::min(least_[2 * at], least_[2 * at + 1]);
    if (least_[at] == least) break;
    least_[at] = least;
  }
}

void WatermarkTracker::touch(uint32_t partition, int64_t now_us) {
  ensure_partition(partition, now_us);
  if (partitions_[partition].idle || partitions_[partition].removed) combine(now_us);
  Partition& state = partitions_[partition];
  if (state.removed) {
    state.removed = state.ended = false;
    state.idle = true;
    --ended_;
  }
  CHECK(!state.ended);
  state.last_row_us = now_us;
  mark_moved(partition);
  if (state.idle) {
    state.idle = false;
    ++active_;
    ++returns_;
    if (combined_ > state.watermark) {
      state.watermark = state.lifted_to = combined_;
      state.lift = Lift::kReturned;
    }
    int64_t due;
    if (options_.idle_timeout_us > 0 && !__builtin_add_overflow(now_us, options_.idle_timeout_us, &due)) idle_check_us_ = std::min(idle_check_us_, due);
  }
}

WatermarkTracker::Judged WatermarkTracker::advance(uint32_t partition, const int64_t* times, const uint64_t* validity,
                                                   uint32_t rows, int64_t now_us, int64_t* row_watermark) {
  Judged judged;
  if (rows == 0) return judged;
  touch(partition, now_us);
  int64_t& watermark = partitions_[partition].watermark;
  const Range range = validity ? range_of_valid(times, validity, rows) : range_of(times, rows);
  if (range.least > range.greatest) return judged;  // only NULLs
  if (!is_future(range.greatest, now_us)) {
    const int64_t after = std::max(watermark, less_delay(range.greatest));
    // Disorder within the delay, or rows in order: nothing can be at or behind the watermark before it.
    if (range.least > after || (!validity && range.least > watermark && ascending(times, rows, options_.delay_us == 0))) {
      watermark = after;
      return judged;
    }
  }
  for (uint32_t i = 0; i < rows; ++i) {
    row_watermark[i] = watermark;
    if (validity && !(validity[i >> 6] >> (i & 63) & 1)) continue;
    judged.any_behind |= times[i] <= watermark;
    if (is_future(times[i], now_us)) {
      ++judged.future_rows;
    } else {
      watermark = std::max(watermark, less_delay(times[i]));
    }
  }
  return judged;
}

void WatermarkTracker::keep_alive(int64_t now_us) {
  for (Partition& state : partitions_) {
    if (!state.idle && !state.ended) state.last_row_us = std::max(state.last_row_us, now_us);
  }
}

void WatermarkTracker::advance_to(uint32_t partition, int64_t watermark, int64_t now_us) {
  touch(partition, now_us);
  Partition& p = partitions_[partition];
  p.watermark = std::max(p.watermark, watermark);
}

void WatermarkTracker::end_partition(uint32_t partition) {
  CHECK(partition < partitions_.size());
  Partition& state = partitions_[partition];
  if (!state.ended) {
    ++ended_;
    if (!state.idle) --active_;
  }
  state.ended = true;
  state.removed = false;
  state.watermark = kWatermarkEnded;
  mark_moved(partition);
}

void WatermarkTracker::end_all() {
  for (uint32_t i = 0; i < partitions_.size(); ++i) end_partition(i);
  combined_ = kWatermarkEnded;
}

void WatermarkTracker::save(ByteWriter& out) const {
  out.put(combined_).put(now_us_).put(static_cast<uint32_t>(partitions_.size()));
  for (const Partition& p : partitions_) out.put(p.watermark).put(p.last_row_us).put(p.idle).put(p.ended).put(p.removed);
}

void WatermarkTracker::save_lifts(ByteWriter& out) const {
  out.put(returns_);
  for (const Partition& p : partitions_) out.put(p.lift).put(p.lifted_to);
}

void WatermarkTracker::load_lifts(ByteReader& in) {
  returns_ = in.get<uint64_t>();
  for (Partition& p : partitions_) {
    p.lift = in.get<Lift>();
    p.lifted_to = in.get<int64_t>();
  }
}

bool WatermarkTracker::load(ByteReader& in) {
  combined_ = in.get<int64_t>();
  now_us_ = in.get<int64_t>();
  partitions_.assign(std::min<size_t>(in.get<uint32_t>(), in.rest().size()), {});
  active_ = ended_ = 0;
  for (Partition& p : partitions_) {
    p.watermark = in.get<int64_t>();
    p.last_row_us = in.get<int64_t>();
    p.idle = in.get<bool>();
    p.ended = in.get<bool>();
    p.removed = in.get<bool>();
    active_ += !p.idle && !p.ended;
    ended_ += p.ended;
  }
  if (!in.ok()) return false;
  moved_.clear();
  moved_.reserve(partitions_.size());
  leaves_ = 0;
  while (leaves_ < partitions_.size()) leaves_ = std::max(1u, leaves_ * 2);
  least_.assign(size_t{2} * leaves_, kWatermarkEnded);
  for (uint32_t p = 0; p < partitions_.size(); ++p) set_leaf(p);
  idle_check_us_ = options_.idle_timeout_us > 0 ? now_us_ : kWatermarkEnded;  // the next combine() looks
  return true;
}

void WatermarkTracker::remove_partition(uint32_t partition) {
  CHECK(partition < partitions_.size());
  Partition& state = partitions_[partition];
  if (state.ended) return;
  ++ended_;
  if (!state.idle) --active_;
  state.ended = state.removed = true;
  mark_moved(partition);
}

void WatermarkTracker::find_idle(int64_t now_us) {
  int64_t next = kWatermarkEnded;
  for (uint32_t p = 0; p < partitions_.size(); ++p) {
    Partition& state = partitions_[p];
    if (state.ended || state.idle) continue;
    int64_t due;
    if (__builtin_add_overflow(state.last_row_us, options_.idle_timeout_us, &due)) continue;
    if (now_us < due) {
      next = std::min(next, due);
      continue;
    }
    state.idle = true;
    --active_;
    mark_moved(p);
  }
  idle_check_us_ = next;
}

int64_t WatermarkTracker::combine(int64_t now_us) {
  if (now_us < now_us_) {
    for (Partition& state : partitions_) state.last_row_us = std::min(state.last_row_us, now_us);
    if (options_.idle_timeout_us > 0) find_idle(now_us);
  }
  now_us_ = now_us;
  if (now_us >= idle_check_us_) find_idle(now_us);
  for (uint32_t partition : moved_) {
    partitions_[partition].moved = false;
    set_leaf(partition);
  }
  moved_.clear();
  if (active_ > 0) {
    combined_ = std::max(combined_, least_[1]);
  } else if (all_idle()) {
    for (const Partition& state : partitions_)
      if (!state.ended) combined_ = std::max(combined_, state.watermark);
  } else if (std::any_of(partitions_.begin(), partitions_.end(), [](const Partition& p) { return !p.removed; })) {
    combined_ = kWatermarkEnded;
  }
  return combined_;
}

bool is_event_time_type(const data::Type& type) { return type.is_timestamp() || type.kind == data::TypeKind::kDate; }

const int64_t* event_times_us(const data::Type& type, const data::Column& column, uint32_t rows, int64_t* scratch) {
  switch (type.kind) {
    case data::TypeKind::kTimestamp:
    case data::TypeKind::kTimestampTz:
      return column.values<int64_t>();
    case data::TypeKind::kTimestampS:
    case data::TypeKind::kTimestampMs: {
      const int64_t unit_us = type.kind == data::TypeKind::kTimestampS ? 1'000'000 : 1'000;
      const int64_t* values = column.values<int64_t>();
      for (uint32_t i = 0; i < rows; ++i) scratch[i] = saturating_multiply(values[i], unit_us);
      return scratch;
    }
    case data::TypeKind::kTimestampNs: {
      const int64_t* values = column.values<int64_t>();
      for (uint32_t i = 0; i < rows; ++i) scratch[i] = values[i] == kWatermarkEnded ? values[i] : floor_divide(values[i], 1'000);
      return scratch;
    }
    case data::TypeKind::kDate: {
      const int32_t* values = column.values<int32_t>();
      for (uint32_t i = 0; i < rows; ++i) scratch[i] = saturating_multiply(values[i], kDayUs);
      return scratch;
    }
    default:
      CHECK(false);
  }
}

}  // namespace laminar::stream
