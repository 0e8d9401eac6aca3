// ns per input row of aggregates over batches in memory, closed rows emitted to a sink that drops them.
//
// 10 k rows a second of event time, in order, 1,000 keys unless said; the watermark follows every batch.
#include "stream/operators/aggregate.h"

#include <benchmark/benchmark.h>

#include <random>

#include "stream/operators/aggregate_testing.h"

namespace laminar::stream {
namespace {

using namespace testing;

class Drop final : public Operator {
 public:
  using Operator::Operator;
  void push(uint32_t, const data::Batch& batch) override { benchmark::DoNotOptimize(batch.rows); }
};

struct Input {
  std::vector<std::unique_ptr<data::BatchBuffer>> batches;
  std::vector<int64_t> last_time;
  uint64_t rows = 0;
};

Input make_input(int64_t keys, size_t batches, bool row_watermarks) {
  Input input;
  std::mt19937_64 random(7);
  int64_t time = 0;
  for (size_t b = 0; b < batches; ++b) {
    auto buffer = std::make_unique<data::BatchBuffer>(std::vector<Type>{kInt, kInt, kTime});
    for (uint32_t i = 0; i < data::kBatchRowsMax; ++i) {
      time += 100;
      buffer->column(0).values<int64_t>()[i] = static_cast<int64_t>(random() % static_cast<uint64_t>(keys)) * 7919;
      buffer->column(1).values<int64_t>()[i] = static_cast<int64_t>(random() % 100000);
      buffer->column(2).values<int64_t>()[i] = time;
      buffer->row_watermark()[i] = time - 5'000'000;
    }
    buffer->rows = data::kBatchRowsMax;
    buffer->has_row_watermark = row_watermarks;
    buffer->sequence_base = b * data::kBatchRowsMax;
    input.rows += buffer->rows;
    input.last_time.push_back(time);
    input.batches.push_back(std::move(buffer));
  }
  return input;
}

void run(benchmark::State& state, const plan::AggregateNode& node, bool output) {
  const Input input = make_input(state.range(0), 2000, true);
  int64_t base = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto op = make_aggregate(node).take();
    Drop drop(node.types());
    if (output) op->add_output(&drop, 0);
    testing::TestSource source(node.inputs[0]->types());
    source.add_output(op.get(), 0);
    state.ResumeTiming();
    for (size_t b = 0; b < input.batches.size(); ++b) {
      op->push(0, input.batches[b]->view());
      source.advance(base + input.last_time[b] - 5'000'000);
      op->finish({});
    }
    state.PauseTiming();
    source.remove_output(op.get());
    op.reset();
    state.ResumeTiming();
  }
  state.counters["ns_per_row"] =
      benchmark::Counter(static_cast<double>(state.iterations() * input.rows) / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

plan::WindowSpec spec(plan::WindowKind kind, int64_t size, int64_t slide) {
  plan::WindowSpec result;
  result.kind = kind;
  result.time_column = 2;
  result.size_us = result.gap_us = size;
  result.slide_us = slide;
  return result;
}
constexpr int64_t kSecond = 1'000'000;

void BM_GroupCount(benchmark::State& state) {
  run(state, *NodeBuilder({kInt, kInt, kTime}, true).key(0).call(AggregateKind::kCountStar, {}, kInt).build(), false);
}
void BM_GroupCountSum(benchmark::State& state) {
  run(state, *NodeBuilder({kInt, kInt, kTime}, true).key(0).call(AggregateKind::kCountStar, {}, kInt).call(AggregateKind::kSum, {1}, kHuge).build(), false);
}
void BM_GroupCountWithOutput(benchmark::State& state) {
  run(state, *NodeBuilder({kInt, kInt, kTime}, true).key(0).call(AggregateKind::kCountStar, {}, kInt).build(), true);
}
void BM_TumbleCount(benchmark::State& state) {
  run(state, *NodeBuilder({kInt, kInt, kTime}, true).window(spec(plan::WindowKind::kTumble, 10 * kSecond, 10 * kSecond)).window_start().key(0)
                  .call(AggregateKind::kCountStar, {}, kInt).emit(EmitPolicy::kOnWindowClose).build(), true);
}
void BM_Ohlc(benchmark::State& state) {
  plan::AggregateCall first;
  first.kind = AggregateKind::kFirst;
  first.args = {1};
  first.type = kInt;
  first.order_by = {{2, false, false}};
  plan::AggregateCall last = first;
  last.kind = AggregateKind::kLast;
  run(state, *NodeBuilder({kInt, kInt, kTime}, true).window(spec(plan::WindowKind::kTumble, 60 * kSecond, 60 * kSecond)).window_start().key(0)
                  .call_with(first).call(AggregateKind::kMax, {1}, kInt).call(AggregateKind::kMin, {1}, kInt).call_with(last)
                  .emit(EmitPolicy::kOnWindowClose).build(), true);
}
void BM_HopCount(benchmark::State& state) {
  run(state, *NodeBuilder({kInt, kInt, kTime}, true).window(spec(plan::WindowKind::kHop, 10 * kSecond, 2 * kSecond)).window_start().key(0)
                  .call(AggregateKind::kCountStar, {}, kInt).emit(EmitPolicy::kOnWindowClose).build(), true);
}
void BM_SessionCount(benchmark::State& state) {
  run(state, *NodeBuilder({kInt, kInt, kTime}, true).window(spec(plan::WindowKind::kSession, 10 * kSecond, 0)).window_start().window_end().key(0)
                  .call(AggregateKind::kCountStar, {}, kInt).emit(EmitPolicy::kOnWindowClose).build(), true);
}

BENCHMARK(BM_GroupCount)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond)->MinTime(0.3);
BENCHMARK(BM_GroupCountSum)->Arg(1000)->Unit(benchmark::kMillisecond)->MinTime(0.3);
BENCHMARK(BM_GroupCountWithOutput)->Arg(1000)->Unit(benchmark::kMillisecond)->MinTime(0.3);
BENCHMARK(BM_TumbleCount)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond)->MinTime(0.3);
BENCHMARK(BM_Ohlc)->Arg(1000)->Unit(benchmark::kMillisecond)->MinTime(0.3);
BENCHMARK(BM_HopCount)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond)->MinTime(0.3);
BENCHMARK(BM_SessionCount)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond)->MinTime(0.3);

}  // namespace
}  // namespace laminar::stream
