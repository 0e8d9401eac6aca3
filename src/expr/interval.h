// INTERVAL values: their layout and DuckDB's order, in which a month counts 30 days and a day 24 hours.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace laminar::expr {

struct Interval {
  int32_t months;
  int32_t days;
  int64_t us;

  struct Parts {
    int64_t months, days, us;
  };
  Parts normalized() const {
    constexpr int64_t kDayUs = 86'400'000'000;
    const int64_t all_days = days + us / kDayUs;
    return {months + all_days / 30, all_days % 30, us % kDayUs};
  }
  // The same as months, days and time, the rest where one of them has no room.
  Interval spread() const {
    const auto fit = [](int64_t value, int64_t& rest, int64_t unit) {
      const auto fitting = static_cast<int32_t>(std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
      rest += (value - fitting) * unit;
      return fitting;
    };
    Parts parts = normalized();
    Interval result;
    result.months = fit(parts.months, parts.days, 30);
    result.days = fit(parts.days, parts.us, 86'400'000'000);
    result.us = parts.us;
    return result;
  }
  bool operator==(const Interval& other) const {
    const Parts a = normalized(), b = other.normalized();
    return a.months == b.months && a.days == b.days && a.us == b.us;
  }
  bool operator>(const Interval& other) const {
    const Parts a = normalized(), b = other.normalized();
    if (a.months != b.months) return a.months > b.months;
    if (a.days != b.days) return a.days > b.days;
    return a.us > b.us;
  }
  bool operator<(const Interval& other) const { return other > *this; }
};
static_assert(sizeof(Interval) == 16);

}  // namespace laminar::expr
