// What the parsed query knows and the bound plan forgets: where its clauses stand, and constant arguments of aggregates
// that binding folds into opaque bind data.
#pragma once

#include <cstdint>
#include <duckdb.hpp>
#include <duckdb/common/types/value.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace duckdb {
class ClientContext;
class QueryNode;
}  // namespace duckdb

namespace laminar::sql {

// Byte offsets of the first clause of each kind, -1 where there is none.
struct QueryFacts {
  int64_t join = -1;
  int64_t subquery = -1;       // in an expression
  int64_t set_operation = -1;  // EXCEPT, INTERSECT
  int64_t order_by = -1;
  int64_t limit = -1;
  int64_t group_by = -1;
  int64_t window_function = -1;
  int64_t sample = -1;
  int64_t recursive = -1;
  int64_t pivot = -1;
  int64_t table_function = -1;
  int64_t file = -1;                      // a table's name that is a file's
  std::map<std::string, int64_t> tables;  // by name in lower case, its first place
  int64_t first = -1;                     // the first position of all
  // Constant arguments of the function call at an offset, in order.
  std::map<int64_t, std::vector<duckdb::Value>> constants;
  std::set<int64_t> descending;  // calls with WITHIN GROUP (ORDER BY ... DESC)
};

// Also writes some aggregates in terms of others: first_value and last_value outside of OVER are DuckDB's first and
// last, count_if(x) is count(*) FILTER (WHERE x). Refuses parameters.
QueryFacts collect_facts(duckdb::ClientContext& context, duckdb::QueryNode& query);

}  // namespace laminar::sql
