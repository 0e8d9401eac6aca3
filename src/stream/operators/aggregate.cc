#include "stream/operators/aggregate.h"

#include <algorithm>

#include "base/check.h"
#include "stream/operators/session_aggregate.h"
#include "stream/operators/window_aggregate.h"
#include "stream/state/column_store.h"
#include "stream/state/row_log_io.h"
#include "stream/state/timer_wheel.h"

namespace laminar::stream {

using data::Batch;
using data::kBatchRowsMax;
using plan::AggregateNode;
using plan::EmitPolicy;

int64_t shift_time(int64_t time, int64_t by) {
  if (time == data::kWatermarkNone || time == data::kWatermarkEnded) return time;
  int64_t sum;
  if (!__builtin_add_overflow(time, by, &sum)) {
    if (sum == data::kWatermarkNone) return sum + 1;
    if (sum == data::kWatermarkEnded) return sum - 1;
    return sum;
  }
  return by < 0 ? data::kWatermarkNone + 1 : data::kWatermarkEnded - 1;
}

void least_and_greatest(const int64_t* values, uint32_t count, int64_t* least, int64_t* greatest) {
  int64_t lo = values[0], hi = values[0];
  for (uint32_t i = 1; i < count; ++i) {
    lo = values[i] < lo ? values[i] : lo;
    hi = values[i] > hi ? values[i] : hi;
  }
  *least = lo;
  *greatest = hi;
}

AggregateOperator::AggregateOperator(const AggregateNode& node, std::unique_ptr<AggregateLayout> layout)
    : Operator(node.types()), layout_(std::move(layout)), policy_(node.emit), lateness_us_(node.lateness_us),
      closed_rows_(types()), emit_([this](const Batch& batch) { emit(batch); }), out_(types()), living_(kBatchRowsMax), living_starts_(kBatchRowsMax),
      living_ends_(kBatchRowsMax) {}

int64_t AggregateOperator::column_time(int64_t watermark) const { return shift_time(watermark, time_offset_us_); }
int64_t AggregateOperator::stream_time(int64_t column_watermark) const { return shift_time(column_watermark, -time_offset_us_); }

void AggregateOperator::report_faults() {
  for (const RowFault& fault : layout_->faults()) {
    ++counters.errors;
    if (rejects()) rejects()->reject(layout_->input_types(), layout_->batch(), fault.row, Reject{RejectReason::kError, input_watermark(), 0, 0, fault.message});
  }
  layout_->faults().clear();
}

void AggregateOperator::reject_late(const Batch& batch, uint32_t row, int64_t start, int64_t end) {
  if (!rejects()) return;
  const int64_t watermark = batch.row_watermark ? batch.row_watermark[row] : input_watermark();
  rejects()->reject(layout_->input_types(), batch, row, Reject{RejectReason::kLate, watermark, start, end, {}});
}

void AggregateOperator::emit_groups(char* const* groups, const int64_t* starts, const int64_t* ends, uint32_t count,
                                    const BatchVisitor& visit) {
  if (layout_->retracts()) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; ++i) {
      if (!layout_->alive(groups[i])) continue;
      living_[n] = groups[i];
      if (starts) {
        living_starts_[n] = starts[i];
        living_ends_[n] = ends[i];
      }
      ++n;
    }
    count = n;
    groups = living_.data();
    if (starts) {
      starts = living_starts_.data();
      ends = living_ends_.data();
    }
  }
  if (count == 0) return;
  out_.clear();
  layout_->finalize(groups, starts, ends, count, out_, 0);
  visit(out_.view());
}

namespace {

// Whether the time group is in microseconds, as watermarks are.
bool is_timestamp_key(const AggregateNode& node) {
  const AggregateNode::GroupOutput& group = node.groups[*node.time_group];
  if (group.kind != AggregateNode::GroupOutput::Kind::kKey) return false;
  const data::TypeKind kind = node.inputs[0]->columns[group.column].type.kind;
  return kind == data::TypeKind::kTimestamp || kind == data::TypeKind::kTimestampTz;
}

class GroupAggregate final : public AggregateOperator {
 public:
  GroupAggregate(const AggregateNode& node, std::unique_ptr<AggregateLayout> layout)
      : AggregateOperator(node, std::move(layout)), table_(&layout_->shape()), changes_(layout_.get(), types()),
        erase_([this](const GroupChanges::Entry& entry) { layout_->erase(table_, entry.group); }),
        on_close_(policy_ != EmitPolicy::kOnUpdate), timers_(kTimerWidthUs),
        store_([this](const Batch& batch) { closed_rows_.append(batch); }), groups_(kBatchRowsMax), rows_(kBatchRowsMax) {
    label = node.aggregates.empty() ? "distinct" : "aggregate";
    if (node.time_group && is_timestamp_key(node)) {
      time_column_ = node.groups[*node.time_group].column;
      time_offset_us_ = node.inputs[0]->columns[*time_column_].time_offset_us.value_or(0);
      for (uint32_t g = 0; g < *node.time_group; ++g) time_key_ += node.groups[g].kind == AggregateNode::GroupOutput::Kind::kKey;
      time_key_offset_ = layout_->shape().keys[time_key_].offset;
    }
    outputs_changed();
    if (node.groups.empty()) {
      changes_.set_always_alive();
      const uint64_t hash = 0;
      table_.groups.find_or_create({}, &hash, nullptr, 1, &scalar_);
      layout_->initialize_raw(&scalar_, 1);
      group_header(scalar_).mark &= ~kGroupEmitted;
    }
  }
  ~GroupAggregate() override { layout_->clear(table_); }

  void push(uint32_t, const Batch& batch) override {
    counters.rows_in += batch.rows;
    if (batch.rows == 0) return;
    const uint32_t* rows = nullptr;
    uint32_t count = batch.rows;
    if (time_column_ && !correcting()) {
      count = pick_on_time(batch);
      if (count == 0) return;
      if (count < batch.rows) rows = rows_.data();
    }
    counters.rows_out += count;
    layout_->begin(batch);
    char** groups = layout_->find(table_, rows, count);
    if (on_close_) await_close(groups, count);
    else if (tracking_ || layout_->retracts()) changes_.touch(groups, count, nullptr, tracking_);
    layout_->update(table_.pool, rows, groups, count);
    if (!layout_->faults().empty()) report_faults();
  }

  void finish(const TickInfo&) override {
    if (scalar_ && !(group_header(scalar_).mark & (kGroupEmitted | kGroupTouched))) changes_.touch_one(scalar_, nullptr, false);
    changes_.flush(tracking_, emit_, erase_);
    last_watermark_ = input_watermark();
    if (on_close_) close_final();
    else if (time_column_ && !keep_content_) release_final();
    int64_t watermark = last_watermark_;
    if (time_column_) watermark = shift_time(watermark, -lateness_us_);
    set_output_watermark(watermark);
  }

  void scan_open(const BatchVisitor& visit) override {
    if (on_close_) return;
    GroupTable::Cursor cursor;
    while (uint32_t n = table_.groups.next(cursor, groups_.data(), kBatchRowsMax)) {
      if (scalar_) scan_scalar(visit);
      else emit_groups(groups_.data(), nullptr, nullptr, n, visit);
    }
  }
  uint64_t state_bytes() const override { return table_.pool.held_bytes() + table_.groups.held_bytes() + changes_.held_bytes() + closed_rows_.held_bytes(); }
  uint64_t state_rows() const override { return table_.groups.size() + closed_rows_.rows(); }

  // Tables: 0 groups, 1 the watermark seen, 2 rows of final groups.
  bool saves_state() const override { return layout_->saves_state(); }
  void save_state(StateSink& sink, bool full) override {
    layout_->save(table_, "", 0, sink, full);
    ByteWriter seen;
    seen.put(last_watermark_);
    sink.put(1, "", seen.view());
    save_log(closed_rows_, saved_rows_, 2, sink, full);
  }
  bool saves_ahead() const override { return true; }
  bool save_ahead(StateSink& sink, Ahead how, uint64_t& records) override {
    if (how == Ahead::kAll) saved_rows_ = 0;
    return layout_->save_ahead(table_, "", 0, sink, how, records) || save_log_ahead(closed_rows_, saved_rows_, 2, sink, records);
  }
  Status load_state(StateSource& source) override {
    RETURN_IF_ERROR(source.scan(0, [&](std::string_view key_bytes, std::string_view bytes) -> Status {
      ByteReader key(key_bytes), state(bytes);
      char* group = layout_->load(table_, key, state, source);
      if (!key.ok() || !state.ok()) return damaged_state(label);
      if (!group) return {};
      if (on_close_) await_close(&group, 1);
      return {};
    }));
    RETURN_IF_ERROR(source.scan(1, [this](std::string_view, std::string_view bytes) -> Status {
      last_watermark_ = std::max(last_watermark_, ByteReader(bytes).get<int64_t>());
      return {};
    }));
    return load_log(closed_rows_, saved_rows_, 2, types(), source);
  }
  // Final groups stay where they are the content.
  bool can_correct(int64_t) const override { return !time_column_ || (keep_content_ && !on_close_); }

  void outputs_changed() override {
    tracking_ = has_outputs() && !on_close_;
    // Without outputs nobody is told of a new group: it counts as told, for the day when an output comes.
    uint32_t& mark = group_header(layout_->shape().prototype.data()).mark;
    mark = tracking_ || on_close_ ? mark & ~kGroupEmitted : mark | kGroupEmitted;
  }

 private:
  void scan_scalar(const BatchVisitor& visit) {
    data::BatchBuffer row(types(), 1);
    layout_->finalize(&scalar_, nullptr, nullptr, 1, row, 0);
    visit(row.view());
  }
  // Rows whose group is not final yet, into rows_.
  uint32_t pick_on_time(const Batch& batch) {
    const data::Column& column = batch.columns[*time_column_];
    const int64_t* times = column.values<int64_t>();
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch.rows; ++i) {
      const int64_t own = batch.row_watermark ? std::max(batch.row_watermark[i], last_watermark_) : last_watermark_;
      if (!column.is_null(i) && shift_time(column_time(own), -lateness_us_) > times[i]) {
        ++counters.late;
        reject_late(batch, i, times[i], times[i]);
        continue;
      }
      rows_[n++] = i;
    }
    return n;
  }
  // Groups below it are final, in time of the key column.
  int64_t final_before() const { return shift_time(column_time(last_watermark_), -lateness_us_); }

  // A timer for each new group, at its time. Groups without a time wait for the end of the input.
  void await_close(char* const* groups, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      GroupHeader& header = group_header(groups[i]);
      if (header.mark & kGroupTouched) continue;
      header.mark |= kGroupTouched;
      int64_t time = data::kWatermarkEnded;
      if (!(header.nulls >> time_key_ & 1)) std::memcpy(&time, groups[i] + time_key_offset_, sizeof time);
      timers_.add({time, groups[i], ++serial_});
    }
  }
  // Emits the groups that have become final, once, and lets go of them.
  void close_final() {
    due_.clear();
    const int64_t before = final_before();
    if (before == data::kWatermarkNone) return;
    timers_.advance(before == data::kWatermarkEnded ? before : before - 1, due_);
    std::sort(due_.begin(), due_.end(), [](const TimerWheel::Timer& a, const TimerWheel::Timer& b) {
      return a.time != b.time ? a.time < b.time : a.serial < b.serial;
    });
    for (size_t begin = 0; begin < due_.size(); begin += kBatchRowsMax) {
      const uint32_t n = static_cast<uint32_t>(std::min<size_t>(kBatchRowsMax, due_.size() - begin));
      for (uint32_t i = 0; i < n; ++i) groups_[i] = due_[begin + i].owner;
      emit_groups(groups_.data(), nullptr, nullptr, n, emit_);
      if (keep_content_) emit_groups(groups_.data(), nullptr, nullptr, n, store_);
      for (uint32_t i = 0; i < n; ++i) layout_->erase(table_, groups_[i]);
    }
  }
  // Frees the groups below the watermark; a sweep pays when the table has doubled since the last one.
  void release_final() {
    if (table_.groups.size() < sweep_at_) return;
    const int64_t before = final_before();
    GroupTable::Cursor cursor;
    while (uint32_t n = table_.groups.next(cursor, groups_.data(), kBatchRowsMax)) {
      for (uint32_t i = 0; i < n; ++i) {
        int64_t time;
        std::memcpy(&time, groups_[i] + time_key_offset_, sizeof time);
        if (!(group_header(groups_[i]).nulls >> time_key_ & 1) && time < before) layout_->erase(table_, groups_[i]);
      }
    }
    sweep_at_ = std::max<uint64_t>(4096, 2 * table_.groups.size());
  }

  StateTable table_;
  GroupChanges changes_;
  std::function<void(const GroupChanges::Entry&)> erase_;
  bool tracking_ = false;
  char* scalar_ = nullptr;
  std::optional<uint32_t> time_column_;
  uint32_t time_key_ = 0, time_key_offset_ = 0;
  int64_t last_watermark_ = data::kWatermarkNone;
  uint64_t sweep_at_ = 4096;
  // Time-keyed groups that come out once, when they are final.
  static constexpr int64_t kTimerWidthUs = 1'000'000;
  bool on_close_;
  TimerWheel timers_;
  uint64_t saved_rows_ = 0;
  BatchVisitor store_;
  std::vector<TimerWheel::Timer> due_;
  uint64_t serial_ = 0;
  std::vector<char*> groups_;
  std::vector<uint32_t> rows_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_aggregate(const AggregateNode& node) {
  CHECK(node.inputs.size() == 1);
  if (!node.window && node.emit != EmitPolicy::kOnUpdate) {
    if (!node.time_group || !is_timestamp_key(node))
      return Status(ErrorCode::kNeedsWatermark, "EMIT ON WINDOW CLOSE and AFTER WATERMARK need a window or an event time (TIMESTAMP) in GROUP BY", node.offset);
    if (node.emit == EmitPolicy::kAfterWatermark && node.lateness_us > 0)
      return Status(ErrorCode::kNotImplemented, "EMIT AFTER WATERMARK with a lateness needs a window in GROUP BY", node.offset);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<AggregateLayout> layout, AggregateLayout::make(node));
  if (!node.window) return std::unique_ptr<Operator>(new GroupAggregate(node, std::move(layout)));
  if (node.window->kind == plan::WindowKind::kSession) return make_session_aggregate(node, std::move(layout));
  return make_window_aggregate(node, std::move(layout));
}

}  // namespace laminar::stream
