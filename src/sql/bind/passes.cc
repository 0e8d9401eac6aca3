#include "sql/bind/passes.h"

#include <algorithm>
#include <cstring>
#include <duckdb/execution/column_binding_resolver.hpp>
#include <duckdb/optimizer/common_aggregate_optimizer.hpp>
#include <duckdb/optimizer/cse_optimizer.hpp>
#include <duckdb/optimizer/cte_inlining.hpp>
#include <duckdb/optimizer/deliminator.hpp>
#include <duckdb/optimizer/filter_pullup.hpp>
#include <duckdb/optimizer/filter_pushdown.hpp>
#include <duckdb/optimizer/optimizer.hpp>
#include <duckdb/optimizer/remove_duplicate_groups.hpp>
#include <duckdb/optimizer/remove_unused_columns.hpp>
#include <duckdb/optimizer/rule.hpp>
#include <duckdb/optimizer/unnest_rewriter.hpp>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/list.hpp>
#include <duckdb/planner/planner.hpp>
#include <functional>
#include <map>
#include <typeinfo>

#include "sql/bind/bind_failure.h"
#include "sql/functions/window_functions.h"

namespace laminar::sql {

using duckdb::Expression;
using duckdb::ExpressionIterator;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using OperatorPtr = duckdb::unique_ptr<LogicalOperator>;

int64_t location_of(const Expression& expression) {
  if (expression.GetQueryLocation().IsValid()) return static_cast<int64_t>(expression.GetQueryLocation().GetIndex());
  int64_t offset = -1;
  ExpressionIterator::EnumerateChildren(expression, [&](const Expression& child) {
    if (offset < 0) offset = location_of(child);
  });
  return offset;
}

namespace {

// Functions that give another result for the same row: before optimizing, for now() becomes a constant there.
void refuse_volatile(const Expression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION) {
    const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
    // A scalar subquery comes with a call of error() for a second row.
    if (call.function.name != "error" && call.function.GetStability() != duckdb::FunctionStability::CONSISTENT) {
      throw BindFailure(ErrorCode::kNotDeterministic,
                        call.function.name +
                            "() gives another result each time: a view must give the same for the same "
                            "input; use a column of the source instead",
                        location_of(expression));
    }
  }
  ExpressionIterator::EnumerateChildren(expression, [](const Expression& child) { refuse_volatile(child); });
}

void visit_operators(LogicalOperator& op, const std::function<void(LogicalOperator&)>& visit) {
  visit(op);
  for (auto& child : op.children) visit_operators(*child, visit);
}

void check_bound_plan(LogicalOperator& root) {
  visit_operators(root, [](LogicalOperator& op) {
    duckdb::LogicalOperatorVisitor::EnumerateExpressions(
        op, [](duckdb::unique_ptr<Expression>* expression) { refuse_volatile(**expression); });
    if (op.type != LogicalOperatorType::LOGICAL_GET) return;
    auto& get = op.Cast<duckdb::LogicalGet>();
    for (const auto& column : get.GetColumnIds()) {
      if (column.IsVirtualColumn() && get.virtual_columns.find(column.GetPrimaryIndex()) != get.virtual_columns.end() &&
          column.GetPrimaryIndex() != duckdb::COLUMN_IDENTIFIER_EMPTY) {
        throw BindFailure(ErrorCode::kNotIncremental, "row ids change from tick to tick: a view cannot use rowid", -1);
      }
    }
    // The scan may take filters for itself when it runs ad hoc; in a view they all stay in the plan.
    get.function.pushdown_complex_filter = nullptr;
    get.function.filter_pushdown = false;
  });
}

// Binding leaves positions on the references to aggregates and window functions; the functions themselves get them
// here.
void locate_functions(LogicalOperator& root) {
  std::map<std::pair<duckdb::idx_t, duckdb::idx_t>, Expression*> functions;
  visit_operators(root, [&](LogicalOperator& op) {
    duckdb::idx_t table;
    if (op.type == LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) {
      table = op.Cast<duckdb::LogicalAggregate>().aggregate_index;
    } else if (op.type == LogicalOperatorType::LOGICAL_WINDOW) {
      table = op.Cast<duckdb::LogicalWindow>().window_index;
    } else {
      return;
    }
    for (duckdb::idx_t i = 0; i < op.expressions.size(); i++) functions[{table, i}] = op.expressions[i].get();
  });
  const std::function<void(const Expression&)> look = [&](const Expression& expression) {
    if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF) {
      const auto& binding = expression.Cast<duckdb::BoundColumnRefExpression>().binding;
      const auto found = functions.find({binding.table_index, binding.column_index});
      if (found != functions.end() && !found->second->GetQueryLocation().IsValid()) {
        found->second->SetQueryLocation(expression.GetQueryLocation());
      }
      return;
    }
    ExpressionIterator::EnumerateChildren(expression, look);
  };
  visit_operators(root, [&](LogicalOperator& op) {
    duckdb::LogicalOperatorVisitor::EnumerateExpressions(
        op, [&](duckdb::unique_ptr<Expression>* expression) { look(**expression); });
  });
}

bool is_window_list(const Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_UNNEST) return false;
  const auto& child = *expression.Cast<duckdb::BoundUnnestExpression>().child;
  if (child.GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return false;
  const std::string& name = child.Cast<duckdb::BoundFunctionExpression>().function.name;
  return name == kWindowStarts || name == kWindowEnds;
}

// The lateral join that window_ast.h makes for GROUP BY, as binding leaves it:
//
//   DELIM_JOIN (inner; left column IS NOT DISTINCT FROM right column)
//     left
//     PROJECTION p: unnested starts, unnested ends, correlated columns
//       UNNEST of the windows over DELIM_GET
//
// becomes UNNEST (with p's table index) over left: the projection's first columns are the unnested lists, so bindings
// above stay as they are. DuckDB's UnnestRewriter would do it later, but not once filters sit between.
void replace_window_join(OperatorPtr& op) {
  for (auto& child : op->children) replace_window_join(child);
  if (op->type != LogicalOperatorType::LOGICAL_DELIM_JOIN && op->type != LogicalOperatorType::LOGICAL_COMPARISON_JOIN)
    return;
  auto& join = op->Cast<duckdb::LogicalComparisonJoin>();
  if (join.join_type != duckdb::JoinType::INNER || join.children[1]->type != LogicalOperatorType::LOGICAL_PROJECTION)
    return;
  auto& projection = join.children[1]->Cast<duckdb::LogicalProjection>();
  if (projection.children[0]->type != LogicalOperatorType::LOGICAL_UNNEST) return;
  auto& unnest = projection.children[0]->Cast<duckdb::LogicalUnnest>();
  if (unnest.children[0]->type != LogicalOperatorType::LOGICAL_DELIM_GET || unnest.expressions.size() != 2 ||
      !is_window_list(*unnest.expressions[0]) || !is_window_list(*unnest.expressions[1])) {
    return;
  }
  const auto as_column = [](const Expression& expression) -> const duckdb::BoundColumnRefExpression* {
    return expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF
               ? &expression.Cast<duckdb::BoundColumnRefExpression>()
               : nullptr;
  };
  const duckdb::idx_t table = projection.table_index;
  for (duckdb::idx_t i = 0; i < 2; i++) {
    const auto* column = as_column(*projection.expressions[i]);
    if (!column || column->binding.table_index != unnest.unnest_index || column->binding.column_index != i) return;
  }
  const auto replace_correlated = [&](const auto& self, duckdb::unique_ptr<Expression>& expression) -> bool {
    if (const auto* column = as_column(*expression)) {
      for (const auto& condition : join.conditions) {
        const auto* right = as_column(*condition.right);
        if (!right || right->binding.table_index != table) continue;
        const auto* source = as_column(*projection.expressions[right->binding.column_index]);
        if (source && source->binding == column->binding) {
          expression = condition.left->Copy();
          return true;
        }
      }
      return false;
    }
    bool all = true;
    ExpressionIterator::EnumerateChildren(
        *expression, [&](duckdb::unique_ptr<Expression>& child) { all = self(self, child) && all; });
    return all;
  };
  auto replacement = duckdb::make_uniq<duckdb::LogicalUnnest>(table);
  for (auto& expression : unnest.expressions) {
    auto copy = expression->Copy();
    if (!replace_correlated(replace_correlated, copy)) return;
    replacement->expressions.push_back(std::move(copy));
  }
  replacement->children.push_back(std::move(join.children[0]));
  op = std::move(replacement);
}

// The columns of a table of windows are the input's and then the window's; see window_ast.h. Two of one name could not
// be told apart.
void check_window_columns(LogicalOperator& root) {
  visit_operators(root, [](LogicalOperator& op) {
    if (op.type != LogicalOperatorType::LOGICAL_PROJECTION ||
        op.children[0]->type != LogicalOperatorType::LOGICAL_UNNEST)
      return;
    auto& unnest = op.children[0]->Cast<duckdb::LogicalUnnest>();
    if (!is_window_list(*unnest.expressions[0])) return;
    for (const auto& expression : op.expressions) {
      if (expression->GetExpressionClass() != duckdb::ExpressionClass::BOUND_COLUMN_REF ||
          expression->Cast<duckdb::BoundColumnRefExpression>().binding.table_index == unnest.unnest_index) {
        continue;
      }
      const std::string name = expression->GetName();
      if (duckdb::StringUtil::CIEquals(name, kWindowStart) || duckdb::StringUtil::CIEquals(name, kWindowEnd)) {
        throw BindFailure(
            ErrorCode::kBindError,
            "the table of the window function has a column " + name + " already: give it another name in a subquery",
            location_of(*unnest.expressions[0]));
      }
    }
  });
}

// Rules that turn an aggregate's ORDER BY into functions over encoded sort keys: our aggregates order by columns.
bool is_unwanted(const duckdb::Rule& rule) {
  return std::strstr(typeid(rule).name(), "OrderedAggregateOptimizer") != nullptr;
}

}  // namespace

bool has_empty_part(const LogicalOperator& plan) {
  return plan.type == LogicalOperatorType::LOGICAL_EMPTY_RESULT ||
         std::any_of(plan.children.begin(), plan.children.end(), [](const auto& child) { return has_empty_part(*child); });
}

RewrittenQuery rewrite_query(duckdb::ClientContext& context, duckdb::unique_ptr<duckdb::SQLStatement> statement,
                             FilterPlace filters) {
  duckdb::Planner planner(context);
  planner.CreatePlan(std::move(statement));
  if (!planner.plan) throw BindFailure(ErrorCode::kInternal, "DuckDB has made no plan", -1);
  RewrittenQuery query;
  query.names.assign(planner.names.begin(), planner.names.end());
  query.binder = planner.binder;
  auto plan = std::move(planner.plan);
  check_bound_plan(*plan);
  locate_functions(*plan);
  replace_window_join(plan);
  check_window_columns(*plan);

  duckdb::Optimizer optimizer(*planner.binder, context);
  auto& rules = optimizer.rewriter.rules;
  for (size_t i = rules.size(); i-- > 0;) {
    if (is_unwanted(*rules[i])) rules.erase(rules.begin() + static_cast<std::ptrdiff_t>(i));
  }
  optimizer.rewriter.VisitOperator(*plan);
  if (filters == FilterPlace::kPushedDown) {
    duckdb::FilterPullup pullup;
    plan = pullup.Rewrite(std::move(plan));
    duckdb::FilterPushdown pushdown(optimizer);
    duckdb::unordered_set<duckdb::idx_t> top;
    pushdown.CheckMarkToSemi(*plan, top);
    plan = pushdown.Rewrite(std::move(plan));
  }
  duckdb::Deliminator deliminator;
  plan = deliminator.Optimize(std::move(plan));
  duckdb::UnnestRewriter unnest;
  plan = unnest.Optimize(std::move(plan));
  duckdb::RemoveUnusedColumns unused(optimizer);
  unused.VisitOperator(*plan);
  duckdb::RemoveDuplicateGroups duplicate_groups;
  duplicate_groups.VisitOperator(*plan);
  duckdb::CommonSubExpressionOptimizer common(*planner.binder);
  common.VisitOperator(*plan);
  duckdb::CommonAggregateOptimizer common_aggregates;
  common_aggregates.VisitOperator(*plan);

  plan->ResolveOperatorTypes();
  duckdb::ColumnBindingResolver resolver;
  resolver.VisitOperator(*plan);
  query.plan = std::move(plan);
  return query;
}

}  // namespace laminar::sql
