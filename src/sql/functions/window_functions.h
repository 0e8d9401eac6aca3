// The window functions as DuckDB sees them: which windows hold a time, as scalar functions, so that windows mean in an
// ad-hoc SELECT what they mean in a view.
//
//   laminar_window_starts(kind, ts, size_us, slide_us, offset_us, zone, months)   TIMESTAMP[]: the starts of the windows that hold ts
//   laminar_window_ends(kind, ts, size_us, slide_us, offset_us, zone, months)     their ends, in the same order
//   tumble_start(ts, size [, offset]), tumble_end(...) TIMESTAMP
//
// TUMBLE, HOP, SESSION and CUMULATE in GROUP BY and FROM are rewritten to the first two before binding
// (bind/window_ast.h); a view's plan turns them into window nodes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plan/node.h"

namespace duckdb {
class BoundFunctionExpression;
class DatabaseInstance;
}  // namespace duckdb

namespace laminar::sql {

inline constexpr const char* kWindowStarts = "laminar_window_starts";
inline constexpr const char* kWindowEnds = "laminar_window_ends";
// Columns of every windowed relation.
inline constexpr const char* kWindowStart = "window_start";
inline constexpr const char* kWindowEnd = "window_end";

// A window function as the user calls it, and which of its columns the name stands for.
struct WindowFunctionName {
  plan::WindowKind kind = plan::WindowKind::kTumble;
  bool end = false;  // TUMBLE_END and its like
};
// "tumble", "hop_start", "session_end", ... in lower case; nothing for any other name.
std::optional<WindowFunctionName> find_window_function(std::string_view name);
// "tumble", "hop", "session", "cumulate"; find_window_function() reads them back.
std::string_view window_name(plan::WindowKind kind);
// "TUMBLE(ts, size [, offset])".
std::string_view window_signature(plan::WindowKind kind);

// Registers what is listed above, and join_markers.h, in the system catalog of a new database.
void register_functions(duckdb::DatabaseInstance& database);

// The checked constants of a bound tumble_start() or tumble_end().
struct TumbleConstants {
  int64_t size_us = 0, offset_us = 0;
  bool end = false;
};
// Nothing for any other function.
std::optional<TumbleConstants> tumble_constants(const duckdb::BoundFunctionExpression& call);

// The window that a bound kWindowStarts or kWindowEnds call is for; time_column is not set. With a time zone: windows of an
// hour or less keep their length and only start where the zone's hours do, so a day of 25 hours has 25 of them; longer
// ones follow the clock. With `months` lengths are in the time of plan/calendar.h.
plan::WindowSpec window_spec(const duckdb::BoundFunctionExpression& call);

// Floor of `time` to a multiple of `size` plus `offset`, before 1970 too.
inline int64_t floor_to_window(int64_t time_us, int64_t size_us, int64_t offset_us) {
  int64_t rest = (time_us - offset_us) % size_us;
  if (rest < 0) rest += size_us;
  return time_us - rest;
}

}  // namespace laminar::sql
