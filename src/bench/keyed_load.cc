#include "bench/keyed_load.h"

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/hash.h"

namespace laminar::bench {

using data::Type;
using data::TypeKind;

KeyedLoad::KeyedLoad(uint64_t rows, uint64_t keys, int64_t step_us)
    : store_({{"k", Type::of(TypeKind::kInt64)}, {"v", Type::of(TypeKind::kInt64)}, {"ts", Type::of(TypeKind::kTimestamp)}}, rows) {
  data::BatchBuffer buffer(store_.schema());
  for (uint64_t row = 0; row < rows;) {
    buffer.clear();
    for (; buffer.rows < buffer.rows_max() && row < rows; ++buffer.rows, ++row) {
      buffer.column(0).values<int64_t>()[buffer.rows] = static_cast<int64_t>(hash_u64(row) % keys);
      buffer.column(1).values<int64_t>()[buffer.rows] = static_cast<int64_t>(row % 1009);
      buffer.column(2).values<int64_t>()[buffer.rows] = kFirstTimeUs + static_cast<int64_t>(row) * step_us;
    }
    store_.append(buffer);
  }
}

std::string KeyedLoad::source_sql() {
  return "CREATE SOURCE s (k BIGINT NOT NULL, v BIGINT NOT NULL, ts TIMESTAMP NOT NULL, WATERMARK FOR ts AS ts - INTERVAL '1 second')"
         " WITH (connector = 'memory');\n";
}

std::vector<ColumnStore::Slice> KeyedLoad::ticks(uint64_t tick_rows) {
  std::vector<ColumnStore::Slice> list;
  for (uint64_t row = 0; row < rows(); row += tick_rows) list.push_back(store_.slice(row, std::min(tick_rows, rows() - row)));
  return list;
}

Status KeyedLoad::send(Appender& appender, double rows_per_second, uint64_t seconds, int64_t first_time_us, double step_us,
                       stream::Histogram& times) {
  // Only times are written here, so that sending costs little.
  std::vector<int64_t> event_times(kTickRowsMax);
  const auto* keys = store_.columns()[0].values<int64_t>();
  const auto* values = store_.columns()[1].values<int64_t>();
  const uint64_t step_scaled = static_cast<uint64_t>(step_us * 1024);
  uint64_t sent = 0;
  const int64_t begin = monotonic_ns(), end = begin + static_cast<int64_t>(seconds) * 1'000'000'000;
  for (int64_t now = begin; now < end; now = monotonic_ns()) {
    const uint64_t due = static_cast<uint64_t>(static_cast<double>(now - begin) * rows_per_second / 1e9);
    if (due == sent) continue;
    const uint64_t first = sent, at = sent % rows();
    const uint64_t count = std::min({due - sent, rows() - at, kTickRowsMax});
    for (uint64_t i = 0; i < count; ++i) event_times[i] = first_time_us + static_cast<int64_t>((first + i) * step_scaled >> 10);
    sent += count;
    const ColumnView columns[3] = {{keys + at, nullptr}, {values + at, nullptr}, {event_times.data(), nullptr}};
    RETURN_IF_ERROR(appender.append_columns(columns, static_cast<uint32_t>(count)));
    const int64_t done = monotonic_ns();
    // Sixteen rows of the tick stand for all.
    for (uint64_t i = 0; i < 16; ++i) {
      const uint64_t row = first + (sent - 1 - first) * i / 15;
      const int64_t was_due = begin + static_cast<int64_t>(static_cast<double>(row) / rows_per_second * 1e9);
      times.record(static_cast<uint64_t>(std::max<int64_t>(0, done - was_due)));
    }
  }
  return {};
}

void record_hiccups(uint64_t milliseconds, stream::Histogram& hiccups) {
  int64_t last = monotonic_ns();
  const int64_t end = last + static_cast<int64_t>(milliseconds) * 1'000'000;
  while (last < end) {
    const int64_t now = monotonic_ns();
    hiccups.record(static_cast<uint64_t>(now - last));
    last = now;
  }
}

void print_times(const std::string& name, const stream::Histogram& times) {
  const auto us = [&times](double q) { return static_cast<double>(times.quantile(q)) / 1e3; };
  std::printf("%-44s p50 %9.1f  p99 %9.1f  p99.9 %9.1f  max %9.1f us\n", name.c_str(), us(0.5), us(0.99), us(0.999),
              static_cast<double>(times.max()) / 1e3);
}

}  // namespace laminar::bench
