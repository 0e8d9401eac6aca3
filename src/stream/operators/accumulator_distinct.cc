// DISTINCT: the inner aggregate sees a value when its count in the group becomes positive, and loses it when the count
// falls back to zero.
#include "stream/operators/accumulator_rows.h"
#include "stream/state/cell_io.h"
#include "stream/state/value_set.h"

namespace laminar::stream {

using data::Column;
using data::kBatchRowsMax;
using data::StringArena;

namespace {

void save_set(const ValueSet& set, data::Physical physical, ByteWriter& out) {
  out.put(set.size());
  set.for_each([&](const ValueSet::Slot& slot) {
    put_cell(physical, slot.value, out);
    out.put(slot.count);
  });
}
void load_set(ValueSet& set, data::Physical physical, ByteReader& in, StatePool& pool) {
  for (uint32_t n = in.get<uint32_t>(); n > 0 && in.ok(); --n) {
    const Cell value = get_cell(physical, in);
    set.add(physical, value, in.get<int64_t>(), pool);
  }
}

// count(DISTINCT x): the size of the set. Over an input that retracts counts are positive at the end of each tick, so
// the size then is the number of values.
class CountDistinct final : public Accumulator {
 public:
  CountDistinct(uint32_t column, data::Physical physical) : Accumulator(sizeof(ValueSet)), column_(column), physical_(physical) {}

  bool holds_memory() const override { return true; }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) state<ValueSet>(groups[i]).free(physical_, pool);
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    const Column& column = in.columns[column_];
    for_values(in, column, [&](uint32_t i, uint32_t row) {
      state<ValueSet>(in.groups[i]).add(physical_, Cell::load(column, row), in.weight(row), pool);
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      ValueSet& set = state<ValueSet>(into[i]);
      state<ValueSet>(from[i]).for_each([&](const ValueSet::Slot& slot) { set.add(physical_, slot.value, slot.count, pool); });
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) out.values<int64_t>()[at + i] = state<ValueSet>(groups[i]).size();
  }
  bool saves_state() const override { return true; }
  void save(const char* group, ByteWriter& out) const override { save_set(state<ValueSet>(group), physical_, out); }
  void load(char* group, ByteReader& in, StatePool& pool) override { load_set(state<ValueSet>(group), physical_, in, pool); }

 private:
  uint32_t column_;
  data::Physical physical_;
};

class Distinct final : public Accumulator {
 public:
  Distinct(uint32_t column, const data::Type& type, std::vector<data::Type> input_types, AccumulatorPtr inner)
      : Accumulator(static_cast<uint32_t>(sizeof(ValueSet)) + inner->state_bytes()), column_(column), physical_(type.physical()),
        inner_(std::move(inner)), columns_(input_types.size()), changed_(std::vector<data::Type>{type}), groups_(kBatchRowsMax) {}

  bool needs_initialize() const override { return inner_->needs_initialize(); }
  void initialize(char* const* groups, uint32_t count) override { aim().initialize(groups, count); }
  bool holds_memory() const override { return true; }
  bool holds_foreign_memory() const override { return inner_->holds_foreign_memory(); }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) state<ValueSet>(groups[i]).free(physical_, pool);
    if (inner_->holds_memory()) aim().destroy(groups, count, pool);
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    const Column& column = in.columns[column_];
    for_values(in, column, [&](uint32_t i, uint32_t row) {
      add(in.groups[i], Cell::load(column, row), in.weight(row), in.sequence_of(row), pool);
    });
    pass_on(pool);
  }
  bool saves_state() const override { return inner_->saves_state(); }
  void save(const char* group, ByteWriter& out) const override {
    save_set(state<ValueSet>(group), physical_, out);
    aim().save(group, out);
  }
  void load(char* group, ByteReader& in, StatePool& pool) override {
    load_set(state<ValueSet>(group), physical_, in, pool);
    aim().load(group, in, pool);
  }
  bool mergeable() const override { return true; }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i)
      state<ValueSet>(from[i]).for_each([&](const ValueSet::Slot& slot) { add(into[i], slot.value, slot.count, 0, pool); });
    pass_on(pool);
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena& strings) override {
    aim().finalize(groups, count, out, at, strings);
  }

 private:
  Accumulator& aim() const {
    inner_->set_offset(offset_ + static_cast<uint32_t>(sizeof(ValueSet)));
    return *inner_;
  }
  void add(char* group, const Cell& value, int64_t by, uint64_t sequence, StatePool& pool) {
    const int64_t before = state<ValueSet>(group).add(physical_, value, by, pool);
    const bool was = before > 0, is = before + by > 0;
    if (was == is) return;
    // A value that leaves may take its bytes along, so the row is a copy.
    const uint32_t row = changed_.rows++;
    store_cell(value, changed_.column(0), row, changed_.strings());
    changed_.weights()[row] = is ? 1 : -1;
    changed_.has_weights |= !is;
    changed_.sequence()[row] = sequence;
    groups_[row] = group;
    if (changed_.full()) pass_on(pool);
  }
  void pass_on(StatePool& pool) {
    if (changed_.rows == 0) return;
    const data::Batch batch = changed_.view();
    columns_[column_] = batch.columns[0];
    AggregateInput in;
    in.columns = columns_;
    in.weights = batch.weights;
    in.sequence = changed_.sequence();
    in.groups = groups_.data();
    in.count = batch.rows;
    aim().update(in, pool);
    changed_.clear();
  }
  uint32_t column_;
  data::Physical physical_;
  AccumulatorPtr inner_;
  std::vector<Column> columns_;  // only column_ is filled: DISTINCT has one argument
  data::BatchBuffer changed_;
  std::vector<char*> groups_;
};

}  // namespace

AccumulatorPtr make_count_distinct(const CallContext& context) {
  return AccumulatorPtr(new CountDistinct(context.call.args[0], context.arg_type(0).physical()));
}

AccumulatorPtr make_distinct(const CallContext& context, AccumulatorPtr inner) {
  const uint32_t column = context.call.args[0];
  const data::Type& type = context.arg_type(0);
  if (context.call.kind == plan::AggregateKind::kCount) return make_count_distinct(context);
  return AccumulatorPtr(new Distinct(column, type, context.types, std::move(inner)));
}

}  // namespace laminar::stream
