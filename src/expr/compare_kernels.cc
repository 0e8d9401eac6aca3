// =, <>, <, <=, >, >= and IS [NOT] DISTINCT FROM over columns and against constants.
#include "expr/compare.h"
#include "expr/kernel.h"

namespace laminar::expr {

namespace {

using data::Column;

template <class T, class Comparison>
void compare_columns(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T* b = args[1].values<T>();
  uint8_t* result = out.values<uint8_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = Comparison::template apply<T>(load(a, i), load(b, i));
}

template <class T, class Comparison>
void compare_constant(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T b = constant_value<T>(kernel.constants[1]);
  uint8_t* result = out.values<uint8_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = Comparison::template apply<T>(load(a, i), b);
}

// Strings under a NULL are valid references, so they may be compared; so may everything else.
template <class T>
void is_distinct(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T* b = args[1].values<T>();
  const bool distinct = kernel.params[0];
  uint8_t* result = out.values<uint8_t>();
  if (!args[0].validity && !args[1].validity) {
    for (uint32_t i = 0; i < scope.rows; ++i) result[i] = Equal::apply<T>(load(a, i), load(b, i)) != distinct;
    return;
  }
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const bool a_null = args[0].is_null(i), b_null = args[1].is_null(i);
    const bool same = a_null || b_null ? a_null == b_null : Equal::apply<T>(load(a, i), load(b, i));
    result[i] = same != distinct;
  }
}

}  // namespace

bool find_compare_kernel(const Expr& expr, Kernel* kernel) {
  if (expr.kind != ExprKind::kCall || expr.args.size() != 2 || expr.type.kind != data::TypeKind::kBoolean) return false;
  const Expr& left = *expr.args[0];
  const Expr& right = *expr.args[1];
  if (left.type.kind != right.type.kind || left.type.physical() != right.type.physical()) return false;
  if (is_decimal(left.type) && left.type.scale != right.type.scale) return false;
  if (expr.op == Op::kIsDistinctFrom || expr.op == Op::kIsNotDistinctFrom) {
    return with_comparable(left.type, [&](auto tag) {
      if (!kernel) return true;
      kernel->function = is_distinct<typename decltype(tag)::type>;
      kernel->strict = false;
      kernel->params[0] = expr.op == Op::kIsDistinctFrom;
      return true;
    });
  }
  return with_comparable(left.type, [&](auto tag) {
    return with_comparison(expr.op, [&](auto comparison) {
      using T = typename decltype(tag)::type;
      using Comparison = typename decltype(comparison)::type;
      if (!kernel) return true;
      if (is_constant(right)) {
        kernel->function = compare_constant<T, Comparison>;
        use_constant(*kernel, expr, 1);
      } else {
        kernel->function = compare_columns<T, Comparison>;
      }
      return true;
    });
  });
}

}  // namespace laminar::expr
