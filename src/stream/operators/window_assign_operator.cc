#include "stream/operators/window_assign_operator.h"

#include <algorithm>

#include "base/check.h"
#include "stream/operators/aggregate.h"
#include "stream/state/state_io.h"

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;

namespace {
constexpr int64_t kNoneClosed = std::numeric_limits<int64_t>::min();
constexpr int64_t kAllClosed = std::numeric_limits<int64_t>::max();
}  // namespace

Result<std::unique_ptr<WindowAssignOperator>> WindowAssignOperator::make(const plan::WindowAssignNode& node) {
  if (node.window.kind == plan::WindowKind::kSession) {
    return Status(ErrorCode::kNotIncremental, "SESSION windows need an aggregate: use SESSION(time, gap) in GROUP BY", node.offset);
  }
  CHECK(node.columns.size() == node.inputs[0]->columns.size() + 2);
  return std::unique_ptr<WindowAssignOperator>(new WindowAssignOperator(node));
}

WindowAssignOperator::WindowAssignOperator(const plan::WindowAssignNode& node)
    : Operator(node.types()), grid_(node.window), time_column_(node.window.time_column), lateness_us_(node.lateness_us),
      time_offset_us_(node.inputs[0]->columns[time_column_].time_offset_us.value_or(0)), input_types_(node.inputs[0]->types()),
      selector_(input_types_), selection_(data::kBatchRowsMax), starts_(data::kBatchRowsMax), ends_(data::kBatchRowsMax),
      columns_(node.columns.size()) {
  label = std::string("window assign ") + plan::to_text(node.window.kind);
}

int64_t WindowAssignOperator::first_open_at(int64_t watermark) const {
  const int64_t time = shift_time(shift_time(watermark, time_offset_us_), -lateness_us_);
  if (time <= -WindowGrid::kTimeMax) return kNoneClosed;
  if (time >= WindowGrid::kTimeMax) return kAllClosed;
  return grid_.first_ending_after(time);
}

int64_t WindowAssignOperator::first_open(int64_t row_watermark) const {
  if (correcting()) return kNoneClosed;
  return first_open_at(std::max(row_watermark, last_watermark_));
}

void WindowAssignOperator::push(uint32_t, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  counters.rows_in += batch.rows;
  const data::Column& column = batch.columns[time_column_];
  const int64_t* times = column.values<int64_t>();
  int64_t judged = kWatermarkNone, open = first_open(judged);
  int64_t slice_begin = 0, slice_end = 0, first_of_slice = 0, last_of_slice = 0;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    const int64_t time = times[row];
    if (column.is_null(row) || time <= -WindowGrid::kTimeMax || time >= WindowGrid::kTimeMax) {
      ++counters.null_time;
      Reject reject;
      reject.reason = RejectReason::kNullTime;
      reject.watermark = input_watermark();
      if (rejects()) rejects()->reject(input_types_, batch, row, reject);
      continue;
    }
    if (time < slice_begin || time >= slice_end) {
      const int64_t slice = grid_.slice_of(time);
      slice_begin = grid_.slice_start(slice);
      slice_end = grid_.slice_start(slice + 1);
      first_of_slice = grid_.first_window(slice);
      last_of_slice = grid_.last_window(slice);
    }
    if (batch.row_watermark && batch.row_watermark[row] != judged) {
      judged = batch.row_watermark[row];
      open = first_open(judged);
    }
    if (first_of_slice > last_of_slice) {  // between two windows
      ++counters.filtered;
      continue;
    }
    const int64_t first = std::max(first_of_slice, open);
    for (int64_t window = first_of_slice; window < first && window <= last_of_slice; ++window) reject_late(batch, row, window);
    if (first > last_of_slice) {
      ++counters.late;
      continue;
    }
    ++counters.rows_out;
    for (int64_t window = first; window <= last_of_slice; ++window) {
      if (grid_.skipped(window)) continue;
      if (count_ == data::kBatchRowsMax) flush(batch);
      selection_[count_] = row;
      starts_[count_] = grid_.start(window);
      ends_[count_] = grid_.end(window);
      ++count_;
    }
  }
  flush(batch);
}

void WindowAssignOperator::flush(const data::Batch& batch) {
  if (count_ == 0) return;
  data::Batch out = selector_.select(batch, selection_.data(), count_);
  std::copy(out.columns.begin(), out.columns.end(), columns_.begin());
  columns_[input_types_.size()] = {starts_.data(), nullptr, data::Physical::kI64};
  columns_[input_types_.size() + 1] = {ends_.data(), nullptr, data::Physical::kI64};
  out.columns = columns_;
  out.row_watermark = nullptr;  // no row lies behind the watermark of the windows
  count_ = 0;
  emit(out);
}

void WindowAssignOperator::reject_late(const data::Batch& batch, uint32_t row, int64_t window) {
  if (!rejects()) return;
  Reject reject;
  reject.watermark = batch.row_watermark ? batch.row_watermark[row] : input_watermark();
  reject.window_start = grid_.start(window);
  reject.window_end = grid_.end(window);
  rejects()->reject(input_types_, batch, row, reject);
}

void WindowAssignOperator::save_state(StateSink& sink, bool) {
  ByteWriter seen;
  seen.put(last_watermark_);
  sink.put(0, "", seen.view());
}

Status WindowAssignOperator::load_state(StateSource& source) {
  return source.scan(0, [this](std::string_view, std::string_view bytes) -> Status {
    last_watermark_ = std::max(last_watermark_, ByteReader(bytes).get<int64_t>());
    return {};
  });
}

void WindowAssignOperator::finish(const TickInfo&) {
  last_watermark_ = input_watermark();
  const int64_t open = first_open_at(last_watermark_);
  if (open == kAllClosed) {
    set_output_watermark(last_watermark_);
  } else if (open != kNoneClosed) {
    set_output_watermark(grid_.cumulates() ? grid_.end(open) : grid_.start(open));
  }
}

}  // namespace laminar::stream
