#include "stream/operators/accumulator.h"

#include "stream/operators/accumulator_rows.h"

namespace laminar::stream {

using plan::AggregateKind;

namespace {

// FILTER (WHERE column): passes on the rows where it is true.
class Filtered final : public Accumulator {
 public:
  Filtered(uint32_t column, AccumulatorPtr inner)
      : Accumulator(inner->state_bytes()), column_(column), inner_(std::move(inner)),
        rows_(data::kBatchRowsMax), groups_(data::kBatchRowsMax) {}

  bool needs_initialize() const override { return inner_->needs_initialize(); }
  void initialize(char* const* groups, uint32_t count) override { aim().initialize(groups, count); }
  void update(const AggregateInput& in, StatePool& pool) override {
    const data::Column& column = in.columns[column_];
    const uint8_t* values = column.values<uint8_t>();
    if (in.count > rows_.size()) {
      rows_.resize(in.count);
      groups_.resize(in.count);
    }
    uint32_t n = 0;
    for_rows(in, [&](uint32_t i, uint32_t row) {
      rows_[n] = row;
      groups_[n] = in.groups[i];
      n += values[row] != 0 && !column.is_null(row);
    });
    if (n == 0) return;
    AggregateInput passed = in;
    passed.rows = rows_.data();
    passed.groups = groups_.data();
    passed.count = n;
    aim().update(passed, pool);
  }
  bool mergeable() const override { return inner_->mergeable(); }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    aim().merge(into, from, count, pool);
  }
  void finalize(char* const* groups, uint32_t count, data::Column& out, uint32_t at, data::StringArena& strings) override {
    aim().finalize(groups, count, out, at, strings);
  }
  bool holds_memory() const override { return inner_->holds_memory(); }
  bool holds_foreign_memory() const override { return inner_->holds_foreign_memory(); }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override { aim().destroy(groups, count, pool); }
  bool saves_state() const override { return inner_->saves_state(); }
  void save(const char* group, ByteWriter& out) const override { aim().save(group, out); }
  void load(char* group, ByteReader& in, StatePool& pool) override { aim().load(group, in, pool); }

 private:
  Accumulator& aim() const {
    inner_->set_offset(offset_);
    return *inner_;
  }
  uint32_t column_;
  AccumulatorPtr inner_;
  std::vector<uint32_t> rows_;
  std::vector<char*> groups_;
};

// Whether a repeated value changes nothing, so that DISTINCT needs no set.
bool ignores_repeats(AggregateKind kind) {
  return kind == AggregateKind::kApproxCountDistinct || kind == AggregateKind::kMin || kind == AggregateKind::kMax || kind == AggregateKind::kBoolAnd || kind == AggregateKind::kBoolOr;
}

Result<AccumulatorPtr> make_kind(const CallContext& context) {
  const plan::AggregateCall& call = context.call;
  switch (call.kind) {
    case AggregateKind::kCountStar: case AggregateKind::kCount: case AggregateKind::kSum: case AggregateKind::kAvg:
    case AggregateKind::kBoolAnd: case AggregateKind::kBoolOr:
      return make_sum(context);
    case AggregateKind::kMin: case AggregateKind::kMax:
      return context.append_only ? make_extreme(context) : make_ordered(context);
    case AggregateKind::kArgMin: case AggregateKind::kArgMax:
      // An ORDER BY only decides ties.
      return context.append_only && call.order_by.empty() ? make_extreme(context) : make_ordered(context);
    case AggregateKind::kFirst: case AggregateKind::kLast:
      return context.append_only ? make_first_last(context) : make_ordered(context);
    case AggregateKind::kStddevSamp: case AggregateKind::kStddevPop: case AggregateKind::kVarSamp: case AggregateKind::kVarPop:
      return make_moments(context);
    case AggregateKind::kQuantileCont: case AggregateKind::kQuantileDisc: case AggregateKind::kMedian: case AggregateKind::kStringAgg:
      return make_ordered(context);
    case AggregateKind::kApproxCountDistinct:
      return context.append_only && !context.needs.merge ? make_foreign(context) : Result<AccumulatorPtr>(make_count_distinct(context));
    case AggregateKind::kList: case AggregateKind::kForeign:
      return make_foreign(context);
  }
  return Status(ErrorCode::kInternal, "an aggregate of unknown kind: " + call.text, call.offset);
}

}  // namespace

AccumulatorPtr make_filter(uint32_t column, AccumulatorPtr inner) { return AccumulatorPtr(new Filtered(column, std::move(inner))); }

Result<AccumulatorPtr> make_accumulator(const plan::AggregateCall& call, const std::vector<data::Type>& input_types,
                                        const AccumulatorNeeds& needs) {
  const bool distinct = call.distinct && !ignores_repeats(call.kind);
  const CallContext context{call, input_types, needs};
  Result<AccumulatorPtr> made = make_kind(context);
  // DuckDB's own functions serve what has no native form.
  if (!made.ok() && made.error().code == ErrorCode::kNotImplemented && call.foreign) made = make_foreign(context);
  RETURN_IF_ERROR(made.status());
  AccumulatorPtr accumulator = made.take();
  if (distinct && !accumulator->handles_distinct()) {
    if (call.args.size() != 1) return context.not_implemented("has DISTINCT over other than one argument");
    accumulator = make_distinct(context, std::move(accumulator));
  }
  if (call.filter) accumulator = make_filter(*call.filter, std::move(accumulator));
  return accumulator;
}

}  // namespace laminar::stream
