#include <duckdb/planner/operator/logical_comparison_join.hpp>

#include "sql/bind/bind_failure.h"
#include "sql/bind/translator.h"

namespace laminar::sql {

// Every kind of join ends here; what subqueries in expressions become are joins, too.
plan::NodePtr Translator::join(duckdb::LogicalOperator& op) {
  bool from_subquery = false;
  if (op.type == duckdb::LogicalOperatorType::LOGICAL_COMPARISON_JOIN ||
      op.type == duckdb::LogicalOperatorType::LOGICAL_DELIM_JOIN) {
    switch (op.Cast<duckdb::LogicalComparisonJoin>().join_type) {
      case duckdb::JoinType::SINGLE:
      case duckdb::JoinType::MARK:
      case duckdb::JoinType::SEMI:
      case duckdb::JoinType::ANTI:
        from_subquery = facts_.subquery >= 0;
        break;
      default:
        break;
    }
  }
  const int64_t position = from_subquery || facts_.join < 0 ? facts_.subquery : facts_.join;
  throw BindFailure(ErrorCode::kNotImplemented,
                    position == facts_.subquery && position >= 0
                        ? "subqueries in expressions are joins, and joins in a view are not implemented yet"
                        : "joins in a view are not implemented yet",
                    position >= 0 ? position : facts_.first);
}

}  // namespace laminar::sql
