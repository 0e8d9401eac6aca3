// Clock time in which every month has the same length, so that windows of months, quarters and years are windows of a fixed
// size: a month is 31 days long, and its days beyond the last are never seen.
//
// The proleptic Gregorian calendar by the eras of 400 years of "chrono-Compatible Low-Level Date Algorithms" (H. Hinnant,
// 2013). Months count from January 1970.
//
// Units:   microseconds since 1970-01-01 00:00:00.
#pragma once

#include <algorithm>
#include <cstdint>

namespace laminar::plan {

inline constexpr int64_t kCalendarDayUs = 86'400'000'000;
inline constexpr int64_t kCalendarMonthUs = 31 * kCalendarDayUs;

namespace calendar {

constexpr int64_t floor_quotient(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// Days from 1970-01-01 to the first of a month.
constexpr int64_t month_start_day(int64_t months) {
  const int64_t year = 1970 + floor_quotient(months, 12);
  const int64_t month = months - floor_quotient(months, 12) * 12;  // from 0
  // Years begin in March, so that the leap day is the last.
  const int64_t y = month < 2 ? year - 1 : year;
  const int64_t era = floor_quotient(y, 400);
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (month < 2 ? month + 10 : month - 2) + 2) / 5;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

// The month that holds a day.
constexpr int64_t month_of_day(int64_t day) {
  const int64_t shifted = day + 719'468;
  const int64_t era = floor_quotient(shifted, 146'097);
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t from_march = (5 * day_of_year + 2) / 153;
  const int64_t year = year_of_era + era * 400 + (from_march >= 10 ? 1 : 0);
  return (year - 1970) * 12 + (from_march < 10 ? from_march + 2 : from_march - 10);
}

}  // namespace calendar

constexpr int64_t to_month_time(int64_t us) {
  const int64_t day = calendar::floor_quotient(us, kCalendarDayUs);
  const int64_t month = calendar::month_of_day(day);
  return month * kCalendarMonthUs + (us - calendar::month_start_day(month) * kCalendarDayUs);
}

// The first time that is at `month_us` or later there.
constexpr int64_t from_month_time(int64_t month_us) {
  const int64_t month = calendar::floor_quotient(month_us, kCalendarMonthUs);
  const int64_t begin = calendar::month_start_day(month) * kCalendarDayUs;
  return std::min(begin + (month_us - month * kCalendarMonthUs), calendar::month_start_day(month + 1) * kCalendarDayUs);
}

}  // namespace laminar::plan
