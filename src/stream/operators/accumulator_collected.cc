// DuckDB's own aggregate functions where rows are taken back, ordered or merged: the rows of a group are kept in order,
// and a result is made by giving all of them to the function again.
//
// Where the state has to be saved and the function's own cannot be, the rows are kept for that alone: the function's state runs
// beside them, gives the results, and is made of the rows when they are loaded.
//
// Bounds: the rows of the group; a changed group costs its rows once a tick, with a running state its new rows.
#include <algorithm>

#include "expr/foreign.h"
#include "stream/operators/accumulator_rows.h"
#include "stream/state/ordered_multiset_io.h"

namespace laminar::stream {

using data::Column;
using data::kBatchRowsMax;
using data::Physical;
using data::StringArena;

namespace {

struct CollectedSpec {
  static constexpr uint32_t kSequence = ~0u;
  std::vector<uint32_t> columns;  // by part: ORDER BY keys, the place in the total order, the arguments
  EntryOrder order;
  size_t args = 0;                // the first part that is an argument
  bool distinct = false;
};

class Collected final : public Accumulator {
 public:
  // `running`: the same function on a state of its own, or null.
  Collected(CollectedSpec spec, std::shared_ptr<const expr::ForeignAggregate> function, AccumulatorPtr running)
      : Accumulator(sizeof(OrderedMultiset) + (running ? running->state_bytes() : 0)), spec_(std::move(spec)), function_(std::move(function)),
        instance_(function_->instantiate()), cells_(spec_.columns.size()),
        state_(std::make_unique<uint64_t[]>((function_->state_size() + 7) / 8)),
        states_(kBatchRowsMax, reinterpret_cast<char*>(state_.get())) {
    std::vector<data::Type> types = function_->argument_types();
    types.resize(spec_.columns.size() - spec_.args);
    rows_ = std::make_unique<data::BatchBuffer>(types);
    result_ = std::make_unique<data::BatchBuffer>(std::vector<data::Type>{function_->result_type()});
    running_ = std::move(running);
  }

  bool needs_initialize() const override { return running_ != nullptr; }
  // Also called for others of the group's aggregates that need it.
  void initialize(char* const* groups, uint32_t count) override {
    if (running_) running().initialize(groups, count);
  }
  bool mergeable() const override { return !running_; }
  bool holds_memory() const override { return true; }
  bool holds_foreign_memory() const override { return running_ != nullptr; }
  bool handles_distinct() const override { return true; }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) state<OrderedMultiset>(groups[i]).free(spec_.order, pool);
    if (running_) running().destroy(groups, count, pool);
  }
  bool saves_state() const override { return true; }
  void save(const char* group, ByteWriter& out) const override { save_entries(state<OrderedMultiset>(group), spec_.order, out); }
  void load(char* group, ByteReader& in, StatePool& pool) override {
    load_entries(state<OrderedMultiset>(group), spec_.order, cells_, in, pool);
    if (!running_) return;
    running().initialize(&group, 1);
    std::vector<char*> groups(kBatchRowsMax, group);
    std::vector<Column> columns;
    const auto give = [&] {
      const data::Batch batch = rows_->view();
      for (size_t a = 0; a < batch.columns.size(); ++a) {
        const uint32_t column = spec_.columns[spec_.args + a];
        if (column >= columns.size()) columns.resize(column + 1);
        columns[column] = batch.columns[a];
      }
      AggregateInput input;
      input.columns = columns;
      input.groups = groups.data();
      input.count = batch.rows;
      if (batch.rows > 0) running().update(input, pool);
      rows_->clear();
    };
    rows_->clear();
    state<OrderedMultiset>(group).for_each([&](const OrderedMultiset::Node& node) {
      arrivals_ = std::max(arrivals_, node.cells()[0].words[0]);
      add(node);
      if (rows_->full()) give();
    });
    give();
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    for_rows(in, [&](uint32_t i, uint32_t row) {
      uint32_t nulls = 0;
      for (size_t p = 0; p < cells_.size(); ++p) {
        if (spec_.columns[p] == CollectedSpec::kSequence) cells_[p] = Cell::of(running_ ? ++arrivals_ : in.sequence_of(row));
        else if (in.columns[spec_.columns[p]].is_null(row)) nulls |= 1u << p;
        else cells_[p] = Cell::load(in.columns[spec_.columns[p]], row);
      }
      state<OrderedMultiset>(in.groups[i]).add(spec_.order, cells_.data(), nulls, in.weight(row), pool);
    });
    if (running_) running().update(in, pool);
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      OrderedMultiset& set = state<OrderedMultiset>(into[i]);
      state<OrderedMultiset>(from[i]).for_each(
          [&](const OrderedMultiset::Node& node) { set.add(spec_.order, node.cells(), node.nulls, node.count, pool); });
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena& strings) override {
    if (running_) return running().finalize(groups, count, out, at, strings);
    for (uint32_t i = 0; i < count; ++i) {
      if (!compute(state<OrderedMultiset>(groups[i]), strings)) {
        store_null(out, at + i);
        continue;
      }
      const Column& result = result_->column(0);
      const uint32_t size = data::physical_size(result.physical);
      if (result.is_null(0)) store_null(out, at + i);
      else std::memcpy(static_cast<char*>(out.data) + size_t{at + i} * size, result.data, size);
    }
  }

 private:
  Accumulator& running() {
    running_->set_offset(offset_ + static_cast<uint32_t>(sizeof(OrderedMultiset)));
    return *running_;
  }
  // The result into row 0 of result_, long strings into `strings`.
  bool compute(const OrderedMultiset& set, StringArena& strings) {
    instance_->initialize(states_[0]);
    bool ok = true;
    rows_->clear();
    set.for_each([&](const OrderedMultiset::Node& node) {
      const int64_t repeats = spec_.distinct ? 1 : node.count;
      for (int64_t n = 0; n < repeats; ++n) {
        add(node);
        if (rows_->full()) ok &= pass_on();
      }
    });
    ok &= pass_on();
    if (ok) {
      result_->clear();
      ok = instance_->finalize(states_.data(), 1, result_->column(0), strings).ok();
    }
    instance_->destroy(states_.data(), 1);
    instance_->release_memory();
    return ok;
  }
  void add(const OrderedMultiset::Node& node) {
    const uint32_t row = rows_->rows++;
    for (size_t p = spec_.args; p < cells_.size(); ++p) {
      Column& column = rows_->column(static_cast<uint32_t>(p - spec_.args));
      if (node.nulls >> p & 1) store_null(column, row);
      else std::memcpy(static_cast<char*>(column.data) + size_t{row} * data::physical_size(column.physical), node.cells()[p].words,
                       data::physical_size(column.physical));
    }
  }
  bool pass_on() {
    if (rows_->rows == 0) return true;
    const data::Batch batch = rows_->view();
    const bool ok = instance_->update(batch.columns, states_.data(), batch.rows).ok();
    rows_->clear();
    return ok;
  }

  CollectedSpec spec_;
  std::shared_ptr<const expr::ForeignAggregate> function_;
  std::unique_ptr<expr::ForeignAggregate::Instance> instance_;
  std::vector<Cell> cells_;
  std::unique_ptr<uint64_t[]> state_;
  std::vector<char*> states_;  // all the one state
  std::unique_ptr<data::BatchBuffer> rows_, result_;
  AccumulatorPtr running_;
  uint64_t arrivals_ = 0;  // with a running state rows are kept in the order in which that has them
};

}  // namespace

Result<AccumulatorPtr> make_collected(const CallContext& context, AccumulatorPtr running) {
  const plan::AggregateCall& call = context.call;
  if (call.foreign->name() == "reservoir_quantile")
    return context.refuse("takes a random sample: it cannot take rows back or keep an order; use quantile_cont");
  CollectedSpec spec;
  spec.distinct = call.distinct;
  auto add_part = [&](uint32_t column, bool descending, bool nulls_first) {
    spec.columns.push_back(column);
    const Physical physical = column == CollectedSpec::kSequence ? Physical::kU64 : context.types[column].physical();
    spec.order.parts.push_back({physical, descending, nulls_first});
  };
  for (const plan::SortKey& key : call.order_by) {
    if (context.types[key.column].kind == data::TypeKind::kBoxed)
      return context.not_implemented("orders by " + context.types[key.column].text() + ", which has no order here");
    add_part(key.column, key.descending, key.nulls_first);
  }
  if ((context.has_order || running) && !call.distinct) add_part(CollectedSpec::kSequence, false, false);
  spec.args = spec.columns.size();
  for (const uint32_t arg : call.args) add_part(arg, false, false);
  if (spec.columns.size() > 32) return context.not_implemented("has more than 30 ORDER BY keys and arguments");
  return AccumulatorPtr(new Collected(std::move(spec), call.foreign, std::move(running)));
}

}  // namespace laminar::stream
