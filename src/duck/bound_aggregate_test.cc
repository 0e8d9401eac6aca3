#include "duck/bound_aggregate_test.h"

#include "duck/foreign_aggregate.h"
#include "duckdb.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "duckdb/planner/operator/logical_aggregate.hpp"
#include "duckdb/planner/planner.hpp"

namespace laminar::duck {

std::unique_ptr<BoundAggregate> bind_aggregate(const std::shared_ptr<Database>& database, const std::string& sql) {
  auto connection = database->connect();
  connection->Query("CREATE TEMP TABLE input (i BIGINT, s VARCHAR)");
  duckdb::Parser parser;
  parser.ParseQuery("SELECT " + sql + " FROM input");
  auto result = std::make_unique<BoundAggregate>();
  connection->context->RunFunctionInTransaction([&] {
    duckdb::Planner planner(*connection->context);
    planner.CreatePlan(std::move(parser.statements[0]));
    duckdb::LogicalOperator* node = planner.plan.get();
    while (node->type != duckdb::LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) node = node->children.at(0).get();
    const auto& aggregate = node->expressions.at(0)->Cast<duckdb::BoundAggregateExpression>();
    for (const auto& child : aggregate.children) {
      result->arguments += (result->arguments.empty() ? "" : ", ") + child->ToString();
    }
    result->function = make_foreign_aggregate(aggregate);
  });
  return result;
}

}  // namespace laminar::duck
