#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/operator/list.hpp>

#include "sql/bind/bind_failure.h"
#include "sql/bind/passes.h"
#include "sql/bind/translator.h"
#include "sql/functions/window_functions.h"

namespace laminar::sql {

using plan::NodePtr;

namespace {

const duckdb::BoundFunctionExpression* window_list(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_UNNEST) return nullptr;
  const auto& child = *expression.Cast<duckdb::BoundUnnestExpression>().child;
  if (child.GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return nullptr;
  const auto& call = child.Cast<duckdb::BoundFunctionExpression>();
  return call.function.name == kWindowStarts || call.function.name == kWindowEnds ? &call : nullptr;
}

// What expr::Op::kEventTime multiplies by.
int64_t event_time_factor(plan::TimeForm form) {
  switch (form) {
    case plan::TimeForm::kSeconds:
      return 1'000'000;
    case plan::TimeForm::kMilliseconds:
      return 1'000;
    case plan::TimeForm::kNanoseconds:
      return -1'000;
    case plan::TimeForm::kDays:
      return 86'400'000'000;
    default:
      return 1;
  }
}

// The input with one more column: the event time `time` as a TIMESTAMP.
NodePtr with_event_time(NodePtr input, uint32_t time) {
  auto project = std::make_unique<plan::ProjectNode>();
  for (uint32_t i = 0; i < input->columns.size(); i++) {
    project->expressions.push_back(expr::column_ref(i, input->columns[i].type, input->columns[i].name));
    project->columns.push_back({input->columns[i].name, input->columns[i].type, std::nullopt});
  }
  const data::Type timestamp = data::Type::of(data::TypeKind::kTimestamp);
  const data::Type bigint = data::Type::of(data::TypeKind::kInt64);
  const int64_t factor = event_time_factor(input->columns[time].time_form);
  project->expressions.push_back(
      expr::call(expr::Op::kEventTime, timestamp,
                 {project->expressions[time], expr::constant(data::Value::of(bigint, factor))}));
  project->columns.push_back({input->columns[time].name, timestamp, std::nullopt});
  project->inputs.push_back(std::move(input));
  return finished(std::move(project));
}

}  // namespace

uint32_t as_timestamp(NodePtr& node, uint32_t time) {
  if (node->columns[time].time_form == plan::TimeForm::kNone) return time;
  node = with_event_time(std::move(node), time);
  return static_cast<uint32_t>(node->columns.size() - 1);
}

// ORDER BY event time, of a stream.
NodePtr Translator::sort(duckdb::LogicalOrder& order) {
  const int64_t position = facts_.order_by >= 0 ? facts_.order_by : facts_.first;
  const auto refuse = [&](const std::string& why) { throw BindFailure(ErrorCode::kNotIncremental, why, position); };
  if (order.orders.size() != 1) {
    refuse("a stream is ordered by its event time alone: rows of one time keep the order in which they came");
  }
  if (order.orders[0].type == duckdb::OrderType::DESCENDING) {
    refuse("a stream cannot be ordered backwards: its newest row is never known");
  }
  NodePtr input = translate(*order.children[0]);
  const uint32_t width = static_cast<uint32_t>(input->columns.size());
  ColumnSet columns(*this, *input);
  columns.add_all();
  uint32_t time = columns.add(*order.orders[0].expression);
  input = columns.apply(std::move(input));
  time = as_timestamp(input, time);
  if (!input->columns[time].time_offset_us) {
    throw BindFailure(ErrorCode::kNeedsWatermark,
                      "a stream is ordered by event time, and " + order.orders[0].expression->ToString() +
                          " has no watermark: order by the column of WATERMARK FOR, or add LIMIT to keep the first rows",
                      position);
  }
  if (!input->append_only) {
    refuse("ORDER BY of a stream needs rows that are never taken back, and this query retracts rows; use EMIT ON WINDOW CLOSE "
           "below it");
  }
  auto node = std::make_unique<plan::SortNode>();
  node->offset = position;
  node->time_column = time;
  node->columns = input->columns;
  node->inputs.push_back(std::move(input));
  NodePtr result = finished(std::move(node));
  std::vector<uint32_t> output;
  for (uint32_t i = 0; i < width; i++) output.push_back(i);
  if (order.HasProjectionMap()) output.assign(order.projection_map.begin(), order.projection_map.end());
  return project_columns(std::move(result), output);
}

// UNNEST of our window lists, as window_ast.h writes them. Output: the input's columns, then what is unnested.
NodePtr Translator::unnest(duckdb::LogicalUnnest& unnest) {
  if (NodePtr offsets = horizon(unnest)) return offsets;
  const duckdb::BoundFunctionExpression* first = nullptr;
  for (const auto& bound : unnest.expressions) {
    const auto* call = window_list(*bound);
    if (!call) {
      throw BindFailure(ErrorCode::kNotIncremental, "UNNEST cannot run incrementally yet",
                        location_of(*bound) >= 0 ? location_of(*bound) : facts_.first);
    }
    if (first && !call->children[1]->Equals(*first->children[1])) {
      throw BindFailure(ErrorCode::kNotIncremental, "a query can have one window over each of its tables",
                        location_of(*call));
    }
    first = call;
  }
  NodePtr input = translate(*unnest.children[0]);
  const uint32_t width = static_cast<uint32_t>(input->columns.size());

  ColumnSet columns(*this, *input);
  columns.add_all();
  uint32_t time = columns.add(*first->children[1]);
  input = columns.apply(std::move(input));
  if (input->columns[time].time_form != plan::TimeForm::kNone) {
    input = with_event_time(std::move(input), time);
    time = static_cast<uint32_t>(input->columns.size() - 1);
  }
  const std::string name =
      find_window_function(first->children[0]->Cast<duckdb::BoundConstantExpression>().value.ToString()).has_value()
          ? first->children[0]->Cast<duckdb::BoundConstantExpression>().value.ToString()
          : std::string();
  const auto function = find_window_function(name);
  if (!function) throw BindFailure(ErrorCode::kInternal, "a window of no known kind", location_of(*first));
  if (!input->columns[time].time_offset_us) {
    throw BindFailure(
        ErrorCode::kNeedsWatermark,
        duckdb::StringUtil::Upper(name) + " needs event time: " + first->children[1]->ToString() +
            " has no watermark; declare WATERMARK FOR it on the source, and use it as it is",
        location_of(*first));
  }

  auto node = std::make_unique<plan::WindowAssignNode>();
  node->offset = location_of(*first);
  node->window = window_spec(*first);
  node->window.time_column = time;
  for (const auto& column : input->columns) node->columns.push_back({column.name, column.type, std::nullopt});
  const data::Type& timestamp = input->columns[time].type;
  const uint32_t start = static_cast<uint32_t>(node->columns.size());
  node->columns.push_back({kWindowStart, timestamp, std::nullopt});
  node->columns.push_back({kWindowEnd, timestamp, std::nullopt});
  node->inputs.push_back(std::move(input));
  NodePtr result = finished(std::move(node));

  std::vector<uint32_t> output;
  for (uint32_t i = 0; i < width; i++) output.push_back(i);
  for (const auto& bound : unnest.expressions) {
    output.push_back(start + (window_list(*bound)->function.name == kWindowEnds ? 1 : 0));
  }
  return project_columns(std::move(result), output);
}

}  // namespace laminar::sql
