#include "plan/calendar.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "plan/time_zone.h"

namespace laminar::plan {
namespace {

TEST(Calendar, MonthsAreThoseOfChrono) {
  for (int64_t months = -12 * 30'000; months < 12 * 30'000; months += 7) {
    const int64_t year = 1970 + calendar::floor_quotient(months, 12);
    const auto month = static_cast<unsigned>(months - calendar::floor_quotient(months, 12) * 12 + 1);
    const std::chrono::sys_days day = std::chrono::year(static_cast<int>(year)) / std::chrono::month(month) / 1;
    ASSERT_EQ(calendar::month_start_day(months), day.time_since_epoch().count()) << months;
    ASSERT_EQ(calendar::month_of_day(calendar::month_start_day(months)), months);
    ASSERT_EQ(calendar::month_of_day(calendar::month_start_day(months) - 1), months - 1);
  }
}

TEST(Calendar, MonthTimeGrowsAndComesBack) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const int64_t us = static_cast<int64_t>(random() % (uint64_t{1} << 63)) - (int64_t{1} << 62);  // about 140,000 years either way
    ASSERT_EQ(from_month_time(to_month_time(us)), us);
    ASSERT_LT(to_month_time(us - 1), to_month_time(us));
  }
  // The days that a month does not have are its end.
  const int64_t april = 3 * kCalendarMonthUs;
  EXPECT_EQ(from_month_time(april + 30 * kCalendarDayUs), calendar::month_start_day(4) * kCalendarDayUs);
  EXPECT_EQ(from_month_time(april + 30 * kCalendarDayUs + 1), calendar::month_start_day(4) * kCalendarDayUs);
}

}  // namespace
}  // namespace laminar::plan
