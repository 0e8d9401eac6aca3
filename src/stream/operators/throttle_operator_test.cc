#include "stream/operators/throttle_operator.h"

#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "base/heap_calls_testing.h"
#include "stream/operators/change_fold_testing.h"
#include "stream/operators/source_operator.h"
#include "stream/operators/window_grid.h"
#include "stream/state/change_log.h"

namespace laminar::stream {
namespace {

using data::BatchBuffer;
using data::Type;
using data::TypeKind;

std::vector<Type> types() { return {Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar)}; }

void append(BatchBuffer& buffer, int64_t key, const std::string& text, int64_t weight) {
  const uint32_t row = buffer.rows++;
  buffer.column(0).values<int64_t>()[row] = key;
  buffer.column(1).values<data::StringRef>()[row] = buffer.strings().copy(text);
  buffer.weights()[row] = weight;
  buffer.has_weights = true;
}

TEST(ThrottleOperator, GivesNetChangesAtMultiplesOfTheInterval) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  ThrottleOperator op(types(), 100);
  ChangeFold output(types());
  op.add_output(&output, 0);
  TestRelation input;
  int64_t now = -1000;
  int64_t period = floor_div(now, 100);
  op.finish({1, now});
  for (uint64_t tick = 2; tick < 2000; ++tick) {
    BatchBuffer buffer(types(), 64);
    for (size_t i = random() % 20; i > 0; --i) {
      const int64_t key = static_cast<int64_t>(random() % 10);
      const std::string text = "text longer than twelve " + std::to_string(random() % 4);
      const TestRow row = {std::to_string(key), text};
      const int64_t weight = input.count(row) && random() % 2 ? -1 : 1;
      append(buffer, key, text, weight);
      fold(input, row, weight);
    }
    op.push(0, buffer.view());
    now += static_cast<int64_t>(random() % 60);
    op.finish({tick, now});
    const TestRelation before = output.relation;
    const auto changes = output.end_tick();
    if (floor_div(now, 100) == period) {
      ASSERT_TRUE(changes.empty());
      continue;
    }
    period = floor_div(now, 100);
    ASSERT_EQ(output.relation, input) << "seed " << seed;
    std::map<TestRow, int> seen;
    bool positive = false;
    for (const auto& [row, weight] : changes) {
      ASSERT_NE(weight, 0);
      ASSERT_EQ(seen[row]++, 0);
      positive |= weight > 0;
      ASSERT_TRUE(weight > 0 || !positive);
    }
    ASSERT_EQ(op.state_rows(), 0u);
  }
}

TEST(ThrottleOperator, ReleasesAtTheEndAndHoldsTheWatermark) {
  SourceOperator source({Type::of(TypeKind::kTimestamp), Type::of(TypeKind::kVarchar)}, SourceTime{.column = 0});
  ThrottleOperator op(source.types(), 100);
  source.add_output(&op, 0);
  ChangeFold output(source.types());
  op.add_output(&output, 0);
  BatchBuffer buffer(source.types(), 8);
  append(buffer, 5, "a", 1);
  source.push(0, buffer.view());
  source.finish({1, 10});
  op.finish({1, 10});
  EXPECT_TRUE(output.end_tick().empty());
  EXPECT_EQ(op.output_watermark(), data::kWatermarkNone);
  EXPECT_TRUE(op.waiting());
  EXPECT_EQ(op.next_release_us(), 100);
  op.finish({2, 100});
  EXPECT_EQ(output.end_tick().size(), 1u);
  EXPECT_EQ(op.output_watermark(), 5);
  EXPECT_FALSE(op.waiting());
  source.push(0, buffer.view());
  source.end_all();
  source.finish({3, 101});
  op.finish({3, 101});
  EXPECT_EQ(output.end_tick().size(), 1u);
  EXPECT_EQ(op.output_watermark(), data::kWatermarkEnded);
}

TEST(ThrottleOperator, AllocatesNothingAfterWarmUp) {
  ThrottleOperator op(types(), 1);
  std::mt19937_64 random(2);
  uint64_t allocations = 0;
  BatchBuffer buffer(types());
  for (uint64_t tick = 1; tick < 100; ++tick) {
    buffer.clear();
    for (int i = 0; i < 2000; ++i) append(buffer, static_cast<int64_t>(random() % 5000), "text longer than twelve", i % 3 ? 1 : -1);
    const data::Batch batch = buffer.view();
    const uint64_t before = heap_calls();
    op.push(0, batch);
    op.finish({tick, static_cast<int64_t>(tick)});
    if (tick > 30) allocations += heap_calls() - before;
  }
  EXPECT_EQ(allocations, 0u);
}

TEST(ChangeLog, KeepsTheNewestChangesWithinItsBytes) {
  for (uint64_t limit : {uint64_t{500}, uint64_t{20'000}, uint64_t{200'000}, uint64_t{100'000'000}}) {
    const uint64_t seed = std::random_device{}();
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    ChangeLog log(types(), limit);
    using Change = std::tuple<uint64_t, int64_t, TestRow>;
    std::vector<Change> all;
    uint64_t allocations = 0;
    for (uint64_t tick = 1; tick < 300; ++tick) {
      BatchBuffer buffer(types());
      for (size_t i = random() % (tick % 50 == 0 ? 2048 : 60); i > 0; --i) {
        append(buffer, static_cast<int64_t>(random() % 10), std::string(random() % 40, 'x'), random() % 2 ? 1 : -1);
      }
      const data::Batch batch = buffer.view();
      for (uint32_t i = 0; i < batch.rows; ++i) all.emplace_back(tick, batch.weight(i), test_row(types(), batch, i));
      const uint64_t before = heap_calls();
      log.append(tick, batch);
      if (tick > 150 && limit < 100'000) allocations += heap_calls() - before;
      ASSERT_LE(log.bytes(), limit);
    }
    EXPECT_EQ(allocations, 0u);
    EXPECT_EQ(log.rows() + log.evicted_rows(), all.size());
    for (const uint64_t from : {uint64_t{0}, log.complete_from(), uint64_t{250}, uint64_t{299}, uint64_t{1000}}) {
      std::vector<Change> expected, found;
      for (size_t i = log.evicted_rows(); i < all.size(); ++i) {
        if (std::get<0>(all[i]) >= from) expected.push_back(all[i]);
      }
      log.scan(from, [&](uint64_t tick, const data::Batch& batch) {
        for (uint32_t i = 0; i < batch.rows; ++i) found.emplace_back(tick, batch.weight(i), test_row(types(), batch, i));
      });
      ASSERT_EQ(found, expected) << "seed " << seed << " from " << from;
    }
    EXPECT_EQ(log.complete_from(), log.evicted_rows() == 0 ? 0 : std::get<0>(all[log.evicted_rows() - 1]) + 1);
  }
}

}  // namespace
}  // namespace laminar::stream
