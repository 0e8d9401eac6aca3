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

__attribute__((noinline)) bool ascending(const int64_t* times, uint32_t rows) {
  uint64_t steps_back = 0;
  for (uint32_t i = 1; i < rows; ++i) steps_back |= times[i] < times[i - 1];
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
  while (partitions_.size() <= partition) {
    Partition added;
    added.watermark = combined_;
    added.last_row_us = now_us;
    partitions_.push_back(added);
  }
}

void WatermarkTracker::touch(uint32_t partition, int64_t now_us) {
  ensure_partition(partition, now_us);
  Partition& state = partitions_[partition];
  CHECK(!state.ended);
  state.last_row_us = now_us;
  if (state.idle) {
    state.idle = false;
    state.watermark = std::max(state.watermark, combined_);
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
    // Disorder within the delay, or rows in order: nothing can be behind.
    if (range.least >= after || (!validity && range.least >= watermark && ascending(times, rows))) {
      watermark = after;
      return judged;
    }
  }
  for (uint32_t i = 0; i < rows; ++i) {
    row_watermark[i] = watermark;
    if (validity && !(validity[i >> 6] >> (i & 63) & 1)) continue;
    judged.any_behind |= times[i] < watermark;
    if (is_future(times[i], now_us)) {
      ++judged.future_rows;
    } else {
      watermark = std::max(watermark, less_delay(times[i]));
    }
  }
  return judged;
}

void WatermarkTracker::advance_to(uint32_t partition, int64_t watermark, int64_t now_us) {
  touch(partition, now_us);
  Partition& p = partitions_[partition];
  p.watermark = std::max(p.watermark, watermark);
}

void WatermarkTracker::end_partition(uint32_t partition) {
  CHECK(partition < partitions_.size());
  partitions_[partition].ended = true;
  partitions_[partition].watermark = kWatermarkEnded;
}

void WatermarkTracker::end_all() {
  for (uint32_t i = 0; i < partitions_.size(); ++i) end_partition(i);
  combined_ = kWatermarkEnded;
}

int64_t WatermarkTracker::combine(int64_t now_us) {
  int64_t least = kWatermarkEnded;
  bool any_active = false, all_ended = !partitions_.empty();
  for (Partition& partition : partitions_) {
    if (!partition.ended && options_.idle_timeout_us > 0 && now_us - partition.last_row_us >= options_.idle_timeout_us) {
      partition.idle = true;
    }
    all_ended &= partition.ended;
    if (partition.ended || partition.idle) continue;
    any_active = true;
    least = std::min(least, partition.watermark);
  }
  if (all_ended) {
    combined_ = kWatermarkEnded;
  } else if (any_active) {
    combined_ = std::max(combined_, least);
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
