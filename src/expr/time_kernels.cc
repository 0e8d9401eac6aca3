// Dates, timestamps and intervals: + and -, parts of a timestamp, the start of a tumbling window.
//
// DuckDB's rules: infinite times stay infinite under + and -, their parts are NULL; results beyond the range fail.
#include "expr/calendar.h"
#include "expr/divider.h"
#include "expr/interval.h"
#include "expr/kernel.h"

namespace laminar::expr {

namespace {

using data::Column;
using data::TypeKind;

// DuckDB negates intervals without a check.
Interval inverted(Interval v) {
  return {static_cast<int32_t>(-static_cast<uint32_t>(v.months)), static_cast<int32_t>(-static_cast<uint32_t>(v.days)),
          static_cast<int64_t>(-static_cast<uint64_t>(v.us))};
}

// Adds an interval to a finite time; false beyond the range. Months first, cut to the length of the month, then days,
// then the time of day.
bool add_interval(int64_t time, Interval interval, int64_t& result) {
  if (time < kTimestampMin) return false;
  int64_t day = day_of(time);
  int64_t us = time - day * kDayUs;
  if (interval.months != 0) {
    CivilDate date = civil_from_days(day);
    const int32_t years = interval.months / 12;
    date.year += years;
    date.month += interval.months - years * 12;
    if (date.month > 12) {
      ++date.year;
      date.month -= 12;
    } else if (date.month <= 0) {
      --date.year;
      date.month += 12;
    }
    if (date.year <= kYearMin || date.year >= kYearMax) return false;
    day = days_from_civil(date.year, date.month, std::min(date.day, days_in_month(date.year, date.month)));
  }
  day += interval.days;
  if (day > kDateInfinity || day < std::numeric_limits<int32_t>::min()) return false;
  day += interval.us / kDayUs;
  if (day >= kDateInfinity || day <= -kDateInfinity) return false;
  us += interval.us % kDayUs;
  if (us >= kDayUs) {
    us -= kDayUs;
    ++day;
  } else if (us < 0) {
    us += kDayUs;
    --day;
  }
  return !__builtin_mul_overflow(day, kDayUs, &result) && !__builtin_add_overflow(result, us, &result) &&
         is_finite_time(result);
}

constexpr const char* kOutOfRange = "Date and time not in timestamp range";

// Fills result[0..rows) by one(row, value), which is false where a row fails; those rows become NULL and errors.
template <class T, class One>
void fill_checked(const Kernel& kernel, Scope& scope, Column& out, const One& one, const char* message) {
  T* result = out.values<T>();
  bool failed = false;
  for (uint32_t i = 0; i < scope.rows; ++i) failed |= !one(i, result[i]);
  if (!failed) [[likely]]
    return;
  report_rows(
      kernel, scope, out,
      [&](uint32_t i) {
        T ignored;
        return !one(i, ignored);
      },
      [&](uint32_t, std::string& text) { text.assign(message); });
}

// A timestamp, or a date widened to one.
template <class T>
bool to_time(T value, int64_t& time) {
  if constexpr (sizeof(T) == 4) {
    if (!is_finite_date(value)) {
      time = value > 0 ? kTimeInfinity : -kTimeInfinity;
      return true;
    }
    return !__builtin_mul_overflow(static_cast<int64_t>(value), kDayUs, &time) && is_finite_time(time);
  } else {
    time = value;
    return true;
  }
}

template <class T>
bool time_plus_interval(T value, Interval interval, int64_t& result) {
  if (!to_time(value, result)) return false;
  return !is_finite_time(result) || add_interval(result, interval, result);
}

template <class T, bool kSubtract, bool kIntervalFirst>
void interval_columns(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* times = args[kIntervalFirst].values<T>();
  const Interval* intervals = args[!kIntervalFirst].values<Interval>();
  auto one = [&](uint32_t i, int64_t& value) {
    return time_plus_interval(times[i], kSubtract ? inverted(intervals[i]) : intervals[i], value);
  };
  fill_checked<int64_t>(kernel, scope, out, one, kOutOfRange);
}

// A constant interval without months, params[0] in microseconds: an addition, where no row is near the ends of time.
template <class T>
void fixed_interval(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* times = args[0].values<T>();
  int64_t* result = out.values<int64_t>();
  const int64_t delta = kernel.params[0];
  constexpr int64_t kNear = std::numeric_limits<int64_t>::max() / 4;
  uint64_t far = 0;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    if constexpr (sizeof(T) == 4) {
      far |= static_cast<uint64_t>(static_cast<int64_t>(times[i]) + 20'000'000) > 40'000'000;
      result[i] = static_cast<int64_t>(static_cast<uint64_t>(static_cast<int64_t>(times[i])) * kDayUs +
                                       static_cast<uint64_t>(delta));
    } else {
      far |= static_cast<uint64_t>(times[i]) + kNear > 2 * static_cast<uint64_t>(kNear);
      result[i] = static_cast<int64_t>(static_cast<uint64_t>(times[i]) + static_cast<uint64_t>(delta));
    }
  }
  if (!far) [[likely]]
    return;
  Interval interval;
  std::memcpy(&interval, &kernel.params[1], sizeof interval);
  auto one = [&](uint32_t i, int64_t& value) { return time_plus_interval(times[i], interval, value); };
  fill_checked<int64_t>(kernel, scope, out, one, kOutOfRange);
}

void timestamp_difference(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const int64_t* a = args[0].values<int64_t>();
  const int64_t* b = args[1].values<int64_t>();
  Interval* result = out.values<Interval>();
  bool failed = false;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    int64_t us;
    failed |= __builtin_sub_overflow(a[i], b[i], &us) | !is_finite_time(a[i]) | !is_finite_time(b[i]);
    result[i] = {0, static_cast<int32_t>(us / kDayUs), us % kDayUs};
  }
  if (!failed) [[likely]]
    return;
  auto infinite = [&](uint32_t i) { return !is_finite_time(a[i]) || !is_finite_time(b[i]); };
  report_rows(
      kernel, scope, out,
      [&](uint32_t i) {
        int64_t us;
        return __builtin_sub_overflow(a[i], b[i], &us) || infinite(i);
      },
      [&](uint32_t i, std::string& text) {
        text.assign(infinite(i) ? "Cannot subtract infinite timestamps" : "Timestamp difference is out of bounds");
      });
}

void date_difference(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const int32_t* a = args[0].values<int32_t>();
  const int32_t* b = args[1].values<int32_t>();
  int64_t* result = out.values<int64_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = static_cast<int64_t>(a[i]) - b[i];
}

template <bool kSubtract, bool kDateSecond>
void date_days(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const int32_t* dates = args[kDateSecond].values<int32_t>();
  const int32_t* days = args[!kDateSecond].values<int32_t>();
  auto one = [&](uint32_t i, int32_t& value) {
    const int64_t day = static_cast<int64_t>(dates[i]) + (kSubtract ? -static_cast<int64_t>(days[i]) : days[i]);
    const bool finite = is_finite_date(dates[i]);
    value = finite ? static_cast<int32_t>(day) : dates[i];
    return !finite || ((day < kDateInfinity) & (day >= std::numeric_limits<int32_t>::min()) & (day != -kDateInfinity));
  };
  fill_checked<int32_t>(kernel, scope, out, one, "Date out of range");
}

template <bool kSubtract>
void interval_sum(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const Interval* a = args[0].values<Interval>();
  const Interval* b = args[1].values<Interval>();
  auto one = [&](uint32_t i, Interval& v) {
    if constexpr (kSubtract) {
      return !(__builtin_sub_overflow(a[i].months, b[i].months, &v.months) |
               __builtin_sub_overflow(a[i].days, b[i].days, &v.days) | __builtin_sub_overflow(a[i].us, b[i].us, &v.us));
    }
    return !(__builtin_add_overflow(a[i].months, b[i].months, &v.months) |
             __builtin_add_overflow(a[i].days, b[i].days, &v.days) | __builtin_add_overflow(a[i].us, b[i].us, &v.us));
  };
  fill_checked<Interval>(kernel, scope, out, one, kSubtract ? "Interval subtraction out of range" : "Overflow in addition of INTERVAL");
}

// ---- parts ----------------------------------------------------------------------------------------------------------

template <class F>
void finite_part(const Kernel& kernel, const Column* args, Scope& scope, Column& out, F&& part) {
  const int64_t* times = args[0].values<int64_t>();
  int64_t* result = out.values<int64_t>();
  bool infinite = false;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    infinite |= !is_finite_time(times[i]);
    result[i] = part(times[i]);
  }
  if (infinite) null_rows(kernel, scope, out, [&](uint32_t i) { return !is_finite_time(times[i]); });
}

void epoch_us(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  finite_part(kernel, args, scope, out, [](int64_t t) { return t; });
}

template <Op kPart>
void date_part(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  finite_part(kernel, args, scope, out, [](int64_t t) -> int64_t {
    const int64_t day = day_of(t);
    const int64_t seconds =
        static_cast<int64_t>(static_cast<uint64_t>(t) - static_cast<uint64_t>(day) * kDayUs) / kSecondUs;
    switch (kPart) {
      case Op::kDatePartHour:
        return seconds / 3600;
      case Op::kDatePartMinute:
        return seconds / 60 % 60;
      case Op::kDatePartSecond:
        return seconds % 60;
      case Op::kDatePartDay:
        return civil_from_days(day).day;
      case Op::kDatePartMonth:
        return civil_from_days(day).month;
      default:
        return civil_from_days(day).year;
    }
  });
}

// ---- windows --------------------------------------------------------------------------------------------------------

// The start of the window that holds the time: floor((t - offset) / size) * size + offset.
void tumble_start(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const int64_t* times = args[0].values<int64_t>();
  int64_t* result = out.values<int64_t>();
  const SignedDivider divider(*static_cast<const SignedDivider*>(kernel.state.get()));
  const int64_t size = divider.divisor(), offset = kernel.params[0];
  constexpr int64_t kNear = std::numeric_limits<int64_t>::max() / 4;
  uint64_t far = 0;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const int64_t t = static_cast<int64_t>(static_cast<uint64_t>(times[i]) - static_cast<uint64_t>(offset));
    far |= static_cast<uint64_t>(times[i]) + kNear > 2 * static_cast<uint64_t>(kNear);
    const int64_t q = divider.divide(t);
    const uint64_t start = static_cast<uint64_t>(q) * static_cast<uint64_t>(size);
    result[i] = static_cast<int64_t>(start - (static_cast<int64_t>(start) > t ? static_cast<uint64_t>(size) : 0) +
                                     static_cast<uint64_t>(offset));
  }
  if (!far) [[likely]]
    return;
  auto one = [&](uint32_t i, int64_t& value) {
    if (!is_finite_time(times[i])) {
      value = times[i];
      return true;
    }
    const __int128 t = static_cast<__int128>(times[i]) - offset;
    __int128 start = t / size * size;
    if (start > t) start -= size;
    start += offset;
    value = static_cast<int64_t>(start);
    return start >= kTimestampMin && start < kTimeInfinity;
  };
  fill_checked<int64_t>(kernel, scope, out, one, "The window starts before the first timestamp");
}

bool accept(Kernel* kernel, KernelFunction function, bool can_fail) {
  if (kernel) {
    kernel->function = function;
    kernel->can_fail = can_fail;
  }
  return true;
}

// Event time of another unit as microseconds: times params[0], or divided by -params[0] with floor. Infinite where it
// does not fit, which no window holds.
template <class T>
void event_time(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const T* values = args[0].values<T>();
  int64_t* result = out.values<int64_t>();
  const int64_t factor = kernel.params[0];
  constexpr T kEndless = std::numeric_limits<T>::max();  // 'infinity' of dates and timestamps
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const T value = values[i];
    if (value >= kEndless || value <= -kEndless) {
      result[i] = value > 0 ? kTimeInfinity : -kTimeInfinity;
    } else if (factor < 0) {
      result[i] = value / -factor - (value % -factor < 0);
    } else if (__builtin_mul_overflow(static_cast<int64_t>(value), factor, &result[i])) {
      result[i] = value > 0 ? kTimeInfinity : -kTimeInfinity;
    }
  }
}

bool find_event_time(const Expr& expr, Kernel* kernel) {
  if (expr.args.size() != 2 || !is_constant(*expr.args[1]) || expr.type.kind != TypeKind::kTimestamp) return false;
  const data::Type& from = expr.args[0]->type;
  const bool is_date = from.kind == TypeKind::kDate;
  if (!is_date && !from.is_timestamp() && from.kind != TypeKind::kInt64) return false;
  if (kernel) {
    use_constant(*kernel, expr, 1);
    kernel->params[0] = expr.args[1]->constant.as<int64_t>();
  }
  return accept(kernel, is_date ? event_time<int32_t> : event_time<int64_t>, false);
}

void normalized_interval(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const Interval* in = args[0].values<Interval>();
  Interval* result = out.values<Interval>();
  for (uint32_t i = 0; i < scope.rows; ++i) store(result, i, load(in, i).spread());
}

template <class T>
bool interval_kernel(const Expr& expr, Kernel* kernel, bool subtract) {
  if (is_constant(*expr.args[1])) {
    Interval interval = expr.args[1]->constant.as<Interval>();
    if (subtract) interval = inverted(interval);
    const __int128 us = static_cast<__int128>(interval.days) * kDayUs + interval.us;
    // A century at most, so that times in the middle half of their range cannot leave it.
    if (interval.months == 0 && us < 36'525 * kDayUs && us > -36'525 * kDayUs) {
      if (kernel) {
        use_constant(*kernel, expr, 1);
        kernel->params[0] = static_cast<int64_t>(us);
        std::memcpy(&kernel->params[1], &interval, sizeof interval);
      }
      return accept(kernel, fixed_interval<T>, true);
    }
  }
  return accept(kernel, subtract ? interval_columns<T, true, false> : interval_columns<T, false, false>, true);
}

bool find_plus_minus(const Expr& expr, Kernel* kernel) {
  const TypeKind left = expr.args[0]->type.kind, right = expr.args[1]->type.kind, result = expr.type.kind;
  const bool subtract = expr.op == Op::kSubtract;
  if (result == TypeKind::kTimestamp) {
    if (left == TypeKind::kTimestamp && right == TypeKind::kInterval)
      return interval_kernel<int64_t>(expr, kernel, subtract);
    if (left == TypeKind::kDate && right == TypeKind::kInterval)
      return interval_kernel<int32_t>(expr, kernel, subtract);
    if (subtract || left != TypeKind::kInterval) return false;
    if (right == TypeKind::kTimestamp) return accept(kernel, interval_columns<int64_t, false, true>, true);
    if (right == TypeKind::kDate) return accept(kernel, interval_columns<int32_t, false, true>, true);
    return false;
  }
  if (result == TypeKind::kInterval) {
    if (left == TypeKind::kTimestamp && right == TypeKind::kTimestamp && subtract)
      return accept(kernel, timestamp_difference, true);
    if (left != TypeKind::kInterval || right != TypeKind::kInterval) return false;
    return accept(kernel, subtract ? interval_sum<true> : interval_sum<false>, true);
  }
  if (result == TypeKind::kDate) {
    if (left == TypeKind::kDate && right == TypeKind::kInt32)
      return accept(kernel, subtract ? date_days<true, false> : date_days<false, false>, true);
    return left == TypeKind::kInt32 && right == TypeKind::kDate && !subtract &&
           accept(kernel, date_days<false, true>, true);
  }
  if (result != TypeKind::kInt64 || !subtract || left != TypeKind::kDate || right != TypeKind::kDate) return false;
  return accept(kernel, date_difference, false);
}

}  // namespace

bool find_time_kernel(const Expr& expr, Kernel* kernel) {
  if (expr.kind != ExprKind::kCall) return false;
  if ((expr.op == Op::kAdd || expr.op == Op::kSubtract) && expr.args.size() == 2) return find_plus_minus(expr, kernel);
  if (expr.op == Op::kEventTime) return find_event_time(expr, kernel);
  if (expr.op == Op::kNormalizedInterval) {
    return expr.args.size() == 1 && expr.args[0]->type.kind == TypeKind::kInterval && expr.type.kind == TypeKind::kInterval &&
           accept(kernel, normalized_interval, false);
  }
  if (expr.args.empty() || expr.args[0]->type.kind != TypeKind::kTimestamp) return false;
  if (expr.op == Op::kTumbleStart) {
    if (expr.args.size() < 2 || expr.args.size() > 3 || expr.type.kind != TypeKind::kTimestamp) return false;
    for (size_t i = 1; i < expr.args.size(); ++i) {
      if (!is_constant(*expr.args[i]) || expr.args[i]->type.kind != TypeKind::kInt64) return false;
    }
    const int64_t size = expr.args[1]->constant.as<int64_t>();
    const int64_t offset = expr.args.size() == 3 ? expr.args[2]->constant.as<int64_t>() : 0;
    if (size <= 0) return false;
    if (kernel) {
      for (uint32_t i = 1; i < expr.args.size(); ++i) use_constant(*kernel, expr, i);
      kernel->state = std::make_shared<SignedDivider>(size);
      kernel->params[0] = (offset % size + size) % size;
    }
    return accept(kernel, tumble_start, true);
  }
  if (expr.args.size() != 1 || expr.type.kind != TypeKind::kInt64) return false;
  switch (expr.op) {
    case Op::kEpochUs:
      return accept(kernel, epoch_us, false);
    case Op::kDatePartHour:
      return accept(kernel, date_part<Op::kDatePartHour>, false);
    case Op::kDatePartMinute:
      return accept(kernel, date_part<Op::kDatePartMinute>, false);
    case Op::kDatePartSecond:
      return accept(kernel, date_part<Op::kDatePartSecond>, false);
    case Op::kDatePartDay:
      return accept(kernel, date_part<Op::kDatePartDay>, false);
    case Op::kDatePartMonth:
      return accept(kernel, date_part<Op::kDatePartMonth>, false);
    case Op::kDatePartYear:
      return accept(kernel, date_part<Op::kDatePartYear>, false);
    default:
      return false;
  }
}

}  // namespace laminar::expr
