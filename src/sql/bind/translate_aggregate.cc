#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/operator/list.hpp>
#include <unordered_map>

#include "duck/foreign_aggregate.h"
#include "duck/types.h"
#include "plan/properties.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/passes.h"
#include "sql/bind/plan_rewrite.h"
#include "sql/bind/translator.h"

namespace laminar::sql {

using data::Type;
using data::TypeKind;
using plan::AggregateCall;
using plan::AggregateKind;
using plan::NodePtr;

namespace {

// DuckDB's aggregate names that mean one of ours.
const std::unordered_map<std::string, AggregateKind>& aggregate_table() {
  static const std::unordered_map<std::string, AggregateKind> table = {
      {"count_star", AggregateKind::kCountStar},
      {"count", AggregateKind::kCount},
      {"sum", AggregateKind::kSum},
      {"avg", AggregateKind::kAvg},
      {"mean", AggregateKind::kAvg},
      {"min", AggregateKind::kMin},
      {"max", AggregateKind::kMax},
      {"first", AggregateKind::kFirst},
      {"arbitrary", AggregateKind::kFirst},
      {"any_value", AggregateKind::kFirst},
      {"last", AggregateKind::kLast},
      {"arg_min", AggregateKind::kArgMin},
      {"argmin", AggregateKind::kArgMin},
      {"min_by", AggregateKind::kArgMin},
      {"arg_max", AggregateKind::kArgMax},
      {"argmax", AggregateKind::kArgMax},
      {"max_by", AggregateKind::kArgMax},
      {"stddev", AggregateKind::kStddevSamp},
      {"stddev_samp", AggregateKind::kStddevSamp},
      {"stddev_pop", AggregateKind::kStddevPop},
      {"variance", AggregateKind::kVarSamp},
      {"var_samp", AggregateKind::kVarSamp},
      {"var_pop", AggregateKind::kVarPop},
      {"bool_and", AggregateKind::kBoolAnd},
      {"bool_or", AggregateKind::kBoolOr},
      {"quantile_cont", AggregateKind::kQuantileCont},
      {"quantile_disc", AggregateKind::kQuantileDisc},
      {"quantile", AggregateKind::kQuantileDisc},
      {"median", AggregateKind::kMedian},
      {"string_agg", AggregateKind::kStringAgg},
      {"group_concat", AggregateKind::kStringAgg},
      {"listagg", AggregateKind::kStringAgg},
      {"list", AggregateKind::kList},
      {"array_agg", AggregateKind::kList},
      {"approx_count_distinct", AggregateKind::kApproxCountDistinct},
  };
  return table;
}

bool is_number(const Type& type) {
  switch (type.kind) {
    case TypeKind::kInt8:
    case TypeKind::kInt16:
    case TypeKind::kInt32:
    case TypeKind::kInt64:
    case TypeKind::kInt128:
    case TypeKind::kUInt8:
    case TypeKind::kUInt16:
    case TypeKind::kUInt32:
    case TypeKind::kUInt64:
    case TypeKind::kUInt128:
    case TypeKind::kFloat:
    case TypeKind::kDouble:
    case TypeKind::kDecimal:
      return true;
    default:
      return false;
  }
}

bool is_quantile(AggregateKind kind) {
  return kind == AggregateKind::kQuantileCont || kind == AggregateKind::kQuantileDisc || kind == AggregateKind::kMedian;
}

// Whether our own operator has this aggregate over these argument types; all else is DuckDB's.
bool is_native(AggregateKind kind, const std::vector<Type>& arguments) {
  switch (kind) {
    case AggregateKind::kCountStar:
      return arguments.empty();
    case AggregateKind::kArgMin:
    case AggregateKind::kArgMax:
      return arguments.size() == 2 && arguments[1].kind != TypeKind::kBoxed;
    case AggregateKind::kSum:
    case AggregateKind::kAvg:
    case AggregateKind::kStddevSamp:
    case AggregateKind::kStddevPop:
    case AggregateKind::kVarSamp:
    case AggregateKind::kVarPop:
    case AggregateKind::kQuantileCont:
    case AggregateKind::kMedian:
      return arguments.size() == 1 && is_number(arguments[0]);
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      return arguments.size() == 1 && arguments[0].kind != TypeKind::kBoxed;
    default:
      return arguments.size() == 1;
  }
}

// Kinds whose DuckDB update function is worth having on append-only input.
bool wants_foreign_update(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::kStddevSamp:
    case AggregateKind::kStddevPop:
    case AggregateKind::kVarSamp:
    case AggregateKind::kVarPop:
    case AggregateKind::kQuantileCont:
    case AggregateKind::kQuantileDisc:
    case AggregateKind::kMedian:
    case AggregateKind::kStringAgg:
    case AggregateKind::kList:
    case AggregateKind::kApproxCountDistinct:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<uint32_t> provide_time_column(plan::Node& node,
                                            const std::map<std::string, std::shared_ptr<const Object>>& objects) {
  switch (node.kind) {
    case plan::NodeKind::kScan: {
      auto& scan = static_cast<plan::ScanNode&>(node);
      const Object& object = *objects.at(scan.object);
      for (uint32_t column = 0; column < object.time_offset_us.size(); column++) {
        const plan::TimeForm form =
            column < object.time_form.size() ? object.time_form[column] : plan::TimeForm::kNone;
        if (!object.time_offset_us[column] && form == plan::TimeForm::kNone) continue;
        for (uint32_t i = 0; i < scan.source_columns.size(); i++) {
          if (scan.source_columns[i] == column) return i;
        }
        scan.source_columns.push_back(column);
        scan.columns.push_back(
            {object.columns[column].name, object.columns[column].type, object.time_offset_us[column], form});
        return static_cast<uint32_t>(scan.columns.size() - 1);
      }
      return std::nullopt;
    }
    case plan::NodeKind::kFilter: {
      const auto time = provide_time_column(*node.inputs[0], objects);
      node.columns = node.inputs[0]->columns;
      return time;
    }
    case plan::NodeKind::kProject: {
      auto& project = static_cast<plan::ProjectNode&>(node);
      const auto time = provide_time_column(*node.inputs[0], objects);
      if (!time) return std::nullopt;
      for (uint32_t i = 0; i < project.expressions.size(); i++) {
        if (project.expressions[i]->kind == expr::ExprKind::kColumn && project.expressions[i]->column == *time)
          return i;
      }
      const plan::OutputColumn& column = node.inputs[0]->columns[*time];
      project.expressions.push_back(expr::column_ref(*time, column.type, column.name));
      project.columns.push_back(column);
      return static_cast<uint32_t>(project.columns.size() - 1);
    }
    case plan::NodeKind::kWindowAssign:
      return static_cast<plan::WindowAssignNode&>(node).window.time_column;
    default:
      for (uint32_t i = 0; i < node.columns.size(); i++) {
        if (node.columns[i].time_offset_us || node.columns[i].time_form != plan::TimeForm::kNone) return i;
      }
      return std::nullopt;
  }
}

// "last(price ORDER BY ts)", by the names that the columns have below the aggregate.
static std::string call_text(const AggregateCall& call, const std::string& name, const ColumnSet& columns) {
  std::string text =
      (call.kind == AggregateKind::kCountStar ? "count" : name) + "(" + (call.distinct ? "DISTINCT " : "");
  if (call.kind == AggregateKind::kCountStar) text += "*";
  bool first = true;
  for (const uint32_t arg : call.args) {
    text += (first ? "" : ", ") + columns.name(arg);
    first = false;
  }
  for (const data::Value& param : call.params) {
    text += ", " + (param.type.is_string() ? "'" + duck::to_text(param) + "'" : duck::to_text(param));
  }
  first = true;
  for (const plan::SortKey& key : call.order_by) {
    text += (first ? " ORDER BY " : ", ") + columns.name(key.column) + (key.descending ? " DESC" : "");
    first = false;
  }
  text += ")";
  if (call.filter) text += " FILTER (WHERE " + columns.name(*call.filter) + ")";
  return text;
}

AggregateCall Translator::aggregate_call(const duckdb::BoundAggregateExpression& bound, ColumnSet& columns,
                                         NodePtr& input) {
  AggregateCall call;
  call.type = duck::type_from_duckdb(bound.return_type);
  call.offset = location_of(bound);
  call.distinct = bound.IsDistinct();
  const int64_t position = call.offset >= 0 ? call.offset : facts_.first;
  const std::string& name = bound.function.name;

  std::vector<Type> types;
  for (const auto& child : bound.children) types.push_back(duck::type_from_duckdb(child->return_type));
  const auto found = aggregate_table().find(name);
  call.kind =
      found != aggregate_table().end() && is_native(found->second, types) ? found->second : AggregateKind::kForeign;
  call.ignore_nulls = name == "any_value";

  if (call.kind == AggregateKind::kQuantileCont || call.kind == AggregateKind::kQuantileDisc ||
      call.kind == AggregateKind::kStringAgg) {
    // Where the call was not found its constants are unknown, and DuckDB, whose bind data has them, must run it.
    const auto constants = facts_.constants.find(call.offset);
    if (constants == facts_.constants.end()) {
      call.kind = AggregateKind::kForeign;
    } else {
      for (const duckdb::Value& value : constants->second) {
        if (call.kind == AggregateKind::kStringAgg) {
          call.params.push_back(duck::value_from_duckdb(value.DefaultCastAs(duckdb::LogicalType::VARCHAR)));
        } else if (value.type().id() == duckdb::LogicalTypeId::LIST) {
          call.kind = AggregateKind::kForeign;
        } else {
          call.params.push_back(duck::value_from_duckdb(value.DefaultCastAs(duckdb::LogicalType::DOUBLE)));
        }
      }
      if (call.kind == AggregateKind::kStringAgg && call.params.empty())
        call.params.push_back(data::Value::string(","));
    }
    // A percentile over ORDER BY ... DESC, or of several fractions at once, has no words in our plan.
    if (is_quantile(call.kind) && (call.params.size() != 1 || call.params[0].is_null ||
                                   call.params[0].as<double>() < 0 || facts_.descending.count(call.offset) > 0)) {
      call.kind = AggregateKind::kForeign;
    }
    if (call.kind == AggregateKind::kForeign) call.params.clear();
  }

  for (const auto& child : bound.children) call.args.push_back(columns.add(*child));
  if (bound.filter) call.filter = columns.add(*bound.filter);
  if (bound.order_bys) {
    for (const auto& order : bound.order_bys->orders) {
      call.order_by.push_back(sort_key(columns.add(*order.expression), order));
    }
  }

  // Without an ORDER BY the first and last are those by event time; ties, and input without event time, by arrival.
  if ((call.kind == AggregateKind::kFirst || call.kind == AggregateKind::kLast) && call.order_by.empty()) {
    if (const auto time = provide_time_column(*input, objects_)) {
      plan::derive_properties(*input);
      plan::SortKey key;
      key.column = columns.add_column(*time);
      key.nulls_first = call.kind == AggregateKind::kLast;
      call.order_by.push_back(key);
    }
  }

  call.text = call_text(call, name, columns);
  if (call.kind == AggregateKind::kForeign) {
    call.foreign = duck::make_foreign_aggregate(bound);
    if (!call.foreign) {
      throw BindFailure(ErrorCode::kNotIncremental, name + "() cannot run incrementally", position);
    }
  } else if (wants_foreign_update(call.kind)) {
    call.foreign = duck::make_foreign_aggregate(bound);
  }
  return call;
}

// EXISTS and scalar subqueries are counted over a LIMIT of one or two rows without an order. Which rows it keeps matters
// not: counts go up to it, and first() takes any.
static std::optional<uint64_t> limit_below(const duckdb::LogicalAggregate& bound) {
  if (!bound.groups.empty() || bound.children[0]->type != duckdb::LogicalOperatorType::LOGICAL_LIMIT) return std::nullopt;
  const auto& limit = bound.children[0]->Cast<duckdb::LogicalLimit>();
  const bool no_offset = limit.offset_val.Type() == duckdb::LimitNodeType::UNSET ||
                         (limit.offset_val.Type() == duckdb::LimitNodeType::CONSTANT_VALUE && limit.offset_val.GetConstantValue() == 0);
  if (!no_offset || limit.limit_val.Type() != duckdb::LimitNodeType::CONSTANT_VALUE || limit.limit_val.GetConstantValue() == 0 ||
      limit.children[0]->type == duckdb::LogicalOperatorType::LOGICAL_ORDER_BY) {
    return std::nullopt;
  }
  for (const auto& expression : bound.expressions) {
    const auto& call = expression->Cast<duckdb::BoundAggregateExpression>();
    if ((call.function.name != "count_star" && call.function.name != "first") || call.filter || call.order_bys) return std::nullopt;
  }
  return limit.limit_val.GetConstantValue();
}

static NodePtr with_counts_at_most(NodePtr input, uint64_t limit) {
  const auto& aggregate = static_cast<const plan::AggregateNode&>(*input);
  auto project = std::make_unique<plan::ProjectNode>();
  for (uint32_t i = 0; i < input->columns.size(); i++) {
    const plan::OutputColumn& column = input->columns[i];
    expr::ExprPtr value = expr::column_ref(i, column.type, column.name);
    if (aggregate.aggregates[i].kind == AggregateKind::kCountStar) {
      const expr::ExprPtr most = expr::constant(data::Value::of(column.type, static_cast<int64_t>(limit)));
      auto least = std::make_shared<expr::Expr>();
      least->kind = expr::ExprKind::kCase;
      least->type = column.type;
      least->args = {expr::call(expr::Op::kGreater, Type::of(TypeKind::kBoolean), {value, most}), most, value};
      value = least;
    }
    project->expressions.push_back(std::move(value));
    project->columns.push_back({column.name, column.type, std::nullopt});
  }
  project->inputs.push_back(std::move(input));
  return finished(std::move(project));
}

NodePtr Translator::aggregate(duckdb::LogicalAggregate& bound) {
  if (bound.grouping_sets.size() > 1 || !bound.grouping_functions.empty()) {
    throw BindFailure(
        ErrorCode::kNotImplemented,
        "GROUPING SETS, ROLLUP and CUBE in a view are not implemented yet: write one view for each grouping",
        facts_.group_by >= 0 ? facts_.group_by : facts_.first);
  }
  const std::optional<uint64_t> limit = limit_below(bound);
  NodePtr input = translate(limit ? *bound.children[0]->children[0] : *bound.children[0]);
  auto node = std::make_unique<plan::AggregateNode>();
  ColumnSet columns(*this, *input);
  for (const auto& group : bound.groups) {
    const uint32_t column = columns.add(*group);
    node->groups.push_back({plan::AggregateNode::GroupOutput::Kind::kKey, column});
    node->columns.push_back({columns.name(column), duck::type_from_duckdb(group->return_type), std::nullopt});
    if (node->offset < 0) node->offset = location_of(*group);
  }
  for (const auto& expression : bound.expressions) {
    node->aggregates.push_back(aggregate_call(expression->Cast<duckdb::BoundAggregateExpression>(), columns, input));
    node->columns.push_back({expression->HasAlias() ? expression->GetAlias() : node->aggregates.back().text,
                             node->aggregates.back().type, std::nullopt});
    if (node->offset < 0) node->offset = node->aggregates.back().offset;
  }
  if (columns.size() == 0) columns.add_column(0);  // count(*) alone
  input = columns.apply(std::move(input));
  node->inputs.push_back(std::move(input));
  NodePtr result = fuse_window(std::move(node));
  if (result->kind == plan::NodeKind::kAggregate) {
    auto& aggregate = static_cast<plan::AggregateNode&>(*result);
    for (uint32_t i = 0; !aggregate.window && i < aggregate.groups.size(); i++) {
      const auto& source = aggregate.inputs[0]->columns[aggregate.groups[i].column];
      if (source.time_offset_us && !aggregate.time_group) aggregate.time_group = i;
    }
  }
  result = finished(std::move(result));
  return limit ? with_counts_at_most(std::move(result), *limit) : std::move(result);
}

NodePtr Translator::distinct(duckdb::LogicalDistinct& bound) {
  NodePtr input = translate(*bound.children[0]);
  auto node = std::make_unique<plan::AggregateNode>();
  for (uint32_t i = 0; i < input->columns.size(); i++) {
    node->groups.push_back({plan::AggregateNode::GroupOutput::Kind::kKey, i});
    node->columns.push_back({input->columns[i].name, input->columns[i].type, std::nullopt});
    if (input->columns[i].time_offset_us && !node->time_group) node->time_group = i;
  }
  node->offset = input->offset;
  node->inputs.push_back(std::move(input));
  NodePtr result = fuse_window(std::move(node));
  if (result->kind == plan::NodeKind::kAggregate && static_cast<plan::AggregateNode&>(*result).window) {
    static_cast<plan::AggregateNode&>(*result).time_group.reset();
  }
  return finished(std::move(result));
}

}  // namespace laminar::sql
