// Puts the clauses of joins (parse/join_clauses.h) onto a parsed query, as markers that DuckDB binds like any condition.
//
//   a ASOF JOIN b ON a.k = b.k AND a.ts >= b.ts TOLERANCE i   compares a.ts >= laminar_asof(b.ts, ...)
//   NEAREST(a.ts, b.ts) in the ON of an ASOF JOIN             the same, a.ts >= laminar_asof(b.ts, ...)
//   ... HORIZON (i, j)                                        the left side becomes a subquery that unnests the offsets as
//                                                             column horizon, and a.ts + horizon is compared
//   a JOIN b FOR SYSTEM_TIME AS OF a.ts ON c                  becomes ASOF JOIN ON c AND a.ts >= laminar_version...(b.x)
//
// So filters stay above these joins, as the ASOF join of DuckDB keeps them. translate_asof.cc reads the markers.
//
// Errors:  BindFailure with the position of the clause: LDB-1001, 1006, 3005.
#pragma once

#include <vector>

#include "sql/parse/join_clauses.h"

namespace duckdb {
class ClientContext;
class QueryNode;
}  // namespace duckdb

namespace laminar::sql {

void rewrite_asof_joins(duckdb::ClientContext& context, duckdb::QueryNode& query, const std::vector<JoinClause>& clauses);

}  // namespace laminar::sql
