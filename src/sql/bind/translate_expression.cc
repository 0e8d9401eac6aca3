#include <cmath>
#include <duckdb/common/types/value.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <unordered_map>

#include "duck/comparison.h"
#include "duck/foreign_function.h"
#include "duck/types.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/passes.h"
#include "sql/bind/translator.h"
#include "sql/functions/window_functions.h"

namespace laminar::sql {

using data::Type;
using data::TypeKind;
using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using expr::Expr;
using expr::ExprKind;
using expr::ExprPtr;
using expr::Op;
using plan::OutputColumn;

namespace {

// DuckDB's function names that mean one of our operators; the argument types decide whether there is a kernel.
struct FunctionRow {
  Op op;
  size_t arguments;
  bool text_only = false;  // the name means something else for lists
};
const std::unordered_multimap<std::string, FunctionRow>& function_table() {
  static const std::unordered_multimap<std::string, FunctionRow> table = {
      {"+", {Op::kAdd, 2}},
      {"add", {Op::kAdd, 2}},
      {"-", {Op::kSubtract, 2}},
      {"subtract", {Op::kSubtract, 2}},
      {"-", {Op::kNegate, 1}},
      {"*", {Op::kMultiply, 2}},
      {"multiply", {Op::kMultiply, 2}},
      {"/", {Op::kDivide, 2}},
      {"//", {Op::kIntegerDivide, 2}},
      {"divide", {Op::kIntegerDivide, 2}},
      {"%", {Op::kModulo, 2}},
      {"mod", {Op::kModulo, 2}},
      {"abs", {Op::kAbs, 1}},
      {"@", {Op::kAbs, 1}},
      {"~~", {Op::kLike, 2}},
      {"!~~", {Op::kNotLike, 2}},
      {"prefix", {Op::kStartsWith, 2}},
      {"starts_with", {Op::kStartsWith, 2}},
      {"^@", {Op::kStartsWith, 2}},
      {"suffix", {Op::kEndsWith, 2}},
      {"ends_with", {Op::kEndsWith, 2}},
      {"contains", {Op::kContains, 2, true}},
      {"||", {Op::kConcat, 2, true}},
      {"substring", {Op::kSubstring, 2, true}},
      {"substring", {Op::kSubstring, 3, true}},
      {"substr", {Op::kSubstring, 2, true}},
      {"substr", {Op::kSubstring, 3, true}},
      {"length", {Op::kLength, 1, true}},
      {"len", {Op::kLength, 1, true}},
      {"char_length", {Op::kLength, 1, true}},
      {"character_length", {Op::kLength, 1, true}},
      {"lower", {Op::kLower, 1}},
      {"lcase", {Op::kLower, 1}},
      {"upper", {Op::kUpper, 1}},
      {"ucase", {Op::kUpper, 1}},
      {"epoch_us", {Op::kEpochUs, 1}},
      {"normalized_interval", {Op::kNormalizedInterval, 1}},  // DuckDB's rewriting puts it into comparisons
      {"hour", {Op::kDatePartHour, 1}},
      {"minute", {Op::kDatePartMinute, 1}},
      {"second", {Op::kDatePartSecond, 1}},
      {"day", {Op::kDatePartDay, 1}},
      {"dayofmonth", {Op::kDatePartDay, 1}},
      {"month", {Op::kDatePartMonth, 1}},
      {"year", {Op::kDatePartYear, 1}},
  };
  return table;
}

std::shared_ptr<Expr> make(ExprKind kind, const duckdb::Expression& bound) {
  auto node = std::make_shared<Expr>();
  node->kind = kind;
  node->type = duck::type_from_duckdb(bound.return_type);
  node->offset = location_of(bound);
  return node;
}

ExprPtr big_integer(int64_t value) { return expr::constant(data::Value::of(Type::of(TypeKind::kInt64), value)); }

std::shared_ptr<Expr> tumble_start(ExprPtr time, int64_t size_us, int64_t offset_us, int64_t position) {
  auto node = std::make_shared<Expr>();
  node->kind = ExprKind::kCall;
  node->op = Op::kTumbleStart;
  node->type = Type::of(TypeKind::kTimestamp);
  node->offset = position;
  node->args = {std::move(time), big_integer(size_us), big_integer(offset_us)};
  return node;
}

// A constant argument of a call, or null.
const duckdb::Value* constant_argument(const duckdb::BoundFunctionExpression& call, size_t i) {
  const auto& child = *call.children[i];
  if (child.GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) return nullptr;
  const auto& value = child.Cast<duckdb::BoundConstantExpression>().value;
  return value.IsNull() ? nullptr : &value;
}

// time_bucket and date_trunc over fixed lengths are tumbling windows. time_bucket counts from Monday, 2000-01-03.
struct TimeFloor {
  size_t time_argument = 0;
  int64_t size_us = 0, offset_us = 0;
};
std::optional<TimeFloor> time_floor(const duckdb::BoundFunctionExpression& call) {
  constexpr int64_t kTimeBucketOriginUs = 946'857'600'000'000;
  const std::string& name = call.function.name;
  if (call.return_type.id() != duckdb::LogicalTypeId::TIMESTAMP || call.children.size() != 2) return std::nullopt;
  if (call.children[1]->return_type.id() != duckdb::LogicalTypeId::TIMESTAMP) return std::nullopt;
  const duckdb::Value* first = constant_argument(call, 0);
  if (!first) return std::nullopt;
  TimeFloor found{1, 0, 0};
  if (name == "time_bucket" && first->type().id() == duckdb::LogicalTypeId::INTERVAL) {
    const auto interval = first->GetValue<duckdb::interval_t>();
    if (interval.months != 0 || !duckdb::Interval::TryGetMicro(interval, found.size_us) || found.size_us <= 0) {
      return std::nullopt;
    }
    found.offset_us = kTimeBucketOriginUs % found.size_us;
    return found;
  }
  if ((name == "date_trunc" || name == "datetrunc") && first->type().id() == duckdb::LogicalTypeId::VARCHAR) {
    const std::string unit = duckdb::StringUtil::Lower(first->ToString());
    if (unit == "second") found.size_us = 1'000'000;
    if (unit == "minute") found.size_us = 60'000'000;
    if (unit == "hour") found.size_us = 3'600'000'000;
    if (unit == "day") found.size_us = 86'400'000'000;
    if (found.size_us > 0) return found;
  }
  return std::nullopt;
}

}  // namespace

ExprPtr Translator::expression(const duckdb::Expression& bound, const std::vector<OutputColumn>& input) {
  ExprPtr node = native(bound, input);
  if (node && (node->kind == ExprKind::kColumn || node->kind == ExprKind::kConstant ||
               node->kind == ExprKind::kForeign || expr::has_kernel(*node))) {
    return node;
  }
  return foreign(bound, input);
}

// The node in our own terms, its children translated; null when there is no word for it. Whether a kernel exists is the
// caller's question.
ExprPtr Translator::native(const duckdb::Expression& bound, const std::vector<OutputColumn>& input) {
  switch (bound.GetExpressionClass()) {
    case ExpressionClass::BOUND_REF: {
      const auto& reference = bound.Cast<duckdb::BoundReferenceExpression>();
      if (reference.index >= input.size()) {
        throw BindFailure(ErrorCode::kInternal, "a column reference points nowhere: " + bound.ToString(),
                          location_of(bound));
      }
      auto node = make(ExprKind::kColumn, bound);
      node->column = static_cast<uint32_t>(reference.index);
      node->type = input[reference.index].type;
      node->text = input[reference.index].name;
      return node;
    }
    case ExpressionClass::BOUND_CONSTANT: {
      auto node = make(ExprKind::kConstant, bound);
      const duckdb::Value& value = bound.Cast<duckdb::BoundConstantExpression>().value;
      node->constant = duck::value_from_duckdb(value);
      node->constant.type = node->type;
      node->text = value.ToSQLString();
      return node;
    }
    case ExpressionClass::BOUND_COMPARISON: {
      const auto& comparison = bound.Cast<duckdb::BoundComparisonExpression>();
      auto node = make(ExprKind::kCall, bound);
      node->op = duck::comparison_op(bound.GetExpressionType());
      if (node->op == Op::kNone) return nullptr;
      node->args = {expression(*comparison.left, input), expression(*comparison.right, input)};
      return node;
    }
    case ExpressionClass::BOUND_BETWEEN: {
      const auto& between = bound.Cast<duckdb::BoundBetweenExpression>();
      const auto side = [&](ExpressionType type, const duckdb::Expression& limit) {
        auto node = make(ExprKind::kCall, bound);
        node->op = duck::comparison_op(type);
        node->args = {expression(*between.input, input), expression(limit, input)};
        return node;
      };
      auto lower = side(between.LowerComparisonType(), *between.lower);
      auto upper = side(between.UpperComparisonType(), *between.upper);
      if (!expr::has_kernel(*lower) || !expr::has_kernel(*upper)) return nullptr;
      auto node = make(ExprKind::kCall, bound);
      node->op = Op::kAnd;
      node->args = {std::move(lower), std::move(upper)};
      return node;
    }
    case ExpressionClass::BOUND_CONJUNCTION: {
      const auto& conjunction = bound.Cast<duckdb::BoundConjunctionExpression>();
      auto node = make(ExprKind::kCall, bound);
      node->op = bound.GetExpressionType() == ExpressionType::CONJUNCTION_AND ? Op::kAnd : Op::kOr;
      for (const auto& child : conjunction.children) node->args.push_back(expression(*child, input));
      return node;
    }
    case ExpressionClass::BOUND_CASE: {
      const auto& choice = bound.Cast<duckdb::BoundCaseExpression>();
      auto node = make(ExprKind::kCase, bound);
      for (const auto& check : choice.case_checks) {
        node->args.push_back(expression(*check.when_expr, input));
        node->args.push_back(expression(*check.then_expr, input));
      }
      node->args.push_back(expression(*choice.else_expr, input));
      return node;
    }
    case ExpressionClass::BOUND_CAST: {
      const auto& cast = bound.Cast<duckdb::BoundCastExpression>();
      ExprPtr child = expression(*cast.child, input);
      auto node = make(ExprKind::kCast, bound);
      if (child->type == node->type && cast.child->return_type == cast.return_type) return child;
      node->try_cast = cast.try_cast;
      node->args = {std::move(child)};
      return node;
    }
    case ExpressionClass::BOUND_OPERATOR: {
      const auto& call = bound.Cast<duckdb::BoundOperatorExpression>();
      auto node = make(ExprKind::kCall, bound);
      bool negate = false;
      switch (bound.GetExpressionType()) {
        case ExpressionType::OPERATOR_NOT:
          node->op = Op::kNot;
          break;
        case ExpressionType::OPERATOR_IS_NULL:
          node->op = Op::kIsNull;
          break;
        case ExpressionType::OPERATOR_IS_NOT_NULL:
          node->op = Op::kIsNotNull;
          break;
        case ExpressionType::OPERATOR_COALESCE:
          node->op = Op::kCoalesce;
          break;
        case ExpressionType::COMPARE_IN:
          node->op = Op::kIn;
          break;
        case ExpressionType::COMPARE_NOT_IN:
          node->op = Op::kIn;
          negate = true;
          break;
        default:
          return nullptr;
      }
      for (const auto& child : call.children) node->args.push_back(expression(*child, input));
      if (!negate) return node;
      if (!expr::has_kernel(*node)) return nullptr;
      auto inverse = make(ExprKind::kCall, bound);
      inverse->op = Op::kNot;
      inverse->args = {std::move(node)};
      return inverse;
    }
    case ExpressionClass::BOUND_FUNCTION:
      return native_call(bound.Cast<duckdb::BoundFunctionExpression>(), input);
    default:
      return nullptr;
  }
}

ExprPtr Translator::native_call(const duckdb::BoundFunctionExpression& bound, const std::vector<OutputColumn>& input) {
  const auto tumble = tumble_constants(bound);
  if (tumble && bound.return_type.id() == duckdb::LogicalTypeId::TIMESTAMP) {
    auto start =
        tumble_start(expression(*bound.children[0], input), tumble->size_us, tumble->offset_us, location_of(bound));
    if (!tumble->end) return start;
    if (!expr::has_kernel(*start)) return nullptr;
    struct {
      int32_t months, days;
      int64_t micros;
    } interval{0, 0, tumble->size_us};
    static_assert(sizeof interval == 16);
    auto node = make(ExprKind::kCall, bound);
    node->op = Op::kAdd;
    node->args = {std::move(start), expr::constant(data::Value::of(Type::of(TypeKind::kInterval), interval))};
    return node;
  }
  if (const auto floor = time_floor(bound)) {
    return tumble_start(expression(*bound.children[floor->time_argument], input), floor->size_us, floor->offset_us,
                        location_of(bound));
  }
  const auto [begin, end] = function_table().equal_range(bound.function.name);
  for (auto row = begin; row != end; ++row) {
    if (row->second.arguments != bound.children.size()) continue;
    if (row->second.text_only && bound.children[0]->return_type.id() != duckdb::LogicalTypeId::VARCHAR) continue;
    auto node = make(ExprKind::kCall, bound);
    node->op = row->second.op;
    for (const auto& child : bound.children) node->args.push_back(expression(*child, input));
    return node;
  }
  return nullptr;
}

// The whole tree evaluated by DuckDB, over the columns that it reads.
ExprPtr Translator::foreign(const duckdb::Expression& bound, const std::vector<OutputColumn>& input) {
  if (bound.HasSubquery()) {
    throw BindFailure(ErrorCode::kNotImplemented, "subqueries in expressions are joins, which are not implemented yet",
                      location_of(bound));
  }
  if (bound.IsFoldable()) {
    // Folding has left it because it fails: say so now rather than for every row.
    const duckdb::Value value = duckdb::ExpressionExecutor::EvaluateScalar(context_, bound);
    auto node = make(ExprKind::kConstant, bound);
    node->constant = duck::value_from_duckdb(value);
    node->constant.type = node->type;
    return node;
  }
  auto node = make(ExprKind::kForeign, bound);
  node->text = bound.ToString();
  std::vector<Type> types;
  std::map<duckdb::idx_t, duckdb::idx_t> positions;
  auto copy = bound.Copy();
  duckdb::ExpressionIterator::VisitExpressionMutable<duckdb::BoundReferenceExpression>(
      copy, [&](duckdb::BoundReferenceExpression& reference, duckdb::unique_ptr<duckdb::Expression>&) {
        const auto [at, added] = positions.emplace(reference.index, positions.size());
        if (added) {
          const OutputColumn& column = input.at(reference.index);
          types.push_back(column.type);
          node->args.push_back(expr::column_ref(static_cast<uint32_t>(reference.index), column.type, column.name));
        }
        reference.index = at->second;
      });
  node->foreign = duck::make_foreign_function(context_, *copy, std::move(types));
  if (!node->foreign) {
    throw BindFailure(ErrorCode::kNotIncremental, "this expression cannot be evaluated row by row: " + bound.ToString(),
                      location_of(bound));
  }
  return node;
}

}  // namespace laminar::sql
