#include "stream/operators/source_operator.h"

#include "base/check.h"
#include "data/codec.h"
#include "data/text.h"
#include "stream/state/group_table.h"
#include "stream/state/state_pool.h"

namespace laminar::stream {

// The partitions by the values of a column.
struct SourceOperator::Partitioning {
  explicit Partitioning(const data::Type& type_)
      : type(type_), shape(std::span(&type, 1)), number_offset(shape.append(8)), table(&shape, &pool), hashes(data::kBatchRowsMax),
        groups(data::kBatchRowsMax), sequence(data::kBatchRowsMax) {}
  void find(const data::Column& key, uint32_t rows) {
    hash_keys(shape, {&key, 1}, rows, hashes.data());
    table.find_or_create({&key, 1}, hashes.data(), nullptr, rows, groups.data());
  }
  // Numbers the row's group, counting from 1, when it has none yet.
  uint64_t number(const data::Column& key, uint32_t row) {
    uint64_t& number = *reinterpret_cast<uint64_t*>(groups[row] + number_offset);
    if (number != 0) return number;
    number = std::min<uint64_t>(names.size() + 1, kPartitionsMax);
    if (names.size() == kPartitionsMax) return number;
    names.emplace_back();
    if (key.is_null(row)) names.back() = "NULL";
    else data::append_text(type, key, row, names.back());
    if (keys.empty() || keys.back()->full()) keys.push_back(std::make_unique<data::BatchBuffer>(std::span(&type, 1)));
    data::Batch from;
    from.columns = {&key, 1};
    keys.back()->append_row(from, row, 1);
    return number;
  }

  data::Type type;
  GroupShape shape;
  uint32_t number_offset;
  StatePool pool;
  GroupTable table;
  std::vector<std::string> names;                         // by partition
  std::vector<std::unique_ptr<data::BatchBuffer>> keys;  // the values, by partition
  // Scratch.
  std::vector<uint64_t> hashes;
  std::vector<char*> groups;
  std::vector<uint64_t> sequence;
};

// A watermark for each value of some columns.
struct SourceOperator::Keying {
  Keying(const SourceTime& time, std::span<const data::Type> types)
      : shape(types), watermarks(time.watermark, time.key_floor_us), columns(types.size()), hashes(data::kBatchRowsMax) {}
  GroupShape shape;
  KeyWatermarks watermarks;
  std::vector<KeyMove> moves;   // of the running tick
  std::vector<KeyMove> handed;  // those that operators still look at
  // Scratch.
  std::vector<data::Column> columns;
  std::vector<uint64_t> hashes;
};

SourceOperator::~SourceOperator() = default;

SourceOperator::SourceOperator(std::vector<data::Type> types, std::optional<SourceTime> time)
    : Operator(std::move(types)), time_(std::move(time)), tracker_(time_ ? time_->watermark : WatermarkOptions{}),
      times_(data::kBatchRowsMax), row_watermark_(data::kBatchRowsMax) {
  CHECK(!time_ || is_event_time_type(time_type()));
  label = "source";
  if (time_ && time_->partition_column) by_column_ = std::make_unique<Partitioning>(this->types()[*time_->partition_column]);
  if (time_ && !time_->key_columns.empty()) {
    std::vector<data::Type> key_types;
    for (const uint32_t column : time_->key_columns) key_types.push_back(this->types()[column]);
    by_key_ = std::make_unique<Keying>(*time_, key_types);
  }
  if (time_ && time_->when) {
    when_ = expr::Program::compile({time_->when}, this->types()).take();
    when_rows_.resize(data::kBatchRowsMax);
    marks_.resize(data::validity_words(data::kBatchRowsMax));
  }
}

const uint64_t* SourceOperator::marked_rows(const data::Batch& batch) {
  if (!when_) return nullptr;
  when_errors_.items.clear();
  const uint32_t count = when_->select(batch, when_rows_.data(), when_errors_);
  std::fill(marks_.begin(), marks_.end(), 0);
  for (uint32_t i = 0; i < count; ++i) marks_[when_rows_[i] >> 6] |= uint64_t{1} << (when_rows_[i] & 63);
  return marks_.data();
}

// WatermarkTracker::advance() where some rows alone move the watermark.
WatermarkTracker::Judged SourceOperator::advance_marked(uint32_t partition, const data::Batch& batch, const int64_t* times,
                                                        const uint64_t* validity) {
  const uint64_t* marks = marked_rows(batch);
  WatermarkTracker::Judged judged;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    const bool null = validity && !(validity[row >> 6] >> (row & 63) & 1);
    const bool future = !null && tracker_.is_future(times[row], now_us_);
    row_watermark_[row] = tracker_.advance_row(partition, null ? 0 : times[row], null || future || !marked(marks, row), now_us_);
    judged.any_behind |= !null && times[row] <= row_watermark_[row];
    judged.future_rows += future;
  }
  return judged;
}

const KeyWatermarks* SourceOperator::key_watermarks() const { return by_key_ ? &by_key_->watermarks : nullptr; }

void SourceOperator::ensure_partitions(uint32_t count, int64_t now_us) {
  if (count == 0) return;
  tracker_.ensure_partition(count - 1, now_us);
  if (offsets_.size() < count) offsets_.resize(count);
}

void SourceOperator::set_partition_offset(uint32_t partition, uint64_t offset) {
  ensure_partitions(partition + 1, now_us_);
  offsets_[partition] = offset;
}

void SourceOperator::push(uint32_t partition, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  if (partition & kEndPort) return end_partition(partition & ~kEndPort);
  push_kept(partition, dropping_limits.empty() ? batch : drop_excess(batch));
}

void SourceOperator::push_kept(uint32_t partition, const data::Batch& batch) {
  if (batch.rows == 0) return;
  if (by_column_) return push_by_column(batch);
  if (partition >= offsets_.size()) ensure_partitions(partition + 1, now_us_);
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  data::Batch out = batch;
  out.sequence = nullptr;
  out.sequence_base = data::make_sequence(partition, offsets_[partition]);
  out.row_watermark = nullptr;
  offsets_[partition] += batch.rows;
  if (!time_) {
    tracker_.touch(partition, now_us_);
  } else {
    const data::Column& column = batch.columns[time_->column];
    const int64_t* times = event_times_us(time_type(), column, batch.rows, times_.data());
    if (first_watermark_ == data::kWatermarkNone) note_first(times, column, batch.rows);
    if (by_key_) tracker_.touch(partition, now_us_);
    const WatermarkTracker::Judged judged =
        by_key_ ? advance_keys(batch, times, column.validity)
        : when_ ? advance_marked(partition, batch, times, column.validity)
                : tracker_.advance(partition, times, column.validity, batch.rows, now_us_, row_watermark_.data());
    if (judged.any_behind) out.row_watermark = row_watermark_.data();
    if (judged.future_rows > 0) report_future(batch, times, column.validity);
  }
  emit(out);
}

void SourceOperator::note_first(const int64_t* times, const data::Column& column, uint32_t rows) {
  for (uint32_t row = 0; row < rows && first_watermark_ == data::kWatermarkNone; ++row) {
    if (!column.is_null(row) && !tracker_.is_future(times[row], now_us_)) first_watermark_ = tracker_.less_delay(times[row]);
  }
}

WatermarkTracker::Judged SourceOperator::advance_keys(const data::Batch& batch, const int64_t* times, const uint64_t* validity) {
  Keying& by = *by_key_;
  for (size_t k = 0; k < by.columns.size(); ++k) by.columns[k] = batch.columns[time_->key_columns[k]];
  hash_keys(by.shape, by.columns, batch.rows, by.hashes.data());
  return by.watermarks.advance(by.hashes.data(), times, validity, marked_rows(batch), batch.rows, tracker_, now_us_, row_watermark_.data(), by.moves);
}

void SourceOperator::push_by_column(const data::Batch& batch) {
  Partitioning& by = *by_column_;
  const data::Column& key = batch.columns[*time_->partition_column];
  by.find(key, batch.rows);
  const data::Column& column = batch.columns[time_->column];
  const int64_t* times = event_times_us(time_type(), column, batch.rows, times_.data());
  if (first_watermark_ == data::kWatermarkNone) note_first(times, column, batch.rows);
  const uint64_t* marks = marked_rows(batch);
  bool any_behind = false, any_future = false;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    const uint32_t partition = static_cast<uint32_t>(by.number(key, row) - 1);
    if (partition >= offsets_.size()) ensure_partitions(partition + 1, now_us_);
    by.sequence[row] = data::make_sequence(partition, offsets_[partition]++);
    if (column.is_null(row)) {
      tracker_.touch(partition, now_us_);
      row_watermark_[row] = tracker_.partition_watermark(partition);
      continue;
    }
    const bool future = tracker_.is_future(times[row], now_us_);
    any_future |= future;
    row_watermark_[row] = tracker_.advance_row(partition, times[row], future || !marked(marks, row), now_us_);
    any_behind |= times[row] <= row_watermark_[row];
  }
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  data::Batch out = batch;
  out.sequence = by.sequence.data();
  out.row_watermark = any_behind ? row_watermark_.data() : nullptr;
  if (any_future) report_future(batch, times, column.validity);
  emit(out);
}

std::string SourceOperator::partition_name(uint32_t partition) const {
  return by_column_ && partition < by_column_->names.size() ? by_column_->names[partition] : std::to_string(partition);
}

data::Batch SourceOperator::drop_excess(const data::Batch& batch) {
  int64_t limit = data::kWatermarkEnded;
  for (DriftLimit* group : dropping_limits) limit = std::min(limit, group->limit_of(*this));
  if (limit == data::kWatermarkEnded) return batch;
  const data::Column& column = batch.columns[time_->column];
  const int64_t* times = event_times_us(time_type(), column, batch.rows, times_.data());
  kept_.clear();
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (column.is_null(row) || tracker_.is_future(times[row], now_us_) || tracker_.less_delay(times[row]) <= limit) {
      kept_.push_back(row);
      continue;
    }
    if (!rejects()) continue;
    Reject reject;
    reject.reason = RejectReason::kAheadOfGroup;
    reject.watermark = limit;  // what it was let go to
    rejects()->reject(types(), batch, row, reject);
  }
  const uint64_t dropped = batch.rows - kept_.size();
  if (dropped == 0) return batch;
  counters.rows_in += dropped;
  counters.filtered += dropped;
  for (DriftLimit* group : dropping_limits) {
    if (group->limit_of(*this) == limit) group->count_dropped(*this, dropped);
  }
  if (!selector_) selector_ = std::make_unique<RowSelector>(types());
  return selector_->select(batch, kept_.data(), static_cast<uint32_t>(kept_.size()));
}

void SourceOperator::release(int64_t now_us) {
  CHECK(holds_ > 0);
  if (--holds_ == 0) tracker_.keep_alive(now_us);
}

int64_t SourceOperator::watermark_with(const data::Batch& batch) {
  int64_t watermark = tracker_.combined();
  const data::Column& column = batch.columns[time_->column];
  const int64_t* times = event_times_us(time_type(), column, batch.rows, times_.data());
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (column.is_null(row) || tracker_.is_future(times[row], now_us_)) continue;
    watermark = std::max(watermark, tracker_.less_delay(times[row]));
  }
  return watermark;
}

int64_t SourceOperator::pausing_limit() const {
  int64_t limit = data::kWatermarkEnded;
  for (DriftLimit* group : pausing_limits) limit = std::min(limit, group->limit_of(*this));
  return limit;
}

void SourceOperator::report_future(const data::Batch& batch, const int64_t* times, const uint64_t* validity) {
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (validity && !(validity[row >> 6] >> (row & 63) & 1)) continue;
    if (!tracker_.is_future(times[row], now_us_)) continue;
    ++future_rows_;
    if (!rejects()) continue;
    Reject reject;
    reject.reason = RejectReason::kFutureTime;
    reject.watermark = row_watermark_[row];
    rejects()->reject(types(), batch, row, reject);
  }
}

void SourceOperator::finish(const TickInfo& tick) {
  now_us_ = tick.now_us;
  if (time_ && time_->by_clock) {
    for (uint32_t p = 0; p < partition_count(); ++p)
      if (!tracker_.partition_ended(p)) tracker_.advance_to(p, now_us_ - time_->watermark.delay_us, now_us_);
  }
  if (ending_) tracker_.end_all();
  if (held()) tracker_.keep_alive(tick.now_us);
  const int64_t combined = tracker_.combine(tick.now_us);
  if (by_key_) {
    by_key_->watermarks.raise_floor(combined);  // what was said of all rows: ADVANCE WATERMARK, the end
    by_key_->handed.swap(by_key_->moves);
    by_key_->moves.clear();
    emit_moves({by_key_->handed, &by_key_->watermarks});
  }
  // First: one that comes back must not count with its new watermark among those that are idle.
  set_output_idle(tracker_.all_idle());
  // Without a time column only the end is known.
  if (by_key_) set_output_watermark(by_key_->watermarks.floor());
  else if (time_ || combined == data::kWatermarkEnded) set_output_watermark(combined);
}

// Table 0, one record: the tracker, then offsets, clock, rows from the future, whether it ends, the floor of the keys; from
// version 2 on the lifts of watermarks, the first one, and the values that are partitions, in batches. Table 1: the keys, in pieces.
void SourceOperator::save_state(StateSink& sink, bool) {
  ByteWriter out;
  tracker_.save(out);
  out.put(static_cast<uint32_t>(offsets_.size()));
  for (const uint64_t offset : offsets_) out.put(offset);
  out.put(now_us_).put(future_rows_).put(static_cast<uint8_t>(ending_));
  if (by_key_) by_key_->watermarks.save(out);
  tracker_.save_lifts(out);
  out.put(first_watermark_);
  if (by_column_) {
    out.put(static_cast<uint32_t>(by_column_->keys.size()));
    for (auto& keys : by_column_->keys) data::encode_batch(keys->view(), 1, out);
  }
  sink.put(0, "", out.view());
  if (!by_key_) return;
  sink.erase_prefix(1, "");
  uint64_t piece = 0;
  ByteWriter key;
  by_key_->watermarks.save_keys([&](std::string_view bytes) {
    key.clear();
    put_ordered(piece++, key);
    sink.put(1, key.view(), bytes);
  });
}

Status SourceOperator::load_state(StateSource& source) {
  RETURN_IF_ERROR(source.scan(0, [this, version = source.version()](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    if (!tracker_.load(in)) return damaged_state(label);
    offsets_.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (uint64_t& offset : offsets_) offset = in.get<uint64_t>();
    now_us_ = in.get<int64_t>();
    future_rows_ = in.get<uint64_t>();
    ending_ = in.get<uint8_t>() != 0;
    if (by_key_ && !by_key_->watermarks.load(in)) return damaged_state(label);
    if (version < 2) return in.ok() ? Status() : damaged_state(label);
    tracker_.load_lifts(in);
    first_watermark_ = in.get<int64_t>();
    const uint32_t chunks = by_column_ ? in.get<uint32_t>() : 0;
    for (uint32_t i = 0; i < chunks && in.ok(); ++i) {
      data::BatchBuffer keys(std::span(&by_column_->type, 1));
      RETURN_IF_ERROR(data::decode_batch(in, 1, keys));
      const data::Batch batch = keys.view();
      by_column_->find(batch.columns[0], batch.rows);
      for (uint32_t row = 0; row < batch.rows; ++row) by_column_->number(batch.columns[0], row);
    }
    return in.ok() ? Status() : damaged_state(label);
  }));
  return source.scan(1, [this](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    return by_key_ && by_key_->watermarks.load_keys(in) ? Status() : damaged_state(label);
  });
}

void SourceOperator::advance_watermark(uint32_t partition, int64_t watermark) {
  ensure_partitions(partition + 1, now_us_);
  tracker_.advance_to(partition, watermark, now_us_);
}

void SourceOperator::leave_partition(uint32_t partition) {
  ensure_partitions(partition + 1, now_us_);
  tracker_.remove_partition(partition);
}

void SourceOperator::end_partition(uint32_t partition) {
  ensure_partitions(partition + 1, now_us_);
  tracker_.end_partition(partition);
}

}  // namespace laminar::stream
