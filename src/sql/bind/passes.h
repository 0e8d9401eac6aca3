// From a parsed query to DuckDB's bound and rewritten plan, with columns as positions: the input of translation.
//
// The passes are DuckDB's rewriting ones only. Nothing here uses statistics, cardinalities or join order: a view
// outlives the facts of the moment of its CREATE.
//
// Errors:  DuckDB's exceptions and BindFailure.
#pragma once

#include <duckdb.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/logical_operator.hpp>

#include <string>
#include <vector>

namespace laminar::sql {

struct RewrittenQuery {
  duckdb::unique_ptr<duckdb::LogicalOperator> plan;
  std::vector<std::string> names;  // of the result's columns, as the user wrote them
  duckdb::shared_ptr<duckdb::Binder> binder;
};

// Where conditions go: as far down as they can, which drops what they leave empty, or where they were written.
enum class FilterPlace { kPushedDown, kAsWritten };

// Binds a SELECT and runs the passes.
RewrittenQuery rewrite_query(duckdb::ClientContext& context, duckdb::unique_ptr<duckdb::SQLStatement> statement,
                             FilterPlace filters = FilterPlace::kPushedDown);
// Whether a condition that is never true has cut off a part of the plan, with the windows and event times in it.
bool has_empty_part(const duckdb::LogicalOperator& plan);

// The offset of an expression in the script, or the nearest one below it; -1 when none carries a position.
int64_t location_of(const duckdb::Expression& expression);

}  // namespace laminar::sql
