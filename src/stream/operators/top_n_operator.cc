#include "stream/operators/top_n_operator.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "stream/state/row_log_io.h"

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;

namespace {

// Whether the operator of the node has send_open_windows().
bool holds_back_open_windows(const plan::Node& node) {
  if (node.kind != plan::NodeKind::kAggregate) return false;
  const auto& aggregate = static_cast<const plan::AggregateNode&>(node);
  return aggregate.window && aggregate.window->kind != plan::WindowKind::kSession && aggregate.emit == plan::EmitPolicy::kOnUpdate;
}

}  // namespace

Result<std::unique_ptr<TopNOperator>> TopNOperator::make(const plan::TopNNode& node) {
  const plan::Node& input = *node.inputs[0];
  for (const plan::SortKey& key : node.order_by) {
    if (RowOrder::can_order(input.columns[key.column].type)) continue;
    return Status(ErrorCode::kNotImplemented, "ORDER BY a column of type " + input.columns[key.column].type.text() + ": " +
                                                  input.columns[key.column].name + "; order by a scalar column", node.offset);
  }
  if (node.emit == plan::EmitPolicy::kOnWindowClose && !node.time_partition) {
    return Status(ErrorCode::kNeedsWatermark,
                  "EMIT ON WINDOW CLOSE needs a window or an event-time column among the columns that rows are ranked by", node.offset);
  }
  if (node.time_partition && !input.columns[*node.time_partition].time_offset_us) {
    return Status(ErrorCode::kInternal, "the time of a partition is not event time: " + input.columns[*node.time_partition].name, node.offset);
  }
  return std::unique_ptr<TopNOperator>(new TopNOperator(node));
}

TopNOperator::TopNOperator(const plan::TopNNode& node)
    : Operator(node.types()), partition_(node.partition), row_number_(node.rank == plan::TopNNode::Rank::kRowNumber),
      output_rank_(node.output_rank), on_close_(node.time_partition && node.emit != plan::EmitPolicy::kOnUpdate),
      time_partition_(node.time_partition), input_types_(node.inputs[0]->types()), all_(node, false), closed_(node.types()),
      partition_columns_(node.partition.size()), unique_(node.partition.size()), hashes_(data::kBatchRowsMax), prefixes_(data::kBatchRowsMax), out_(node.types()) {
  CHECK(types().size() == input_types_.size() + (output_rank_ ? 1 : 0));
  if (time_partition_ && !on_close_ && holds_back_open_windows(*node.inputs[0])) {
    closing_.emplace(node, true);
    state_ = &*closing_;
  }
  if (time_partition_) time_offset_us_ = *node.inputs[0]->columns[*time_partition_].time_offset_us;
  for (const plan::OutputColumn& column : node.columns) tag_watermark_ |= column.time_offset_us.has_value();
  label = "top-n";
}

void TopNOperator::set_input_apart() {
  closing_.reset();
  state_ = &all_;
}

// Partitions with a time below this are final when the watermark is `watermark`.
int64_t TopNOperator::complete_below(int64_t watermark) const {
  if (watermark == kWatermarkNone || watermark == kWatermarkEnded) return watermark;
  int64_t result;
  if (__builtin_add_overflow(watermark, time_offset_us_, &result)) return time_offset_us_ > 0 ? kWatermarkEnded : kWatermarkNone;
  return result;
}

bool TopNOperator::refuse(const data::Batch& batch, uint32_t row) {
  const data::Column& column = batch.columns[*time_partition_];
  Reject reject;
  if (column.is_null(row)) {
    if (!on_close_) return false;  // a partition that is never final
    ++counters.null_time;
    reject.reason = RejectReason::kNullTime;
  } else {
    const int64_t time = column.values<int64_t>()[row];
    const int64_t judged = batch.row_watermark ? complete_below(batch.row_watermark[row]) : kWatermarkNone;
    if (time >= std::max(judged, final_below_)) return false;
    ++counters.late;
    reject.reason = RejectReason::kLate;
    reject.watermark = batch.row_watermark ? batch.row_watermark[row] : output_watermark();
  }
  if (rejects()) rejects()->reject(input_types_, batch, row, reject);
  return true;
}

// Keys are told apart by their bytes: -0.0 becomes 0.0, and every NaN the same one.
template <class T>
static void make_unique(data::Column& column, uint32_t rows, std::vector<uint64_t>& room) {
  if (room.size() < rows) room.resize(std::max(rows, data::kBatchRowsMax));
  T* to = reinterpret_cast<T*>(room.data());
  const T* from = column.values<T>();
  for (uint32_t i = 0; i < rows; ++i) to[i] = from[i] == 0 ? T{0} : from[i] == from[i] ? from[i] : std::numeric_limits<T>::quiet_NaN();
  column.data = to;
}

void TopNOperator::take_partition_columns(const data::Batch& batch) {
  for (size_t i = 0; i < partition_.size(); ++i) {
    data::Column& column = partition_columns_[i] = batch.columns[partition_[i]];
    if (column.physical == data::Physical::kF64) make_unique<double>(column, batch.rows, unique_[i]);
    if (column.physical == data::Physical::kF32) make_unique<float>(column, batch.rows, unique_[i]);
  }
}

void TopNOperator::touch(uint32_t partition) {
  if (state_->touched(partition)) return;
  state_->touched(partition) = true;
  touched_.push_back(partition);
}

// True where no row of the batch can be late or lack its time; false says nothing.
bool TopNOperator::refuses_none(const data::Batch& batch) const {
  if (!time_partition_) return true;
  const data::Column& column = batch.columns[*time_partition_];
  if (batch.row_watermark || column.validity) return false;
  const int64_t* times = column.values<int64_t>();
  int64_t least = kWatermarkEnded;
  for (uint32_t row = 0; row < batch.rows; ++row) least = std::min(least, times[row]);
  return least >= final_below_;
}

// True where all rows are of the same partition, as when a batch lies in one window; false says nothing.
bool TopNOperator::one_partition(uint32_t rows) const {
  for (const data::Column& column : partition_columns_) {
    if (column.validity || column.physical != data::Physical::kI64) return false;
    const int64_t* values = column.values<int64_t>();
    int64_t difference = 0;
    for (uint32_t row = 0; row < rows; ++row) difference |= values[row] ^ values[0];
    if (difference != 0) return false;
  }
  return true;
}

uint32_t TopNOperator::find_or_create(const data::Batch& batch, uint32_t row, uint64_t hash, bool& created) {
  const uint32_t known = state_->partition(partition_columns_, row, hash, false);
  created = known == TopNState::kNone;
  if (!created) return known;
  const uint32_t partition = state_->partition(partition_columns_, row, hash, true);
  if (time_partition_ && !batch.columns[*time_partition_].is_null(row)) {
    timers_.push_back({batch.columns[*time_partition_].values<int64_t>()[row], partition, timers_made_++});
    std::push_heap(timers_.begin(), timers_.end());
    state_->has_timer(partition) = true;
  }
  return partition;
}

void TopNOperator::apply(const data::Batch& batch, uint32_t row, uint32_t partition, bool created) {
  const bool changed = state_->apply(partition, {batch.columns, row}, batch.sequence_of(row), batch.weight(row));
  if (changed || created) touch(partition);
}

void TopNOperator::push(uint32_t, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  if (batch.rows == 0) return;
  counters.rows_in += batch.rows;
  take_partition_columns(batch);
  state_->prefixes(batch.columns, batch.rows, prefixes_.data());
  const bool all_welcome = refuses_none(batch);
  bool created = false;
  if (all_welcome && one_partition(batch.rows)) {
    counters.rows_out += batch.rows;
    hash_rows(partition_columns_, 1, hashes_.data());
    const uint32_t partition = find_or_create(batch, 0, hashes_[0], created);
    uint64_t reach = state_->reach(partition);
    for (uint32_t row = 0; row < batch.rows; ++row) {
      if (prefixes_[row] > reach) continue;
      apply(batch, row, partition, created);
      created = false;
      reach = state_->reach(partition);
    }
    return;
  }
  hash_rows(partition_columns_, batch.rows, hashes_.data());
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (row + 8 < batch.rows) state_->prefetch(hashes_[row + 8]);
    if (!all_welcome && refuse(batch, row)) continue;
    ++counters.rows_out;
    const uint32_t partition = find_or_create(batch, row, hashes_[row], created);
    if (prefixes_[row] > state_->reach(partition)) continue;
    apply(batch, row, partition, created);
  }
}

void TopNOperator::finish(const TickInfo&) {
  if (on_close_) {
    for (const uint32_t partition : touched_) state_->touched(partition) = false;
  } else {
    for (const uint32_t partition : touched_) {
      state_->touched(partition) = false;
      if (publishing_) emit_changes(partition, true);
      // Without a timer an empty partition can go at once.
      if (state_->empty(partition) && !state_->has_timer(partition)) state_->remove_partition(partition);
    }
  }
  touched_.clear();
  flush();
  if (time_partition_) complete_partitions();
  state_->release();
  set_output_watermark(input_watermark());
}

void TopNOperator::complete_partitions() {
  final_below_ = std::max(final_below_, complete_below(input_watermark()));
  if (timers_.empty() || (timers_.front().time >= final_below_ && final_below_ != kWatermarkEnded)) return;
  // What is final goes to the log, and on close to the outputs as well.
  const BatchVisitor close = [this](const data::Batch& batch) { close_batch(batch); };
  scan_visit_ = &close;
  while (!timers_.empty() && (timers_.front().time < final_below_ || final_below_ == kWatermarkEnded)) {
    const uint32_t partition = timers_.front().partition;
    std::pop_heap(timers_.begin(), timers_.end());
    timers_.pop_back();
    complete(partition);
  }
  flush();
  scan_visit_ = nullptr;
}

void TopNOperator::close_batch(const data::Batch& batch) {
  if (keep_content_) {
    for (uint32_t row = 0; row < batch.rows; ++row) {
      for (int64_t i = 0; i < batch.weight(row); ++i) closed_.append_row(batch, row);
    }
  }
  if (on_close_) emit(batch);
}

void TopNOperator::complete(uint32_t partition) {
  if (on_close_ || keep_content_) {
    state_->visible(partition, visible_);
    for (const TopNState::Visible& item : visible_) append_difference(item.slot, item.ranks, {}, 1);
  }
  state_->remove_partition(partition);
}

// Tells the outputs the difference between what they know of a partition and its result now.
void TopNOperator::emit_changes(uint32_t partition, bool send) {
  state_->visible(partition, visible_);
  old_.clear();
  for (uint32_t slot = state_->published_head(partition); slot != TopNState::kNone; slot = state_->published(slot).next) {
    TopNState::Published& known = state_->published(slot);
    known.was = known.is;
    known.is = {};
    old_.push_back(slot);
  }
  uint32_t* link = &state_->published_head(partition);
  for (const TopNState::Visible& item : visible_) {
    state_->published(item.slot).is = item.ranks;
    *link = item.slot;
    link = &state_->published(item.slot).next;
  }
  *link = TopNState::kNone;
  for (const uint32_t slot : old_) {
    const TopNState::Published& known = state_->published(slot);
    if (send) append_difference(slot, known.was, known.is, -1);
    if (known.is.count == 0 && !state_->in_tree(slot)) state_->drop(slot);
  }
  for (const TopNState::Visible& item : visible_) {
    const TopNState::Published& known = state_->published(item.slot);
    if (send) append_difference(item.slot, known.is, known.was, 1);
  }
  for (const uint32_t slot : old_) state_->published(slot).was = {};
}

void TopNOperator::outputs_changed() {
  const bool publishing = has_outputs() && !on_close_;
  if (publishing == publishing_) return;
  publishing_ = publishing;
  if (publishing && closing_) {  // from now on the input tells of open windows, beginning with what they hold
    state_ = &all_;
    read_open_windows();
    closing_.reset();
  }
  for (uint32_t partition = 0; partition < state_->partition_end(); ++partition) {
    if (!state_->live(partition)) continue;
    if (publishing) {
      emit_changes(partition, false);  // a new output begins with the content as it is
      continue;
    }
    for (uint32_t slot = state_->published_head(partition); slot != TopNState::kNone; slot = state_->published(slot).next) {
      state_->published(slot).is = {};
      if (!state_->in_tree(slot)) state_->drop(slot);
    }
    state_->published_head(partition) = TopNState::kNone;
  }
  state_->release();
}

void TopNOperator::read_open_windows() {
  const OperatorCounters before = counters;
  only_input()->send_open_windows();
  counters = before;
  for (const uint32_t partition : touched_) state_->touched(partition) = false;
  touched_.clear();
}

void TopNOperator::scan_content(const BatchVisitor& visit) {
  closed_.scan(visit);
  if (on_close_) return;
  if (closing_) return scan_open_windows(visit);
  scan_visit_ = &visit;
  for (uint32_t partition = 0; partition < state_->partition_end(); ++partition) {
    if (!state_->live(partition)) continue;
    state_->visible(partition, visible_);
    for (const TopNState::Visible& item : visible_) append_difference(item.slot, item.ranks, {}, 1);
  }
  flush();
  scan_visit_ = nullptr;
}

// Ranks what the input holds of open windows, and forgets it.
void TopNOperator::scan_open_windows(const BatchVisitor& visit) {
  read_open_windows();
  scan_visit_ = &visit;
  // In order of creation: where a partition stands depends on what was read before.
  std::sort(timers_.begin(), timers_.end(), [](const Timer& a, const Timer& b) { return a.order < b.order; });
  for (const Timer& timer : timers_) {
    state_->visible(timer.partition, visible_);
    for (const TopNState::Visible& item : visible_) append_difference(item.slot, item.ranks, {}, 1);
    state_->remove_partition(timer.partition);
  }
  flush();
  scan_visit_ = nullptr;
  timers_.clear();
  state_->release();
}

// Tables: 0 rows by slot (sequence, weight, values), 1 what is final, 2 rows of final partitions. Rows are put all at
// once; what the outputs were told is the result, so it follows from the rows.
void TopNOperator::save_state(StateSink& sink, bool full) {
  sink.erase_prefix(0, "");
  ByteWriter key, value;
  state_->each_row([&](uint32_t slot, uint64_t sequence, int64_t weight) {
    key.clear();
    put_ordered(slot, key);
    value.clear();
    value.put(sequence).put(weight);
    data::Batch chunk;
    chunk.columns = state_->rows().chunk_columns(slot);
    data::encode_row(chunk, slot % RowStore::kChunkRows, value);
    sink.put(0, key.view(), value.view());
  });
  value.clear();
  value.put(final_below_);
  sink.put(1, "", value.view());
  save_log(closed_, saved_rows_, 2, sink, full);
}

Status TopNOperator::load_state(StateSource& source) {
  data::BatchBuffer row(input_types_, 1);
  RETURN_IF_ERROR(source.scan(0, [&](std::string_view, std::string_view bytes) -> Status {
    ByteReader in(bytes);
    const uint64_t sequence = in.get<uint64_t>();
    const int64_t weight = in.get<int64_t>();
    row.clear();
    RETURN_IF_ERROR(data::decode_row(in, row));
    const data::Batch batch = row.view();
    if (!source.owns(0, batch)) return {};
    take_partition_columns(batch);
    hash_rows(partition_columns_, 1, hashes_.data());
    bool created;
    const uint32_t partition = find_or_create(batch, 0, hashes_[0], created);
    state_->apply(partition, {batch.columns, 0}, sequence, weight);
    return {};
  }));
  if (publishing_) {
    for (uint32_t partition = 0; partition < state_->partition_end(); ++partition)
      if (state_->live(partition)) emit_changes(partition, false);
  }
  RETURN_IF_ERROR(source.scan(1, [this](std::string_view, std::string_view bytes) -> Status {
    final_below_ = std::max(final_below_, ByteReader(bytes).get<int64_t>());
    return {};
  }));
  return load_log(closed_, saved_rows_, 2, types(), source);
}

// The copies of a row at ranks `ranks` without those at `without`.
void TopNOperator::append_difference(uint32_t slot, TopNState::Ranks ranks, TopNState::Ranks without, int64_t sign) {
  if (!output_rank_ || !row_number_) {
    const bool same_row = !output_rank_ || ranks.first == without.first;
    const int64_t count = same_row ? ranks.count - without.count : ranks.count;
    if (count > 0) append(slot, ranks.first, sign * count);
    return;
  }
  for (int64_t rank = ranks.first; rank < ranks.first + ranks.count; ++rank) {
    if (rank < without.first || rank >= without.first + without.count) append(slot, rank, sign);
  }
}

void TopNOperator::append(uint32_t slot, int64_t rank, int64_t weight) {
  if (out_.full()) flush();
  const uint32_t row = out_.rows;
  state_->rows().append_to(out_, slot);
  if (output_rank_) out_.column(out_.column_count() - 1).values<int64_t>()[row] = rank;
  out_.weights()[row] = weight;
  out_.has_weights |= weight != 1;
  out_.row_watermark()[row] = output_watermark();
}

void TopNOperator::flush() {
  if (out_.rows == 0) return;
  if (scan_visit_) {
    (*scan_visit_)(out_.view());
  } else {
    // A row that comes back long after its time can be late for windows above.
    out_.has_row_watermark = tag_watermark_ && output_watermark() != kWatermarkNone;
    emit(out_.view());
  }
  out_.clear();
}

}  // namespace laminar::stream
