// A random history: rows of two sources in arrival order, changes of a table, watermarks, clock and the places to check.
//
// The model of time is this file's own: each row knows the watermark that earlier rows of its source had made, and which
// watermark stands at each check. It knows nothing of ticks.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace oracle {

inline constexpr int kSources = 2;

// id BIGINT, k BIGINT, i INTEGER, v BIGINT, x DOUBLE, m DECIMAL(10,2), s VARCHAR, b BOOLEAN, d DATE, ts TIMESTAMP
struct Row {
  int64_t id = 0;
  std::optional<int64_t> k, v, m, d, ts;  // m in hundredths, d in days
  std::optional<int32_t> i;
  std::optional<double> x;
  std::optional<std::string> s;
  std::optional<bool> b;
};

struct Event {
  enum class Kind { kRow, kWatermark, kTable, kClock, kCheck } kind = Kind::kRow;
  int source = 0;
  Row row;
  std::optional<int64_t> watermark_before;  // kRow: of its source
  std::optional<int64_t> union_before;      // kRow: what a union of both sources judges it by
  int64_t time_us = 0;                      // kWatermark: the time; kClock: how far
  std::string sql;                          // kTable: with {t} for the table's name
  int64_t clock_us = 0;  // before it
  size_t table_changes = 0;  // before it
  // kCheck: what stands there.
  size_t rows = 0;  // rows of all sources so far
  std::optional<int64_t> watermarks[kSources];
  std::optional<int64_t> union_watermark;
  bool settled = false;  // the clock has passed every EMIT EVERY since the last change
};

struct History {
  int64_t start_us = 0;              // of the clock
  int64_t delays_us[kSources] = {};  // WATERMARK FOR ts AS ts - delay
  std::vector<Event> events;
};

inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kEveryMax = 4 * kSecond;  // the longest EMIT EVERY

// `quiet`: with sources that are silent for so long that they are idle.
History make_history(uint64_t seed, bool quiet = true);
// The rows as DuckDB keeps them: the columns, then _seq (arrival over all sources), _src, _wm (before the row, us) and _uw (the
// same as a union of the sources judges it).
std::vector<std::string> batch_inserts(const History& history);
std::string batch_tables();
// How many changes of the table each row came after: _seq, _changes.
std::string batch_arrivals(const History& history);
const char* source_columns();
const char* table_columns();

}  // namespace oracle
