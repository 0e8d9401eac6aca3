// Rows of a key, a value and a time in memory, and a way to send them as an open load: due at a steady rate, whatever the
// database does.
//
// Threads: one.
// Owns:    the rows.
#pragma once

#include <vector>

#include "bench/column_store.h"
#include "laminar/laminar.h"
#include "stream/runtime/histogram.h"

namespace laminar::bench {

class KeyedLoad {
 public:
  static constexpr uint64_t kTickRowsMax = 16384;
  static constexpr int64_t kFirstTimeUs = 1'767'225'600'000'000;  // 2026-01-01

  // Keys are spread evenly and come in no order; times go up by step_us from one row to the next.
  KeyedLoad(uint64_t rows, uint64_t keys, int64_t step_us);

  // The source s (k, v, ts) that takes them.
  static std::string source_sql();
  uint64_t rows() const { return store_.rows(); }
  // All rows, in ticks.
  std::vector<ColumnStore::Slice> ticks(uint64_t tick_rows);
  // Sends keys and values, again and again, for that long; event times go up from first_time_us by step_us a row. Records
  // nanoseconds from when a row was due until append_columns() came back.
  Status send(Appender& appender, double rows_per_second, uint64_t seconds, int64_t first_time_us, double step_us,
              stream::Histogram& times);

 private:
  ColumnStore store_;
};

// How long this thread is away, in nanoseconds, when it does nothing but read the clock.
void record_hiccups(uint64_t milliseconds, stream::Histogram& hiccups);
void print_times(const std::string& name, const stream::Histogram& times);

}  // namespace laminar::bench
