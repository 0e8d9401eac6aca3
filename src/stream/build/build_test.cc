#include "stream/build/build.h"

#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "base/heap_calls_testing.h"
#include "plan/properties.h"
#include "stream/operators/change_fold_testing.h"
#include "stream/operators/source_operator.h"
#include "stream/operators/view_store_operator.h"

namespace laminar::stream {
namespace {

using data::BatchBuffer;
using data::Type;
using data::TypeKind;
using data::Value;
using expr::Op;

const Type kBigint = Type::of(TypeKind::kInt64);
const Type kVarchar = Type::of(TypeKind::kVarchar);
const Type kTimestamp = Type::of(TypeKind::kTimestamp);
const Type kBoolean = Type::of(TypeKind::kBoolean);

// The object: junk VARCHAR, k BIGINT, v BIGINT, s VARCHAR, ts TIMESTAMP; the scan reads k, v, s, ts.
std::vector<Type> object_types() { return {kVarchar, kBigint, kBigint, kVarchar, kTimestamp}; }

plan::NodePtr scan(bool append_only) {
  auto node = std::make_unique<plan::ScanNode>();
  node->object = "o";
  node->columns = {{"k", kBigint, {}}, {"v", kBigint, {}}, {"s", kVarchar, {}}, {"ts", kTimestamp, 0}};
  node->source_columns = {1, 2, 3, 4};
  node->append_only = append_only;
  return node;
}

expr::ExprPtr number(int64_t value) { return expr::constant(Value::of(kBigint, value)); }

plan::NodePtr filter(plan::NodePtr input, expr::ExprPtr predicate) {
  auto node = std::make_unique<plan::FilterNode>();
  node->columns = input->columns;
  node->predicate = std::move(predicate);
  node->inputs.push_back(std::move(input));
  return node;
}

plan::NodePtr project(plan::NodePtr input, std::vector<expr::ExprPtr> expressions) {
  auto node = std::make_unique<plan::ProjectNode>();
  for (const expr::ExprPtr& e : expressions) node->columns.push_back({"c", e->type, {}});
  node->expressions = std::move(expressions);
  node->inputs.push_back(std::move(input));
  return node;
}

plan::NodePtr top(plan::NodePtr input, uint64_t limit) {
  auto node = std::make_unique<plan::TopNNode>();
  node->columns = input->columns;
  node->partition = {0};
  node->order_by = {{1, true, false}};
  node->limit = limit;
  node->inputs.push_back(std::move(input));
  return node;
}

void append(BatchBuffer& buffer, int64_t k, std::optional<int64_t> v, const std::string& s, int64_t ts) {
  const uint32_t row = buffer.rows++;
  buffer.column(0).values<data::StringRef>()[row] = buffer.strings().copy(std::string("junk"));
  buffer.column(1).values<int64_t>()[row] = k;
  buffer.column(2).values<int64_t>()[row] = v.value_or(0);
  if (!v) data::set_null(buffer.column(2).validity, row);
  buffer.column(3).values<data::StringRef>()[row] = buffer.strings().copy(s);
  buffer.column(4).values<int64_t>()[row] = ts;
}

std::string text_of(std::optional<int64_t> value) { return value ? std::to_string(*value) : "NULL"; }

TEST(Pipeline, FilterAndProjectOfRandomBatches) {
  const uint64_t first_seed = std::random_device{}();
  std::cout << "seed " << first_seed << "\n";
  for (uint64_t round = 0; round < 10; ++round) {
    std::mt19937_64 random(first_seed + round);
    const int64_t bound = static_cast<int64_t>(random() % 100);
    // v + 9223372036854775757 overflows for v > 50: such rows are errors.
    const plan::NodePtr root = project(
        filter(scan(false), expr::call(Op::kLess, kBoolean, {expr::column_ref(0, kBigint), number(bound)})),
        {expr::column_ref(2, kVarchar), expr::call(Op::kAdd, kBigint, {expr::column_ref(1, kBigint), number(9223372036854775757)}), expr::column_ref(3, kTimestamp)});
    plan::derive_properties(*root);
    Pipeline pipeline = build_pipeline(*root).take();
    ASSERT_EQ(pipeline.operators.size(), 3u);
    ASSERT_EQ(pipeline.scans.size(), 1u);
    EXPECT_EQ(pipeline.scans[0].object, "o");
    EXPECT_EQ(pipeline.content, nullptr);
    SourceOperator source(object_types(), SourceTime{.column = 4, .watermark = {.delay_us = 3}});
    source.add_output(pipeline.scans[0].op, 0);
    ViewStoreOperator store(pipeline.root->types(), false);
    pipeline.root->add_output(&store, 0);
    ChangeFold output(pipeline.root->types());
    store.add_output(&output, 0);
    CountedRejects rejects;
    for (auto& op : pipeline.operators) op->set_rejects(&rejects);
    TestRelation expected;
    uint64_t offset = 0, errors = 0, filtered = 0;
    int64_t watermark = data::kWatermarkNone;
    for (uint64_t tick = 1; tick < 12; ++tick) {
      const bool in_order = random() % 2;
      BatchBuffer buffer(object_types());
      std::vector<uint64_t> sequences;
      std::vector<int64_t> watermarks;
      bool any_behind = false;
      for (size_t i = random() % 2048; i > 0; --i) {
        const int64_t k = in_order ? static_cast<int64_t>(i % 2048 / 16) : static_cast<int64_t>(random() % 130);
        std::optional<int64_t> v;
        if (random() % 8) v = static_cast<int64_t>(random() % 52);
        const std::string s = random() % 2 ? "short" : "longer than twelve bytes";
        const int64_t ts = static_cast<int64_t>(offset / 4 + (in_order ? 0 : random() % 6));
        append(buffer, k, v, s, ts);
        any_behind |= ts <= watermark;
        if (k >= bound) {
          ++filtered;
        } else if (v && *v > 50) {
          ++errors;
        } else {
          fold(expected, {s, text_of(v ? std::optional(*v + 9223372036854775757) : v), std::to_string(ts)}, 1);
          sequences.push_back(offset);
          watermarks.push_back(watermark);
        }
        watermark = std::max(watermark, ts - 3);
        ++offset;
      }
      source.push(0, buffer.view());
      source.finish({tick, 0});
      for (auto& op : pipeline.operators) op->finish({tick, 0});
      store.finish({tick, 0});
      ASSERT_EQ(output.sequences, sequences);
      if (!any_behind) std::fill(watermarks.begin(), watermarks.end(), data::kWatermarkNone);
      ASSERT_EQ(output.watermarks, watermarks);
      output.end_tick();
      ASSERT_EQ(output.relation, expected);
      ASSERT_EQ(content_of(store), expected);
      ASSERT_EQ(store.output_watermark(), watermark);
    }
    EXPECT_EQ(pipeline.operators[1]->counters.filtered, filtered);
    EXPECT_EQ(pipeline.operators[2]->counters.errors, errors);
    EXPECT_EQ(rejects.counts[static_cast<int>(RejectReason::kError)], errors);
    EXPECT_FALSE(errors > 0 && rejects.last.message.empty() && rejects.rows.empty());
  }
}

TEST(Pipeline, ContentBelowStatelessNodesIsReadThroughThem) {
  const plan::NodePtr root = project(filter(top(scan(true), 3), expr::call(Op::kGreater, kBoolean, {expr::column_ref(1, kBigint), number(10)})),
                                     {expr::column_ref(1, kBigint), expr::column_ref(0, kBigint)});
  plan::derive_properties(*root);
  Pipeline pipeline = build_pipeline(*root).take();
  ASSERT_EQ(pipeline.operators.size(), 4u);
  ASSERT_EQ(pipeline.content, pipeline.operators[1].get());
  EXPECT_FALSE(pipeline.content->has_outputs());  // nobody reads the root
  ReadChain chain = build_read_chain(*root).take();
  ASSERT_EQ(chain.operators.size(), 2u);
  ChangeFold read(chain.root->types());
  chain.root->add_output(&read, 0);

  std::mt19937_64 random(11);
  ChangeFold output(pipeline.root->types());
  for (uint64_t tick = 1; tick < 40; ++tick) {
    BatchBuffer buffer(object_types(), 64);
    for (int i = 0; i < 30; ++i) append(buffer, static_cast<int64_t>(random() % 5), static_cast<int64_t>(random() % (10 * tick)), "s", 0);
    pipeline.scans[0].op->push(0, buffer.view());
    for (auto& op : pipeline.operators) op->finish({tick, 0});
    read.relation.clear();
    pipeline.content->scan_content([&](const data::Batch& batch) { chain.entry->push(0, batch); });
    EXPECT_EQ(pipeline.operators[3]->counters.rows_in == 0, tick <= 10);
    if (tick == 10) {
      pipeline.root->add_output(&output, 0);
      EXPECT_TRUE(pipeline.content->has_outputs());
      output.relation = read.relation;
    }
    if (tick > 10) {
      output.end_tick();
      ASSERT_EQ(output.relation, read.relation) << tick;
      ASSERT_FALSE(read.relation.empty());
    }
  }
}

TEST(Pipeline, AllocatesNothingAfterWarmUp) {
  const plan::NodePtr root = project(
      filter(scan(true), expr::call(Op::kLess, kBoolean, {expr::column_ref(0, kBigint), number(50)})),
      {expr::column_ref(2, kVarchar), expr::call(Op::kAdd, kBigint, {expr::column_ref(1, kBigint), number(1)}), expr::column_ref(3, kTimestamp)});
  plan::derive_properties(*root);
  Pipeline pipeline = build_pipeline(*root).take();
  SourceOperator source(object_types(), SourceTime{.column = 4, .watermark = {.delay_us = 3}});
  source.add_output(pipeline.scans[0].op, 0);
  ViewStoreOperator changelog(pipeline.root->types(), false);
  pipeline.root->add_output(&changelog, 0);
  std::mt19937_64 random(1);
  BatchBuffer buffer(object_types());
  uint64_t allocations = 0;
  for (uint64_t tick = 1; tick < 100; ++tick) {
    buffer.clear();
    for (int i = 0; i < 2000; ++i) append(buffer, static_cast<int64_t>(random() % 100), static_cast<int64_t>(random() % 20), "longer than twelve bytes", static_cast<int64_t>(random() % 50));
    data::Batch batch = buffer.view();
    std::vector<int64_t> weights(batch.rows, tick % 2 ? 1 : -1);
    batch.weights = weights.data();
    const uint64_t before = heap_calls();
    source.push(0, batch);
    source.finish({tick, 0});
    for (auto& op : pipeline.operators) op->finish({tick, 0});
    changelog.finish({tick, 0});
    if (tick > 60) allocations += heap_calls() - before;
  }
  EXPECT_EQ(allocations, 0u);
}

TEST(Pipeline, UnionOfScansAndValues) {
  auto both = std::make_unique<plan::UnionAllNode>();
  both->columns = {{"v", kBigint, {}}};
  both->inputs.push_back(project(scan(true), {expr::column_ref(1, kBigint)}));
  auto values = std::make_unique<plan::ValuesNode>();
  values->columns = both->columns;
  values->rows = {{Value::of(kBigint, int64_t{7})}, {Value::null(kBigint)}};
  both->inputs.push_back(std::move(values));
  plan::derive_properties(*both);
  Pipeline pipeline = build_pipeline(*both).take();
  ChangeFold output(pipeline.root->types());
  pipeline.root->add_output(&output, 0);
  SourceOperator source(object_types(), SourceTime{.column = 4});
  source.add_output(pipeline.scans[0].op, 0);
  for (uint64_t tick = 1; tick < 3; ++tick) {
    BatchBuffer buffer(object_types(), 8);
    append(buffer, 1, static_cast<int64_t>(tick), "s", static_cast<int64_t>(tick * 100));
    source.push(0, buffer.view());
    source.finish({tick, 0});
    for (auto& op : pipeline.operators) op->finish({tick, 0});
    EXPECT_EQ(pipeline.root->output_watermark(), static_cast<int64_t>(tick * 100));  // constants hold nothing back
  }
  EXPECT_EQ(output.relation, (TestRelation{{{"1"}, 1}, {{"2"}, 1}, {{"7"}, 1}, {{"NULL"}, 1}}));
}

}  // namespace
}  // namespace laminar::stream
