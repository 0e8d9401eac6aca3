// +, -, *, /, //, %, unary - and abs over integers and floating point numbers.
#include <cmath>

#include "expr/checked.h"
#include "expr/divider.h"
#include "expr/kernel.h"

namespace laminar::expr {

namespace {

using data::Column;

// ---- integers: + - * ------------------------------------------------------------------------------------------------

template <class T, class Checked, class Left, class Right>
[[gnu::always_inline]] inline void checked_rows(const Kernel& kernel, Scope& scope, Column& out, Left left,
                                                Right right) {
  T* result = out.values<T>();
  Unsigned<T> overflow = 0;
  for (uint32_t i = 0; i < scope.rows; ++i) store(result, i, Checked::template apply<T>(left(i), right(i), overflow));
  if (!overflowed<T>(overflow)) [[likely]]
    return;
  auto fails = [&](uint32_t i) {
    Unsigned<T> one = 0;
    Checked::template apply<T>(left(i), right(i), one);
    return overflowed<T>(one);
  };
  report_rows(kernel, scope, out, fails, [&](uint32_t i, std::string& text) {
    text.assign("Overflow in ").append(Checked::kName).append(" of ").append(physical_name(kernel.type.physical()));
    text.append(" (").append(any_number_text(left(i))).append(" ").append(1, Checked::kSign).append(" ");
    text.append(any_number_text(right(i))).append(")!");
  });
}

template <class T, class Checked>
void checked_columns(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T* b = args[1].values<T>();
  checked_rows<T, Checked>(
      kernel, scope, out, [a](uint32_t i) { return load(a, i); }, [b](uint32_t i) { return load(b, i); });
}
template <class T, class Checked>
void checked_constant(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T b = kernel.constant<T>(1);
  checked_rows<T, Checked>(
      kernel, scope, out, [a](uint32_t i) { return load(a, i); }, [b](uint32_t) { return b; });
}

// ---- integers: // and % ---------------------------------------------------------------------------------------------

// Division by zero is NULL; the smallest number divided by -1 fails, for % too.
template <class T, bool kModulo>
void divide_columns(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T* b = args[1].values<T>();
  T* result = out.values<T>();
  bool special = false;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const T left = load(a, i), right = load(b, i);
    bool odd = right == 0;
    if constexpr (kSigned<T>) odd |= (left == min_of<T>()) & (right == T(-1));
    special |= odd;
    const T divisor = odd ? T{1} : right;
    store(result, i, static_cast<T>(kModulo ? left % divisor : left / divisor));
  }
  if (!special) return;
  null_rows(kernel, scope, out, [&](uint32_t i) { return load(b, i) == 0; });
  if constexpr (kSigned<T>) {
    report_rows(
        kernel, scope, out, [&](uint32_t i) { return load(a, i) == min_of<T>() && load(b, i) == T(-1); },
        [&](uint32_t i, std::string& text) {
          text.assign("Overflow in division of ").append(any_number_text(load(a, i))).append(" / -1");
        });
  }
}

// By a positive constant, in 64 bits.
template <class T, bool kModulo>
void divide_constant(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  T* result = out.values<T>();
  using Divider = std::conditional_t<kSigned<T>, SignedDivider, UnsignedDivider>;
  const Divider divider = *static_cast<const Divider*>(kernel.state.get());
  const T d = kernel.constant<T>(1);
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const T quotient = static_cast<T>(divider.divide(a[i]));
    result[i] = kModulo ? static_cast<T>(a[i] - quotient * d) : quotient;
  }
}

// By a positive constant of 32 bits or less: int32 numbers are exact in doubles, and so is the truncated quotient,
// which vectorizes. x * (1 / d) could be off by one, x / d cannot.
template <class T, bool kModulo>
void divide_constant_small(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  T* result = out.values<T>();
  const T d = kernel.constant<T>(1);
  const double divisor = static_cast<double>(d);
  using Whole = std::conditional_t<std::is_same_v<T, uint32_t>, int64_t, int32_t>;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const T quotient = static_cast<T>(static_cast<Whole>(static_cast<double>(a[i]) / divisor));
    result[i] = kModulo ? static_cast<T>(a[i] - quotient * d) : quotient;
  }
}

// ---- integers: - and abs --------------------------------------------------------------------------------------------

template <class T, bool kAbs>
void negate(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  using U = Unsigned<T>;
  const T* a = args[0].values<T>();
  T* result = out.values<T>();
  bool smallest = false;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const T value = load(a, i);
    const T negative = static_cast<T>(static_cast<U>(U{0} - static_cast<U>(value)));
    store(result, i, kAbs ? (value < 0 ? negative : value) : negative);
    smallest |= value == min_of<T>();
  }
  if (!smallest) return;
  report_rows(
      kernel, scope, out, [&](uint32_t i) { return load(a, i) == min_of<T>(); },
      [&](uint32_t i, std::string& text) {
        if constexpr (kAbs)
          text.assign("Overflow on abs(").append(any_number_text(load(a, i))).append(")");
        else
          text.assign("Overflow in negation of numeric value!");
      });
}

template <class T>
void copy_values(const Kernel&, const Column* args, Scope& scope, Column& out) {
  std::memcpy(out.data, args[0].data, size_t{scope.rows} * sizeof(T));
}

// ---- floating point -------------------------------------------------------------------------------------------------

struct FloatAdd {
  template <class T>
  static T apply(T a, T b) {
    return a + b;
  }
};
struct FloatSubtract {
  template <class T>
  static T apply(T a, T b) {
    return a - b;
  }
};
struct FloatMultiply {
  template <class T>
  static T apply(T a, T b) {
    return a * b;
  }
};

template <class T, class Operation>
void float_columns(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T* b = args[1].values<T>();
  T* result = out.values<T>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = Operation::template apply<T>(a[i], b[i]);
}
template <class T, class Operation>
void float_constant(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  const T b = kernel.constant<T>(1);
  T* result = out.values<T>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = Operation::template apply<T>(a[i], b);
}

struct FloatDivide {
  template <class T>
  static T apply(T a, T b) {
    return a / b;
  }
};
struct FloatModulo {
  template <class T>
  static T apply(T a, T b) {
    return std::fmod(a, b);
  }
};

// `//` by zero is NULL; `/` and `%` follow IEEE, DuckDB's default (ieee_floating_point_ops).
template <class T>
void float_whole_divide(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* b = args[1].values<T>();
  float_columns<T, FloatDivide>(kernel, args, scope, out);
  bool zero = false;
  for (uint32_t i = 0; i < scope.rows; ++i) zero |= b[i] == 0;
  if (zero) null_rows(kernel, scope, out, [&](uint32_t i) { return b[i] == 0; });
}

template <class T, bool kAbs>
void float_negate(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const T* a = args[0].values<T>();
  T* result = out.values<T>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = kAbs ? std::fabs(a[i]) : -a[i];
}

// ---- choice ---------------------------------------------------------------------------------------------------------

template <class T, class Checked>
void choose_checked(const Expr& expr, Kernel& kernel) {
  kernel.can_fail = true;
  if (is_constant(*expr.args[1])) {
    kernel.function = checked_constant<T, Checked>;
    use_constant(kernel, expr, 1);
  } else {
    kernel.function = checked_columns<T, Checked>;
  }
}

template <class T, bool kModulo>
void choose_divide(const Expr& expr, Kernel& kernel) {
  if constexpr (sizeof(T) <= 8) {
    if (is_constant(*expr.args[1]) && expr.args[1]->constant.as<T>() > 0) {
      use_constant(kernel, expr, 1);
      const T divisor = kernel.constant<T>(1);
      if constexpr (sizeof(T) < 8) {
        kernel.function = divide_constant_small<T, kModulo>;
      } else {
        if constexpr (kSigned<T>)
          kernel.state = std::make_shared<SignedDivider>(divisor);
        else
          kernel.state = std::make_shared<UnsignedDivider>(divisor);
        kernel.function = divide_constant<T, kModulo>;
      }
      return;
    }
  }
  kernel.can_fail = kSigned<T>;
  kernel.function = divide_columns<T, kModulo>;
}

template <class T, class Operation>
void choose_float(const Expr& expr, Kernel& kernel) {
  if (is_constant(*expr.args[1])) {
    kernel.function = float_constant<T, Operation>;
    use_constant(kernel, expr, 1);
  } else {
    kernel.function = float_columns<T, Operation>;
  }
}

template <class T>
bool integer_kernel(const Expr& expr, Kernel* kernel) {
  Kernel ignored;
  Kernel& k = kernel ? *kernel : ignored;
  switch (expr.op) {
    case Op::kAdd:
      choose_checked<T, CheckedAdd>(expr, k);
      return true;
    case Op::kSubtract:
      choose_checked<T, CheckedSubtract>(expr, k);
      return true;
    case Op::kMultiply:
      choose_checked<T, CheckedMultiply>(expr, k);
      return true;
    case Op::kIntegerDivide:
      choose_divide<T, false>(expr, k);
      return true;
    case Op::kModulo:
      choose_divide<T, true>(expr, k);
      return true;
    case Op::kNegate:
      if constexpr (!kSigned<T>) return false;
      k.can_fail = true;
      k.function = negate<T, false>;
      return true;
    case Op::kAbs:
      k.can_fail = kSigned<T>;
      if constexpr (kSigned<T>)
        k.function = negate<T, true>;
      else
        k.function = copy_values<T>;
      return true;
    default:
      return false;
  }
}

template <class T>
bool float_kernel(const Expr& expr, Kernel* kernel) {
  Kernel ignored;
  Kernel& k = kernel ? *kernel : ignored;
  switch (expr.op) {
    case Op::kAdd:
      choose_float<T, FloatAdd>(expr, k);
      return true;
    case Op::kSubtract:
      choose_float<T, FloatSubtract>(expr, k);
      return true;
    case Op::kMultiply:
      choose_float<T, FloatMultiply>(expr, k);
      return true;
    case Op::kDivide:
      choose_float<T, FloatDivide>(expr, k);
      return true;
    case Op::kModulo:
      choose_float<T, FloatModulo>(expr, k);
      return true;
    case Op::kIntegerDivide:
      k.function = float_whole_divide<T>;
      return true;
    case Op::kNegate:
      k.function = float_negate<T, false>;
      return true;
    case Op::kAbs:
      k.function = float_negate<T, true>;
      return true;
    default:
      return false;
  }
}

}  // namespace

bool find_arithmetic_kernel(const Expr& expr, Kernel* kernel) {
  if (expr.kind != ExprKind::kCall || expr.op < Op::kAdd || expr.op > Op::kAbs) return false;
  const bool unary = expr.op == Op::kNegate || expr.op == Op::kAbs;
  if (expr.args.size() != (unary ? 1 : 2)) return false;
  for (const ExprPtr& arg : expr.args) {
    if (arg->type.kind != expr.type.kind) return false;
  }
  if (is_float(expr.type)) {
    return expr.type.kind == data::TypeKind::kFloat ? float_kernel<float>(expr, kernel)
                                                    : float_kernel<double>(expr, kernel);
  }
  // UHUGEINT: DuckDB's checks miss some overflows, so it computes those itself.
  if (!is_integer(expr.type) || expr.type.kind == data::TypeKind::kUInt128) return false;
  return with_integer(expr.type.physical(),
                      [&](auto tag) { return integer_kernel<typename decltype(tag)::type>(expr, kernel); });
}

}  // namespace laminar::expr
