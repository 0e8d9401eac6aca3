// DuckDB's own aggregate functions on states in our rows, over append-only input.
#include "expr/foreign.h"

#include "stream/operators/accumulator_rows.h"
#include "stream/state/saved_state.h"

namespace laminar::stream {

using data::Column;
using data::StringArena;

namespace {

class Foreign final : public Accumulator {
 public:
  Foreign(std::shared_ptr<const expr::ForeignAggregate> function, std::vector<uint32_t> args)
      : Accumulator(function->state_size()), function_(std::move(function)), instance_(function_->instantiate()),
        args_(std::move(args)), gathered_(args_.size()), states_(data::kBatchRowsMax) {
    std::vector<data::Type> types = function_->argument_types();
    types.resize(args_.size());
    buffer_ = std::make_unique<data::BatchBuffer>(types);
  }

  bool needs_initialize() const override { return true; }
  void initialize(char* const* groups, uint32_t count) override {
    for (uint32_t i = 0; i < count; ++i) instance_->initialize(groups[i] + offset_);
  }
  void update(const AggregateInput& in, StatePool&) override {
    for (uint32_t begin = 0; begin < in.count; begin += data::kBatchRowsMax) {
      const uint32_t n = std::min(in.count - begin, data::kBatchRowsMax);
      for (uint32_t i = 0; i < n; ++i) states_[i] = in.groups[begin + i] + offset_;
      gather(in, begin, n);
      if (instance_->update(gathered_, states_.data(), n).ok() || !in.faults) continue;
      for (uint32_t i = 0; i < n; ++i) in.faults->push_back({in.rows ? in.rows[begin + i] : begin + i, "the aggregate failed on these rows"});
    }
  }
  bool mergeable() const override { return false; }
  void merge(char* const*, const char* const*, uint32_t, StatePool&) override {}
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena& strings) override {
    for (uint32_t begin = 0; begin < count; begin += data::kBatchRowsMax) {
      const uint32_t n = std::min(count - begin, data::kBatchRowsMax);
      for (uint32_t i = 0; i < n; ++i) states_[i] = groups[begin + i] + offset_;
      if (at + begin == 0) {
        if (!instance_->finalize(states_.data(), n, out, strings).ok()) nulls(out, 0, n);
        continue;
      }
      // The function writes from row 0 on: by a column of our own to the place wanted.
      if (!result_) result_ = std::make_unique<data::BatchBuffer>(std::vector<data::Type>{function_->result_type()});
      result_->clear();
      Column& result = result_->column(0);
      if (!instance_->finalize(states_.data(), n, result, strings).ok()) {
        nulls(out, at + begin, n);
        continue;
      }
      for (uint32_t i = 0; i < n; ++i) {
        if (result.is_null(i)) store_null(out, at + begin + i);
        else copy_value(result, i, out, at + begin + i);
      }
    }
  }
  bool holds_memory() const override { return !function_->plain_state(); }
  bool holds_foreign_memory() const override { return !function_->plain_state(); }
  void destroy(char* const* groups, uint32_t count, StatePool&) override {
    for (uint32_t begin = 0; begin < count; begin += data::kBatchRowsMax) {
      const uint32_t n = std::min(count - begin, data::kBatchRowsMax);
      for (uint32_t i = 0; i < n; ++i) states_[i] = groups[begin + i] + offset_;
      instance_->destroy(states_.data(), n);
    }
  }

 private:
  static void nulls(Column& out, uint32_t at, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) store_null(out, at + i);
  }
  static void copy_value(const Column& from, uint32_t row, Column& to, uint32_t to_row) {
    const uint32_t size = data::physical_size(from.physical);
    std::memcpy(static_cast<char*>(to.data) + size_t{to_row} * size, static_cast<const char*>(from.data) + size_t{row} * size, size);
  }
  // The argument columns of the chosen rows, side by side.
  void gather(const AggregateInput& in, uint32_t begin, uint32_t n) {
    for (size_t a = 0; a < args_.size(); ++a) {
      const Column& from = in.columns[args_[a]];
      if (!in.rows && begin == 0) {
        gathered_[a] = from;
        continue;
      }
      Column& to = buffer_->column(static_cast<uint32_t>(a));
      for (uint32_t i = 0; i < n; ++i) {
        const uint32_t row = in.rows ? in.rows[begin + i] : begin + i;
        copy_value(from, row, to, i);
        if (from.is_null(row)) data::set_null(to.validity, i);
        else data::set_valid(to.validity, i);
      }
      gathered_[a] = to;
      if (!from.validity) gathered_[a].validity = nullptr;
    }
  }

  std::shared_ptr<const expr::ForeignAggregate> function_;
  std::unique_ptr<expr::ForeignAggregate::Instance> instance_;
  std::vector<uint32_t> args_;
  std::vector<Column> gathered_;
  std::vector<char*> states_;
  std::unique_ptr<data::BatchBuffer> buffer_, result_;
};

}  // namespace

Result<AccumulatorPtr> make_foreign(const CallContext& context) {
  const plan::AggregateCall& call = context.call;
  if (!call.foreign) return context.not_implemented("has no streaming form");
  // A set of values has no NULL, which a list of distinct ones does.
  if (!context.append_only || context.needs.merge || !call.order_by.empty() || call.distinct) return make_collected(context);
  AccumulatorPtr foreign(new Foreign(call.foreign, call.args));
  // A random sample cannot be taken again.
  if (!StateIsSaved::now() || foreign->saves_state() || call.foreign->name() == "reservoir_quantile") return foreign;
  return make_collected(context, std::move(foreign));
}

}  // namespace laminar::stream
