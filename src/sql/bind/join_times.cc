#include "sql/bind/join_times.h"

#include <algorithm>
#include <limits>

#include "plan/properties.h"

namespace laminar::sql {

using duckdb::ExpressionType;
using expr::Expr;
using expr::ExprKind;
using expr::Op;
using plan::TimeForm;

namespace {

std::optional<TimeTerm> timestamp_term(const Expr& expression, const plan::Node& input) {
  const Expr* column = &expression;
  // Under the additions and subtractions that time_offset() knows stands one column.
  while (column->kind != ExprKind::kColumn) {
    if (column->kind != ExprKind::kCall || column->args.size() != 2 || (column->op != Op::kAdd && column->op != Op::kSubtract)) {
      return std::nullopt;
    }
    const bool first = column->args[0]->type.is_timestamp();
    column = column->args[first ? 0 : 1].get();
  }
  const auto of_column = plan::time_offset(*column, input);
  const auto of_term = plan::time_offset(expression, input);
  int64_t shift;
  if (!of_column || !of_term || column->type.physical() != data::Physical::kI64 || __builtin_sub_overflow(*of_term, *of_column, &shift)) {
    return std::nullopt;
  }
  return TimeTerm{column->column, shift, 0};
}

// One of the form in microseconds; of nanoseconds none is.
int64_t unit_us(TimeForm form) {
  switch (form) {
    case TimeForm::kSeconds: return 1'000'000;
    case TimeForm::kMilliseconds: return 1'000;
    case TimeForm::kMicroseconds: return 1;
    case TimeForm::kDays: return 86'400'000'000;
    default: return 0;
  }
}

// What adding the constant to a time of that form adds, with floor.
std::optional<int64_t> constant_us(const Expr& by, TimeForm form) {
  if (const auto fixed = plan::fixed_interval(by)) return fixed;
  if (by.kind != ExprKind::kConstant || by.constant.is_null) return std::nullopt;
  int64_t units;
  switch (by.type.kind) {
    case data::TypeKind::kInt32: units = by.constant.as<int32_t>(); break;
    case data::TypeKind::kInt64: units = by.constant.as<int64_t>(); break;
    default: return std::nullopt;
  }
  if (form == TimeForm::kNanoseconds) return units / 1'000 - (units % 1'000 < 0);
  int64_t us;
  if (__builtin_mul_overflow(units, unit_us(form), &us)) return std::nullopt;
  return us;
}

struct FormTerm {
  TimeTerm term;
  TimeForm form;
};

std::optional<FormTerm> form_term(const Expr& expression, const plan::Node& input) {
  switch (expression.kind) {
    case ExprKind::kColumn: {
      const TimeForm form = input.columns[expression.column].time_form;
      if (form == TimeForm::kNone) return std::nullopt;
      return FormTerm{{expression.column, 0, form == TimeForm::kNanoseconds ? 1 : 0}, form};
    }
    case ExprKind::kCast: {
      // A number that is cast to a time means something else.
      if (!expression.type.is_timestamp() || expression.type.kind == data::TypeKind::kTimestampTz ||
          expression.args[0]->type.kind == data::TypeKind::kInt64) {
        return std::nullopt;
      }
      auto time = form_term(*expression.args[0], input);
      if (!time) return std::nullopt;
      if (expression.type.kind == data::TypeKind::kTimestampS) time->term.slack_us += 1'000'000;
      if (expression.type.kind == data::TypeKind::kTimestampMs) time->term.slack_us += 1'000;
      return time;
    }
    case ExprKind::kCall: {
      if (expression.args.size() != 2 || (expression.op != Op::kAdd && expression.op != Op::kSubtract)) return std::nullopt;
      const bool minus = expression.op == Op::kSubtract;
      auto time = form_term(*expression.args[0], input);
      const Expr* by = expression.args[1].get();
      if (!time && !minus) {
        time = form_term(*expression.args[1], input);
        by = expression.args[0].get();
      }
      if (!time) return std::nullopt;
      const auto us = constant_us(*by, time->form);
      if (!us || (minus ? __builtin_sub_overflow(time->term.shift_us, *us, &time->term.shift_us)
                        : __builtin_add_overflow(time->term.shift_us, *us, &time->term.shift_us))) {
        return std::nullopt;
      }
      // Each sum of floors may be one short.
      if (time->form == TimeForm::kNanoseconds) ++time->term.slack_us;
      return time;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<TimeTerm> time_term(const Expr& expression, const plan::Node& input) {
  if (const auto term = timestamp_term(expression, input)) return term;
  const auto term = form_term(expression, input);
  return term ? std::optional(term->term) : std::nullopt;
}

bool TimePairs::add(const TimeTerm& left, const TimeTerm& right, ExpressionType type) {
  int64_t difference;  // left + difference <type> right
  if (__builtin_sub_overflow(left.shift_us, right.shift_us, &difference)) return false;
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max() / 4;
  if (difference > kMax || difference < -kMax) return false;
  Pair& pair = find(left.column, right.column);
  const int64_t slack = left.slack_us + right.slack_us;
  const auto at_least = [&](int64_t us) { pair.lower = std::max(pair.lower.value_or(us - slack), us - slack); };
  const auto at_most = [&](int64_t us) { pair.upper = std::min(pair.upper.value_or(us + slack), us + slack); };
  switch (type) {
    case ExpressionType::COMPARE_EQUAL:
      at_least(difference);
      at_most(difference);
      return true;
    case ExpressionType::COMPARE_LESSTHANOREQUALTO: at_least(difference); return true;
    case ExpressionType::COMPARE_LESSTHAN: at_least(slack == 0 ? difference + 1 : difference); return true;
    case ExpressionType::COMPARE_GREATERTHANOREQUALTO: at_most(difference); return true;
    case ExpressionType::COMPARE_GREATERTHAN: at_most(slack == 0 ? difference - 1 : difference); return true;
    default: return false;
  }
}

std::optional<plan::JoinNode::TimeBound> TimePairs::bound() const {
  for (const Pair& pair : pairs_) {
    if (pair.lower && pair.upper) return plan::JoinNode::TimeBound{pair.left, pair.right, *pair.lower, *pair.upper};
  }
  return std::nullopt;
}

TimePairs::Pair& TimePairs::find(uint32_t left, uint32_t right) {
  for (Pair& pair : pairs_) {
    if (pair.left == left && pair.right == right) return pair;
  }
  return pairs_.emplace_back(Pair{left, right, {}, {}});
}

}  // namespace laminar::sql
