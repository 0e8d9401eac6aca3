#include "stream/time/key_watermarks.h"

#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>

#include "base/hash.h"

namespace laminar::stream {
namespace {

using data::kWatermarkEnded;
using data::kWatermarkNone;

// Against a map, with and without a floor, cut anywhere; a table that forgets keys at the floor gives the same.
TEST(KeyWatermarks, JudgesEachRowByEarlierRowsOfItsKey) {
  for (int round = 0; round < 100; ++round) {
    const uint64_t seed = std::random_device{}();
    if (round == 0) std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    WatermarkOptions options;
    options.delay_us = static_cast<int64_t>(random() % 50);
    options.future_skew_max_us = round % 3 == 0 ? 500 : kWatermarkEnded;
    const int64_t floor_us = round % 2 ? static_cast<int64_t>(random() % 400) : -1;
    const int64_t now = 20'000;
    const uint64_t keys = 1 + random() % 3000;
    KeyWatermarks watermarks(options, floor_us);
    const WatermarkTracker clock(options);
    std::map<uint64_t, int64_t> own;
    int64_t floor = kWatermarkNone, greatest = kWatermarkNone;
    std::vector<KeyMove> moves;
    for (int64_t begin = 0; begin < 20'000;) {
      const uint32_t n = static_cast<uint32_t>(1 + random() % data::kBatchRowsMax);
      std::vector<uint64_t> hashes(n);
      std::vector<int64_t> times(n), row_watermark(n);
      std::vector<uint64_t> validity(32, ~uint64_t{0});
      for (uint32_t i = 0; i < n; ++i) {
        hashes[i] = hash_u64(random() % keys);  // of 0 it is 0
        times[i] = begin + i + static_cast<int64_t>(hashes[i] % 300) - static_cast<int64_t>(random() % 100);
        if (random() % 50 == 0) data::set_null(validity.data(), i);
        if (random() % 100 == 0) times[i] = now + 501;
      }
      moves.clear();
      const auto judged = watermarks.advance(hashes.data(), times.data(), validity.data(), nullptr, n, clock, now, row_watermark.data(), moves);
      uint32_t future = 0;
      size_t move = 0;
      bool behind = false;
      for (uint32_t i = 0; i < n; ++i) {
        if (!(validity[i / 64] >> (i % 64) & 1)) continue;
        auto [at, added] = own.try_emplace(hashes[i], kWatermarkNone);
        const int64_t before = std::max(at->second, floor);
        ASSERT_EQ(row_watermark[i], before) << "seed " << seed;
        behind |= times[i] <= before;
        if (options.future_skew_max_us != kWatermarkEnded && times[i] > now + options.future_skew_max_us) {
          ++future;
          continue;
        }
        const int64_t after = times[i] - options.delay_us;
        if (after <= before) continue;
        at->second = after;
        ASSERT_LT(move, moves.size());
        ASSERT_EQ(moves[move].key, KeyMove::of_hash(hashes[i]));
        ASSERT_EQ(moves[move].before, before);
        ASSERT_EQ(moves[move++].after, after);
        greatest = std::max(greatest, after);
        if (floor_us >= 0) floor = std::max(floor, greatest - floor_us);
      }
      ASSERT_EQ(move, moves.size());
      ASSERT_EQ(judged.future_rows, future);
      ASSERT_EQ(judged.any_behind, behind);
      ASSERT_EQ(watermarks.floor(), floor);
      begin += n;
      if (random() % 4 == 0) {
        ByteWriter head;
        watermarks.save(head);
        KeyWatermarks restored(options, floor_us);
        ByteReader in(head.view());
        ASSERT_TRUE(restored.load(in));
        watermarks.save_keys([&](std::string_view piece) {
          ByteReader keys_in(piece);
          ASSERT_TRUE(restored.load_keys(keys_in));
        });
        watermarks = restored;
      }
    }
  }
}

TEST(KeyWatermarks, FloorBoundsTheKeysThatAreRemembered) {
  KeyWatermarks watermarks(WatermarkOptions{}, 1000);
  const WatermarkTracker clock(WatermarkOptions{});
  std::vector<KeyMove> moves;
  size_t most = 0;
  for (int64_t i = 0; i < 1'000'000; ++i) {
    const uint64_t key = hash_u64(static_cast<uint64_t>(i));
    int64_t row_watermark;
    watermarks.advance(&key, &i, nullptr, nullptr, 1, clock, 0, &row_watermark, moves);
    moves.clear();
    most = std::max(most, watermarks.held_bytes());
  }
  EXPECT_LE(most, 64u * 1024);
  EXPECT_EQ(watermarks.floor(), 999'999 - 1000);
  EXPECT_EQ(watermarks.range().least, 999'999 - 1000);
  EXPECT_EQ(watermarks.range().greatest, 999'999);
}

}  // namespace
}  // namespace laminar::stream
