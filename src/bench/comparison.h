// One comparison: rows pushed through a view, and DuckDB running the view's query over the same rows as a batch.
//
// Threads: the caller's; ticks run on it, and DuckDB is given one thread, so process CPU time is the work itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/column_store.h"
#include "duck/batch_engine.h"

namespace laminar::bench {

struct Input {
  std::string source;
  std::string time_column;  // by which several inputs are merged
  std::shared_ptr<ColumnStore> store;
};

struct Comparison {
  std::string name;
  std::string setup;  // declares the sources and the view
  std::string view;
  bool is_stream = false;  // keeps nothing: its rows are checked by a run of its own
  std::string batch_query;
  // What is compared where not all rows can be equal: the SELECT list over the view and over the batch query's result,
  // and a GROUP BY after it perhaps; empty: all.
  std::string compared;
};

struct RunOptions {
  uint64_t repeats = 3;
  uint64_t tick_rows = 16384;
  uint64_t cores = 1;  // for the views; with several, times are wall times
  bool recompute = false;  // also DuckDB as one would keep a result fresh with it: the query again after every 1 % of the rows
};

struct Figures {
  std::string name;
  uint64_t rows = 0;
  double wall_s = 0, cpu_s = 0;
  uint64_t result_rows = 0;
  std::string checksum;
  double duckdb_wall_s = 0, duckdb_cpu_s = 0;
  uint64_t duckdb_result_rows = 0;
  std::string duckdb_checksum;
  double tick_p50_us = 0, tick_p99_us = 0;
  double peak_rss_mib = 0;
  uint64_t join_rows = 0, join_bytes = 0;  // what joins hold when all rows have come
  std::optional<double> recompute_cpu_s;
  uint64_t cores = 1;

  bool equal() const { return checksum == duckdb_checksum && result_rows == duckdb_result_rows; }
  // Of CPU times; of wall times where several cores ran.
  double ratio() const {
    if (cores > 1) return wall_s > 0 ? duckdb_wall_s / wall_s : 0;
    return cpu_s > 0 ? duckdb_cpu_s / cpu_s : 0;
  }
  double recompute_ratio() const { return cpu_s > 0 ? recompute_cpu_s.value_or(0) / cpu_s : 0; }
  double join_bytes_per_row() const { return join_rows > 0 ? static_cast<double>(join_bytes) / static_cast<double>(join_rows) : 0; }
  double rows_per_s() const { return wall_s > 0 ? static_cast<double>(rows) / wall_s : 0; }
};

// Runs both sides `repeats` times in turn; times are medians. The engine holds a table per input, named as its source.
Result<Figures> compare(const Comparison& comparison, std::vector<Input>& inputs, duck::BatchEngine& engine,
                        const RunOptions& options);

// One JSON object, without a line break.
std::string to_json(const Figures& figures);
// The head of the table for people, and a line of it.
std::string table_head();
std::string table_line(const Figures& figures);

double peak_rss_mib();
double median(std::vector<double> values);

}  // namespace laminar::bench
