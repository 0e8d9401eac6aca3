#include <gtest/gtest.h>

#include "plan/node.h"
#include "plan/properties.h"

namespace laminar::plan {
namespace {

using data::Type;
using data::TypeKind;
using data::Value;
using expr::Op;

const Type kBigint = Type::of(TypeKind::kInt64);
const Type kTimestamp = Type::of(TypeKind::kTimestamp);
const Type kBoolean = Type::of(TypeKind::kBoolean);
const Type kInterval = Type::of(TypeKind::kInterval);
constexpr int64_t kSecondUs = 1'000'000;

expr::ExprPtr interval(int32_t months, int32_t days, int64_t us) {
  struct {
    int32_t months, days;
    int64_t us;
  } value = {months, days, us};
  return expr::constant(Value::of(kInterval, value));
}

NodePtr scan(bool append_only = true) {
  auto node = std::make_unique<ScanNode>();
  node->object = "bids";
  node->columns = {{"auction", kBigint, {}}, {"price", kBigint, {}}, {"ts", kTimestamp, 0}};
  node->source_columns = {0, 2, 4};
  node->append_only = append_only;
  return node;
}

NodePtr filter(NodePtr input) {
  auto node = std::make_unique<FilterNode>();
  node->columns = input->columns;
  node->predicate = expr::call(Op::kGreater, kBoolean, {expr::column_ref(1, kBigint, "price"), expr::constant(Value::of(kBigint, int64_t{100}))});
  node->inputs.push_back(std::move(input));
  return node;
}

NodePtr project(NodePtr input, std::vector<std::pair<std::string, expr::ExprPtr>> items) {
  auto node = std::make_unique<ProjectNode>();
  for (auto& [name, e] : items) {
    node->columns.push_back({name, e->type, {}});
    node->expressions.push_back(e);
  }
  node->inputs.push_back(std::move(input));
  return node;
}

NodePtr hop_count(NodePtr input, uint32_t key, uint32_t time) {
  auto node = std::make_unique<AggregateNode>();
  using Kind = AggregateNode::GroupOutput::Kind;
  node->groups = {{Kind::kKey, key}, {Kind::kWindowStart, 0}, {Kind::kWindowEnd, 0}};
  AggregateCall count;
  count.type = kBigint;
  node->aggregates = {count};
  node->window = WindowSpec{WindowKind::kHop, time, 10 * kSecondUs, 2 * kSecondUs, 0, 0};
  node->columns = {{"auction", kBigint, {}}, {"window_start", kTimestamp, {}}, {"window_end", kTimestamp, {}}, {"num", kBigint, {}}};
  node->emit = EmitPolicy::kOnWindowClose;
  node->lateness_us = 5 * kSecondUs;
  node->inputs.push_back(std::move(input));
  return node;
}

TEST(Explain, HotItems) {
  auto top = std::make_unique<TopNNode>();
  NodePtr input = hop_count(project(filter(scan()), {{"auction", expr::column_ref(0, kBigint)}, {"ts", expr::column_ref(2, kTimestamp)}}), 0, 1);
  top->columns = input->columns;
  top->inputs.push_back(std::move(input));
  top->rank = TopNNode::Rank::kRank;
  top->partition = {1};
  top->order_by = {{3, true, false}};
  top->limit = 1;
  top->time_partition = 1;
  top->emit = EmitPolicy::kOnWindowClose;
  ViewPlan view;
  view.name = "hot";
  view.emit = EmitMode::kOnWindowClose;
  view.lateness_us = 5 * kSecondUs;
  view.root = std::move(top);
  derive_properties(*view.root);
  EXPECT_EQ(explain(view),
            "View hot (emit on window close, lateness 5s)\n"
            "  TopN partition=[window_start] order=[num DESC] limit=1 rank complete=below watermark of window_start emit=on close append-only "
            "key=[auction, window_start, window_end] state: partitions x the first 1 ranks with ties, released at watermark\n"
            "    Aggregate window=hop(ts, slide 2s, size 10s) keys=[auction] calls=[count(*) AS num] emit=on close lateness=5s append-only "
            "key=[auction, window_start, window_end] state: open windows x keys, released at watermark\n"
            "      Project [auction, ts] append-only\n"
            "        Filter price > 100 append-only\n"
            "          Scan bids [auction, price, ts] append-only watermark ts\n");
}

TEST(Explain, ForeignPartsUnionAndClauses) {
  auto foreign = std::make_shared<expr::Expr>();
  foreign->kind = expr::ExprKind::kForeign;
  foreign->type = kBigint;
  foreign->text = "bit_count(price)";
  foreign->args = {expr::column_ref(1, kBigint, "price")};
  const expr::ExprPtr shifted = expr::call(Op::kAdd, kBigint, {foreign, expr::column_ref(0, kBigint, "auction")});
  auto both = std::make_unique<UnionAllNode>();
  both->columns = {{"n", kBigint, {}}};
  both->inputs.push_back(project(scan(false), {{"n", shifted}}));
  auto values = std::make_unique<ValuesNode>();
  values->columns = {{"n", kBigint, {}}};
  values->rows = {{Value::of(kBigint, int64_t{1})}};
  both->inputs.push_back(std::move(values));
  ViewPlan view;
  view.name = "all_bits";
  view.is_stream = true;
  view.emit = EmitMode::kEvery;
  view.every_us = 90 * kSecondUs;
  view.retain_history_bytes = 64'000'000;
  view.late_data_to = "late";
  view.root = std::move(both);
  derive_properties(*view.root);
  EXPECT_EQ(explain(view),
            "Stream all_bits (emit every 1m30s, late data to late, history 64 MB)\n"
            "  UnionAll changelog\n"
            "    Project [duckdb(bit_count(price)) + auction AS n] changelog\n"
            "      Scan bids [auction, price, ts] changelog watermark ts\n"
            "    Values 1 row append-only state: its constants\n");
}

TEST(Properties, TimesPassThroughShiftsOfFixedLength) {
  const expr::ExprPtr ts = expr::column_ref(2, kTimestamp);
  NodePtr node = project(scan(), {{"ts", ts},
                                  {"plus", expr::call(Op::kAdd, kTimestamp, {ts, interval(0, 1, 5)})},
                                  {"other_way", expr::call(Op::kAdd, kTimestamp, {interval(0, 0, 7), ts})},
                                  {"minus", expr::call(Op::kSubtract, kTimestamp, {expr::call(Op::kAdd, kTimestamp, {ts, interval(0, 0, 7)}), interval(0, 0, 9)})},
                                  {"month", expr::call(Op::kAdd, kTimestamp, {ts, interval(1, 0, 0)})},
                                  {"grid", expr::call(Op::kTumbleStart, kTimestamp, {ts, expr::constant(Value::of(kBigint, int64_t{10})), expr::constant(Value::of(kBigint, int64_t{0}))})},
                                  {"price", expr::column_ref(1, kBigint)}});
  derive_properties(*node);
  EXPECT_EQ(node->columns[0].time_offset_us, 0);
  EXPECT_EQ(node->columns[1].time_offset_us, 86'400'000'005);
  EXPECT_EQ(node->columns[2].time_offset_us, 7);
  EXPECT_EQ(node->columns[3].time_offset_us, -2);
  EXPECT_FALSE(node->columns[4].time_offset_us);
  EXPECT_EQ(node->columns[5].time_offset_us, -9);  // [0, 10) is complete when the watermark is 10
  EXPECT_FALSE(node->columns[6].time_offset_us);
}

TEST(Properties, AggregatesAndWindows) {
  NodePtr hop = hop_count(scan(), 0, 2);
  derive_properties(*hop);
  EXPECT_TRUE(hop->append_only);
  EXPECT_EQ(hop->key, (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_EQ(hop->columns[1].time_offset_us, 0);
  EXPECT_EQ(hop->columns[2].time_offset_us, 10 * kSecondUs);

  auto& aggregate = static_cast<AggregateNode&>(*hop);
  aggregate.window->kind = WindowKind::kSession;
  aggregate.emit = EmitPolicy::kOnUpdate;
  derive_properties(*hop);
  EXPECT_FALSE(hop->append_only);
  EXPECT_FALSE(hop->columns[1].time_offset_us);
  EXPECT_EQ(hop->columns[2].time_offset_us, 0);
  EXPECT_EQ(hop->state_bound, "open sessions x keys, released at watermark");

  // GROUP BY ts, price: the time passes, and the state follows the watermark only where the binder says so.
  aggregate.window.reset();
  aggregate.groups = {{AggregateNode::GroupOutput::Kind::kKey, 2}, {AggregateNode::GroupOutput::Kind::kKey, 1}};
  aggregate.aggregates[0].kind = AggregateKind::kMax;
  aggregate.aggregates[0].args = {1};
  aggregate.columns.pop_back();
  aggregate.inputs[0]->append_only = false;
  derive_properties(*hop);
  EXPECT_EQ(hop->columns[0].time_offset_us, 0);
  EXPECT_EQ(hop->key, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(hop->state_bound, "keys x their values");
  aggregate.time_group = 0;
  derive_properties(*hop);
  EXPECT_EQ(hop->state_bound, "keys not yet below the watermark x their values, released at watermark");
}

TEST(Properties, KeysOfWindowsMustTellThemApart) {
  NodePtr hop = hop_count(scan(), 0, 2);
  auto& aggregate = static_cast<AggregateNode&>(*hop);
  aggregate.groups.resize(1);
  aggregate.columns = {{"auction", kBigint, {}}, {"num", kBigint, {}}};
  derive_properties(*hop);
  EXPECT_TRUE(hop->key.empty());
  aggregate.groups.push_back({AggregateNode::GroupOutput::Kind::kWindowStart, 0});
  aggregate.columns.insert(aggregate.columns.begin() + 1, {"window_start", kTimestamp, {}});
  derive_properties(*hop);
  EXPECT_EQ(hop->key, (std::vector<uint32_t>{0, 1}));
  aggregate.window->kind = WindowKind::kCumulate;  // many windows with one start
  derive_properties(*hop);
  EXPECT_TRUE(hop->key.empty());
}

TEST(Properties, UnionsOfEqualTimesOnly) {
  auto both = std::make_unique<UnionAllNode>();
  both->inputs.push_back(scan());
  both->inputs.push_back(scan());
  both->columns = both->inputs[0]->columns;
  derive_properties(*both);
  EXPECT_TRUE(both->append_only);
  EXPECT_EQ(both->columns[2].time_offset_us, 0);
  both->inputs[1]->columns[2].time_offset_us = 1;
  derive_properties(*both);
  EXPECT_FALSE(both->columns[2].time_offset_us);
}

}  // namespace
}  // namespace laminar::plan
