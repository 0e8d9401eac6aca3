// Rows cross an exchange once, keep the order of their sender, and come together by key; a stall is named.
#include "stream/runtime/exchange.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/clock.h"
#include "stream/runtime/core.h"

namespace laminar::stream {
namespace {

using data::Batch;
using data::BatchBuffer;
using data::Type;
using data::TypeKind;

const std::vector<Type> kTypes = {Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar)};

class Collector final : public Operator {
 public:
  Collector() : Operator(kTypes) { label = "collector"; }
  void push(uint32_t, const Batch& batch) override {
    for (uint32_t i = 0; i < batch.rows; ++i) {
      const data::Column& text = batch.columns[1];
      rows.emplace_back(batch.columns[0].values<int64_t>()[i], text.is_null(i) ? "NULL" : std::string(text.values<data::StringRef>()[i].view()));
      weights.push_back(batch.weight(i));
      sequences.push_back(batch.sequence_of(i));
    }
  }
  std::vector<std::pair<int64_t, std::string>> rows;
  std::vector<int64_t> weights;
  std::vector<uint64_t> sequences;
};

class Source final : public Operator {
 public:
  Source() : Operator(kTypes) {}
  void push(uint32_t, const Batch& batch) override { emit(batch); }
  void watermark(int64_t value) { set_output_watermark(value); }
};

void fill(BatchBuffer& buffer, int64_t first_key, uint32_t rows, int64_t keys, uint64_t sequence) {
  buffer.clear();
  for (uint32_t i = 0; i < rows; ++i) {
    buffer.column(0).values<int64_t>()[i] = (first_key + i) % keys;
    const std::string text = "value of a length beyond the inlined one " + std::to_string(first_key + i);
    if (i % 7 == 3) data::set_null(buffer.column(1).validity, i);
    buffer.column(1).values<data::StringRef>()[i] = i % 7 == 3 ? data::StringRef() : buffer.strings().copy(text);
    buffer.weights()[i] = i % 5 == 0 ? -1 : 1;
  }
  buffer.has_weights = true;
  buffer.sequence_base = sequence;
  buffer.rows = rows;
}

TEST(Exchange, KeepsEveryRowOnceInTheOrderOfItsSender) {
  constexpr uint32_t kCores = 3;
  Exchange exchange(kTypes, {plan::ExchangeKind::kHash, {0}}, kCores, kCores);
  Source sources[kCores];
  Collector collectors[kCores];
  for (uint32_t c = 0; c < kCores; ++c) {
    sources[c].add_output(&exchange.sender(c), 0);
    exchange.receiver(c).add_output(&collectors[c], 0);
  }
  BatchBuffer buffer(kTypes);
  uint64_t sent = 0;
  for (int64_t tick = 1; tick <= 20; ++tick) {
    for (uint32_t c = 0; c < kCores; ++c) {
      for (int b = 0; b < 4; ++b) {
        fill(buffer, tick * 1000 + c * 17 + b, 1 + static_cast<uint32_t>((tick * 397 + b * 911) % 2048), 101, c << 20 | sent);
        sent += buffer.rows;
        sources[c].push(0, buffer.view());
      }
      sources[c].watermark(tick * 10 + c);
      exchange.sender(c).finish({});
    }
    for (uint32_t c = 0; c < kCores; ++c) {
      exchange.receiver(c).finish({});
      EXPECT_EQ(exchange.receiver(c).output_watermark(), tick * 10) << "the least of the senders'";
    }
  }
  uint64_t received = 0;
  std::map<int64_t, uint32_t> core_of;
  for (uint32_t c = 0; c < kCores; ++c) {
    received += collectors[c].rows.size();
    for (const auto& [key, text] : collectors[c].rows) {
      const auto [at, fresh] = core_of.emplace(key, c);
      ASSERT_EQ(at->second, c) << "key " << key << " is on two cores";
    }
    std::map<uint64_t, uint64_t> last;  // by sender
    for (const uint64_t sequence : collectors[c].sequences) {
      uint64_t& before = last[sequence >> 20];
      ASSERT_LE(before, sequence);
      before = sequence;
    }
    EXPECT_GT(collectors[c].rows.size(), sent / 10) << "a fair share";
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(exchange.rows(), sent);
  EXPECT_LT(exchange.crossed(), sent);
}

TEST(Exchange, GatherReadsSendersInOrder) {
  Exchange exchange(kTypes, {plan::ExchangeKind::kGather, {}}, 2, 2);
  ASSERT_EQ(exchange.receivers(), 1u);
  Collector collector;
  exchange.receiver(0).add_output(&collector, 0);
  BatchBuffer buffer(kTypes);
  fill(buffer, 100, 5, 1'000'000, 0);
  exchange.sender(1).push(0, buffer.view());
  fill(buffer, 10, 5, 1'000'000, 0);
  exchange.sender(0).push(0, buffer.view());
  exchange.receiver(0).finish({});
  std::vector<int64_t> keys;
  for (const auto& [key, text] : collector.rows) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<int64_t>{10, 11, 12, 13, 14, 100, 101, 102, 103, 104}));
  exchange.receiver(0).finish({});
  EXPECT_EQ(collector.rows.size(), 10u) << "boxes are empty again";
}

TEST(Intake, SharesAreTheTickInItsOrder) {
  std::vector<std::unique_ptr<BatchBuffer>> buffers;
  for (const uint32_t rows : {1u, 2048u, 63u, 64u, 700u, 5u}) {
    buffers.push_back(std::make_unique<BatchBuffer>(kTypes));
    fill(*buffers.back(), static_cast<int64_t>(buffers.size()) * 10'000, rows, 1'000'000, 0);
  }
  for (const uint32_t cores : {1u, 2u, 3u, 8u}) {
    Intake intake;
    SourceFan fan(kTypes, intake);
    std::vector<std::unique_ptr<Collector>> shares;
    Collector whole;
    fan.connect(&whole, cores - 1, true);
    for (uint32_t c = 0; c < cores; ++c) {
      shares.push_back(std::make_unique<Collector>());
      fan.connect(shares.back().get(), c, false);
    }
    for (auto& buffer : buffers) fan.push(0, buffer->view());
    intake.prepare(cores);
    for (uint32_t c = cores; c-- > 0;) intake.run(c, cores);
    std::vector<std::pair<int64_t, std::string>> joined;
    std::vector<int64_t> weights;
    for (auto& share : shares) {
      joined.insert(joined.end(), share->rows.begin(), share->rows.end());
      weights.insert(weights.end(), share->weights.begin(), share->weights.end());
    }
    EXPECT_EQ(joined, whole.rows) << cores << " cores";
    EXPECT_EQ(weights, whole.weights);
  }
}

class Staller final : public Operator {
 public:
  Staller() : Operator(kTypes) { label = "staller"; }
  void push(uint32_t, const Batch&) override {}
  void finish(const TickInfo&) override {
    const int64_t begin = monotonic_ns();
    while (monotonic_ns() - begin < stall_ns) {
    }
  }
  int64_t stall_ns = 0;
};

TEST(TickWatch, NamesTheOperatorThatStalls) {
  ManualClock clock;
  Core core(clock);
  core.watch().set_budget_ns(10'000'000);
  Staller staller;
  Collector collector;
  Stage stage;
  stage.name = "slow_view";
  stage.operators = {&collector, &staller};
  core.add(&stage);
  Stage* const stages[] = {&stage};
  core.run({}, stages, false);
  EXPECT_EQ(core.watch().count(), 0u);
  staller.stall_ns = 50'000'000;
  core.run({}, stages, false);
  ASSERT_EQ(core.watch().count(), 1u);
  const Overrun& overrun = core.watch().overruns().front();
  EXPECT_EQ(overrun.object, "slow_view");
  EXPECT_EQ(overrun.op, "staller");
  EXPECT_EQ(overrun.tick, 2u);
  EXPECT_GE(overrun.elapsed_ns, 50'000'000);
}

TEST(TickWatch, NamesAnOperatorOnAWorker) {
  ManualClock clock;
  Core core(clock);
  core.crew().set_spin_ns(-1);
  core.crew().resize(2);
  core.set_parallel_rows(0);
  core.watch().set_budget_ns(10'000'000);
  Staller staller;
  staller.stall_ns = 50'000'000;
  Collector collector;
  Stage stage;
  stage.name = "slow_view";
  stage.parts = {{0, 0, {&collector}}, {0, 1, {&staller}}};
  core.add(&stage);
  Stage* const stages[] = {&stage};
  core.run({}, stages, false);
  // The leader waits for the worker, or has run the part itself: either way the operator is named.
  const auto& overruns = core.watch().overruns();
  ASSERT_FALSE(overruns.empty());
  EXPECT_TRUE(std::any_of(overruns.begin(), overruns.end(), [](const Overrun& o) { return o.op == "staller" && o.object == "slow_view"; }));
}

}  // namespace
}  // namespace laminar::stream
