#include "stream/time/watermark_tracker.h"

#include <gtest/gtest.h>

#include <iostream>
#include <random>

namespace laminar::stream {
namespace {

using data::kWatermarkEnded;
using data::kWatermarkNone;

TEST(WatermarkTracker, JudgesEachRowByEarlierRowsWhateverTheCuts) {
  for (int round = 0; round < 200; ++round) {
    const uint64_t seed = std::random_device{}();
    if (round == 0) std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    WatermarkOptions options;
    options.delay_us = static_cast<int64_t>(random() % 100);
    options.future_skew_max_us = round % 3 == 0 ? 500 : kWatermarkEnded;
    const int64_t now = 3000;
    const size_t rows = 1 + random() % 3000;
    std::vector<int64_t> times;
    std::vector<bool> valid;
    for (size_t i = 0; i < rows; ++i) {
      times.push_back(static_cast<int64_t>(i) + static_cast<int64_t>(random() % (round % 4 ? 120 : 2)) - 500);
      if (round % 3 == 0 && random() % 50 == 0) times.back() = now + 501 + static_cast<int64_t>(random() % 10);
      valid.push_back(round % 5 != 0 || random() % 10 != 0);
    }
    // The plain model.
    std::vector<int64_t> expected;
    int64_t watermark = kWatermarkNone;
    uint32_t future = 0;
    for (size_t i = 0; i < rows; ++i) {
      expected.push_back(watermark);
      if (!valid[i]) continue;
      if (options.future_skew_max_us != kWatermarkEnded && times[i] > now + options.future_skew_max_us) {
        ++future;
      } else {
        watermark = std::max(watermark, times[i] - options.delay_us);
      }
    }
    WatermarkTracker tracker(options);
    tracker.ensure_partition(0, now);
    std::vector<int64_t> row_watermark(data::kBatchRowsMax);
    uint32_t future_found = 0;
    for (size_t begin = 0; begin < rows;) {
      const uint32_t n = static_cast<uint32_t>(std::min<size_t>(rows - begin, 1 + random() % (round % 2 ? 10 : 2048)));
      uint64_t validity[32];
      std::fill(std::begin(validity), std::end(validity), ~uint64_t{0});
      bool behind = false;
      for (uint32_t i = 0; i < n; ++i) {
        if (!valid[begin + i]) data::set_null(validity, i);
        else behind |= times[begin + i] <= expected[begin + i];
      }
      const auto judged = tracker.advance(0, times.data() + begin, round % 5 ? nullptr : validity, n, now, row_watermark.data());
      future_found += judged.future_rows;
      ASSERT_EQ(judged.any_behind, behind) << "seed " << seed;
      for (uint32_t i = 0; judged.any_behind && i < n; ++i) ASSERT_EQ(row_watermark[i], expected[begin + i]) << "seed " << seed;
      begin += n;
    }
    EXPECT_EQ(future_found, future) << "seed " << seed;
    EXPECT_EQ(tracker.combine(now), watermark) << "seed " << seed;
  }
}

TEST(WatermarkTracker, CombinesActivePartitions) {
  WatermarkTracker tracker({.delay_us = 10, .idle_timeout_us = 1000});
  int64_t scratch[4];
  tracker.ensure_partition(1, 0);
  const int64_t a[] = {100, 200};
  tracker.advance(0, a, nullptr, 2, 0, scratch);
  EXPECT_EQ(tracker.combine(0), kWatermarkNone);  // partition 1 has not spoken
  const int64_t b[] = {150};
  tracker.advance(1, b, nullptr, 1, 100, scratch);
  EXPECT_EQ(tracker.combine(100), 140);
  const int64_t c[] = {500};
  tracker.advance(0, c, nullptr, 1, 900, scratch);
  EXPECT_EQ(tracker.combine(1099), 140);
  EXPECT_EQ(tracker.combine(1100), 490);  // partition 1 went idle
  EXPECT_EQ(tracker.combine(99999), 490);  // nobody is active: it stays
  // Back from idleness it starts at the combined watermark.
  const int64_t d[] = {160};
  EXPECT_TRUE(tracker.advance(1, d, nullptr, 1, 100000, scratch).any_behind);
  EXPECT_EQ(scratch[0], 490);
  EXPECT_EQ(tracker.combine(100000), 490);
  tracker.end_partition(0);
  EXPECT_EQ(tracker.combine(100000), 490);
  tracker.end_partition(1);
  EXPECT_EQ(tracker.combine(100000), kWatermarkEnded);
}

// Up to 64 partitions with silences, returns, rebalances and a clock that jumps: against a model that looks at all of them.
TEST(WatermarkTracker, CombinedIsMonotoneAndNeverAboveTheActiveOnes) {
  struct Model {
    int64_t watermark = kWatermarkNone, last_row = 0;
    bool idle = false, gone = false;
  };
  const uint64_t first_seed = std::random_device{}();
  std::cout << "seeds from " << first_seed << "\n";
  for (uint64_t seed = first_seed; seed < first_seed + 300; ++seed) {
    std::mt19937_64 random(seed);
    const WatermarkOptions options{.delay_us = static_cast<int64_t>(random() % 20), .idle_timeout_us = random() % 5 ? 1000 : 0};
    WatermarkTracker tracker(options);
    std::vector<Model> model;
    int64_t now = 0, combined = kWatermarkNone, base = 0;
    std::vector<int64_t> scratch(16);
    for (int step = 0; step < 400; ++step) {
      const uint32_t p = static_cast<uint32_t>(random() % 64) % (1 + static_cast<uint32_t>(random() % 64));
      const uint64_t what = random() % 100;
      while (model.size() <= p) {
        if (what >= 80) break;
        model.push_back({combined, now, false, false});
      }
      if (what < 70) {
        int64_t times[16];
        const uint32_t rows = 1 + static_cast<uint32_t>(random() % 16);
        for (int64_t& time : times) time = base += static_cast<int64_t>(random() % 5) - 1;
        const WatermarkTracker::Judged judged = tracker.advance(p, times, nullptr, rows, now, scratch.data());
        Model& m = model[p];
        if (m.idle || m.gone) m.watermark = std::max(m.watermark, combined);
        m.idle = m.gone = false;
        m.last_row = now;
        for (uint32_t i = 0; i < rows; ++i) {
          if (judged.any_behind) ASSERT_EQ(scratch[i], m.watermark) << "seed " << seed;
          else ASSERT_GT(times[i], m.watermark) << "seed " << seed;
          m.watermark = std::max(m.watermark, times[i] - options.delay_us);
        }
      } else if (what < 80) {
        tracker.ensure_partition(p, now);
      } else if (p < model.size() && what < 90) {
        tracker.remove_partition(p);
        model[p].gone = true;
      } else {
        now += what < 98 ? static_cast<int64_t>(random() % 600) : -static_cast<int64_t>(random() % 5000);
      }
      int64_t least = kWatermarkEnded, greatest = kWatermarkNone;
      bool any_active = false, any = false;
      for (Model& m : model) {
        m.last_row = std::min(m.last_row, now);
        if (!m.gone && options.idle_timeout_us > 0 && now - m.last_row >= options.idle_timeout_us) m.idle = true;
        if (m.gone) continue;
        any = true;
        greatest = std::max(greatest, m.watermark);
        if (m.idle) continue;
        any_active = true;
        least = std::min(least, m.watermark);
      }
      const int64_t before = combined;
      if (any) combined = std::max(combined, any_active ? least : greatest);
      ASSERT_EQ(tracker.combine(now), combined) << "seed " << seed << " step " << step;
      ASSERT_GE(combined, before);
      ASSERT_EQ(tracker.all_idle(), any && !any_active);
      for (uint32_t i = 0; i < model.size(); ++i) ASSERT_EQ(tracker.partition_idle(i), model[i].idle && !model[i].gone) << "seed " << seed;
    }
  }
}

TEST(WatermarkTracker, TimesAtTheEdges) {
  WatermarkTracker tracker({.delay_us = 10, .idle_timeout_us = 0});
  int64_t scratch[4];
  const int64_t times[] = {kWatermarkNone, kWatermarkNone + 1, kWatermarkEnded};
  EXPECT_EQ(tracker.advance(0, times, nullptr, 3, 0, scratch).future_rows, 1u);  // 'infinity' never moves it
  EXPECT_EQ(tracker.combine(0), kWatermarkNone + 1);
}

TEST(EventTimes, UnitsConvertTowardsThePast) {
  int64_t scratch[4];
  int64_t ns[] = {-1, 1999, -1000, 0};
  data::Column column{ns, nullptr, data::Physical::kI64};
  const int64_t* us = event_times_us(data::Type::of(data::TypeKind::kTimestampNs), column, 4, scratch);
  EXPECT_EQ(us[0], -1);
  EXPECT_EQ(us[1], 1);
  EXPECT_EQ(us[2], -1);
  int64_t s[] = {-2, 3, kWatermarkEnded};
  column.data = s;
  us = event_times_us(data::Type::of(data::TypeKind::kTimestampS), column, 3, scratch);
  EXPECT_EQ(us[0], -2'000'000);
  EXPECT_EQ(us[2], kWatermarkEnded);
  int32_t days[] = {-1, 1};
  column = {days, nullptr, data::Physical::kI32};
  us = event_times_us(data::Type::of(data::TypeKind::kDate), column, 2, scratch);
  EXPECT_EQ(us[0], -86'400'000'000);
}

}  // namespace
}  // namespace laminar::stream
