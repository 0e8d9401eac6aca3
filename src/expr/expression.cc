#include "expr/expression.h"

#include "expr/kernel.h"
#include "expr/node.h"
#include "expr/numeric.h"

namespace laminar::expr {

ExprPtr column_ref(uint32_t column, data::Type type, std::string text) {
  auto expr = std::make_shared<Expr>();
  expr->kind = ExprKind::kColumn;
  expr->column = column;
  expr->type = std::move(type);
  expr->text = std::move(text);
  return expr;
}

ExprPtr constant(data::Value value) {
  auto expr = std::make_shared<Expr>();
  expr->kind = ExprKind::kConstant;
  expr->type = value.type;
  expr->constant = std::move(value);
  return expr;
}

ExprPtr call(Op op, data::Type type, std::vector<ExprPtr> args) {
  auto expr = std::make_shared<Expr>();
  expr->kind = ExprKind::kCall;
  expr->op = op;
  expr->type = std::move(type);
  expr->args = std::move(args);
  return expr;
}

namespace {

// How SQL writes an operator: between its arguments, or as a function.
struct Spelling {
  const char* text;
  bool infix;
};
Spelling spelling(Op op) {
  switch (op) {
    case Op::kNone:
      return {"?", false};
    case Op::kAdd:
      return {"+", true};
    case Op::kSubtract:
      return {"-", true};
    case Op::kMultiply:
      return {"*", true};
    case Op::kDivide:
      return {"/", true};
    case Op::kIntegerDivide:
      return {"//", true};
    case Op::kModulo:
      return {"%", true};
    case Op::kNegate:
      return {"-", false};
    case Op::kAbs:
      return {"abs", false};
    case Op::kEqual:
      return {"=", true};
    case Op::kNotEqual:
      return {"<>", true};
    case Op::kLess:
      return {"<", true};
    case Op::kLessEqual:
      return {"<=", true};
    case Op::kGreater:
      return {">", true};
    case Op::kGreaterEqual:
      return {">=", true};
    case Op::kIsDistinctFrom:
      return {"IS DISTINCT FROM", true};
    case Op::kIsNotDistinctFrom:
      return {"IS NOT DISTINCT FROM", true};
    case Op::kAnd:
      return {"AND", true};
    case Op::kOr:
      return {"OR", true};
    case Op::kNot:
      return {"NOT ", false};
    case Op::kIsNull:
      return {"IS NULL", false};
    case Op::kIsNotNull:
      return {"IS NOT NULL", false};
    case Op::kCoalesce:
      return {"coalesce", false};
    case Op::kIn:
      return {"IN", false};
    case Op::kLike:
      return {"LIKE", true};
    case Op::kNotLike:
      return {"NOT LIKE", true};
    case Op::kStartsWith:
      return {"starts_with", false};
    case Op::kEndsWith:
      return {"ends_with", false};
    case Op::kContains:
      return {"contains", false};
    case Op::kConcat:
      return {"||", true};
    case Op::kSubstring:
      return {"substring", false};
    case Op::kLength:
      return {"length", false};
    case Op::kLower:
      return {"lower", false};
    case Op::kUpper:
      return {"upper", false};
    case Op::kEpochUs:
      return {"epoch_us", false};
    case Op::kDatePartHour:
      return {"hour", false};
    case Op::kDatePartMinute:
      return {"minute", false};
    case Op::kDatePartSecond:
      return {"second", false};
    case Op::kDatePartDay:
      return {"day", false};
    case Op::kDatePartMonth:
      return {"month", false};
    case Op::kDatePartYear:
      return {"year", false};
    case Op::kNormalizedInterval:
      return {"normalized_interval", false};
    case Op::kTumbleStart:
      return {"tumble_start", false};
    case Op::kEventTime:
      return {"event_time", false};
  }
  return {"?", false};
}

std::string decimal_text(int128 value, uint32_t scale) {
  std::string text = number_text(value < 0 ? -value : value);
  if (scale > 0) {
    if (text.size() <= scale) text.insert(0, scale + 1 - text.size(), '0');
    text.insert(text.size() - scale, 1, '.');
  }
  if (value < 0) text.insert(0, 1, '-');
  return text;
}

std::string constant_text(const data::Value& value) {
  if (value.is_null) return "NULL";
  if (value.type.kind == data::TypeKind::kBoolean) return value.as<bool>() ? "true" : "false";
  if (value.type.kind == data::TypeKind::kVarchar) {
    std::string text = "'";
    for (char c : value.text) text.append(c == '\'' ? 2 : 1, c);
    return text.append("'");
  }
  std::string text;
  if (is_integer(value.type) || is_decimal(value.type)) {
    with_integer(value.type.physical(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      text = is_decimal(value.type) ? decimal_text(static_cast<int128>(value.as<T>()), value.type.scale)
                                    : any_number_text(value.as<T>());
      return true;
    });
    return text;
  }
  if (value.type.kind == data::TypeKind::kFloat) return number_text(static_cast<double>(value.as<float>()));
  if (value.type.kind == data::TypeKind::kDouble) return number_text(value.as<double>());
  return value.type.text() + " constant";
}

std::string list_text(const Expr& expr, const std::vector<std::string>* names, size_t first) {
  std::string text = "(";
  for (size_t i = first; i < expr.args.size(); ++i) {
    if (i > first) text.append(", ");
    text.append(to_text(*expr.args[i], names));
  }
  return text.append(")");
}

std::string call_text(const Expr& expr, const std::vector<std::string>* names) {
  const Spelling op = spelling(expr.op);
  if (op.infix) {
    std::string text = "(";
    for (size_t i = 0; i < expr.args.size(); ++i) {
      if (i) text.append(" ").append(op.text).append(" ");
      text.append(to_text(*expr.args[i], names));
    }
    return text.append(")");
  }
  std::string text(1, '(');
  if (expr.op == Op::kIsNull || expr.op == Op::kIsNotNull)
    return text.append(to_text(*expr.args[0], names)).append(" ").append(op.text).append(")");
  if (expr.op == Op::kIn)
    return text.append(to_text(*expr.args[0], names)).append(" IN ").append(list_text(expr, names, 1)).append(")");
  return op.text + list_text(expr, names, 0);
}

std::string case_text(const Expr& expr, const std::vector<std::string>* names) {
  std::string text = "CASE";
  for (size_t i = 0; i + 1 < expr.args.size(); i += 2) {
    text.append(" WHEN ")
        .append(to_text(*expr.args[i], names))
        .append(" THEN ")
        .append(to_text(*expr.args[i + 1], names));
  }
  return text.append(" ELSE ").append(to_text(*expr.args.back(), names)).append(" END");
}

}  // namespace

std::string to_text(const Expr& expr, const std::vector<std::string>* names) {
  switch (expr.kind) {
    case ExprKind::kColumn:
      if (names && expr.column < names->size()) return (*names)[expr.column];
      return expr.text.empty() ? std::string("#").append(std::to_string(expr.column)) : expr.text;
    case ExprKind::kConstant:
      return expr.text.empty() ? constant_text(expr.constant) : expr.text;
    case ExprKind::kCall:
      return call_text(expr, names);
    case ExprKind::kCase:
      return expr.args.empty() ? "CASE" : case_text(expr, names);
    case ExprKind::kCast:
      return std::string(expr.try_cast ? "TRY_CAST(" : "CAST(")
          .append(to_text(*expr.args[0], names))
          .append(" AS ")
          .append(expr.type.text())
          .append(")");
    case ExprKind::kForeign:
      return expr.text.empty() ? "duckdb" + list_text(expr, names, 0) : expr.text;
  }
  return {};
}

bool has_kernel(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kColumn:
    case ExprKind::kConstant:
    case ExprKind::kForeign:
      return true;
    case ExprKind::kCase:
      return is_logic_node(expr);
    case ExprKind::kCast:
      return expr.args.size() == 1 && (expr.args[0]->type == expr.type || find_cast_kernel(expr, nullptr));
    case ExprKind::kCall:
      return is_logic_node(expr) || find_kernel(expr, nullptr);
  }
  return false;
}

void collect_columns(const Expr& expr, std::vector<bool>& used) {
  if (expr.kind == ExprKind::kColumn) {
    if (expr.column >= used.size()) used.resize(expr.column + 1);
    used[expr.column] = true;
  }
  for (const ExprPtr& arg : expr.args) collect_columns(*arg, used);
}

ExprPtr remap_columns(const ExprPtr& expr, const std::vector<uint32_t>& map) {
  auto copy = std::make_shared<Expr>(*expr);
  if (copy->kind == ExprKind::kColumn) copy->column = map.at(copy->column);
  for (ExprPtr& arg : copy->args) arg = remap_columns(arg, map);
  return copy;
}

}  // namespace laminar::expr
