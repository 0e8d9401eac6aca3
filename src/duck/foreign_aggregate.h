// An aggregate function run through DuckDB's state functions, as an expr::ForeignAggregate.
//
// Owns:    a copy of the bound aggregate; each instance an arena for what its states point to.
// Errors:  exceptions of the functions become a Status with kRowError.
#pragma once

#include <memory>

#include "expr/foreign.h"

namespace duckdb {
class BoundAggregateExpression;
}  // namespace duckdb

namespace laminar::duck {

// Argument i of the aggregate is column i of update()'s args. DISTINCT, FILTER and ORDER BY are the caller's: they are
// not inside the function and are ignored here.
std::shared_ptr<const expr::ForeignAggregate> make_foreign_aggregate(const duckdb::BoundAggregateExpression& aggregate);

}  // namespace laminar::duck
