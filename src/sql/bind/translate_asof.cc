// ASOF joins and FOR SYSTEM_TIME AS OF; the markers are those of asof_ast.h.
#include <algorithm>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_comparison_join.hpp>
#include <duckdb/planner/operator/logical_unnest.hpp>
#include <optional>

#include "plan/properties.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/passes.h"
#include "sql/bind/translator.h"
#include "sql/functions/join_markers.h"

namespace laminar::sql {

using duckdb::ExpressionType;
using plan::AsofNode;
using plan::Node;
using plan::NodePtr;
using BoundPtr = duckdb::unique_ptr<duckdb::Expression>;

namespace {

// What the markers of a condition say.
struct Markers {
  bool nearest = false, horizon = false;
  std::optional<int64_t> tolerance_us;
  int64_t earliest_us = 0, latest_us = 0;
  AsofNode::Versions versions = AsofNode::Versions::kRows;
};

// Reads and takes out the markers in an expression.
void take_markers(BoundPtr& expression, Markers& markers) {
  if (expression->GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION) {
    auto& call = expression->Cast<duckdb::BoundFunctionExpression>();
    const auto value = [&](size_t i) { return call.children[i]->Cast<duckdb::BoundConstantExpression>().value; };
    const std::string& name = call.function.name;
    if (name == kAsofMarker) {
      markers.nearest = value(1).GetValue<bool>();
      if (const int64_t us = value(2).GetValue<int64_t>(); us >= 0) markers.tolerance_us = us;
      const int64_t earliest = value(3).GetValue<int64_t>(), latest = value(4).GetValue<int64_t>();
      markers.horizon = earliest <= latest;
      if (markers.horizon) {
        markers.earliest_us = earliest;
        markers.latest_us = latest;
      }
    } else if (name == kVersionMarker) {
      markers.versions = value(1).ToString() == "current" ? AsofNode::Versions::kCurrent : AsofNode::Versions::kByChange;
    } else if (name == kVersionTimeMarker) {
      markers.versions = AsofNode::Versions::kByTime;
    }
    if (name == kAsofMarker || name == kVersionMarker || name == kVersionTimeMarker) {
      BoundPtr inner = std::move(call.children[0]);
      expression = std::move(inner);
      return;
    }
  }
  duckdb::ExpressionIterator::EnumerateChildren(*expression, [&](BoundPtr& child) { take_markers(child, markers); });
}

// The one column under a sum of a time and an offset.
std::optional<uint32_t> time_under(const expr::Expr& expression) {
  if (expression.kind == expr::ExprKind::kColumn) {
    return expression.type.is_timestamp() ? std::optional<uint32_t>(expression.column) : std::nullopt;
  }
  std::optional<uint32_t> found;
  for (const expr::ExprPtr& arg : expression.args) {
    const auto inner = time_under(*arg);
    if (inner && found && *inner != *found) return std::nullopt;
    if (inner) found = inner;
  }
  return found;
}

}  // namespace

NodePtr Translator::asof_join(duckdb::LogicalComparisonJoin& op) {
  using Versions = AsofNode::Versions;
  const int64_t join_at = facts_.join >= 0 ? facts_.join : facts_.first;
  int64_t position = join_at;
  const auto refuse = [&](ErrorCode code, const std::string& message) { throw BindFailure(code, message, position); };
  if (op.join_type != duckdb::JoinType::INNER && op.join_type != duckdb::JoinType::LEFT) {
    refuse(ErrorCode::kNotImplemented, "of ASOF joins a view takes JOIN and LEFT JOIN");
  }
  if (op.HasProjectionMap()) refuse(ErrorCode::kInternal, "a join with a projection map");

  NodePtr left = translate(*op.children[0]), right = translate(*op.children[1]);
  const size_t left_width = left->columns.size(), right_width = right->columns.size();
  auto node = std::make_unique<AsofNode>();
  node->join = op.join_type == duckdb::JoinType::LEFT ? plan::JoinKind::kLeft : plan::JoinKind::kInner;
  ColumnSet left_columns(*this, *left), right_columns(*this, *right);
  left_columns.add_all();
  right_columns.add_all();
  Markers markers;
  BoundPtr left_time, right_time;
  ExpressionType comparison = ExpressionType::INVALID;
  for (auto& condition : op.conditions) {
    const bool null_equal = condition.comparison == ExpressionType::COMPARE_NOT_DISTINCT_FROM;
    if (condition.comparison == ExpressionType::COMPARE_EQUAL || null_equal) {
      if (node->keys.size() == 32) refuse(ErrorCode::kNotImplemented, "more than 32 equalities in a join are not implemented yet");
      node->keys.push_back({left_columns.add(*condition.left), right_columns.add(*condition.right), null_equal});
      continue;
    }
    if (left_time) refuse(ErrorCode::kNotIncremental, "an ASOF join compares one pair of times");
    left_time = condition.left->Copy();
    right_time = condition.right->Copy();
    comparison = condition.comparison;
  }
  if (!left_time) refuse(ErrorCode::kNotIncremental, "an ASOF join compares a pair of times, as in a.ts >= b.ts");
  take_markers(left_time, markers);
  take_markers(right_time, markers);
  if (const int64_t at = location_of(*left_time); at >= 0 && facts_.join < 0) position = at;
  node->offset = position;
  node->versions = markers.versions;
  node->tolerance_us = markers.tolerance_us;
  node->probe_min_us = markers.earliest_us;
  node->probe_max_us = markers.latest_us;
  const bool forward = comparison == ExpressionType::COMPARE_LESSTHAN || comparison == ExpressionType::COMPARE_LESSTHANOREQUALTO;
  node->strict = comparison == ExpressionType::COMPARE_LESSTHAN || comparison == ExpressionType::COMPARE_GREATERTHAN;
  node->match = markers.nearest ? AsofNode::Match::kNearest : forward ? AsofNode::Match::kForward : AsofNode::Match::kBackward;
  if (markers.nearest) node->strict = false;
  const bool temporal = node->versions != Versions::kRows;
  const bool current = node->versions == Versions::kCurrent;
  const std::string what = temporal ? "FOR SYSTEM_TIME AS OF" : "an ASOF join";

  // A condition on left columns alone stays in a LEFT JOIN; of others DuckDB leaves what reads both sides.
  if (op.predicate) {
    bool reads_right = false;
    BoundPtr predicate = op.predicate->Copy();
    duckdb::ExpressionIterator::VisitExpressionMutable<duckdb::BoundReferenceExpression>(
        predicate, [&](duckdb::BoundReferenceExpression& reference, BoundPtr&) { reads_right |= reference.index >= left_width; });
    if (reads_right) {
      refuse(ErrorCode::kNotImplemented,
             what + " in a view takes equalities between its sides, one comparison of times, and conditions on one side; for "
                    "others write WHERE, which sees the row that was chosen");
    }
    node->left_condition = left_columns.add(*predicate);
  }

  if (current) {
    node->left_time = node->left_probe = 0;
  } else {
    node->left_probe = left_columns.add(*left_time);
    node->left_time = node->left_probe;
    if (markers.horizon) {
      const auto column = time_under(*expression(*left_time, left->columns));
      if (!column) refuse(ErrorCode::kNotImplemented, "with HORIZON the left time is a column");
      node->left_time = *column;
    }
  }
  if (node->right_has_time()) node->right_time = right_columns.add(*right_time);

  const bool streams = passes_stream(*left) || passes_stream(*right);
  const bool left_streams = passes_stream(*left);
  const bool left_keeps = follows_watermark(*left), right_keeps = follows_watermark(*right);
  left = left_columns.apply(std::move(left));
  right = right_columns.apply(std::move(right));
  for (const plan::JoinNode::Key& key : node->keys) {
    if (!(left->columns[key.left].type == right->columns[key.right].type)) {
      refuse(ErrorCode::kInternal, "the sides of an equality have different types");
    }
  }

  if (!current) {
    const data::Type& left_type = left->columns[node->left_probe].type;
    const bool comparable = left_type.physical() == data::Physical::kI64 &&
                            (left_type.is_timestamp() || left_type.kind == data::TypeKind::kInt64);
    const bool timestamps = left_type.kind == data::TypeKind::kTimestamp || left_type.kind == data::TypeKind::kTimestampTz;
    if (!comparable || ((node->tolerance_us || temporal) && !timestamps)) {
      refuse(ErrorCode::kNotImplemented, what + " in a view compares times of type TIMESTAMP" + (temporal || node->tolerance_us ? "" : " or BIGINT") +
                                             ", not " + left_type.text());
    }
    if (node->right_has_time() && !(right->columns[node->right_time].type == left_type)) {
      refuse(ErrorCode::kInternal, "the times of the join have different types");
    }
  }
  const auto needs_time = [&](const Node& side, uint32_t column, bool keeps, const char* which) {
    if (side.columns[column].time_form != plan::TimeForm::kNone) {
      refuse(ErrorCode::kNotImplemented, what + " in a view needs its event time as TIMESTAMP or TIMESTAMPTZ; of the type " +
                                             side.columns[column].type.text() + " it is not implemented yet");
    }
    if (!side.columns[column].time_offset_us) {
      refuse(ErrorCode::kNeedsWatermark,
             what + " of a stream keeps all rows unless watermarks say when they may go: the time of the " + which +
                 " side has none; declare WATERMARK FOR it, or " + (temporal ? "use FOR SYSTEM_TIME AS OF PROCTIME()"
                                                                             : "join materialized views, which keep their rows anyway"));
    }
    if (side.append_only || keeps || (temporal && &side == right.get())) return;
    refuse(ErrorCode::kNotIncremental,
           std::string("rows of the ") + which + " side can change behind its watermark, so no row of this ASOF join would ever be final" +
               (&side == right.get() ? "; for the version that was valid at a time write JOIN ... FOR SYSTEM_TIME AS OF" : ""));
  };
  if (current) {
    if (!left->append_only) {
      refuse(ErrorCode::kNotIncremental,
             "rows of the left side are taken back, and what they met by FOR SYSTEM_TIME AS OF PROCTIME() is not known any more: "
             "the left side must only grow");
    }
  } else if (streams) {
    if (temporal && !left_streams) {
      refuse(ErrorCode::kUnboundedState,
             "a table or view on the left keeps its rows for ever, so all versions of a stream would be kept: the left side of FOR "
             "SYSTEM_TIME AS OF is a stream");
    }
    needs_time(*left, node->left_time, left_keeps, "left");
    if (node->right_has_time()) needs_time(*right, node->right_time, right_keeps, "right");
    node->timed = true;
  } else {
    node->timed = left_keeps && right_keeps && left->columns[node->left_time].time_offset_us && node->right_has_time() &&
                  right->columns[node->right_time].time_offset_us;
  }
  if (temporal && !right->append_only) {
    // One version at a time: what identifies a row of the right side is compared.
    const bool covered = !right->key.empty() && std::all_of(right->key.begin(), right->key.end(), [&](uint32_t column) {
      return std::any_of(node->keys.begin(), node->keys.end(), [&](const plan::JoinNode::Key& key) { return key.right == column; });
    });
    if (!covered) {
      refuse(ErrorCode::kNotIncremental,
             "the right side of FOR SYSTEM_TIME AS OF needs a key that ON compares whole, so that a row has one version at a time: a PRIMARY "
             "KEY, or in a view its GROUP BY or DISTINCT ON");
    }
  }

  const size_t left_all = left->columns.size();
  node->columns = left->columns;
  node->columns.insert(node->columns.end(), right->columns.begin(), right->columns.end());
  for (plan::OutputColumn& column : node->columns) column.time_offset_us.reset();
  // Premature answers at a later time would be many: HORIZON waits for the watermark in every mode.
  node->on_final = node->timed && markers.horizon;
  node->inputs.push_back(std::move(left));
  node->inputs.push_back(std::move(right));
  std::vector<uint32_t> outputs;
  for (uint32_t i = 0; i < left_width; i++) outputs.push_back(i);
  for (uint32_t i = 0; i < right_width; i++) outputs.push_back(static_cast<uint32_t>(left_all) + i);
  return project_columns(finished(std::move(node)), outputs);
}

// UNNEST of the offsets of HORIZON. Null for any other UNNEST.
NodePtr Translator::horizon(duckdb::LogicalUnnest& unnest) {
  if (unnest.expressions.size() != 1 || unnest.expressions[0]->GetExpressionClass() != duckdb::ExpressionClass::BOUND_UNNEST) return nullptr;
  const auto& list = *unnest.expressions[0]->Cast<duckdb::BoundUnnestExpression>().child;
  if (list.GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) return nullptr;
  const duckdb::Value& value = list.Cast<duckdb::BoundConstantExpression>().value;
  if (value.type().id() != duckdb::LogicalTypeId::LIST || duckdb::ListType::GetChildType(value.type()) != duckdb::LogicalType::INTERVAL ||
      value.IsNull() || duckdb::ListValue::GetChildren(value).empty()) {
    return nullptr;
  }
  auto node = std::make_unique<plan::HorizonNode>();
  for (const duckdb::Value& item : duckdb::ListValue::GetChildren(value)) {
    if (item.IsNull()) return nullptr;
    const auto interval = item.GetValue<duckdb::interval_t>();
    if (interval.months != 0 || interval.days != 0) return nullptr;
    node->offsets_us.push_back(interval.micros);
  }
  NodePtr input = translate(*unnest.children[0]);
  for (const auto& column : input->columns) node->columns.push_back({column.name, column.type, std::nullopt});
  node->columns.push_back({kHorizonColumn, data::Type::of(data::TypeKind::kInterval), std::nullopt});
  node->offset = input->offset;
  node->inputs.push_back(std::move(input));
  return finished(std::move(node));
}

}  // namespace laminar::sql
