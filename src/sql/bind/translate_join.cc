#include <algorithm>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_any_join.hpp>
#include <duckdb/planner/operator/logical_comparison_join.hpp>
#include <functional>
#include <limits>
#include <optional>

#include "plan/properties.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/join_conditions.h"
#include "sql/bind/join_times.h"
#include "sql/bind/passes.h"
#include "sql/bind/translator.h"

namespace laminar::sql {

using duckdb::ExpressionType;
using duckdb::LogicalOperatorType;
using plan::JoinKind;
using plan::JoinNode;
using plan::Node;
using plan::NodePtr;
using BoundPtr = duckdb::unique_ptr<duckdb::Expression>;

namespace {

std::optional<JoinKind> kind_of(duckdb::JoinType type) {
  switch (type) {
    case duckdb::JoinType::INNER: return JoinKind::kInner;
    case duckdb::JoinType::LEFT: return JoinKind::kLeft;
    case duckdb::JoinType::RIGHT: return JoinKind::kRight;
    case duckdb::JoinType::OUTER: return JoinKind::kFull;
    case duckdb::JoinType::SEMI: return JoinKind::kSemi;
    case duckdb::JoinType::ANTI: return JoinKind::kAnti;
    default: return std::nullopt;
  }
}

}  // namespace

// Whether all rows of a stream pass through the node; what groups or ranks them keeps less.
bool Translator::passes_stream(const Node& node) const {
  if (node.kind == plan::NodeKind::kScan) return !objects_.at(static_cast<const plan::ScanNode&>(node).object)->holds_content;
  if (node.kind == plan::NodeKind::kAggregate || node.kind == plan::NodeKind::kTopN) return false;
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](const NodePtr& input) { return passes_stream(*input); });
}

// Whether no row changes behind the node's watermark, late rows of streams aside: not so for tables and views, and groups
// without a window, which take rows of any time.
bool Translator::follows_watermark(const Node& node) const {
  switch (node.kind) {
    case plan::NodeKind::kScan: return !objects_.at(static_cast<const plan::ScanNode&>(node).object)->holds_content;
    case plan::NodeKind::kAggregate: return static_cast<const plan::AggregateNode&>(node).window.has_value();
    case plan::NodeKind::kTopN: return false;
    case plan::NodeKind::kJoin: return static_cast<const JoinNode&>(node).time.has_value();
    case plan::NodeKind::kAsof: return static_cast<const plan::AsofNode&>(node).timed;
    default:
      return std::all_of(node.inputs.begin(), node.inputs.end(), [&](const NodePtr& input) { return follows_watermark(*input); });
  }
}

// Two streams: rows at most the retention apart meet. A stream and what holds its content: the stream's rows stay so long.
void Translator::retain(JoinNode& join, NodePtr& left, NodePtr& right, int64_t position) {
  const auto time_of = [&](NodePtr& side) {
    const auto column = provide_time_column(*side, objects_);
    if (!column) {
      throw BindFailure(ErrorCode::kNeedsWatermark,
                        "retention is counted in event time: declare the source with WATERMARK FOR a column", position);
    }
    return as_timestamp(side, *column);
  };
  used_retention_ = true;
  join.retention.emplace();
  join.retention->us = *retention_us_;
  const bool of_left = passes_stream(*left), of_right = passes_stream(*right);
  if (of_left && of_right) {
    const uint32_t left_time = time_of(left), right_time = time_of(right);
    join.time = JoinNode::TimeBound{left_time, right_time, -*retention_us_, *retention_us_};
    return;
  }
  if (of_left) join.retention->left = time_of(left);
  if (of_right) join.retention->right = time_of(right);
}

// What subqueries in expressions become are joins, too.
NodePtr Translator::join(duckdb::LogicalOperator& op) {
  const bool delim = op.type == LogicalOperatorType::LOGICAL_DELIM_JOIN;
  const bool compares = op.type == LogicalOperatorType::LOGICAL_COMPARISON_JOIN || delim;
  const bool any = op.type == LogicalOperatorType::LOGICAL_ANY_JOIN;
  const bool cross = op.type == LogicalOperatorType::LOGICAL_CROSS_PRODUCT;
  std::optional<JoinKind> kind;
  bool from_subquery = op.type == LogicalOperatorType::LOGICAL_DEPENDENT_JOIN;
  bool single = false, mark = false;
  if (cross) kind = JoinKind::kInner;
  if (compares || any) {
    const duckdb::JoinType type = op.Cast<duckdb::LogicalJoin>().join_type;
    single = type == duckdb::JoinType::SINGLE;
    mark = type == duckdb::JoinType::MARK;
    kind = single ? JoinKind::kLeft : kind_of(type);
    from_subquery = delim || single || mark || type == duckdb::JoinType::SEMI || type == duckdb::JoinType::ANTI;
  }
  const int64_t join_at = facts_.join >= 0 ? facts_.join : facts_.first;
  const int64_t position = (from_subquery || facts_.join < 0) && facts_.subquery >= 0 ? facts_.subquery : join_at;
  const auto refuse = [&](ErrorCode code, const std::string& message) { throw BindFailure(code, message, position); };
  if (delim && op.Cast<duckdb::LogicalComparisonJoin>().delim_flipped) {
    refuse(ErrorCode::kNotImplemented, "this form of a correlated subquery is not implemented yet");
  }
  if (mark && compares) return mark_join(op.Cast<duckdb::LogicalComparisonJoin>(), position);
  if (!kind) {
    if (position == facts_.subquery && position >= 0) {
      refuse(ErrorCode::kNotImplemented, "this form of a subquery in an expression is not implemented yet");
    }
    refuse(ErrorCode::kNotImplemented, "this kind of join in a view is not implemented yet");
  }
  if (!cross && op.Cast<duckdb::LogicalJoin>().HasProjectionMap()) refuse(ErrorCode::kInternal, "a join with a projection map");

  NodePtr left = translate(*op.children[0]);
  if (delim) delim_joins_.push_back(&op.Cast<duckdb::LogicalComparisonJoin>());
  NodePtr right = translate(*op.children[1]);
  if (delim) delim_joins_.pop_back();
  const size_t left_width = left->columns.size(), right_width = right->columns.size();
  JoinConditions conditions;
  if (compares) {
    auto& comparison = op.Cast<duckdb::LogicalComparisonJoin>();
    for (auto& condition : comparison.conditions) {
      conditions.comparisons.push_back({condition.left->Copy(), condition.right->Copy(), condition.comparison});
    }
    if (comparison.predicate) conditions.add(comparison.predicate->Copy(), left_width);
  } else if (any) {
    conditions.add(op.Cast<duckdb::LogicalAnyJoin>().condition->Copy(), left_width);
  }

  if (!single && !delim) {
    if (NodePtr lookup = lookup_join(*kind, conditions, left, right, position)) return lookup;
  }

  // Keys are columns: those that are computed stand behind the columns of their side.
  auto node = std::make_unique<JoinNode>();
  node->join = *kind;
  node->offset = position;
  ColumnSet left_columns(*this, *left), right_columns(*this, *right);
  left_columns.add_all();
  right_columns.add_all();
  TimePairs times;
  const auto is_key = [](const JoinConditions::Comparison& comparison) {
    return comparison.type == ExpressionType::COMPARE_EQUAL || comparison.type == ExpressionType::COMPARE_NOT_DISTINCT_FROM;
  };
  std::vector<uint32_t> unique_by;
  for (JoinConditions::Comparison& comparison : conditions.comparisons) {
    if (is_key(comparison)) {
      if (node->keys.size() == 32) refuse(ErrorCode::kNotImplemented, "more than 32 equalities in a join are not implemented yet");
      const bool null_equal = comparison.type == ExpressionType::COMPARE_NOT_DISTINCT_FROM;
      node->keys.push_back({left_columns.add(*comparison.left), right_columns.add(*comparison.right), null_equal});
      unique_by.push_back(node->keys.back().right);
    } else {
      const auto left_term = time_term(*expression(*comparison.left, left->columns), *left);
      const auto right_term = time_term(*expression(*comparison.right, right->columns), *right);
      if (left_term && right_term && times.add(*left_term, *right_term, comparison.type)) {
        comparison.times = {left_term->column, right_term->column};
      }
    }
  }
  const bool streams = passes_stream(*left) || passes_stream(*right);
  const auto settled = [this](const std::string& object) { return objects_.at(object)->settles; };
  const bool both_settle = plan::settles(*left, settled) && plan::settles(*right, settled);
  const bool timed = streams ? both_settle : follows_watermark(*left) && follows_watermark(*right);
  left = left_columns.apply(std::move(left));
  right = right_columns.apply(std::move(right));
  for (const JoinNode::Key& key : node->keys) {
    const plan::OutputColumn& l = left->columns[key.left];
    const plan::OutputColumn& r = right->columns[key.right];
    if (!(l.type == r.type)) refuse(ErrorCode::kInternal, "the sides of an equality have different types");
    if (key.null_equal) continue;
    if ((l.time_offset_us && r.time_offset_us && l.type.physical() == data::Physical::kI64) ||
        (l.time_form != plan::TimeForm::kNone && l.time_form == r.time_form)) {
      times.add({key.left}, {key.right}, ExpressionType::COMPARE_EQUAL);
    }
  }
  if (single && !at_most_one(*right, unique_by)) {
    refuse(ErrorCode::kNotImplemented,
           "a scalar subquery in a view must give one row at most by its form: let it aggregate, as in (SELECT max(x) ...), or "
           "compare the whole primary key of the table it reads");
  }

  // Tables and views are their own bound, and take rows of any time; streams are bounded by event time alone.
  if (timed) node->time = times.bound();
  const bool never = node->time && node->time->lower_us > node->time->upper_us;
  bool from_conditions = node->time && !never;
  if (never) node->time->upper_us = node->time->lower_us;  // no bound holds less; the conditions say the rest
  if (node->time) {
    const uint32_t left_raw = node->time->left, right_raw = node->time->right;
    node->time->left = as_timestamp(left, left_raw);
    node->time->right = as_timestamp(right, right_raw);
    // Of times in other forms the bound says less than the conditions.
    from_conditions &= node->time->left == left_raw && node->time->right == right_raw;
  }
  if (streams && !node->time) {
    if (!retention_us_) {
      if (!both_settle && times.bound()) {
        refuse(ErrorCode::kUnboundedState,
               "times bound a join of a stream only where rows stay as they are behind the watermark, and a side of this one is a table, "
               "or has rankings or groups without a window: say how long rows of the stream are kept by WITH (retention = '1 hour'), or "
               "join materialized views, which keep their rows anyway");
      }
      refuse(ErrorCode::kUnboundedState,
             "a join of a stream keeps all its rows unless their times are compared: add to ON a condition like b.ts BETWEEN "
             "a.ts - INTERVAL '5 minutes' AND a.ts + INTERVAL '5 minutes' over columns with watermarks, say how long rows are "
             "kept by WITH (retention = '1 hour'), or join materialized views, which keep their rows anyway");
    }
    retain(*node, left, right, position);
  }

  // What a match needs besides its keys and the time bound, over all columns of both sides.
  std::vector<plan::OutputColumn> both = left->columns;
  both.insert(both.end(), right->columns.begin(), right->columns.end());
  const size_t left_all = left->columns.size();
  std::vector<bool> said;
  for (const JoinConditions::Comparison& comparison : conditions.comparisons) {
    said.push_back(is_key(comparison) || (from_conditions && comparison.times &&
                                          *comparison.times == std::pair(node->time->left, node->time->right)));
  }
  const duckdb::vector<BoundPtr> residual = conditions.take_residual(said, left_width, left_all);
  node->residual = conjunction(residual, both);

  node->columns = node->pairs() ? both : left->columns;
  for (plan::OutputColumn& column : node->columns) column.time_offset_us.reset();
  node->inputs.push_back(std::move(left));
  node->inputs.push_back(std::move(right));
  const bool pairs = node->pairs();
  std::vector<uint32_t> outputs;
  for (uint32_t i = 0; i < left_width; i++) outputs.push_back(i);
  for (uint32_t i = 0; pairs && i < right_width; i++) outputs.push_back(static_cast<uint32_t>(left_all) + i);
  return project_columns(finished(std::move(node)), outputs);
}

}  // namespace laminar::sql
