// The proleptic Gregorian calendar, and the limits that DuckDB sets to dates and timestamps.
//
// Units:   days and microseconds since 1970-01-01.
#pragma once

#include <cstdint>
#include <limits>

namespace laminar::expr {

inline constexpr int64_t kSecondUs = 1'000'000;
inline constexpr int64_t kDayUs = 86'400 * kSecondUs;
inline constexpr int64_t kTimeInfinity = std::numeric_limits<int64_t>::max();
inline constexpr int32_t kDateInfinity = std::numeric_limits<int32_t>::max();
// The first day that a timestamp can lie on with its whole day in 64 bits; DuckDB refuses the part of a day before.
inline constexpr int64_t kFirstDay = std::numeric_limits<int64_t>::min() / kDayUs;
inline constexpr int64_t kTimestampMin = kFirstDay * kDayUs;
inline constexpr int32_t kYearMin = -5877641, kYearMax = 5881580;

inline bool is_finite_time(int64_t t) { return t != kTimeInfinity && t != -kTimeInfinity; }
inline bool is_finite_date(int32_t d) { return d != kDateInfinity && d != -kDateInfinity; }

// Day of a finite time, rounded down.
inline int64_t day_of(int64_t us) { return (us + (us < 0)) / kDayUs - (us < 0); }

struct CivilDate {
  int64_t year;
  int32_t month, day;
};

// Days to year, month, day: the era of 400 years begins on 1 March, so leap days come last.
inline CivilDate civil_from_days(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const uint32_t day_of_era = static_cast<uint32_t>(days - era * 146'097);
  const uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint32_t shifted_month = (5 * day_of_year + 2) / 153;
  const int32_t day = static_cast<int32_t>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  const int32_t month = static_cast<int32_t>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {era * 400 + year_of_era + (month <= 2), month, day};
}

inline int64_t days_from_civil(int64_t year, int32_t month, int32_t day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const uint32_t year_of_era = static_cast<uint32_t>(year - era * 400);
  const uint32_t day_of_year = static_cast<uint32_t>((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1);
  const uint32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

inline bool is_leap_year(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }
inline int32_t days_in_month(int64_t year, int32_t month) {
  constexpr int32_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap_year(year) ? 29 : kDays[month - 1];
}

}  // namespace laminar::expr
