// After warm-up no operator calls the heap: opening, closing and merging of windows and sessions, retraction and the
// forming of changes included.
#include <gtest/gtest.h>

#include "base/heap_calls_testing.h"
#include "stream/operators/aggregate_testing.h"

namespace laminar::stream {
namespace {

using namespace testing;

class Drop final : public Operator {
 public:
  using Operator::Operator;
  void push(uint32_t, const data::Batch& batch) override { rows += batch.rows; }
  uint64_t rows = 0;
};

NodeBuilder with_calls(NodeBuilder builder, bool retracts) {
  builder.key(0).call(AggregateKind::kCountStar, {}, kInt).call(AggregateKind::kSum, {2}, kDouble).call(AggregateKind::kMin, {2}, kDouble)
      .call(AggregateKind::kMax, {3}, kText).call(AggregateKind::kMedian, {2}, kDouble).call(AggregateKind::kStddevSamp, {2}, kDouble);
  plan::AggregateCall call;
  call.text = "count(DISTINCT c3)";
  call.kind = AggregateKind::kCount;
  call.args = {3};
  call.distinct = true;
  call.type = kInt;
  builder.call_with(call);
  if (!retracts) builder.call(AggregateKind::kLast, {2}, kDouble);
  return builder;
}

// A stream that repeats itself: each period has the same rows, a period later in time.
void run(const plan::AggregateNode& node, bool retracts) {
  auto made = make_aggregate(node);
  ASSERT_TRUE(made.ok()) << made.status().text();
  std::unique_ptr<Operator> op = made.take();
  Drop drop(node.types());
  op->add_output(&drop, 0);
  testing::TestSource source(node.inputs[0]->types());
  source.add_output(op.get(), 0);
  data::BatchBuffer batch(node.inputs[0]->types());
  constexpr int64_t kPeriod = 40'000;
  auto period = [&](int64_t n) {
    uint64_t random = 12345;
    for (int64_t tick = 0; tick < 40; ++tick) {
      batch.clear();
      for (uint32_t i = 0; i < 250; ++i) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const bool back = retracts && i >= 125;  // the second half takes the first half back
        if (back) {
          batch.append_row(batch.view(), i - 125, -1);
          continue;
        }
        const uint32_t row = batch.rows++;
        static const char* const kTexts[] = {"a", "some longer text, one", "some longer text, two", "a text of thirty-three characters"};
        batch.column(0).values<data::StringRef>()[row] = data::StringRef(std::string_view(kTexts[random >> 40 & 3]));
        batch.column(1).values<int64_t>()[row] = n * kPeriod + tick * 1000 + static_cast<int64_t>(random >> 33 & 1023) - 500;
        batch.column(2).values<double>()[row] = static_cast<double>(random >> 50 & 63);
        batch.column(3).values<data::StringRef>()[row] = data::StringRef(std::string_view(kTexts[random >> 20 & 3]));
        batch.weights()[row] = 1;
      }
      op->push(0, batch.view());
      source.advance(n * kPeriod + tick * 1000 - 2000);
      op->finish({});
    }
  };
  int64_t n = 0;
  for (; n < 6; ++n) period(n);
  ASSERT_TRUE(heap_calls_are_counted());
  const uint64_t before = heap_calls();
  for (; n < 12; ++n) period(n);
  EXPECT_EQ(heap_calls() - before, 0u) << node.columns.size() << " columns, policy " << static_cast<int>(node.emit);
  EXPECT_GT(op->counters.rows_out, 0u);
  EXPECT_TRUE(retracts || drop.rows > 0);
  source.remove_output(op.get());
}

TEST(AggregateAllocation, NoneAfterWarmUp) {
  for (bool retracts : {false, true}) {
    for (EmitPolicy policy : {EmitPolicy::kOnUpdate, EmitPolicy::kAfterWatermark, EmitPolicy::kOnWindowClose}) {
      for (WindowKind kind : {WindowKind::kTumble, WindowKind::kHop, WindowKind::kCumulate, WindowKind::kSession}) {
        if (kind == WindowKind::kSession && retracts) continue;
        SCOPED_TRACE(std::string(plan::to_text(kind)) + " policy " + std::to_string(static_cast<int>(policy)) + (retracts ? " retracts" : ""));
        plan::WindowSpec spec;
        spec.kind = kind;
        spec.time_column = 1;
        spec.size_us = 4000;
        spec.slide_us = kind == WindowKind::kTumble ? 4000 : 1000;
        spec.gap_us = 8;
        NodeBuilder builder({kText, kTime, kDouble, kText}, !retracts);
        builder.window(spec).window_start().window_end();
        run(*with_calls(std::move(builder), retracts).emit(policy, 1500).build(), retracts);
      }
    }
    run(*with_calls(NodeBuilder({kText, kTime, kDouble, kText}, !retracts), retracts).build(), retracts);
  }
}

}  // namespace
}  // namespace laminar::stream
