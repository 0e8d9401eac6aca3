// Random changes through joins of every kind against the join computed anew, with ticks cut in any way.
#include "stream/joins/join_operator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <random>

#include "base/heap_calls_testing.h"
#include "stream/joins/join_testing.h"
#include "stream/runtime/core.h"
#include "stream/state/state_store_testing.h"

namespace laminar::stream {
namespace {

using namespace testing;
using data::BatchBuffer;
using data::Type;
using data::TypeKind;
using plan::JoinKind;

constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight, JoinKind::kFull, JoinKind::kSemi, JoinKind::kAnti};

struct Options {
  JoinKind kind = JoinKind::kInner;
  bool append_only = false;
  bool residual = false;
  bool null_equal = false;
  std::optional<std::pair<int64_t, int64_t>> time;
  bool waits = true;  // rows without a match, for the watermark
};

expr::ExprPtr compare(expr::Op op, uint32_t left, uint32_t right, TypeKind kind) {
  return expr::call(op, Type::of(TypeKind::kBoolean), {expr::column_ref(left, Type::of(kind)), expr::column_ref(right, Type::of(kind))});
}

std::unique_ptr<plan::JoinNode> make_node(const Options& options) {
  auto node = std::make_unique<plan::JoinNode>();
  add_scans(*node, options.append_only);
  node->join = options.kind;
  node->keys = {{0, 0, false}, {1, 1, options.null_equal}};
  std::vector<expr::ExprPtr> terms;
  if (options.residual) terms.push_back(compare(expr::Op::kLess, 2, 6, TypeKind::kInt64));
  if (options.time) {
    node->time = plan::JoinNode::TimeBound{3, 3, options.time->first, options.time->second};
    node->unmatched_at_close = options.waits;
  }
  if (!terms.empty()) node->residual = terms[0];
  node->columns = node->inputs[0]->columns;
  if (node->pairs()) node->columns.insert(node->columns.end(), node->inputs[1]->columns.begin(), node->inputs[1]->columns.end());
  node->append_only = options.append_only && ((options.time && options.waits) || options.kind == JoinKind::kInner || options.kind == JoinKind::kSemi);
  return node;
}

bool match(const Options& options, const Row& l, const Row& r) {
  if (!l.key || !r.key || *l.key != *r.key) return false;
  if (options.null_equal ? l.text != r.text : !l.text || !r.text || *l.text != *r.text) return false;
  if (options.residual && l.value >= r.value) return false;
  if (!options.time) return true;
  return l.time && r.time && *r.time >= *l.time + options.time->first && *r.time <= *l.time + options.time->second;
}

// The join as SQL says it. Unmatched rows only where `settled` says that they are final.
template <class Settled>
TestRelation model(const Options& options, const std::vector<Row> (&rows)[2], const Settled& settled) {
  TestRelation result;
  const TestRow nulls(4, "NULL");
  const auto pair = [](TestRow a, const TestRow& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  std::vector<bool> met(rows[1].size(), false);
  for (const Row& l : rows[0]) {
    bool matched = false;
    for (size_t i = 0; i < rows[1].size(); ++i) {
      if (!match(options, l, rows[1][i])) continue;
      matched = met[i] = true;
      if (options.kind != JoinKind::kSemi && options.kind != JoinKind::kAnti) fold(result, pair(l.test(), rows[1][i].test()), 1);
    }
    if (options.kind == JoinKind::kSemi && matched) fold(result, l.test(), 1);
    if (matched || !settled(0, l)) continue;
    if (options.kind == JoinKind::kAnti) fold(result, l.test(), 1);
    if (options.kind == JoinKind::kLeft || options.kind == JoinKind::kFull) fold(result, pair(l.test(), nulls), 1);
  }
  for (size_t i = 0; i < rows[1].size(); ++i) {
    if (met[i] || !settled(1, rows[1][i])) continue;
    if (options.kind == JoinKind::kRight || options.kind == JoinKind::kFull) fold(result, pair(nulls, rows[1][i].test()), 1);
  }
  return result;
}

struct Harness : JoinHarness<plan::JoinNode, JoinOperator> {
  explicit Harness(const Options& options) : JoinHarness(make_node(options)) {}
  // At random: a checkpoint, and now and then a new join that goes on from it.
  void checkpoint(std::mt19937_64& random) {
    if (random() % 8) return;
    saved->save(*join);
    if (random() % 2) return;
    start_anew();
    EXPECT_TRUE(saved->load(*join).ok());
    saved = std::make_unique<testing::MemoryStateStore>();
  }
  std::unique_ptr<testing::MemoryStateStore> saved = std::make_unique<testing::MemoryStateStore>();
};

Row random_row(std::mt19937_64& random, int64_t keys) {
  Row row;
  if (random() % 10) row.key = static_cast<int64_t>(random() % static_cast<uint64_t>(keys));
  if (random() % 10) row.text = random() % 2 ? "k" : "a key of more than twelve bytes";
  row.value = static_cast<int64_t>(random() % 5);
  return row;
}

// Changes with deletes and repeated rows; after each tick the output is the join of what the sides hold.
TEST(JoinOperator, ChangesOnBothSides) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  for (int round = 0; round < 96; ++round) {
    Options options;
    options.kind = kKinds[round % 6];
    options.residual = round / 6 % 2;
    options.null_equal = round / 12 % 2;
    options.append_only = round / 24 % 3 == 2;
    SCOPED_TRACE(std::string(plan::to_text(options.kind)) + " round " + std::to_string(round));
    Harness h(options);
    std::vector<Row> rows[2];
    BatchBuffer batch(side_types());
    const int64_t keys = round % 5 == 0 ? 1 : 4;
    for (int tick = 0; tick < 25; ++tick) {
      const bool shrink = tick % 8 == 7;
      for (uint64_t pushes = random() % 5; pushes > 0; --pushes) {
        const uint32_t port = static_cast<uint32_t>(random() % 2);
        batch.clear();
        for (uint64_t n = random() % 8; n > 0; --n) {
          if (!options.append_only && !rows[port].empty() && random() % 5 < (shrink ? 5 : 2)) {
            const size_t at = random() % rows[port].size();
            append(batch, rows[port][at], -1);
            rows[port].erase(rows[port].begin() + static_cast<std::ptrdiff_t>(at));
          } else {
            const Row row = random_row(random, keys);
            const int64_t weight = random() % 6 ? 1 : 2;
            append(batch, row, weight);
            for (int64_t i = 0; i < weight; ++i) rows[port].push_back(row);
          }
        }
        h.sources[port].push(0, batch.view());
      }
      h.finish();
      h.checkpoint(random);
      ASSERT_EQ(h.end.relation, model(options, rows, [](int, const Row&) { return true; })) << "tick " << tick;
    }
    for (uint32_t port = 0; port < 2 && !options.append_only; ++port) {
      batch.clear();
      for (const Row& row : rows[port]) append(batch, row, -1);
      h.sources[port].push(0, batch.view());
    }
    h.finish();
    if (options.append_only) continue;
    EXPECT_TRUE(h.end.relation.empty());
    EXPECT_EQ(h.join->state_rows(), 0u);
  }
}

// A key that many rows share gives more pairs than a batch holds.
TEST(JoinOperator, MorePairsThanABatch) {
  for (const JoinKind kind : kKinds) {
    Options options;
    options.kind = kind;
    Harness h(options);
    std::vector<Row> rows[2];
    BatchBuffer batch(side_types());
    for (uint32_t port = 0; port < 2; ++port) {
      batch.clear();
      for (int64_t i = 0; i < 120; ++i) {
        rows[port].push_back({1, "k", i, {}});
        append(batch, rows[port].back(), 1);
      }
      h.sources[port].push(0, batch.view());
    }
    h.finish();
    EXPECT_EQ(h.end.relation, model(options, rows, [](int, const Row&) { return true; })) << plan::to_text(kind);
  }
}

// Changes that are stopped at any batch of pairs, of one input or of both, also where one source feeds both sides: the
// output adds up to what it was before, and later changes find the sides as they were.
TEST(JoinOperator, StoppedChangesLeaveNothing) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  int stopped = 0;
  for (int round = 0; round < 24; ++round) {
    Options options;
    options.kind = kKinds[round % 6];
    options.residual = round / 6 % 2;
    const bool one_source = round / 12 % 2;
    SCOPED_TRACE(std::string(plan::to_text(options.kind)) + " round " + std::to_string(round));
    Harness h(options);
    if (one_source) {
      h.sources[1].remove_output(h.join.get());
      h.sources[0].add_output(h.join.get(), 1);
    }
    ManualClock clock;
    Core core(clock);
    Stage stage;
    stage.operators = {&h.sources[0], &h.sources[1], h.join.get()};
    core.add(&stage);
    std::vector<Row> rows[2];
    std::atomic<uint64_t> made{0};
    for (int tick = 0; tick < 6; ++tick) {
      std::vector<Row> after[2] = {rows[0], rows[1]};
      std::vector<BatchBuffer> buffers;
      std::vector<uint32_t> ports;
      for (uint64_t n = 1 + random() % 3; n > 0; --n) {
        const uint32_t port = one_source ? 0 : static_cast<uint32_t>(random() % 2);
        BatchBuffer& batch = buffers.emplace_back(side_types());
        ports.push_back(port);
        for (uint64_t i = 60 + random() % 80; i > 0; --i) {
          if (!after[port].empty() && random() % 4 == 0) {
            const size_t at = random() % after[port].size();
            append(batch, after[port][at], -1);
            after[port].erase(after[port].begin() + static_cast<std::ptrdiff_t>(at));
          } else {
            after[port].push_back(random_row(random, 1));
            after[port].back().value = static_cast<int64_t>(random() % 1000);  // hardly two are equal
            append(batch, after[port].back(), 1);
          }
        }
      }
      std::vector<data::Batch> views;
      for (BatchBuffer& buffer : buffers) views.push_back(buffer.view());
      std::vector<Core::Input> inputs;
      for (size_t i = 0; i < views.size(); ++i) inputs.push_back({&stage, &h.sources[ports[i]], 0, &views[i]});
      int64_t asked = static_cast<int64_t>(random() % 6);
      ChangeRun change([&] { return asked-- <= 0; }, &made);
      const bool whole = core.run(inputs, {}, false, &change);
      h.end.end_tick();
      if (whole) {
        rows[0] = after[0];
        rows[1] = after[1];
      }
      stopped += !whole;
      const std::vector<Row> both[2] = {rows[0], one_source ? rows[0] : rows[1]};
      ASSERT_EQ(h.end.relation, model(options, both, [](int, const Row&) { return true; })) << "tick " << tick << (whole ? "" : ", stopped");
      if (both[0].empty() && both[1].empty()) ASSERT_EQ(h.join->state_rows(), 0u);
    }
  }
  EXPECT_GT(stopped, 10);
}

// Streams in disorder: results do not depend on ticks, rows leave when they must, what has no match comes out once, or at once and is taken back.
TEST(JoinOperator, IntervalOfStreams) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  for (int round = 0; round < 72; ++round) {
    Options options;
    options.kind = kKinds[round % 6];
    options.residual = round / 6 % 2;
    options.append_only = true;
    options.waits = round / 12 % 2;
    const int64_t lower = static_cast<int64_t>(random() % 21) - 15;
    options.time = std::pair{lower, lower + static_cast<int64_t>(random() % 20)};
    SCOPED_TRACE(std::string(plan::to_text(options.kind)) + " round " + std::to_string(round));
    Harness h(options);
    std::vector<Row> rows[2];
    BatchBuffer batch(side_types());
    int64_t now[2] = {0, 0};
    uint64_t late = 0;
    const int64_t lead = static_cast<int64_t>(random() % 100);  // of the left side
    for (int tick = 0; tick < 120; ++tick) {
      for (uint32_t port = 0; port < 2; ++port) {
        batch.clear();
        batch.has_row_watermark = true;
        for (uint64_t n = random() % 6; n > 0; --n) {
          now[port] += static_cast<int64_t>(random() % 4);
          Row row = random_row(random, 3);
          if (random() % 15) row.time = now[port] + (port == 0 ? lead : 0) - static_cast<int64_t>(random() % 8);
          const int64_t watermark = h.sources[port].watermark;
          const bool is_late = row.time && watermark != data::kWatermarkNone && *row.time < watermark;
          batch.row_watermark()[batch.rows] = watermark;
          append(batch, row, 1);
          if (is_late) ++late;
          else rows[port].push_back(row);
          h.sources[port].watermark = std::max(watermark, now[port] + (port == 0 ? lead : 0) - 6);
        }
        h.sources[port].push(0, batch.view());
      }
      h.finish();
      h.checkpoint(random);
      const auto settled = [&](int side, const Row& row) {
        if (!options.waits || !row.key || !row.text || !row.time) return true;
        const int64_t other = h.sources[1 - side].watermark;
        return other != data::kWatermarkNone && *row.time + (side == 0 ? options.time->second : -options.time->first) < other;
      };
      ASSERT_EQ(h.end.relation, model(options, rows, settled)) << "tick " << tick;
    }
    EXPECT_EQ(h.join->counters.late, late);
    if (options.waits) {
      EXPECT_EQ(h.join->counters.retracted, 0u);
    }
    for (Source& source : h.sources) source.watermark = data::kWatermarkEnded;
    h.finish();
    EXPECT_EQ(h.end.relation, model(options, rows, [](int, const Row&) { return true; }));
    EXPECT_EQ(h.join->state_rows(), 0u);
  }
}

// After warm-up an interval join works without the heap, and what it holds does not grow.
TEST(JoinOperator, IntervalAllocatesNothing) {
  class Nothing final : public Operator {
   public:
    using Operator::Operator;
    void push(uint32_t, const data::Batch&) override {}
  };
  for (const JoinKind kind : kKinds) {
    Options options;
    options.kind = kind;
    options.append_only = true;
    options.time = std::pair{int64_t{-50}, int64_t{100}};
    Harness h(options);
    h.join->remove_output(&h.end);
    Nothing nothing(h.join->types());
    h.join->add_output(&nothing, 0);
    BatchBuffer batch(side_types());
    int64_t now = 0;
    Row rows[2] = {{0, "k", 0, 0}, {0, "a key of more than twelve bytes", 0, 0}};
    const auto tick = [&] {
      for (uint32_t port = 0; port < 2; ++port) {
        batch.clear();
        for (int64_t i = 0; i < 200; ++i) {
          Row& row = rows[i % 2];
          row.key = (now + i) % 37;
          row.value = i;
          row.time = now + i;
          append(batch, row, 1);
        }
        h.sources[port].push(0, batch.view());
        h.sources[port].watermark = now + 190;
      }
      now += 200;
      for (Source& source : h.sources) source.finish({});
      h.join->finish({});
    };
    for (int i = 0; i < 200; ++i) tick();
    const uint64_t bytes = h.join->state_bytes();
    const uint64_t before = heap_calls();
    for (int i = 0; i < 200; ++i) tick();
    EXPECT_EQ(heap_calls(), before) << plan::to_text(kind);
    EXPECT_EQ(h.join->state_bytes(), bytes);
  }
}

}  // namespace
}  // namespace laminar::stream
