#include <algorithm>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/operator/list.hpp>

#include "base/check.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/passes.h"
#include "sql/bind/translator.h"

namespace laminar::sql {

using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using plan::NodePtr;
using plan::TopNNode;

namespace {

constexpr uint64_t kTopNRowsMax = 10'000'000;

std::optional<TopNNode::Rank> rank_of(const duckdb::BoundWindowExpression& window) {
  switch (window.GetExpressionType()) {
    case ExpressionType::WINDOW_ROW_NUMBER:
      return TopNNode::Rank::kRowNumber;
    case ExpressionType::WINDOW_RANK:
      return TopNNode::Rank::kRank;
    case ExpressionType::WINDOW_RANK_DENSE:
      return TopNNode::Rank::kDenseRank;
    default:
      return std::nullopt;
  }
}

std::string function_name(const duckdb::BoundWindowExpression& window) {
  switch (window.GetExpressionType()) {
    case ExpressionType::WINDOW_ROW_NUMBER:
      return "row_number";
    case ExpressionType::WINDOW_RANK:
      return "rank";
    case ExpressionType::WINDOW_RANK_DENSE:
      return "dense_rank";
    case ExpressionType::WINDOW_AGGREGATE:
      return window.aggregate ? window.aggregate->name : "aggregate";
    default: {
      std::string text = duckdb::StringUtil::Lower(duckdb::ExpressionTypeToString(window.GetExpressionType()));
      return text.starts_with("window_") ? text.substr(7) : text;
    }
  }
}

bool same_window(const duckdb::BoundWindowExpression& left, const duckdb::BoundWindowExpression& right) {
  if (left.GetExpressionType() != right.GetExpressionType() || left.partitions.size() != right.partitions.size() ||
      left.orders.size() != right.orders.size()) {
    return false;
  }
  for (size_t i = 0; i < left.partitions.size(); i++) {
    if (!left.partitions[i]->Equals(*right.partitions[i])) return false;
  }
  for (size_t i = 0; i < left.orders.size(); i++) {
    if (!left.orders[i].Equals(right.orders[i])) return false;
  }
  return true;
}

// `rank <= n`, `rank < n`, `rank = n` in either order, and BETWEEN, as an upper bound of the rank in column `first` or
// above.
struct RankBound {
  int64_t upper = 0;
  bool says_all = false;  // the bound is the whole condition
};
std::optional<RankBound> rank_bound(const duckdb::Expression& condition, duckdb::idx_t first) {
  const auto is_rank = [&](const duckdb::Expression& side) {
    return side.GetExpressionClass() == ExpressionClass::BOUND_REF &&
           side.Cast<duckdb::BoundReferenceExpression>().index >= first;
  };
  const auto integer = [](const duckdb::Expression& side) -> std::optional<int64_t> {
    if (side.GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) return std::nullopt;
    const auto& value = side.Cast<duckdb::BoundConstantExpression>().value;
    if (value.IsNull() || !value.type().IsIntegral()) return std::nullopt;
    return value.GetValue<int64_t>();
  };
  if (condition.GetExpressionClass() == ExpressionClass::BOUND_BETWEEN) {
    const auto& between = condition.Cast<duckdb::BoundBetweenExpression>();
    const auto upper = integer(*between.upper);
    if (!is_rank(*between.input) || !upper) return std::nullopt;
    return RankBound{between.upper_inclusive ? *upper : *upper - 1, false};
  }
  if (condition.GetExpressionClass() != ExpressionClass::BOUND_COMPARISON) return std::nullopt;
  const auto& comparison = condition.Cast<duckdb::BoundComparisonExpression>();
  ExpressionType type = condition.GetExpressionType();
  const duckdb::Expression* rank = comparison.left.get();
  const duckdb::Expression* limit = comparison.right.get();
  if (!is_rank(*rank)) {
    std::swap(rank, limit);
    type = duckdb::FlipComparisonExpression(type);
  }
  if (!is_rank(*rank)) return std::nullopt;
  const auto value = integer(*limit);
  if (!value) return std::nullopt;
  switch (type) {
    case ExpressionType::COMPARE_LESSTHANOREQUALTO:
      return RankBound{*value, true};
    case ExpressionType::COMPARE_LESSTHAN:
      return RankBound{*value - 1, true};
    case ExpressionType::COMPARE_EQUAL:
      return RankBound{*value, *value == 1};
    default:
      return std::nullopt;
  }
}

}  // namespace

// Output: the input's columns, then `rank_columns` times the rank.
NodePtr Translator::top_n(NodePtr input, const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& partition,
                          const duckdb::vector<duckdb::BoundOrderByNode>* order, TopNNode::Rank rank, uint64_t limit,
                          uint64_t offset_rows, size_t rank_columns, int64_t offset) {
  const uint32_t width = static_cast<uint32_t>(input->columns.size());
  auto node = std::make_unique<TopNNode>();
  ColumnSet columns(*this, *input);
  columns.add_all();
  for (const auto& key : partition) node->partition.push_back(columns.add(*key));
  if (order) {
    for (const auto& key : *order) node->order_by.push_back(sort_key(columns.add(*key.expression), key));
  }
  input = columns.apply(std::move(input));
  node->rank = rank;
  node->limit = limit;
  node->offset_rows = offset_rows;
  node->output_rank = rank_columns > 0;
  node->offset = offset;
  for (const uint32_t key : node->partition) {
    if (input->columns[key].time_offset_us && !node->time_partition) node->time_partition = key;
  }
  node->columns = input->columns;
  const uint32_t rank_column = static_cast<uint32_t>(node->columns.size());
  if (rank_columns > 0) node->columns.push_back({"rank", data::Type::of(data::TypeKind::kInt64), std::nullopt});
  node->inputs.push_back(std::move(input));
  NodePtr result = finished(std::move(node));
  std::vector<uint32_t> output;
  for (uint32_t i = 0; i < width; i++) output.push_back(i);
  for (size_t i = 0; i < rank_columns; i++) output.push_back(rank_column);
  return project_columns(std::move(result), output);
}

// row_number(), rank() or dense_rank() with an upper bound, in QUALIFY or around a subquery. `filter` may be null: then
// there is no bound.
NodePtr Translator::rank(duckdb::LogicalFilter* filter, duckdb::LogicalWindow& window) {
  const auto& first = window.expressions[0]->Cast<duckdb::BoundWindowExpression>();
  const auto position = [&](const duckdb::Expression& expression) {
    const int64_t at = location_of(expression);
    return at >= 0 ? at : facts_.window_function >= 0 ? facts_.window_function : facts_.first;
  };
  for (const auto& expression : window.expressions) {
    const auto& bound = expression->Cast<duckdb::BoundWindowExpression>();
    if (!rank_of(bound)) {
      throw BindFailure(ErrorCode::kNotIncremental,
                        function_name(bound) +
                            "() OVER (...) cannot run incrementally yet: only row_number(), rank() and "
                            "dense_rank() with an upper bound can, such as QUALIFY row_number() OVER (...) <= 3",
                        position(bound));
    }
    if (!same_window(bound, first)) {
      throw BindFailure(ErrorCode::kNotIncremental,
                        "two different rankings in one query cannot run incrementally: put one into "
                        "a view of its own",
                        position(bound));
    }
    if (!bound.arg_orders.empty() || bound.filter_expr || bound.exclude_clause != duckdb::WindowExcludeMode::NO_OTHER) {
      throw BindFailure(ErrorCode::kNotIncremental,
                        function_name(bound) +
                            "() with FILTER, EXCLUDE or ORDER BY in its arguments "
                            "cannot run incrementally",
                        position(bound));
    }
  }
  NodePtr input = translate(*window.children[0]);
  const uint32_t width = static_cast<uint32_t>(input->columns.size());

  std::optional<int64_t> upper;
  if (filter) {
    for (const auto& condition : filter->expressions) {
      if (const auto bound = rank_bound(*condition, width))
        upper = upper ? std::min(*upper, bound->upper) : bound->upper;
    }
  }
  if (!upper) {
    throw BindFailure(ErrorCode::kNotIncremental,
                      function_name(first) + "() needs a constant upper bound to run incrementally, such as QUALIFY " +
                          function_name(first) + "() OVER (...) <= 3",
                      position(first));
  }
  if (*upper > static_cast<int64_t>(kTopNRowsMax)) {
    throw BindFailure(ErrorCode::kLimitExceeded,
                      "a bound of " + std::to_string(*upper) + " rows is too large for a ranking", position(first));
  }
  if (*upper < 1) return empty(*filter);

  NodePtr result = top_n(std::move(input), first.partitions, &first.orders, *rank_of(first),
                         static_cast<uint64_t>(*upper), 0, window.expressions.size(), position(first));
  // What the bound does not say stays a condition on the rank: rank = 3, rank BETWEEN 2 AND 5, and other columns'.
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> rest;
  for (const auto& condition : filter->expressions) {
    const auto bound = rank_bound(*condition, width);
    if (bound && bound->says_all) continue;
    rest.push_back(condition->Copy());
  }
  auto predicate = conjunction(rest, result->columns);
  return filtered(std::move(result), std::move(predicate));
}

// ORDER BY .. LIMIT n [OFFSET m].
NodePtr Translator::limit(duckdb::LogicalLimit& bound) {
  const int64_t position = facts_.limit >= 0 ? facts_.limit : facts_.order_by >= 0 ? facts_.order_by : facts_.first;
  const auto constant = [&](const duckdb::BoundLimitNode& node, const char* what) -> std::optional<uint64_t> {
    if (node.Type() == duckdb::LimitNodeType::UNSET) return std::nullopt;
    if (node.Type() != duckdb::LimitNodeType::CONSTANT_VALUE) {
      throw BindFailure(ErrorCode::kNotIncremental, std::string(what) + " of a view must be a constant number of rows",
                        position);
    }
    return node.GetConstantValue();
  };
  const auto rows = constant(bound.limit_val, "LIMIT");
  const uint64_t offset_rows = constant(bound.offset_val, "OFFSET").value_or(0);
  if (!rows) {
    throw BindFailure(ErrorCode::kNotIncremental, "OFFSET without LIMIT cannot run incrementally", position);
  }
  duckdb::LogicalOperator& child = *bound.children[0];
  if (child.type != duckdb::LogicalOperatorType::LOGICAL_ORDER_BY) {
    throw BindFailure(ErrorCode::kNotIncremental, "LIMIT needs ORDER BY: without it a view could keep any rows",
                      position);
  }
  auto& order = child.Cast<duckdb::LogicalOrder>();
  CHECK(!order.HasProjectionMap());
  if (*rows > kTopNRowsMax || offset_rows > kTopNRowsMax) {
    throw BindFailure(ErrorCode::kLimitExceeded,
                      "LIMIT and OFFSET of a view may each be at most " + std::to_string(kTopNRowsMax), position);
  }
  if (*rows == 0) return empty(bound);
  return top_n(translate(*order.children[0]), {}, &order.orders, TopNNode::Rank::kRowNumber, *rows, offset_rows, 0,
               facts_.order_by >= 0 ? facts_.order_by : position);
}

// The first row of each key, by the ORDER BY, else by arrival.
NodePtr Translator::distinct_on(duckdb::LogicalDistinct& bound) {
  return top_n(translate(*bound.children[0]), bound.distinct_targets,
               bound.order_by ? &bound.order_by->orders : nullptr, TopNNode::Rank::kRowNumber, 1, 0, 0,
               bound.distinct_targets.empty() ? facts_.first : location_of(*bound.distinct_targets[0]));
}

}  // namespace laminar::sql
