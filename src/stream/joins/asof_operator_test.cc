// Random rows through ASOF joins of every kind against the join computed anew, with ticks cut in any way, and restarts.
#include "stream/joins/asof_operator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <map>
#include <random>

#include "base/heap_calls_testing.h"
#include "stream/joins/join_testing.h"
#include "stream/state/state_store_testing.h"

namespace laminar::stream {
namespace {

using namespace testing;
using data::BatchBuffer;
using data::Type;
using data::TypeKind;
using Match = plan::AsofNode::Match;

struct Options {
  Match match = Match::kBackward;
  bool strict = false, left_join = false, on_final = false, append_only = true;
  std::optional<int64_t> tolerance;
  size_t keys = 2;

  std::string text() const {
    return std::string(match == Match::kBackward ? "backward" : match == Match::kForward ? "forward" : "nearest") +
           (strict ? " strict" : "") + (left_join ? " left" : "") + (on_final ? " on final" : "") +
           (append_only ? "" : " with deletes") + (tolerance ? " tolerance " + std::to_string(*tolerance) : "") + " keys " +
           std::to_string(keys);
  }
};

Options random_options(std::mt19937_64& random) {
  Options options;
  options.match = static_cast<Match>(random() % 3);
  options.strict = options.match != Match::kNearest && random() % 2;
  options.left_join = random() % 2;
  options.keys = random() % 3;
  if (random() % 2) options.tolerance = static_cast<int64_t>(random() % 12);
  return options;
}

std::unique_ptr<plan::AsofNode> make_node(const Options& options) {
  auto node = std::make_unique<plan::AsofNode>();
  add_scans(*node, options.append_only);
  node->join = options.left_join ? plan::JoinKind::kLeft : plan::JoinKind::kInner;
  node->match = options.match;
  node->strict = options.strict;
  for (uint32_t k = 0; k < options.keys; ++k) node->keys.push_back({k, k, false});
  node->left_time = node->left_probe = node->right_time = 3;
  node->tolerance_us = options.tolerance;
  node->timed = options.append_only;
  node->on_final = options.on_final;
  node->columns = node->inputs[0]->columns;
  node->columns.insert(node->columns.end(), node->inputs[1]->columns.begin(), node->inputs[1]->columns.end());
  return node;
}

bool has_keys(const Options& options, const Row& row) {
  return row.time && (options.keys < 1 || row.key) && (options.keys < 2 || row.text);
}

// The right row that SQL says, or null. Rows stand in their total order.
const Row* best(const Options& options, const Row& l, const std::vector<Row>& right) {
  if (!has_keys(options, l)) return nullptr;
  const Row* found = nullptr;
  for (const Row& r : right) {
    if (!has_keys(options, r) || (options.keys > 0 && *l.key != *r.key) || (options.keys > 1 && *l.text != *r.text)) continue;
    const int64_t apart = *r.time - *l.time;
    if (options.tolerance && std::abs(apart) > *options.tolerance) continue;
    if (options.match == Match::kBackward && (options.strict ? apart >= 0 : apart > 0)) continue;
    if (options.match == Match::kForward && (options.strict ? apart <= 0 : apart < 0)) continue;
    if (!found) {
      found = &r;
      continue;
    }
    // Among equal times the later row looking backward, the earlier one otherwise.
    const bool later = options.append_only ? true : r.value >= found->value;
    const int64_t of_found = *found->time - *l.time;
    bool better = false;
    switch (options.match) {
      case Match::kBackward: better = apart > of_found || (apart == of_found && later); break;
      case Match::kForward: better = apart < of_found || (apart == of_found && !later); break;
      case Match::kNearest:
        better = std::abs(apart) < std::abs(of_found) || (std::abs(apart) == std::abs(of_found) && apart < of_found) ||
                 (apart == of_found && !later);
    }
    if (better) found = &r;
  }
  return found;
}

// Above which right watermark the answer stands.
int64_t final_above(const Options& options, const Row& l, const Row* match) {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  if (!has_keys(options, l)) return std::numeric_limits<int64_t>::min();
  if (options.match == Match::kBackward) return *l.time - (options.strict ? 1 : 0);
  if (!match) return options.tolerance ? *l.time + *options.tolerance : kNever;
  return options.match == Match::kForward ? *match->time : *l.time + std::abs(*l.time - *match->time);
}

TestRelation model(const Options& options, const std::vector<Row> (&rows)[2], int64_t right_watermark) {
  TestRelation result;
  for (const Row& l : rows[0]) {
    const Row* match = best(options, l, rows[1]);
    if (options.on_final && has_keys(options, l) && right_watermark != data::kWatermarkEnded && final_above(options, l, match) >= right_watermark) continue;
    if (!match && !options.left_join) continue;
    TestRow row = l.test();
    const TestRow right = match ? match->test() : TestRow(4, "NULL");
    row.insert(row.end(), right.begin(), right.end());
    fold(result, row, 1);
  }
  return result;
}

struct Harness : JoinHarness<plan::AsofNode, AsofOperator> {
  explicit Harness(const Options& options) : Harness(make_node(options)) {}
  explicit Harness(std::unique_ptr<plan::AsofNode> node) : JoinHarness(std::move(node)) {}
  // Between ticks: a checkpoint now and then, and a restart from one.
  void checkpoint(std::mt19937_64& random) {
    if (random() % 6 == 0) saved->save(*join);
    if (random() % 8 != 0) return;
    saved->save(*join);
    start_anew();
    ASSERT_TRUE(saved->load(*join).ok());
    saved = std::make_unique<MemoryStateStore>();
  }

 private:
  std::unique_ptr<MemoryStateStore> saved = std::make_unique<MemoryStateStore>();
};

Row random_row(std::mt19937_64& random) {
  Row row;
  if (random() % 15) row.key = static_cast<int64_t>(random() % 3);
  if (random() % 15) row.text = random() % 3 ? "k" : "a key of more than twelve bytes";
  row.value = static_cast<int64_t>(random() % 1000);
  return row;
}

// Streams in disorder with ties: at every tick, however it is cut, what is out is the join of the rows so far.
TEST(AsofOperator, Streams) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  for (int round = 0; round < 90; ++round) {
    Options options = random_options(random);
    options.on_final = random() % 2;
    SCOPED_TRACE(options.text() + " round " + std::to_string(round));
    Harness h(options);
    std::vector<Row> rows[2];
    BatchBuffer batch(side_types());
    int64_t now[2] = {0, 0};
    uint64_t late = 0, sequence = 0;
    const int64_t lead = static_cast<int64_t>(random() % 60) - 30;  // of the left side
    const uint64_t cut = 1 + random() % 12, spread = 1 + random() % 12;
    for (int tick = 0; tick < 80; ++tick) {
      for (const uint32_t port : {tick % 2 ? 1u : 0u, tick % 2 ? 0u : 1u}) {
        batch.clear();
        batch.has_row_watermark = true;
        batch.sequence_base = sequence;
        for (uint64_t n = random() % cut; n > 0; --n) {
          now[port] += static_cast<int64_t>(random() % 4);
          Row row = random_row(random);
          const int64_t front = now[port] + (port == 0 ? lead : 0);
          if (random() % 15) row.time = front - static_cast<int64_t>(random() % spread);
          const int64_t watermark = h.sources[port].watermark;
          batch.row_watermark()[batch.rows] = watermark;
          append(batch, row, 1);
          ++sequence;
          if (row.time && watermark != data::kWatermarkNone && *row.time < watermark) ++late;
          else rows[port].push_back(row);
          h.sources[port].watermark = std::max(watermark, front - 6);
        }
        h.sources[port].push(0, batch.view());
      }
      h.finish();
      const int64_t watermark = h.sources[1].watermark;
      ASSERT_EQ(h.end.relation, model(options, rows, watermark)) << "tick " << tick;
      h.checkpoint(random);
    }
    EXPECT_EQ(h.join->counters.late, late);
    if (options.on_final) {
      EXPECT_EQ(h.join->counters.retracted, 0u);
    }
    for (Source& source : h.sources) source.watermark = data::kWatermarkEnded;
    h.finish();
    EXPECT_EQ(h.end.relation, model(options, rows, data::kWatermarkEnded));
    EXPECT_LE(h.join->state_rows(), 12u);  // the newest row of each key
  }
}

// Changes with deletes and repeated rows, no watermarks; after each tick the output is the join of what the sides hold.
TEST(AsofOperator, ChangesOnBothSides) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  for (int round = 0; round < 90; ++round) {
    Options options = random_options(random);
    options.append_only = false;
    options.keys = 2;  // so that rows of one time differ in their value alone
    SCOPED_TRACE(options.text() + " round " + std::to_string(round));
    Harness h(options);
    std::vector<Row> rows[2];
    BatchBuffer batch(side_types());
    for (int tick = 0; tick < 30; ++tick) {
      const bool shrink = tick % 8 == 7;
      for (uint64_t pushes = random() % 5; pushes > 0; --pushes) {
        const uint32_t port = static_cast<uint32_t>(random() % 2);
        batch.clear();
        for (uint64_t n = random() % 8; n > 0; --n) {
          if (!rows[port].empty() && random() % 5 < (shrink ? 5 : 2)) {
            const size_t at = random() % rows[port].size();
            append(batch, rows[port][at], -1);
            rows[port].erase(rows[port].begin() + static_cast<std::ptrdiff_t>(at));
          } else {
            Row row = random_row(random);
            if (random() % 15) row.time = static_cast<int64_t>(random() % 12);
            const int64_t weight = random() % 6 ? 1 : 2;
            append(batch, row, weight);
            for (int64_t i = 0; i < weight; ++i) rows[port].push_back(row);
          }
        }
        h.sources[port].push(0, batch.view());
      }
      h.finish();
      ASSERT_EQ(h.end.relation, model(options, rows, data::kWatermarkEnded)) << "tick " << tick;
      h.checkpoint(random);
    }
    for (uint32_t port = 0; port < 2; ++port) {
      batch.clear();
      for (const Row& row : rows[port]) append(batch, row, -1);
      h.sources[port].push(0, batch.view());
    }
    h.finish();
    EXPECT_TRUE(h.end.relation.empty());
    EXPECT_EQ(h.join->state_rows(), 0u);
  }
}

// A keyed right side that changes: versions by the clock, or the row that is there. The clock may stand between ticks.
TEST(AsofOperator, VersionsByChange) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  using Versions = plan::AsofNode::Versions;
  struct Version {
    int64_t time;
    std::optional<Row> row;
  };
  for (int round = 0; round < 60; ++round) {
    Options options;
    options.keys = 1;
    options.left_join = random() % 2;
    const bool current = random() % 3 == 0;
    options.on_final = !current && random() % 2;
    SCOPED_TRACE(options.text() + (current ? " current" : "") + " round " + std::to_string(round));
    auto node = make_node(options);
    node->versions = current ? Versions::kCurrent : Versions::kByChange;
    node->inputs[1]->append_only = false;
    Harness h(std::move(node));
    h.sources[1].watermark = data::kWatermarkEnded;
    std::vector<std::pair<Row, std::optional<Row>>> answered;  // kCurrent
    std::vector<Row> left;
    std::map<int64_t, std::vector<Version>> versions;
    std::map<int64_t, Row> table;
    BatchBuffer batch(side_types());
    int64_t now = 1000;
    for (int tick = 0; tick < 60; ++tick) {
      now += static_cast<int64_t>(random() % 6);
      const std::map<int64_t, Row> before = table;
      std::vector<Row> arrived;
      for (const uint32_t port : {tick % 2 ? 1u : 0u, tick % 2 ? 0u : 1u}) {
        batch.clear();
        if (port == 0) {
          batch.has_row_watermark = true;
          for (uint64_t n = random() % 6; n > 0; --n) {
            Row row = random_row(random);
            row.time = now + static_cast<int64_t>(random() % 14) - 10;
            const int64_t watermark = h.sources[0].watermark;
            batch.row_watermark()[batch.rows] = watermark;
            append(batch, row, 1);
            if (current || watermark == data::kWatermarkNone || *row.time >= watermark) arrived.push_back(row);
            h.sources[0].watermark = std::max(watermark, *row.time - 6);
          }
        } else {
          for (uint64_t n = random() % 4; n > 0; --n) {
            const int64_t key = static_cast<int64_t>(random() % 3);
            if (table.count(key)) append(batch, table.at(key), -1);
            table.erase(key);
            if (random() % 3 == 0) continue;
            Row row = random_row(random);
            row.key = key;
            row.value %= 4;
            append(batch, row, 1);
            table[key] = row;
          }
        }
        h.sources[port].push(0, batch.view());
      }
      for (int64_t key = 0; key < 3; ++key) {
        const auto old = before.find(key);
        const auto made = table.find(key);
        const bool was = old != before.end(), is = made != table.end();
        if (was == is && (!was || old->second.test() == made->second.test())) continue;
        versions[key].push_back({tick == 0 ? std::numeric_limits<int64_t>::min() : now, is ? std::optional<Row>(made->second) : std::nullopt});
      }
      for (Source& source : h.sources) source.finish({});
      h.join->finish({static_cast<uint64_t>(tick), now});
      h.end.end_tick();
      for (const Row& row : arrived) {
        left.push_back(row);
        if (current) answered.emplace_back(row, row.key && table.count(*row.key) ? std::optional<Row>(table.at(*row.key)) : std::nullopt);
      }
      TestRelation expected;
      const auto add = [&](const Row& l, const std::optional<Row>& match) {
        if (!match && !options.left_join) return;
        TestRow row = l.test();
        const TestRow right = match ? match->test() : TestRow(4, "NULL");
        row.insert(row.end(), right.begin(), right.end());
        fold(expected, row, 1);
      };
      for (const auto& [l, match] : answered) add(l, match);
      for (const Row& l : left) {
        if (current || (options.on_final && l.key && *l.time >= now)) continue;
        std::optional<Row> match;
        if (l.key) {
          for (const Version& version : versions[*l.key]) {
            if (version.time <= *l.time) match = version.row;
          }
        }
        add(l, match);
      }
      ASSERT_EQ(h.end.relation, expected) << "tick " << tick;
      h.checkpoint(random);
    }
    if (options.on_final || current) {
      EXPECT_EQ(h.join->counters.retracted, 0u);
    }
    EXPECT_LT(h.join->state_rows(), 150u);
  }
}

// After warm-up an ASOF join works without the heap, and what it holds does not grow.
TEST(AsofOperator, AllocatesNothing) {
  class Nothing final : public Operator {
   public:
    using Operator::Operator;
    void push(uint32_t, const data::Batch&) override {}
  };
  for (int variant = 0; variant < 12; ++variant) {
    Options options;
    options.match = static_cast<Match>(variant % 3);
    options.on_final = variant / 3 % 2;
    options.left_join = true;
    if (variant / 6) options.tolerance = 50;
    SCOPED_TRACE(options.text());
    Harness h(options);
    h.join->remove_output(&h.end);
    Nothing nothing(h.join->types());
    h.join->add_output(&nothing, 0);
    BatchBuffer batch(side_types());
    int64_t now = 0;
    uint64_t sequence = 0;
    Row rows[2] = {{0, "k", 0, 0}, {0, "a key of more than twelve bytes", 0, 0}};
    const auto tick = [&] {
      for (uint32_t port = 0; port < 2; ++port) {
        batch.clear();
        batch.sequence_base = sequence;
        for (int64_t i = 0; i < 200; ++i) {
          Row& row = rows[i % 2];
          row.key = (now + i) % 37;
          row.value = i;
          row.time = now + (i ^ 3);
          append(batch, row, 1);
        }
        sequence += 200;
        h.sources[port].push(0, batch.view());
        h.sources[port].watermark = now + 190;
      }
      now += 200;
      for (Source& source : h.sources) source.finish({});
      h.join->finish({});
    };
    for (int i = 0; i < 300; ++i) tick();
    const uint64_t bytes = h.join->state_bytes();
    const uint64_t before = heap_calls();
    for (int i = 0; i < 50; ++i) tick();
    EXPECT_EQ(heap_calls(), before);
    EXPECT_EQ(h.join->state_bytes(), bytes);
  }
}

}  // namespace
}  // namespace laminar::stream
