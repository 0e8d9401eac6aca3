// Random views in two spellings: ours, and stock SQL over the accepted rows that DuckDB runs as a batch.
//
// The stock text has holes that check.cc fills in: $n rows so far, $w0 and $w1 the sources' watermarks in us (or NULL), $u the
// watermark of a union of both.
// Relations made from rows one by one carry hidden columns in the stock text: _seq (order of arrival) and _wm (the
// watermark before the row, in the time of their time column).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "random.h"

namespace oracle {

enum class Type { kBig, kInt, kDouble, kDecimal, kText, kBool, kTime, kDate, kOther };
struct Column {
  std::string name;
  Type type;
};

struct Relation {
  std::string name;            // what our SQL reads
  std::vector<Column> columns;
  std::string batch;           // stock SQL of its content now: a query in parentheses
  bool rows = false;           // made row by row: hidden columns are there
  bool append_only = false;
  bool total_order = false;    // arrival order is the same however ticks are cut
  std::string time;            // column of event time, or empty
  std::string watermark;       // stock SQL, us, in the time of that column
  bool fresh = true;           // holds the newest state at every tick, not only at EMIT EVERY's
  int level = 0;
  std::vector<size_t> views;   // indexes of the views it reads, itself included
};

// Sessions depend on the watermarks that their rows came with: check.cc runs a model over the rows of `rows_sql` and puts
// the result, row by row, into memory.<table> (_seq, window_start, window_end); late rows are left out.
struct SessionModel {
  std::string table, rows_sql;  // _seq, key text, time us, _wm
  int64_t gap_us = 0, lateness_us = 0;
};

struct View {
  std::string create;  // ours
  Relation relation;
  std::string select;  // stock SQL of the visible columns
  bool closes = false;         // ON WINDOW CLOSE, FINAL: each row once
  bool only_grows = false;     // a row stays as it came; equal rows are rows of their own
  bool has_late = false;       // late_sql gives (window_start, window_end) of the late rows, a row each
  std::string late_sql, null_time_sql;
  bool cut_dependent = false;
  // An expression in it fails for some rows: those are not in the view. errors_sql gives how many, where each came once.
  bool may_fail = false;
  std::string errors_sql;
  bool over_source = false;    // reads rows as they came: created later it would miss some, or when they came
  std::optional<SessionModel> session;
};

// The views of one history, the same for the same seed. view_names are v0, v1, ...
std::vector<View> make_views(uint64_t seed, size_t count);

}  // namespace oracle
