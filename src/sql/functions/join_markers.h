// How what stock SQL cannot say of a join comes through DuckDB's binder: calls of marker functions in its condition.
//
//   laminar_asof(time, nearest, tolerance_us, earliest_us, latest_us)   time itself; of ASOF joins with clauses.
//       tolerance_us < 0: none. earliest_us, latest_us: of the offsets of HORIZON, 0 without
//   laminar_version(column, by)   a TIMESTAMP without meaning; of temporal joins. by: 'time', 'change' or 'current'
//   laminar_version_time(time)    time itself; the column that versions go by
#pragma once

namespace duckdb {
class ExtensionLoader;
}

namespace laminar::sql {

inline constexpr const char* kAsofMarker = "laminar_asof";
inline constexpr const char* kVersionMarker = "laminar_version";
inline constexpr const char* kVersionTimeMarker = "laminar_version_time";
// The column that HORIZON adds to the left side.
inline constexpr const char* kHorizonColumn = "horizon";

void register_join_markers(duckdb::ExtensionLoader& loader);

}  // namespace laminar::sql
