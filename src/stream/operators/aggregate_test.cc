// Single properties of aggregates; aggregate_model_test.cc compares whole histories with a model.
#include "stream/operators/aggregate.h"

#include <gtest/gtest.h>

#include "stream/operators/aggregate_testing.h"

namespace laminar::stream {
namespace {

using namespace testing;

TEST(Aggregate, CountsSumsAndExtremesPerGroup) {
  auto node = NodeBuilder({kInt, kInt, kTime}, true).key(0).call(AggregateKind::kCountStar, {}, kInt).call(AggregateKind::kSum, {1}, kHuge)
                  .call(AggregateKind::kMin, {1}, kInt).call(AggregateKind::kMax, {1}, kInt).call(AggregateKind::kAvg, {1}, kDouble).build();
  Harness h(*node);
  h.push({{"1", "10", "0"}, {"2", "5", "0"}, {"1", "-4", "0"}, {"1", "NULL", "0"}});
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"1,3,6,-4,10,3.000000", "2,1,5,5,5,5.000000"}));
  h.push({{"2", "NULL", "0"}, {"NULL", "NULL", "0"}, {"NULL", "1", "0"}});
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"1,3,6,-4,10,3.000000", "2,2,5,5,5,5.000000", "NULL,2,1,1,1,1.000000"}));
  EXPECT_EQ(h.content(), h.folded());
  EXPECT_EQ(h.op().counters.retracted, 1u);
}

TEST(Aggregate, ScalarAggregateHasARowBeforeAnyInput) {
  auto node = NodeBuilder({kInt}, false).call(AggregateKind::kCountStar, {}, kInt).call(AggregateKind::kSum, {0}, kHuge).build();
  Harness h(*node);
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"0,NULL"}));
  h.push({{"7"}});
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"1,7"}));
  h.push({{"7"}}, {-1});
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"0,NULL"}));
  EXPECT_EQ(h.content(), h.folded());
}

TEST(Aggregate, GroupThatLosesAllRowsGoes) {
  auto node = NodeBuilder({kText, kInt}, false).key(0).call(AggregateKind::kCountStar, {}, kInt).build();
  Harness h(*node);
  h.push({{"a key that is longer than twelve bytes", "1"}, {"b", "1"}});
  h.finish();
  EXPECT_EQ(h.folded().size(), 2u);
  // Taken away and given back inside one tick, in the awkward order: nothing is emitted.
  const uint64_t before = h.op().counters.emitted;
  h.push({{"b", "1"}, {"b", "1"}}, {-1, 1});
  h.finish();
  EXPECT_EQ(h.op().counters.emitted, before);
  h.push({{"a key that is longer than twelve bytes", "1"}}, {-1});
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"b,1"}));
  EXPECT_EQ(h.op().state_rows(), 1u);
}

TEST(Aggregate, DistinctIsAnAggregateWithoutCalls) {
  auto node = NodeBuilder({kDouble}, true).key(0).build();
  Harness h(*node);
  h.push({{"0.0"}, {"-0.0"}, {"nan"}, {"-nan"}, {"1.5"}});
  h.finish();
  EXPECT_EQ(h.folded().size(), 3u);
}

TEST(Aggregate, OutputThatComesLaterSeesChangesOnly) {
  auto node = NodeBuilder({kInt}, true).key(0).call(AggregateKind::kCountStar, {}, kInt).build();
  Harness h(*node, false);
  h.push({{"1"}});
  h.finish();
  EXPECT_EQ(h.content(), (std::vector<std::string>{"1,1"}));
  h.attach();
  h.push({{"1"}, {"2"}});
  h.finish();
  EXPECT_EQ(h.folded(), h.content());
  EXPECT_EQ(h.op().counters.retracted, 1u);
}

TEST(Aggregate, TimeKeyedGroupsComeOutOnceWhenFinal) {
  auto node = NodeBuilder({kTime, kInt}, false).key(0).call(AggregateKind::kCountStar, {}, kInt).emit(EmitPolicy::kOnWindowClose).build();
  node->time_group = 0;
  node->inputs[0]->columns[0].time_offset_us = 0;
  Harness h(*node);
  h.push({{"5", "1"}, {"3", "1"}, {"5", "2"}, {"7", "1"}, {"7", "1"}, {"NULL", "1"}}, {1, 1, 1, 1, -1, 1});
  h.finish(5);
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"3,1"}));
  h.push({{"5", "3"}, {"4", "1"}});  // at the watermark and below it
  h.finish(9);
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"3,1", "5,3"}));
  EXPECT_EQ(h.content(), h.folded());
  EXPECT_EQ(h.op().counters.late, 1u);
  h.finish(data::kWatermarkEnded);
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"3,1", "5,3", "NULL,1"}));
  EXPECT_EQ(h.op().counters.retracted, 0u);
}

TEST(Aggregate, FilterAndDistinctTogether) {
  plan::AggregateCall call;
  call.kind = AggregateKind::kSum;
  call.args = {0};
  call.distinct = true;
  call.filter = 1;
  call.type = kHuge;
  auto node = NodeBuilder({kInt, Type::of(TypeKind::kBoolean)}, false).call_with(call).build();
  Harness h(*node);
  h.push({{"4", "true"}, {"4", "true"}, {"5", "false"}, {"6", "NULL"}, {"7", "true"}});
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"11"}));
  h.push({{"4", "true"}, {"7", "true"}}, {-1, -1});
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"4"}));
}

TEST(Aggregate, DoubleSumLeavesNoTraceOfWhatIsTakenBack) {
  auto node = NodeBuilder({kDouble}, false).call(AggregateKind::kSum, {0}, kDouble).call(AggregateKind::kVarPop, {0}, kDouble).build();
  Harness h(*node);
  h.push({{"0.25"}, {"1e300"}, {"0.75"}, {"-1e-300"}});
  h.finish();
  h.push({{"1e300"}, {"-1e-300"}}, {-1, -1});
  h.finish();
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"1.000000,0.062500"}));
}

TEST(Aggregate, OverflowOfASumIsARowError) {
  auto node = NodeBuilder({kHuge}, true).call(AggregateKind::kSum, {0}, kHuge).call(AggregateKind::kCountStar, {}, kInt).build();
  auto made = make_aggregate(*node);
  ASSERT_TRUE(made.ok());
  data::BatchBuffer batch(std::vector<Type>{kHuge});
  const __int128 huge = (static_cast<__int128>(1) << 126) - 1 + (static_cast<__int128>(1) << 126);
  for (uint32_t i = 0; i < 2; ++i) {
    std::memcpy(batch.column(0).values<char>() + i * 16, &huge, 16);
    ++batch.rows;
  }
  (*made)->push(0, batch.view());
  EXPECT_EQ((*made)->counters.errors, 1u);
}

TEST(Aggregate, RefusesWhatNoFunctionComputes) {
  plan::AggregateCall call;
  call.kind = AggregateKind::kForeign;
  call.args = {0};
  call.type = kDouble;
  call.text = "entropy(x)";
  auto node = NodeBuilder({kInt}, false).key(0).call_with(call).build();
  auto made = make_aggregate(*node);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kNotImplemented);
  EXPECT_NE(made.error().message.find("entropy(x)"), std::string::npos);
}

TEST(WindowAggregate, HopRowLateForSomeWindowsCountsInTheRest) {
  plan::WindowSpec spec;
  spec.kind = plan::WindowKind::kHop;
  spec.time_column = 0;
  spec.size_us = 10;
  spec.slide_us = 5;
  auto node = NodeBuilder({kTime}, true).window(spec).window_start().call(AggregateKind::kCountStar, {}, kInt).build();
  Harness h(*node);
  // The window 0..10 is closed for the second row, though not yet closed itself.
  h.push({{"7"}, {"7"}}, {}, {9, 10});
  h.finish(9);
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"0,1", "5,2"}));
  EXPECT_EQ(h.op().counters.late, 0u);
  EXPECT_EQ(h.rejects().rows, (std::vector<std::string>{"late 0..10: 7"}));
  EXPECT_EQ(h.op().output_watermark(), 0);
}

TEST(SessionAggregate, ExactlyOneGapApartIsOneSessionAndALateRowJoinsTwo) {
  plan::WindowSpec spec;
  spec.kind = plan::WindowKind::kSession;
  spec.time_column = 1;
  spec.gap_us = 10;
  auto node = NodeBuilder({kInt, kTime}, true).window(spec).window_start().window_end().key(0).call(AggregateKind::kCountStar, {}, kInt).build();
  Harness h(*node);
  h.push({{"1", "0"}, {"1", "10"}, {"1", "21"}});
  h.finish(5);
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"0,20,1,2", "21,31,1,1"}));
  h.push({{"1", "15"}}, {}, {5});
  h.finish(5);
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"0,31,1,4"}));
  h.finish(31);
  EXPECT_EQ(h.op().output_watermark(), 32);
  EXPECT_EQ(h.content(), h.folded());
  EXPECT_EQ(h.op().state_rows(), 1u);
}

TEST(WindowAggregate, TumbleOnUpdateThenCloses) {
  auto node = NodeBuilder({kInt, kTime}, true).tumble(1, 10).window_start().key(0).call(AggregateKind::kCountStar, {}, kInt).build();
  Harness h(*node);
  h.push({{"1", "-3"}, {"1", "3"}, {"1", "9"}, {"2", "10"}});
  h.finish(5);
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"-10,1,1", "0,1,2", "10,2,1"}));
  EXPECT_EQ(h.op().output_watermark(), 0);
  // The row's own watermark decides: the first row is late, the second is not.
  h.push({{"1", "4"}, {"1", "5"}, {"1", "NULL"}}, {}, {10, 9, 9});
  h.finish(10);
  EXPECT_EQ(h.folded(), (std::vector<std::string>{"-10,1,1", "0,1,3", "10,2,1"}));
  EXPECT_EQ(h.op().counters.late, 1u);
  EXPECT_EQ(h.op().counters.null_time, 1u);
  EXPECT_EQ(h.content(), h.folded());
  EXPECT_EQ(h.op().output_watermark(), 10);
  EXPECT_EQ(h.rejects().rows, (std::vector<std::string>{"late 0..10: 1,4", "null time: 1,NULL"}));
}

}  // namespace
}  // namespace laminar::stream
