// INTERVAL values: their layout and DuckDB's order, in which a month counts 30 days and a day 24 hours.
#pragma once

#include <cstdint>

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
};
static_assert(sizeof(Interval) == 16);

}  // namespace laminar::expr
