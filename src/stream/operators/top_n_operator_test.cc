#include "stream/operators/top_n_operator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>

#include "base/heap_calls_testing.h"
#include "stream/operators/change_fold_testing.h"
#include "stream/state/state_store_testing.h"

namespace laminar::stream {
namespace {

using data::BatchBuffer;
using data::Type;
using data::TypeKind;
using Rank = plan::TopNNode::Rank;

struct InputRow {
  int64_t partition;
  std::optional<int64_t> value;
  std::string text;
  uint64_t sequence = 0;
};

std::vector<Type> input_types() { return {Type::of(TypeKind::kTimestamp), Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar)}; }

struct Options {
  Rank rank = Rank::kRowNumber;
  bool append_only = true;
  bool descending = false, nulls_first = false;
  bool by_partition = true;
  uint64_t limit = 3, offset = 0;
  bool output_rank = false;
  bool timed = false;
  plan::EmitPolicy emit = plan::EmitPolicy::kOnUpdate;
};

std::unique_ptr<plan::TopNNode> make_node(const Options& options) {
  auto node = std::make_unique<plan::TopNNode>();
  auto scan = std::make_unique<plan::ScanNode>();
  const char* names[] = {"p", "v", "s"};
  for (size_t i = 0; i < 3; ++i) scan->columns.push_back({names[i], input_types()[i], {}});
  if (options.timed) scan->columns[0].time_offset_us = 0;
  scan->append_only = options.append_only;
  node->columns = scan->columns;
  if (options.output_rank) node->columns.push_back({"rank", Type::of(TypeKind::kInt64), {}});
  node->inputs.push_back(std::move(scan));
  node->rank = options.rank;
  if (options.by_partition) node->partition = {0};
  node->order_by = {{1, options.descending, options.nulls_first}};
  node->limit = options.limit;
  node->offset_rows = options.offset;
  node->output_rank = options.output_rank;
  if (options.timed) node->time_partition = 0;
  node->emit = options.emit;
  return node;
}

std::string text_of(const std::optional<int64_t>& value) { return value ? std::to_string(*value) : "NULL"; }

// -1, 0, 1 by the ORDER BY key.
int compare_key(const Options& options, const InputRow& a, const InputRow& b) {
  if (!a.value || !b.value) {
    if (!a.value && !b.value) return 0;
    return !a.value == options.nulls_first ? -1 : 1;
  }
  const int order = (*a.value > *b.value) - (*a.value < *b.value);
  return options.descending ? -order : order;
}

// The result as SQL says it, from all rows.
TestRelation model(const Options& options, const std::vector<InputRow>& rows) {
  std::map<int64_t, std::vector<InputRow>> partitions;
  for (const InputRow& row : rows) partitions[options.by_partition ? row.partition : 0].push_back(row);
  TestRelation result;
  for (auto& [_, part] : partitions) {
    std::sort(part.begin(), part.end(), [&](const InputRow& a, const InputRow& b) {
      if (const int order = compare_key(options, a, b)) return order < 0;
      if (options.append_only) return a.sequence < b.sequence;
      return std::tie(a.partition, a.value, a.text) < std::tie(b.partition, b.value, b.text);
    });
    uint64_t rank = 0, dense = 0;
    for (size_t i = 0; i < part.size(); ++i) {
      if (i == 0 || compare_key(options, part[i - 1], part[i]) != 0) {
        rank = i + 1;
        ++dense;
      }
      const uint64_t position = options.rank == Rank::kRowNumber ? i + 1 : options.rank == Rank::kRank ? rank : dense;
      if (position <= options.offset || position > options.offset + options.limit) continue;
      TestRow row = {std::to_string(part[i].partition), text_of(part[i].value), part[i].text};
      if (options.output_rank) row.push_back(std::to_string(position));
      fold(result, row, 1);
    }
  }
  return result;
}

void append(BatchBuffer& buffer, const InputRow& row, int64_t weight) {
  const uint32_t i = buffer.rows++;
  buffer.column(0).values<int64_t>()[i] = row.partition;
  buffer.column(1).values<int64_t>()[i] = row.value.value_or(0);
  if (!row.value) data::set_null(buffer.column(1).validity, i);
  buffer.column(2).values<data::StringRef>()[i] = buffer.strings().copy(row.text);
  buffer.weights()[i] = weight;
  buffer.has_weights |= weight != 1;
  buffer.sequence()[i] = row.sequence;
  buffer.has_sequence = true;
}

InputRow random_row(std::mt19937_64& random, uint64_t partitions, uint64_t values, uint64_t& sequence) {
  InputRow row;
  row.partition = static_cast<int64_t>(random() % partitions);
  if (random() % 12) row.value = static_cast<int64_t>(random() % values) - static_cast<int64_t>(values / 2);
  row.text = random() % 3 ? std::to_string(random() % 3) : "a text beyond twelve bytes " + std::to_string(random() % 3);
  row.sequence = sequence++;
  return row;
}

TEST(TopNOperator, ChangesFoldToTheResultAtEveryTick) {
  const uint64_t first_seed = std::random_device{}();
  std::cout << "seed " << first_seed << "\n";
  for (uint64_t round = 0; round < 150; ++round) {
    const uint64_t seed = first_seed + round;
    std::mt19937_64 random(seed);
    Options options;
    options.rank = static_cast<Rank>(random() % 3);
    options.append_only = random() % 2;
    options.descending = random() % 2;
    options.nulls_first = random() % 2;
    options.by_partition = random() % 4 != 0;
    options.limit = random() % 6;
    options.offset = options.rank == Rank::kRowNumber ? random() % 3 : 0;
    options.output_rank = random() % 2;
    const auto node = make_node(options);
    auto made = TopNOperator::make(*node);
    ASSERT_TRUE(made.ok());
    std::unique_ptr<TopNOperator> op = made.take();
    ChangeFold output(op->types());
    op->add_output(&output, 0);
    auto saved = std::make_unique<testing::MemoryStateStore>();
    std::vector<InputRow> rows;
    uint64_t sequence = 0;
    const uint64_t partitions = 1 + random() % 20, values = 1 + random() % 30;
    for (uint64_t tick = 1; tick < 40; ++tick) {
      const size_t changes = random() % (tick % 5 == 0 ? 60 : 4);
      BatchBuffer buffer(input_types(), 16);
      auto send = [&](const InputRow& row, int64_t weight) {
        append(buffer, row, weight);
        if (buffer.full() || random() % 7 == 0) {
          op->push(0, buffer.view());
          buffer.clear();
        }
      };
      std::vector<InputRow> gone;
      for (size_t i = 0; i < changes; ++i) {
        if (!options.append_only && !rows.empty() && random() % 2) {
          const size_t victim = random() % rows.size();
          InputRow row = rows[victim];
          row.sequence = sequence++;  // a retraction's place means nothing
          rows.erase(rows.begin() + static_cast<ptrdiff_t>(victim));
          send(row, -1);
          continue;
        }
        InputRow row = random_row(random, partitions, values, sequence);
        const bool twice = !options.append_only && random() % 8 == 0;
        rows.push_back(row);
        if (twice) rows.push_back(row);
        send(row, twice ? 2 : 1);
      }
      // Order within a tick does not matter: a goodbye may come before its row.
      if (!options.append_only && random() % 3 == 0) {
        InputRow row = random_row(random, partitions, values, sequence);
        send(row, -1);
        send(row, 1);
      }
      op->push(0, buffer.view());
      op->finish({tick, 0});
      if (random() % 6 == 0) saved->save(*op);
      if (random() % 8 == 0) {  // a restart from a checkpoint
        saved->save(*op);
        const bool followed = op->has_outputs();
        op = TopNOperator::make(*node).take();
        if (followed) op->add_output(&output, 0);
        ASSERT_TRUE(saved->load(*op).ok());
        saved = std::make_unique<testing::MemoryStateStore>();
      }
      const TestRelation expected = model(options, rows);
      ASSERT_EQ(content_of(*op), expected) << "seed " << seed << " tick " << tick;
      // Nobody listens from tick 15 to 24; who joins then starts from the content.
      if (tick < 15 || tick >= 25) {
        output.end_tick();
        ASSERT_EQ(output.relation, expected) << "seed " << seed << " tick " << tick;
      }
      if (tick == 14) op->remove_output(&output);
      if (tick == 24) {
        op->add_output(&output, 0);
        output.relation = expected;
      }
    }
    EXPECT_EQ(op->faults(), 0u);
  }
}

TEST(TopNOperator, UnchangedRowsAreNotTold) {
  Options options;
  options.limit = 2;
  const auto node = make_node(options);
  auto op = TopNOperator::make(*node).take();
  ChangeFold output(op->types());
  op->add_output(&output, 0);
  BatchBuffer buffer(input_types(), 16);
  append(buffer, {1, 5, "a", 0}, 1);
  append(buffer, {1, 7, "b", 1}, 1);
  op->push(0, buffer.view());
  op->finish({1, 0});
  EXPECT_EQ(output.end_tick().size(), 2u);
  buffer.clear();
  append(buffer, {1, 6, "c", 2}, 1);
  op->push(0, buffer.view());
  op->finish({2, 0});
  using Changes = std::vector<std::pair<TestRow, int64_t>>;
  EXPECT_EQ(output.end_tick(), (Changes{{{"1", "7", "b"}, -1}, {{"1", "6", "c"}, 1}}));
  op->finish({3, 0});
  EXPECT_TRUE(output.end_tick().empty());
}

// Feeds the watermark.
class Upstream final : public Operator {
 public:
  Upstream() : Operator(input_types()) {}
  void push(uint32_t, const data::Batch& batch) override { emit(batch); }
  void set_watermark(int64_t watermark) { set_output_watermark(watermark); }
};

TEST(TopNOperator, CompletePartitionsComeOutOnce) {
  const uint64_t first_seed = std::random_device{}();
  std::cout << "seed " << first_seed << "\n";
  for (uint64_t round = 0; round < 100; ++round) {
    const uint64_t seed = first_seed + round;
    std::mt19937_64 random(seed);
    Options options;
    options.rank = static_cast<Rank>(random() % 3);
    options.append_only = random() % 2;
    options.output_rank = random() % 2;
    options.limit = 1 + random() % 4;
    options.timed = true;
    options.emit = round % 2 ? plan::EmitPolicy::kOnWindowClose : plan::EmitPolicy::kOnUpdate;
    const auto node = make_node(options);
    Upstream upstream;
    auto op = TopNOperator::make(*node).take();
    upstream.add_output(op.get(), 0);
    ChangeFold output(op->types());
    op->add_output(&output, 0);
    op->keep_content(true);
    CountedRejects rejects;
    op->set_rejects(&rejects);
    auto saved = std::make_unique<testing::MemoryStateStore>();
    std::vector<InputRow> rows;
    uint64_t sequence = 0, late = 0;
    int64_t watermark = data::kWatermarkNone;
    for (uint64_t tick = 1; tick < 60; ++tick) {
      BatchBuffer buffer(input_types(), 64);
      for (size_t i = random() % 20; i > 0; --i) {
        InputRow row = random_row(random, 8, 10, sequence);
        row.partition += static_cast<int64_t>(tick) - 6;
        if (watermark != data::kWatermarkNone && row.partition < watermark) {
          ++late;
        } else {
          rows.push_back(row);
        }
        append(buffer, row, 1);
      }
      upstream.push(0, buffer.view());
      if (tick == 59) {
        watermark = data::kWatermarkEnded;
      } else if (random() % 3 == 0) {
        watermark = static_cast<int64_t>(tick) - 4;
      }
      upstream.set_watermark(watermark);
      op->finish({tick, 0});
      if (random() % 8 == 0) saved->save(*op);
      if (random() % 12 == 0) {
        saved->save(*op);
        upstream.remove_output(op.get());
        op = TopNOperator::make(*node).take();
        upstream.add_output(op.get(), 0);
        op->add_output(&output, 0);
        op->keep_content(true);
        op->set_rejects(&rejects);
        ASSERT_TRUE(saved->load(*op).ok());
        saved = std::make_unique<testing::MemoryStateStore>();
      }
      std::vector<InputRow> closed;
      for (const InputRow& row : rows) {
        if (options.emit == plan::EmitPolicy::kOnUpdate || row.partition < watermark) closed.push_back(row);
      }
      const TestRelation expected = model(options, closed);
      const auto changes = output.end_tick();
      ASSERT_EQ(output.relation, expected) << "seed " << seed << " tick " << tick;
      ASSERT_EQ(content_of(*op), expected) << "seed " << seed << " tick " << tick;
      if (options.emit == plan::EmitPolicy::kOnWindowClose) {
        for (const auto& [_, weight] : changes) ASSERT_GT(weight, 0);
      }
      ASSERT_EQ(op->output_watermark(), watermark);
    }
    EXPECT_EQ(op->counters.late, late);
    EXPECT_EQ(rejects.counts[static_cast<int>(RejectReason::kLate)], late);
    EXPECT_EQ(op->counters.rows_in, op->counters.rows_out + late);
  }
}

TEST(TopNOperator, WithoutReadersCompletePartitionsLeaveNothing) {
  Options options;
  options.timed = true;
  const auto node = make_node(options);
  Upstream upstream;
  auto op = TopNOperator::make(*node).take();
  upstream.add_output(op.get(), 0);
  uint64_t sequence = 0, bytes = 0;
  std::mt19937_64 random(5);
  for (int64_t tick = 1; tick < 5000; ++tick) {
    BatchBuffer buffer(input_types(), 64);
    for (int i = 0; i < 40; ++i) {
      InputRow row = random_row(random, 4, 100, sequence);
      row.partition += tick;
      append(buffer, row, 1);
    }
    upstream.push(0, buffer.view());
    upstream.set_watermark(tick);
    op->finish({static_cast<uint64_t>(tick), 0});
    ASSERT_LT(op->state_rows(), 100u);
    if (tick == 100) bytes = op->state_bytes();
  }
  EXPECT_EQ(op->state_bytes(), bytes);
}

class Sink final : public Operator {
 public:
  using Operator::Operator;
  void push(uint32_t, const data::Batch& batch) override { rows += batch.rows; }
  uint64_t rows = 0;
};

TEST(TopNOperator, AllocatesNothingAfterWarmUp) {
  for (const bool append_only : {true, false}) {
    Options options;
    options.append_only = append_only;
    options.output_rank = true;
    const auto node = make_node(options);
    auto op = TopNOperator::make(*node).take();
    Sink sink(op->types());
    op->add_output(&sink, 0);
    std::mt19937_64 random(3);
    uint64_t sequence = 0, allocations = 0;
    std::vector<std::vector<InputRow>> ticks;
    BatchBuffer buffer(input_types(), 512);
    for (uint64_t tick = 1; tick < 600; ++tick) {
      buffer.clear();
      ticks.emplace_back();
      for (int i = 0; i < 100; ++i) {
        ticks.back().push_back(random_row(random, 50, 1000, sequence));
        append(buffer, ticks.back().back(), 1);
      }
      // Rows live for ten ticks.
      if (!append_only && ticks.size() > 10) {
        for (const InputRow& row : ticks[ticks.size() - 11]) append(buffer, row, -1);
      }
      const data::Batch batch = buffer.view();
      const uint64_t before = heap_calls();
      op->push(0, batch);
      op->finish({tick, 0});
      if (tick > 300) allocations += heap_calls() - before;
    }
    EXPECT_EQ(allocations, 0u);
    EXPECT_GT(sink.rows, 0u);
  }
}

}  // namespace
}  // namespace laminar::stream
