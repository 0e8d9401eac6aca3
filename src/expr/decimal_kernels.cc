// +, -, *, %, unary - and abs over decimals; comparisons of decimals are those of their integers.
//
// The binder has cast the arguments: to the result's scale for + - and %, to the result's layout for *, whose scales
// add up. A result beyond the digits of its layout (4, 9, 18, 38) fails, as in DuckDB.
#include <algorithm>

#include "expr/checked.h"
#include "expr/kernel.h"

namespace laminar::expr {

namespace {

using data::Column;

template <class T>
constexpr T limit_of() {
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(power_of_ten(4) - 1);
  else if constexpr (sizeof(T) == 4)
    return static_cast<T>(power_of_ten(9) - 1);
  else if constexpr (sizeof(T) == 8)
    return static_cast<T>(power_of_ten(18) - 1);
  else
    return power_of_ten(38) - 1;
}

// Wrapped results of two numbers within the digits of their layout cannot come back into them for + and -, so the
// bound alone finds their overflows; for * the layout's own overflow counts as well.
template <class T, class Checked>
T decimal_apply(T a, T b, bool& beyond) {
  Unsigned<T> overflow = 0;
  const T value = Checked::template apply<T>(a, b, overflow);
  beyond |= (value > limit_of<T>()) | (value < -limit_of<T>()) | overflowed<T>(overflow);
  return value;
}

template <class T, class Checked, class Left, class Right>
[[gnu::always_inline]] inline void decimal_rows(const Kernel& kernel, Scope& scope, Column& out, Left left,
                                                Right right) {
  T* result = out.values<T>();
  bool beyond = false;
  for (uint32_t i = 0; i < scope.rows; ++i) store(result, i, decimal_apply<T, Checked>(left(i), right(i), beyond));
  if (!beyond) [[likely]]
    return;
  auto fails = [&](uint32_t i) {
    bool one = false;
    decimal_apply<T, Checked>(left(i), right(i), one);
    return one;
  };
  report_rows(kernel, scope, out, fails, [&](uint32_t i, std::string& text) {
    text.assign("Overflow in ")
        .append(Checked::kName)
        .append(sizeof(T) == 16 ? " of DECIMAL(38) (" : " of DECIMAL(18) (");
    text.append(any_number_text(left(i)))
        .append(" ")
        .append(1, Checked::kSign)
        .append(" ")
        .append(any_number_text(right(i)));
    text.append("). You might want to add an explicit cast to a bigger decimal.");
  });
}

template <class T, class Checked>
void decimal_columns(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T* b = args[1].values<T>();
  decimal_rows<T, Checked>(
      kernel, scope, out, [a](uint32_t i) { return load(a, i); }, [b](uint32_t i) { return load(b, i); });
}
template <class T, class Checked>
void decimal_constant(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T b = kernel.constant<T>(1);
  decimal_rows<T, Checked>(
      kernel, scope, out, [a](uint32_t i) { return load(a, i); }, [b](uint32_t) { return b; });
}

// Where the digits of both sides prove that nothing overflows.
template <class T, class Operation>
void plain_columns(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T* b = args[1].values<T>();
  T* result = out.values<T>();
  for (uint32_t i = 0; i < scope.rows; ++i) store(result, i, Operation::apply(load(a, i), load(b, i)));
}
template <class T, class Operation>
void plain_constant(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T b = kernel.constant<T>(1);
  T* result = out.values<T>();
  for (uint32_t i = 0; i < scope.rows; ++i) store(result, i, Operation::apply(load(a, i), b));
}

// Values under a NULL may wrap, so the operations are done unsigned.
struct WrapAdd {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
  }
};
struct WrapSubtract {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
  }
};
struct WrapMultiply {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (sizeof(T) == 2)
      return static_cast<T>(static_cast<int32_t>(a) * b);
    else
      return static_cast<T>(static_cast<Unsigned<T>>(a) * static_cast<Unsigned<T>>(b));
  }
};
// Both sides hold 64-bit numbers.
struct MultiplyLow {
  static int128 apply(int128 a, int128 b) {
    return static_cast<int128>(static_cast<int64_t>(a)) * static_cast<int64_t>(b);
  }
};

template <class T>
void decimal_modulo(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T* b = args[1].values<T>();
  T* result = out.values<T>();
  bool zero = false;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const T right = load(b, i);
    zero |= right == 0;
    store(result, i, right == 0 || right == -1 ? T{0} : static_cast<T>(load(a, i) % right));
  }
  if (zero) null_rows(kernel, scope, out, [&](uint32_t i) { return load(b, i) == 0; });
}

template <class T, bool kAbs>
void decimal_negate(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  T* result = out.values<T>();
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const T value = load(a, i);
    const T negative = WrapSubtract::apply(T{0}, value);
    store(result, i, kAbs && value >= 0 ? value : negative);
  }
}

// An n such that every value of the expression lies within 10^n, as a number without its point.
uint32_t digits(const Expr& expr) {
  if (is_constant(expr)) {
    int128 value = 0;
    with_integer(expr.type.physical(), [&](auto tag) {
      value = static_cast<int128>(expr.constant.as<typename decltype(tag)::type>());
      return true;
    });
    uint32_t n = 0;
    while (n < 38 && (value >= power_of_ten(n) || value <= -power_of_ten(n))) ++n;
    return n;
  }
  if (expr.kind == ExprKind::kCast && is_decimal(expr.type)) {
    const data::Type& from = expr.args[0]->type;
    if (is_decimal(from) && from.scale <= expr.type.scale) {
      return std::min<uint32_t>(expr.type.width, digits(*expr.args[0]) + expr.type.scale - from.scale);
    }
    static constexpr uint8_t kIntegerDigits[] = {3, 5, 10, 19, 3, 5, 10, 20};
    if (is_integer(from) && from.kind <= data::TypeKind::kUInt64) {
      const uint32_t n = kIntegerDigits[static_cast<int>(from.kind) - static_cast<int>(data::TypeKind::kInt8)];
      return std::min<uint32_t>(expr.type.width, n + expr.type.scale);
    }
  }
  return is_decimal(expr.type) ? expr.type.width : 38;
}

template <class T, class Checked, class Wrap>
void choose(const Expr& expr, Kernel& kernel, bool safe) {
  const bool constant = is_constant(*expr.args[1]);
  if (constant) use_constant(kernel, expr, 1);
  if (safe) {
    kernel.function = constant ? plain_constant<T, Wrap> : plain_columns<T, Wrap>;
  } else {
    kernel.can_fail = true;
    kernel.function = constant ? decimal_constant<T, Checked> : decimal_columns<T, Checked>;
  }
}

// ---- integer column times constant, as DECIMAL of 128 bits
// -----------------------------------------------------------

// price * 0.908 with BIGINT price binds as CAST(price AS DECIMAL(19,0)) * 0.908::DECIMAL(23,3): one multiplication of
// 64 by 64 bits, the 128-bit cast between is never stored.
template <class T>
void widening_multiply(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const int64_t b = static_cast<int64_t>(kernel.constant<int128>(1));
  int128* result = out.values<int128>();
  for (uint32_t i = 0; i < scope.rows; ++i) store(result, i, static_cast<int128>(static_cast<int64_t>(a[i])) * b);
}

template <class T>
bool decimal_kernel(const Expr& expr, Kernel* kernel) {
  Kernel ignored;
  Kernel& k = kernel ? *kernel : ignored;
  const uint32_t layout_digits = sizeof(T) == 2 ? 4 : sizeof(T) == 4 ? 9 : sizeof(T) == 8 ? 18 : 38;
  switch (expr.op) {
    case Op::kAdd:
    case Op::kSubtract: {
      const bool safe = std::max(digits(*expr.args[0]), digits(*expr.args[1])) < layout_digits;
      if (expr.op == Op::kAdd)
        choose<T, CheckedAdd, WrapAdd>(expr, k, safe);
      else
        choose<T, CheckedSubtract, WrapSubtract>(expr, k, safe);
      return true;
    }
    case Op::kMultiply: {
      const uint32_t left = digits(*expr.args[0]), right = digits(*expr.args[1]);
      if (sizeof(T) == 16 && left <= 18 && right <= 18)
        choose<int128, CheckedMultiply, MultiplyLow>(expr, k, true);
      else
        choose<T, CheckedMultiply, WrapMultiply>(expr, k, left + right <= layout_digits);
      return true;
    }
    case Op::kModulo:
      k.function = decimal_modulo<T>;
      return true;
    case Op::kNegate:
      k.function = decimal_negate<T, false>;
      return true;
    case Op::kAbs:
      k.function = decimal_negate<T, true>;
      return true;
    default:
      return false;
  }
}

}  // namespace

bool find_decimal_kernel(const Expr& expr, Kernel* kernel) {
  if (expr.kind != ExprKind::kCall || !is_decimal(expr.type) || expr.op < Op::kAdd || expr.op > Op::kAbs) return false;
  const bool unary = expr.op == Op::kNegate || expr.op == Op::kAbs;
  if (expr.args.size() != (unary ? 1 : 2)) return false;
  uint32_t scales = 0;
  for (const ExprPtr& arg : expr.args) {
    if (!is_decimal(arg->type) || arg->type.physical() != expr.type.physical()) return false;
    if (expr.op != Op::kMultiply && arg->type.scale != expr.type.scale) return false;
    scales += arg->type.scale;
  }
  if (expr.op == Op::kMultiply && scales != expr.type.scale) return false;
  switch (expr.type.physical()) {
    case data::Physical::kI16:
      return decimal_kernel<int16_t>(expr, kernel);
    case data::Physical::kI32:
      return decimal_kernel<int32_t>(expr, kernel);
    case data::Physical::kI64:
      return decimal_kernel<int64_t>(expr, kernel);
    default:
      return decimal_kernel<int128>(expr, kernel);
  }
}

bool find_widening_kernel(const Expr& expr, Kernel* kernel) {
  if (expr.kind != ExprKind::kCall || expr.op != Op::kMultiply || expr.type.physical() != data::Physical::kI128)
    return false;
  if (!find_decimal_kernel(expr, nullptr)) return false;
  const Expr& cast = *expr.args[0];
  if (cast.kind != ExprKind::kCast || cast.type.scale != 0 || !is_constant(*expr.args[1])) return false;
  const data::Type& from = cast.args[0]->type;
  const bool integer = from.kind == data::TypeKind::kInt64 || from.kind == data::TypeKind::kInt32;
  if (!integer || cast.type.width < (from.kind == data::TypeKind::kInt64 ? 19 : 10)) return false;
  if (digits(*expr.args[1]) > 18 || digits(cast) + digits(*expr.args[1]) > 38) return false;
  if (kernel) {
    kernel->function = from.kind == data::TypeKind::kInt64 ? widening_multiply<int64_t> : widening_multiply<int32_t>;
    use_constant(*kernel, expr, 1);
  }
  return true;
}

}  // namespace laminar::expr
