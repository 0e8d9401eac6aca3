#include "stream/operators/sort_operator.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "data/codec.h"
#include "stream/operators/aggregate.h"

namespace laminar::stream {

using data::Batch;
using data::kBatchRowsMax;

namespace {
constexpr uint32_t kRunBlockRows = 512;
}  // namespace

Result<std::unique_ptr<SortOperator>> SortOperator::make(const plan::SortNode& node) {
  if (!node.inputs[0]->columns[node.time_column].time_offset_us) {
    return Status(ErrorCode::kInternal, "ORDER BY of a stream without event time: " + node.columns[node.time_column].name, node.offset);
  }
  return std::unique_ptr<SortOperator>(new SortOperator(node));
}

SortOperator::SortOperator(const plan::SortNode& node)
    : Operator(node.types()), time_column_(node.time_column),
      time_offset_us_(*node.inputs[0]->columns[node.time_column].time_offset_us), memory_bytes_(node.memory_bytes), out_(node.types()) {
  label = "order by time";
  row_bytes_ = 2 * sizeof(Entry);
  for (const data::Type& type : types()) row_bytes_ += data::physical_size(type.physical());
  out_.has_sequence = true;
}

SortOperator::~SortOperator() {
  for (auto& run : runs_) std::fclose(run->file);
}

int64_t SortOperator::column_time(int64_t watermark) const { return shift_time(watermark, time_offset_us_); }

uint64_t SortOperator::state_bytes() const { return held_bytes_ + runs_.size() * kRunBlockRows * row_bytes_; }

void SortOperator::push(uint32_t, const Batch& batch) {
  counters.rows_in += batch.rows;
  const data::Column& column = batch.columns[time_column_];
  const int64_t* times = column.values<int64_t>();
  for (uint32_t row = 0; row < batch.rows; ++row) {
    Reject reject;
    reject.watermark = batch.row_watermark ? std::max(batch.row_watermark[row], last_watermark_) : last_watermark_;
    // 'infinity' would never be passed.
    if (column.is_null(row) || times[row] <= -data::kWatermarkEnded || times[row] == data::kWatermarkEnded) {
      ++counters.null_time;
      reject.reason = RejectReason::kNullTime;
    } else if (times[row] < column_time(reject.watermark)) {
      ++counters.late;
    } else {
      ++counters.rows_out;
      take(batch, row, times[row]);
      continue;
    }
    if (rejects()) rejects()->reject(types(), batch, row, reject);
  }
  if (held_bytes_ > memory_bytes_) spill();
}

void SortOperator::take(const Batch& batch, uint32_t row, int64_t time) {
  if (!current_ || current_->buffer.full()) {
    if (free_chunks_.empty()) {
      chunks_.push_back(std::make_unique<Chunk>(types()));
      free_chunks_.reserve(chunks_.capacity());
      current_ = chunks_.back().get();
    } else {
      current_ = free_chunks_.back();
      free_chunks_.pop_back();
    }
  }
  heap_.push_back({time, batch.sequence_of(row), current_, current_->buffer.rows});
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  current_->buffer.append_row(batch, row, 1);
  ++current_->living;
  held_bytes_ += row_bytes_;
  for (size_t c = 0; c < batch.columns.size(); ++c) {
    if (batch.columns[c].physical == data::Physical::kString && !batch.columns[c].is_null(row)) {
      held_bytes_ += batch.columns[c].values<data::StringRef>()[row].view().size();
    }
  }
}

// Columns with their validity words: single rows are read, so there is no fast path to keep.
Batch SortOperator::view_of(Chunk& chunk) {
  Batch view;
  view.rows = chunk.buffer.rows;
  view.columns = {&chunk.buffer.column(0), chunk.buffer.column_count()};
  return view;
}

void SortOperator::release(const Entry& entry) {
  const Batch view = view_of(*entry.chunk);
  put(view, entry.row, entry.sequence);
  held_bytes_ -= row_bytes_;
  for (const data::Column& column : view.columns) {
    if (column.physical == data::Physical::kString && !column.is_null(entry.row)) {
      held_bytes_ -= column.values<data::StringRef>()[entry.row].view().size();
    }
  }
  if (--entry.chunk->living > 0) return;
  entry.chunk->buffer.clear();
  if (entry.chunk != current_) free_chunks_.push_back(entry.chunk);
}

void SortOperator::put(const Batch& batch, uint32_t row, uint64_t sequence) {
  if (out_.full()) flush();
  out_.append_row(batch, row, 1);
  out_.sequence()[out_.rows - 1] = sequence;
}

void SortOperator::flush() {
  if (out_.rows > 0) {
    out_.has_sequence = true;
    emit(out_.view());
  }
  out_.clear();
}

// The rows in memory go to a file, in order. The watermark passes old rows first, so runs are read from their beginning.
void SortOperator::spill() {
  std::sort(heap_.begin(), heap_.end(), [](const Entry& a, const Entry& b) { return b > a; });
  auto run = std::make_unique<Run>(types());
  run->file = std::tmpfile();
  if (!run->file) CHECK(!"no temporary file for ORDER BY can be made");
  const auto write_block = [&] {
    run->block.has_sequence = true;
    bytes_.clear();
    data::encode_batch(run->block.view(), types().size(), bytes_);
    const uint64_t size = bytes_.size();
    const bool written = std::fwrite(&size, sizeof size, 1, run->file) == 1 && std::fwrite(bytes_.view().data(), size, 1, run->file) == 1;
    if (!written) CHECK(!"a temporary file of ORDER BY cannot be written");
    run->block.clear();
  };
  for (const Entry& entry : heap_) {
    const Batch view = view_of(*entry.chunk);
    run->block.append_row(view, entry.row, 1);
    run->block.sequence()[run->block.rows - 1] = entry.sequence;
    if (run->block.rows == kRunBlockRows) write_block();
    entry.chunk->living = 0;
  }
  if (run->block.rows > 0) write_block();
  run->rows_left = heap_.size();
  spilled_rows_ += heap_.size();
  heap_.clear();
  free_chunks_.clear();
  for (auto& chunk : chunks_) {
    chunk->buffer.clear();
    free_chunks_.push_back(chunk.get());
  }
  current_ = nullptr;
  held_bytes_ = 0;
  std::rewind(run->file);
  fill(*run);
  runs_.push_back(std::move(run));
}

// The next rows of the file; false at its end.
bool SortOperator::read_block(Run& run, uint64_t rows_left, data::BatchBuffer& block) {
  block.clear();
  if (rows_left == 0) return false;
  uint64_t size = 0;
  bool read = std::fread(&size, sizeof size, 1, run.file) == 1;
  if (read) {
    read_bytes_.resize(size);
    read = std::fread(read_bytes_.data(), size, 1, run.file) == 1;
  }
  if (!read) CHECK(!"a temporary file of ORDER BY cannot be read");
  ByteReader reader(read_bytes_);
  if (!data::decode_batch(reader, types().size(), block).ok()) CHECK(!"a temporary file of ORDER BY is damaged");
  return true;
}

void SortOperator::fill(Run& run) {
  run.next = 0;
  if (!read_block(run, run.rows_left, run.block)) return;
  run.rows_left -= run.block.rows;
  run.block.has_sequence = true;
  run.view = run.block.view();
}

// The run whose first row is the earliest of all runs and before `before`, or null.
SortOperator::Run* SortOperator::first_run(int64_t before) {
  Run* first = nullptr;
  for (auto& run : runs_) {
    if (run->next >= run->block.rows) continue;
    const int64_t time = run->view.columns[time_column_].values<int64_t>()[run->next];
    if (time >= before) continue;
    if (first) {
      const int64_t best = first->view.columns[time_column_].values<int64_t>()[first->next];
      if (best < time || (best == time && first->view.sequence_of(first->next) < run->view.sequence_of(run->next))) continue;
    }
    first = run.get();
  }
  return first;
}

void SortOperator::release_from(Run& run) {
  put(run.view, run.next, run.view.sequence_of(run.next));
  --spilled_rows_;
  if (++run.next < run.block.rows) return;
  fill(run);
  if (run.block.rows > 0) return;
  std::fclose(run.file);
  std::erase_if(runs_, [&run](const std::unique_ptr<Run>& other) { return other.get() == &run; });
}

void SortOperator::save_state(StateSink& sink, bool) {
  sink.erase_prefix(0, "");
  ByteWriter key, value;
  uint64_t number = 0;
  const auto put = [&](const Batch& batch, uint32_t row, uint64_t sequence) {
    key.clear();
    put_ordered(number++, key);
    value.clear();
    data::encode_row(batch, row, value.put(sequence));
    sink.put(0, key.view(), value.view());
  };
  for (const Entry& entry : heap_) put(view_of(*entry.chunk), entry.row, entry.sequence);
  data::BatchBuffer block(types());
  for (auto& run : runs_) {
    for (uint32_t row = run->next; row < run->block.rows; ++row) put(run->view, row, run->view.sequence_of(row));
    const long place = std::ftell(run->file);
    for (uint64_t left = run->rows_left; read_block(*run, left, block); left -= block.rows) {
      block.has_sequence = true;
      const Batch view = block.view();
      for (uint32_t row = 0; row < view.rows; ++row) put(view, row, view.sequence_of(row));
    }
    if (place < 0 || std::fseek(run->file, place, SEEK_SET) != 0) CHECK(!"a temporary file of ORDER BY cannot be read");
  }
  value.clear();
  sink.put(1, "", value.put(last_watermark_).view());
}

Status SortOperator::load_state(StateSource& source) {
  data::BatchBuffer buffer(types(), 1);
  RETURN_IF_ERROR(source.scan(0, [&](std::string_view, std::string_view bytes) -> Status {
    ByteReader in(bytes);
    const uint64_t sequence = in.get<uint64_t>();
    buffer.clear();
    RETURN_IF_ERROR(data::decode_row(in, buffer));
    Batch row = buffer.view();
    row.sequence_base = sequence;
    if (row.columns[time_column_].is_null(0)) return damaged_state(label);
    if (!source.owns(0, row)) return {};
    take(row, 0, row.columns[time_column_].values<int64_t>()[0]);
    if (held_bytes_ > memory_bytes_) spill();
    return {};
  }));
  return source.scan(1, [this](std::string_view, std::string_view bytes) -> Status {
    last_watermark_ = std::max(last_watermark_, ByteReader(bytes).get<int64_t>());
    return {};
  });
}

void SortOperator::finish(const TickInfo&) {
  last_watermark_ = input_watermark();
  const int64_t before = column_time(last_watermark_);
  if (before != data::kWatermarkNone) {
    while (true) {
      Run* run = runs_.empty() ? nullptr : first_run(before);
      const bool in_memory = !heap_.empty() && heap_.front().time < before;
      if (!run && !in_memory) break;
      if (run && in_memory) {
        const int64_t time = run->view.columns[time_column_].values<int64_t>()[run->next];
        const Entry& front = heap_.front();
        if (front.time < time || (front.time == time && front.sequence < run->view.sequence_of(run->next))) run = nullptr;
      }
      if (run) {
        release_from(*run);
        continue;
      }
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const Entry entry = heap_.back();
      heap_.pop_back();
      release(entry);
    }
    flush();
  }
  set_output_watermark(last_watermark_);
}

}  // namespace laminar::stream
