#include "stream/operators/window_assign_operator.h"

#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "base/heap_calls_testing.h"
#include "stream/operators/change_fold_testing.h"
#include "stream/operators/source_operator.h"

namespace laminar::stream {
namespace {

using data::BatchBuffer;
using data::Type;
using data::TypeKind;
using plan::WindowKind;

std::vector<Type> input_types() { return {Type::of(TypeKind::kTimestamp), Type::of(TypeKind::kInt64)}; }

std::unique_ptr<plan::WindowAssignNode> make_node(const plan::WindowSpec& window, int64_t lateness_us) {
  auto node = std::make_unique<plan::WindowAssignNode>();
  auto scan = std::make_unique<plan::ScanNode>();
  scan->columns = {{"ts", input_types()[0], 0}, {"id", input_types()[1], {}}};
  node->columns = scan->columns;
  node->columns.push_back({"window_start", Type::of(TypeKind::kTimestamp), {}});
  node->columns.push_back({"window_end", Type::of(TypeKind::kTimestamp), {}});
  node->inputs.push_back(std::move(scan));
  node->window = window;
  node->lateness_us = lateness_us;
  return node;
}

// All windows that hold `time`, found by looking at every candidate.
std::vector<std::pair<int64_t, int64_t>> windows_of(const plan::WindowSpec& spec, int64_t time) {
  std::vector<std::pair<int64_t, int64_t>> result;
  auto floor_to = [](int64_t value, int64_t step) { return value - ((value % step) + step) % step; };
  if (spec.kind == WindowKind::kCumulate) {
    const int64_t start = floor_to(time - spec.offset_us, spec.size_us) + spec.offset_us;
    for (int64_t end = start + spec.slide_us; end <= start + spec.size_us; end += spec.slide_us) {
      if (time < end) result.emplace_back(start, end);
    }
    return result;
  }
  for (int64_t start = floor_to(time - spec.size_us - spec.offset_us, spec.slide_us) + spec.offset_us; start <= time; start += spec.slide_us) {
    if (start + spec.size_us > time) result.emplace_back(start, start + spec.size_us);
  }
  return result;
}

TEST(WindowAssignOperator, EveryWindowThatHoldsTheRowUnlessLateWhateverTheCuts) {
  const uint64_t first_seed = std::random_device{}();
  std::cout << "seed " << first_seed << "\n";
  for (uint64_t round = 0; round < 60; ++round) {
    const uint64_t seed = first_seed + round;
    std::mt19937_64 random(seed);
    plan::WindowSpec spec;
    spec.kind = std::vector{WindowKind::kTumble, WindowKind::kHop, WindowKind::kCumulate}[round % 3];
    spec.slide_us = 1 + static_cast<int64_t>(random() % 9);
    spec.size_us = spec.kind == WindowKind::kTumble     ? spec.slide_us
                   : spec.kind == WindowKind::kCumulate ? spec.slide_us * (1 + static_cast<int64_t>(random() % 5))
                                                        : 1 + static_cast<int64_t>(random() % 25);
    spec.offset_us = static_cast<int64_t>(random() % 7) - 3;
    const int64_t lateness = random() % 2 ? static_cast<int64_t>(random() % 10) : 0;
    const int64_t delay = static_cast<int64_t>(random() % 6);
    const auto node = make_node(spec, lateness);
    SourceOperator source(input_types(), SourceTime{.column = 0, .watermark = {.delay_us = delay}});
    auto op = WindowAssignOperator::make(*node).take();
    source.add_output(op.get(), 0);
    ChangeFold output(op->types());
    op->add_output(&output, 0);
    CountedRejects rejects;
    op->set_rejects(&rejects);

    TestRelation expected;
    uint64_t late_rows = 0, late_windows = 0, null_times = 0;
    int64_t watermark = data::kWatermarkNone;
    int64_t id = 0;
    for (uint64_t tick = 1; tick < 30; ++tick) {
      BatchBuffer buffer(input_types(), 512);
      const uint32_t rows = static_cast<uint32_t>(random() % (round % 10 == 0 ? 500 : 20));
      for (uint32_t i = 0; i < rows; ++i) {
        const int64_t time = id / 3 + static_cast<int64_t>(random() % 20) - 60;
        buffer.column(0).values<int64_t>()[i] = time;
        buffer.column(1).values<int64_t>()[i] = id;
        ++buffer.rows;
        ++id;
        if (random() % 20 == 0) {
          data::set_null(buffer.column(0).validity, i);
          ++null_times;
          continue;
        }
        bool any = false, any_late = false;
        for (const auto& [start, end] : windows_of(spec, time)) {
          if (watermark != data::kWatermarkNone && watermark >= end + lateness) {
            ++late_windows;
            any_late = true;
            continue;
          }
          any = true;
          fold(expected, {std::to_string(time), std::to_string(id - 1), std::to_string(start), std::to_string(end)}, 1);
        }
        late_rows += any_late && !any;
        watermark = std::max(watermark, time - delay);
      }
      source.push(0, buffer.view());
      source.finish({tick, 0});
      const int64_t bound = op->output_watermark();
      for (const auto& [row, _] : output.changes) {
        // Nothing comes behind the watermark that was given before this tick.
        const int64_t base = std::stoll(row[spec.kind == WindowKind::kCumulate ? 3 : 2]);
        ASSERT_GE(base, bound) << "seed " << seed;
      }
      op->finish({tick, 0});
      output.end_tick();
      ASSERT_EQ(output.relation, expected) << "seed " << seed;
    }
    EXPECT_EQ(op->counters.late, late_rows);
    EXPECT_EQ(rejects.counts[static_cast<int>(RejectReason::kLate)], late_windows);
    EXPECT_EQ(op->counters.null_time, null_times);
    EXPECT_EQ(op->counters.rows_in, op->counters.rows_out + op->counters.late + op->counters.null_time + op->counters.filtered);
    source.end_all();
    source.finish({30, 0});
    op->finish({30, 0});
    EXPECT_EQ(op->output_watermark(), data::kWatermarkEnded);
  }
}

TEST(WindowAssignOperator, AllocatesNothingAfterWarmUp) {
  plan::WindowSpec spec;
  spec.kind = WindowKind::kHop;
  spec.slide_us = 2;
  spec.size_us = 10;
  const auto node = make_node(spec, 3);
  SourceOperator source(input_types(), SourceTime{.column = 0, .watermark = {.delay_us = 5}});
  auto op = WindowAssignOperator::make(*node).take();
  source.add_output(op.get(), 0);
  BatchBuffer buffer(input_types());
  std::mt19937_64 random(1);
  uint64_t allocations = 0;
  for (uint64_t tick = 1; tick < 50; ++tick) {
    buffer.clear();
    for (uint32_t i = 0; i < 2000; ++i) {
      buffer.column(0).values<int64_t>()[i] = static_cast<int64_t>(tick * 100 + i / 20 + random() % 30);
      buffer.column(1).values<int64_t>()[i] = i;
    }
    buffer.rows = 2000;
    const data::Batch batch = buffer.view();
    const uint64_t before = heap_calls();
    source.push(0, batch);
    source.finish({tick, 0});
    op->finish({tick, 0});
    if (tick > 5) allocations += heap_calls() - before;
  }
  EXPECT_EQ(allocations, 0u);
  EXPECT_GT(op->counters.late, 0u);
}

}  // namespace
}  // namespace laminar::stream
