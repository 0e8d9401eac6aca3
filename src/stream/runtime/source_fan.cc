#include "stream/runtime/source_fan.h"

#include <algorithm>

namespace laminar::stream {

using data::Batch;

void Intake::add(SourceFan* fan, const Batch& batch) {
  Item item{fan, batch, rows_};
  if (batch.row_watermark) {
    if (row_watermarks_used_ == row_watermarks_.size()) {
      row_watermarks_.push_back(std::make_unique<std::vector<int64_t>>(data::kBatchRowsMax));
    }
    std::vector<int64_t>& copy = *row_watermarks_[row_watermarks_used_++];
    std::copy_n(batch.row_watermark, batch.rows, copy.data());
    item.batch.row_watermark = copy.data();
  }
  if (batch.sequence) {
    if (sequences_used_ == sequences_.size()) sequences_.push_back(std::make_unique<std::vector<uint64_t>>(data::kBatchRowsMax));
    std::vector<uint64_t>& copy = *sequences_[sequences_used_++];
    std::copy_n(batch.sequence, batch.rows, copy.data());
    item.batch.sequence = copy.data();
  }
  rows_ += batch.rows;
  items_.push_back(item);
}

void Intake::prepare(uint32_t cores) {
  if (slices_.size() < cores) slices_.resize(cores);
}

void Intake::clear() {
  items_.clear();
  moves_.clear();
  rows_ = 0;
  row_watermarks_used_ = 0;
  sequences_used_ = 0;
}

void Intake::run(uint32_t core, uint32_t cores) {
  const uint64_t share_begin = rows_ * core / cores, share_end = rows_ * (core + 1) / cores;
  std::vector<data::Column>& columns = slices_[core];
  for (const Item& item : items_) {
    const Batch& batch = item.batch;
    // Cuts fall on whole validity words.
    const auto cut = [&item, &batch](uint64_t at_row) -> uint32_t {
      if (at_row <= item.begin) return 0;
      if (at_row >= item.begin + batch.rows) return batch.rows;
      return static_cast<uint32_t>(at_row - item.begin) / 64 * 64;
    };
    const uint32_t first = cut(share_begin), last = core + 1 == cores ? batch.rows : cut(share_end);
    Batch share = batch;
    if (first < last && last - first < batch.rows) {
      share.rows = last - first;
      columns.assign(batch.columns.begin(), batch.columns.end());
      for (data::Column& column : columns) {
        column.data = static_cast<char*>(column.data) + size_t{first} * data::physical_size(column.physical);
        if (column.validity) column.validity += first / 64;
      }
      share.columns = columns;
      if (batch.weights) share.weights += first;
      if (batch.row_watermark) share.row_watermark += first;
      if (batch.sequence) share.sequence += first;
      share.sequence_base += first;
    }
    for (const SourceFan::Reader& reader : item.fan->readers_) {
      if (reader.core != core) continue;
      Operator::note(reader.scan);
      if (reader.whole) reader.scan->push(0, batch);
      else if (first < last) reader.scan->push(0, share);
    }
  }
  for (const Moves& item : moves_) {
    for (const SourceFan::Reader& reader : item.fan->readers_)
      if (reader.core == core) reader.scan->push_moves(0, item.moves);
  }
}

void SourceFan::connect(Operator* scan, uint32_t core, bool whole) {
  readers_.push_back({scan, core, whole});
  add_output(scan, 0);
}

void SourceFan::disconnect(Operator* scan) {
  std::erase_if(readers_, [scan](const Reader& reader) { return reader.scan == scan; });
  remove_output(scan);
}

}  // namespace laminar::stream
