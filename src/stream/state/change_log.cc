#include "stream/state/change_log.h"

#include <numeric>

#include "base/check.h"

namespace laminar::stream {

using data::Batch;

ChangeLog::ChangeLog(std::vector<data::Type> types, uint64_t bytes_max)
    : bytes_max_(bytes_max), types_(std::move(types)), selector_(types_), selection_(kBlockRows) {
  fixed_row_bytes_ = sizeof(uint64_t) + sizeof(int64_t);
  for (const data::Type& type : types_) fixed_row_bytes_ += data::physical_size(type.physical());
}

uint64_t ChangeLog::row_bytes(const data::BatchBuffer& rows, uint32_t row) const {
  uint64_t bytes = fixed_row_bytes_;
  for (uint32_t c = 0; c < rows.column_count(); ++c) {
    const data::Column& column = rows.column(c);
    if (column.physical != data::Physical::kString || column.is_null(row)) continue;
    const data::StringRef& value = column.values<data::StringRef>()[row];
    if (!value.is_inline()) bytes += value.size();
  }
  return bytes;
}

void ChangeLog::append(uint64_t tick, const Batch& batch) {
  CHECK(tick >= last_tick_);
  last_tick_ = tick;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (head_ == blocks_.size() || blocks_.back()->rows.full()) {
      if (free_.empty()) free_.push_back(std::make_unique<Block>(types_));
      blocks_.push_back(std::move(free_.back()));
      free_.pop_back();
    }
    Block& block = *blocks_.back();
    block.ticks[block.rows.rows] = tick;
    block.rows.append_row(batch, row, batch.weight(row));
    ++rows_;
    bytes_ += row_bytes(block.rows, block.rows.rows - 1);
    evict();
  }
}

void ChangeLog::evict() {
  while (bytes_ > bytes_max_) {
    Block& block = *blocks_[head_];
    bytes_ -= row_bytes(block.rows, block.begin);
    evicted_tick_ = block.ticks[block.begin];
    ++evicted_rows_;
    --rows_;
    if (++block.begin < block.rows.rows) continue;
    block.rows.clear();
    block.begin = 0;
    free_.push_back(std::move(blocks_[head_]));
    ++head_;
    // Closes the gap now and then, so that the list stays short and nothing is allocated.
    if (head_ * 2 > blocks_.size()) {
      blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<ptrdiff_t>(head_));
      head_ = 0;
    }
  }
}

void ChangeLog::scan(uint64_t from_tick, const std::function<void(uint64_t tick, const Batch&)>& visit) {
  for (size_t b = head_; b < blocks_.size(); ++b) {
    Block& block = *blocks_[b];
    if (block.ticks[block.rows.rows - 1] < from_tick) continue;
    block.rows.has_weights = true;
    const Batch all = block.rows.view();
    for (uint32_t begin = block.begin; begin < all.rows;) {
      uint32_t end = begin + 1;
      while (end < all.rows && block.ticks[end] == block.ticks[begin]) ++end;
      if (block.ticks[begin] >= from_tick) {
        std::iota(selection_.begin(), selection_.begin() + (end - begin), begin);
        visit(block.ticks[begin], selector_.select(all, selection_.data(), end - begin));
      }
      begin = end;
    }
  }
}

}  // namespace laminar::stream
