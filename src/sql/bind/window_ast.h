// Rewrites window functions in a parsed query into stock SQL, before DuckDB binds it.
//
//   FROM HOP(TABLE bids, DESCRIPTOR(ts), slide, size)  becomes a subquery that selects * and unnests the windows of ts
//   GROUP BY k, HOP(ts, slide, size)                   joins the windows of ts laterally and groups by start and end;
//                                                      unqualified window_start and window_end mean these
//
// In a view the plan pass in passes.h finds the unnested windows again. SESSION windows depend on other rows and exist
// in views only.
//
// Errors:  BindFailure with the position of the call: LDB-1005, 1006, 3001, 3005.
#pragma once

namespace duckdb {
class ClientContext;
class QueryNode;
}  // namespace duckdb

namespace laminar::sql {

enum class QueryUse { kView, kAdHoc };

// Whether anything was rewritten. kView also refuses what no view can have, such as PROCTIME() and AT.
bool rewrite_windows(duckdb::ClientContext& context, duckdb::QueryNode& query, QueryUse use);

}  // namespace laminar::sql
