// CAST and TRY_CAST among BOOLEAN, integers, floating point numbers and decimals, between dates and timestamps, and
// from integers and BOOLEAN to VARCHAR. Rounding and limits are DuckDB's: floating point to integer rounds half to
// even, decimals round half away from zero.
#include <charconv>
#include <cmath>

#include "expr/calendar.h"
#include "expr/kernel.h"
#include "expr/numeric.h"

namespace laminar::expr {

namespace {

using data::Column;
using data::StringRef;
using data::Type;
using data::TypeKind;

// Converts every row with convert(value, result), which says whether it could; a row that could not is NULL in TRY_CAST
// and fails in CAST.
template <class From, class To, class Convert>
[[gnu::always_inline]] inline void convert_rows(const Kernel& kernel, const Column* args, Scope& scope, Column& out,
                                                Convert convert) {
  const From* a = args[0].values<From>();
  To* result = out.values<To>();
  bool ok = true;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    To value;
    ok &= convert(load(a, i), value);
    store(result, i, value);
  }
  if (ok) [[likely]]
    return;
  auto fails = [&](uint32_t i) {
    To ignored;
    return !convert(load(a, i), ignored);
  };
  if (kernel.params[0]) return null_rows(kernel, scope, out, fails);
  report_rows(kernel, scope, out, fails, [&](uint32_t i, std::string& text) {
    text.assign("Could not cast value ").append(any_number_text(load(a, i)));
    text.append(" from ").append(kernel.argument_types[0].text()).append(" to ").append(kernel.type.text());
  });
}

// ---- among integers, floating point and BOOLEAN
// ----------------------------------------------------------------------

// DuckDB's HUGEINT to DOUBLE: by halves, each rounded.
double wide_to_double(int128 value) {
  const uint64_t low = static_cast<uint64_t>(value);
  const int64_t high = static_cast<int64_t>(value >> 64);
  if (high == -1) return -static_cast<double>(~low) - 1;
  return static_cast<double>(low) + static_cast<double>(high) * 18446744073709551616.0;
}

template <class From, class To>
bool convert_number(From value, To& result) {
  if constexpr (std::is_floating_point_v<From> && std::is_floating_point_v<To>) {
    result = static_cast<To>(value);
    return sizeof(To) >= sizeof(From) || !std::isfinite(value) || std::isfinite(result);
  } else if constexpr (std::is_floating_point_v<To>) {
    if constexpr (std::is_same_v<From, int128>)
      result = static_cast<To>(wide_to_double(value));
    else
      result = static_cast<To>(value);
    return true;
  } else if constexpr (std::is_floating_point_v<From>) {
    // The bound is tested before rounding, so a value between the largest number and the bound may wrap, as in DuckDB.
    const From below = kSigned<To> ? -std::ldexp(From{1}, sizeof(To) * 8 - 1) : From{0};
    const From bound = std::ldexp(From{1}, sizeof(To) * 8 - (kSigned<To> ? 1 : 0));
    const bool ok = value >= below && value < bound;
    const From rounded = std::nearbyint(ok ? value : From{0});
    if constexpr (std::is_same_v<To, uint64_t>)
      result = static_cast<To>(rounded);
    else
      result = static_cast<To>(static_cast<int64_t>(rounded));
    return ok;
  } else {
    result = static_cast<To>(value);
    return static_cast<From>(result) == value && (value < From{0}) == (result < To{0});
  }
}

template <class From, class To>
void number_cast(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  convert_rows<From, To>(kernel, args, scope, out, [](From v, To& r) { return convert_number(v, r); });
}
template <class From>
void to_boolean(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  convert_rows<From, uint8_t>(kernel, args, scope, out, [](From v, uint8_t& r) {
    r = v != From{0};
    return true;
  });
}
template <class To>
void from_boolean(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const To one = static_cast<To>(kernel.params[1]);
  convert_rows<uint8_t, To>(kernel, args, scope, out, [one](uint8_t v, To& r) {
    r = v & 1 ? one : To{0};
    return true;
  });
}

// ---- decimals -------------------------------------------------------------------------------------------------------

template <class From, class To>
void integer_to_decimal(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  using Wide = std::conditional_t<(sizeof(From) < 8 && sizeof(To) <= 8), int64_t, int128>;
  const Wide limit = static_cast<Wide>(power_of_ten(kernel.type.width - kernel.type.scale));
  const To factor = static_cast<To>(power_of_ten(kernel.type.scale));
  if (limit > static_cast<Wide>(max_of<From>())) {  // every value fits
    return convert_rows<From, To>(kernel, args, scope, out, [factor](From v, To& r) {
      r = static_cast<To>(static_cast<To>(v) * factor);
      return true;
    });
  }
  convert_rows<From, To>(kernel, args, scope, out, [limit, factor](From v, To& r) {
    const bool ok = (static_cast<Wide>(v) < limit) & (static_cast<Wide>(v) > -limit);
    r = ok ? static_cast<To>(static_cast<To>(v) * factor) : To{0};
    return ok;
  });
}

template <class From, class To>
void decimal_to_integer(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  using Wide = std::conditional_t<sizeof(From) == 16, int128, int64_t>;
  const Wide power = static_cast<Wide>(power_of_ten(kernel.argument_types[0].scale));
  convert_rows<From, To>(kernel, args, scope, out, [power](From v, To& r) {
    // Half is added without overflow for any bytes under a NULL.
    const Wide half = v < 0 ? -(power / 2) : power / 2;
    const Wide rounded =
        static_cast<Wide>(static_cast<Unsigned<Wide>>(static_cast<Wide>(v)) + static_cast<Unsigned<Wide>>(half)) /
        power;
    return convert_number<Wide, To>(rounded, r);
  });
}

template <class From, class To>
void decimal_up(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const Type& from = kernel.argument_types[0];
  const uint32_t difference = kernel.type.scale - from.scale;
  const To factor = static_cast<To>(power_of_ten(difference));
  const uint32_t target = kernel.type.width - difference;
  auto scale = [factor](From v) {
    return static_cast<To>(static_cast<Unsigned<To>>(static_cast<To>(v)) * static_cast<Unsigned<To>>(factor));
  };
  if (from.width < target) {
    return convert_rows<From, To>(kernel, args, scope, out, [&](From v, To& r) {
      r = scale(v);
      return true;
    });
  }
  const From limit = static_cast<From>(power_of_ten(target));
  convert_rows<From, To>(kernel, args, scope, out, [&](From v, To& r) {
    r = scale(v);
    return (v < limit) & (v > -limit);
  });
}

template <class From, class To>
void decimal_down(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const Type& from = kernel.argument_types[0];
  const uint32_t difference = from.scale - kernel.type.scale;
  const From factor = static_cast<From>(power_of_ten(difference));
  const uint32_t target = kernel.type.width + difference;
  const bool checked = from.width >= target;
  const int128 limit = checked ? power_of_ten(target) : 0;
  convert_rows<From, To>(kernel, args, scope, out, [&](From v, To& r) {
    const From halves = static_cast<From>(v / static_cast<From>(factor / 2));
    r = static_cast<To>((halves < 0 ? halves - 1 : halves + 1) / 2);
    if (!checked) return true;
    const int128 magnitude = v < 0 ? -static_cast<int128>(v) : static_cast<int128>(v);
    return magnitude + (magnitude % factor >= factor / 2 ? static_cast<int128>(factor) : 0) < limit;
  });
}

template <class From, class To>
void decimal_to_float(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  using Wide = std::conditional_t<sizeof(From) == 16, int128, int64_t>;
  const uint32_t scale = kernel.argument_types[0].scale;
  const Wide power = static_cast<Wide>(power_of_ten(scale));
  const To divisor = static_cast<To>(static_cast<double>(power));
  constexpr int64_t kExact = sizeof(To) == 8 ? int64_t{1} << 53 : int64_t{1} << 24;
  auto real = [](Wide value) {
    To result;
    convert_number<Wide, To>(value, result);
    return result;
  };
  convert_rows<From, To>(kernel, args, scope, out, [&](From v, To& r) {
    const Wide value = v;
    if (value <= kExact && value >= -kExact) [[likely]]
      r = static_cast<To>(static_cast<int64_t>(value)) / divisor;
    else if (scale == 0)
      r = real(value) / divisor;
    else
      r = real(value / power) + real(value % power) / divisor;
    return true;
  });
}

template <class From, class To>
void float_to_decimal(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const double factor = static_cast<double>(static_cast<int64_t>(power_of_ten(kernel.type.scale)));
  const double limit = static_cast<double>(static_cast<int64_t>(power_of_ten(kernel.type.width)));
  convert_rows<From, To>(kernel, args, scope, out, [=](From v, To& r) {
    const double rounded = std::round(static_cast<double>(v) * factor);
    const bool ok = rounded > -limit && rounded < limit;
    r = static_cast<To>(static_cast<int64_t>(ok ? static_cast<From>(rounded) : From{0}));
    return ok;
  });
}

// ---- times ----------------------------------------------------------------------------------------------------------

void date_to_timestamp(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  convert_rows<int32_t, int64_t>(kernel, args, scope, out, [](int32_t day, int64_t& r) {
    if (!is_finite_date(day)) [[unlikely]] {
      r = day > 0 ? kTimeInfinity : -kTimeInfinity;
      return true;
    }
    return !__builtin_mul_overflow(static_cast<int64_t>(day), kDayUs, &r);
  });
}
void timestamp_to_date(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  convert_rows<int64_t, int32_t>(kernel, args, scope, out, [](int64_t t, int32_t& r) {
    r = is_finite_time(t) ? static_cast<int32_t>(day_of(t)) : t > 0 ? kDateInfinity : -kDateInfinity;
    return true;
  });
}
// To a finer unit, params[1] of them in one.
void timestamp_finer(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const int64_t factor = kernel.params[1];
  convert_rows<int64_t, int64_t>(kernel, args, scope, out, [factor](int64_t t, int64_t& r) {
    const bool infinite = !is_finite_time(t);
    const bool overflow = __builtin_mul_overflow(t, factor, &r);
    if (infinite) r = t;
    return infinite || !overflow;
  });
}
// Microseconds to a coarser unit, rounded away from the epoch; nanoseconds to microseconds are cut.
template <bool kRound>
void timestamp_coarser(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const int64_t divisor = kernel.params[1];
  convert_rows<int64_t, int64_t>(kernel, args, scope, out, [divisor](int64_t t, int64_t& r) {
    if constexpr (kRound) {
      const int64_t halves = t / (divisor / 2);
      r = (halves < 0 ? halves - 1 : halves + 1) / 2;
    } else {
      r = t / divisor;
    }
    if (!is_finite_time(t)) r = t;
    return true;
  });
}

// ---- to VARCHAR -----------------------------------------------------------------------------------------------------

template <class From>
void integer_to_text(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const From* a = args[0].values<From>();
  StringRef* result = out.values<StringRef>();
  for (uint32_t i = 0; i < scope.rows; ++i) {
    char buffer[24];
    const uint32_t size = static_cast<uint32_t>(std::to_chars(buffer, buffer + sizeof buffer, a[i]).ptr - buffer);
    result[i] = size <= StringRef::kInlineMax ? StringRef(buffer, size) : scope.strings->copy(StringRef(buffer, size));
  }
}
void boolean_to_text(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const uint8_t* a = args[0].values<uint8_t>();
  StringRef* result = out.values<StringRef>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = a[i] ? StringRef("true", 4) : StringRef("false", 5);
}

// ---- choice ---------------------------------------------------------------------------------------------------------

template <class F>
bool with_decimal(const Type& type, F&& f) {
  return with_integer(type.physical(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (kSigned<T> && sizeof(T) > 1)
      return f(tag);
    else
      return false;
  });
}

// Never fails for any value: then the expression need not be guarded.
bool always_fits(const Type& from, const Type& to) {
  if (is_float(to)) return !(from.kind == TypeKind::kDouble && to.kind == TypeKind::kFloat);
  if (from.kind == TypeKind::kBoolean || to.kind == TypeKind::kBoolean || to.kind == TypeKind::kVarchar) return true;
  if (is_integer(from) && is_integer(to)) {
    const bool from_signed = from.kind <= TypeKind::kInt64 || from.kind == TypeKind::kInt128;
    const bool to_signed = to.kind <= TypeKind::kInt64 || to.kind == TypeKind::kInt128;
    const uint32_t from_size = data::physical_size(from.physical()), to_size = data::physical_size(to.physical());
    return from_signed == to_signed ? from_size <= to_size : !from_signed && from_size < to_size;
  }
  if (is_decimal(from) && is_decimal(to)) {
    return to.scale >= from.scale ? from.width < to.width - (to.scale - from.scale)
                                  : from.width < to.width + (from.scale - to.scale);
  }
  return false;
}

KernelFunction find_number_cast(const Type& from, const Type& to, Kernel& kernel) {
  KernelFunction found = nullptr;
  if (from.kind == TypeKind::kBoolean) {
    if (is_decimal(to)) {
      // A decimal without digits before the point takes the number 1 as it lies: DuckDB's way.
      const int128 one = to.width > to.scale ? power_of_ten(to.scale) : 1;
      kernel.params[1] = static_cast<int64_t>(one);
      if (static_cast<int128>(kernel.params[1]) != one) return nullptr;
    } else {
      kernel.params[1] = 1;
    }
    if (!is_decimal(to) && !is_integer(to) && !is_float(to)) return nullptr;
    with_number(to.physical(), [&](auto tag) {
      found = from_boolean<typename decltype(tag)::type>;
      return true;
    });
    return found;
  }
  if (to.kind == TypeKind::kBoolean) {
    with_number(from.physical(), [&](auto tag) {
      found = to_boolean<typename decltype(tag)::type>;
      return true;
    });
    return found;
  }
  if (is_decimal(from) && is_decimal(to)) {
    with_decimal(from, [&](auto a) {
      return with_decimal(to, [&](auto b) {
        using From = typename decltype(a)::type;
        using To = typename decltype(b)::type;
        found = to.scale >= from.scale ? decimal_up<From, To> : decimal_down<From, To>;
        return true;
      });
    });
    return found;
  }
  if (is_decimal(from)) {
    with_decimal(from, [&](auto a) {
      return with_number(to.physical(), [&](auto b) {
        using From = typename decltype(a)::type;
        using To = typename decltype(b)::type;
        if constexpr (std::is_same_v<To, uint128>)
          return false;
        else if constexpr (!std::is_floating_point_v<To>)
          found = decimal_to_integer<From, To>;
        else if constexpr (sizeof(From) <= 8 || sizeof(To) == 8)
          found = decimal_to_float<From, To>;
        return true;
      });
    });
    return found;
  }
  if (is_decimal(to)) {
    with_number(from.physical(), [&](auto a) {
      return with_decimal(to, [&](auto b) {
        using From = typename decltype(a)::type;
        using To = typename decltype(b)::type;
        if constexpr (std::is_same_v<From, uint128>)
          return false;
        else if constexpr (!std::is_floating_point_v<From>)
          found = integer_to_decimal<From, To>;
        else if constexpr (sizeof(To) <= 8)
          found = float_to_decimal<From, To>;
        return true;
      });
    });
    return found;
  }
  with_number(from.physical(), [&](auto a) {
    return with_number(to.physical(), [&](auto b) {
      using From = typename decltype(a)::type;
      using To = typename decltype(b)::type;
      // 128-bit integers and floating point round in DuckDB's own way: but for HUGEINT to DOUBLE, left to it.
      constexpr bool wide_float =
          (sizeof(From) == 16 && std::is_floating_point_v<To>) || (sizeof(To) == 16 && std::is_floating_point_v<From>);
      constexpr bool known = std::is_same_v<From, int128> && std::is_same_v<To, double>;
      if constexpr (!wide_float || known) found = number_cast<From, To>;
      return true;
    });
  });
  return found;
}

bool is_number(const Type& type) {
  return type.kind == TypeKind::kBoolean || is_integer(type) || is_float(type) || is_decimal(type);
}

KernelFunction find_time_cast(TypeKind from, TypeKind to, Kernel& kernel) {
  if (from == TypeKind::kDate && to == TypeKind::kTimestamp) return date_to_timestamp;
  if (from == TypeKind::kTimestamp && to == TypeKind::kDate) return timestamp_to_date;
  auto unit = [&](int64_t n, KernelFunction function) {
    kernel.params[1] = n;
    return function;
  };
  if (to == TypeKind::kTimestamp) {
    if (from == TypeKind::kTimestampS) return unit(1'000'000, timestamp_finer);
    if (from == TypeKind::kTimestampMs) return unit(1'000, timestamp_finer);
    if (from == TypeKind::kTimestampNs) return unit(1'000, timestamp_coarser<false>);
  } else if (from == TypeKind::kTimestamp) {
    if (to == TypeKind::kTimestampS) return unit(1'000'000, timestamp_coarser<true>);
    if (to == TypeKind::kTimestampMs) return unit(1'000, timestamp_coarser<true>);
    if (to == TypeKind::kTimestampNs) return unit(1'000, timestamp_finer);
  }
  return nullptr;
}

}  // namespace

bool find_cast_kernel(const Expr& expr, Kernel* kernel) {
  if (expr.kind != ExprKind::kCast || expr.args.size() != 1) return false;
  const Type& from = expr.args[0]->type;
  const Type& to = expr.type;
  Kernel ignored;
  Kernel& k = kernel ? *kernel : ignored;
  k.params[0] = expr.try_cast;
  k.function = nullptr;
  if (to.kind == TypeKind::kVarchar) {
    if (from.kind == TypeKind::kBoolean) k.function = boolean_to_text;
    if (is_integer(from)) {
      with_integer(from.physical(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (sizeof(T) <= 8) k.function = integer_to_text<T>;
        return true;
      });
    }
    return k.function != nullptr;
  }
  if (is_number(from) && is_number(to)) {
    k.function = find_number_cast(from, to, k);
    k.can_fail = !expr.try_cast && !always_fits(from, to);
    return k.function != nullptr;
  }
  k.function = find_time_cast(from.kind, to.kind, k);
  // DuckDB's TRY_CAST fails where a timestamp does not fit another unit, so it is left to DuckDB.
  if (expr.try_cast && k.function == timestamp_finer) return false;
  k.can_fail = k.function != timestamp_to_date;
  return k.function != nullptr;
}

}  // namespace laminar::expr
