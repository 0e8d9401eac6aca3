#include "stream/state/row_selector.h"

#include <cstring>

#include "base/check.h"

namespace laminar::stream {

using data::Batch;
using data::Column;

namespace {

struct Bytes16 {
  uint64_t a, b;
};

template <class T>
void gather(const void* from, const uint32_t* selection, uint32_t count, void* to) {
  const T* source = static_cast<const T*>(from);
  T* target = static_cast<T*>(to);
  for (uint32_t i = 0; i < count; ++i) target[i] = source[selection[i]];
}

void gather_values(const Column& from, const uint32_t* selection, uint32_t count, Column& to) {
  switch (data::physical_size(from.physical)) {
    case 1: return gather<uint8_t>(from.data, selection, count, to.data);
    case 2: return gather<uint16_t>(from.data, selection, count, to.data);
    case 4: return gather<uint32_t>(from.data, selection, count, to.data);
    case 8: return gather<uint64_t>(from.data, selection, count, to.data);
    default: return gather<Bytes16>(from.data, selection, count, to.data);
  }
}

void gather_validity(const uint64_t* from, const uint32_t* selection, uint32_t count, uint64_t* to) {
  for (uint32_t begin = 0; begin < count; begin += 64) {
    const uint32_t n = std::min(count - begin, uint32_t{64});
    uint64_t word = 0;
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t row = selection[begin + i];
      word |= (from[row >> 6] >> (row & 63) & 1) << i;
    }
    to[begin >> 6] = word;
  }
}

}  // namespace

Batch RowSelector::select(const Batch& from, const uint32_t* selection, uint32_t count) {
  DCHECK(count <= data::kBatchRowsMax && from.columns.size() >= types_.size());
  Batch result;
  result.rows = count;
  columns_.resize(types_.size());
  if (count == 0) {
    for (size_t c = 0; c < columns_.size(); ++c) columns_[c] = from.columns[c];
    result.columns = columns_;
    return result;
  }
  const uint32_t first = selection[0];
  bool run = selection[count - 1] - first == count - 1 && selection[count - 1] >= first;
  // With repeats the ends alone prove nothing.
  for (uint32_t i = 0; run && i < count; ++i) run = selection[i] == first + i;
  if (run) {
    bool by_reference = true;
    for (const Column& column : from.columns) by_reference &= !column.validity || first % 64 == 0;
    if (by_reference) {
      for (size_t c = 0; c < columns_.size(); ++c) {
        columns_[c] = from.columns[c];
        columns_[c].data = static_cast<char*>(columns_[c].data) + size_t{first} * data::physical_size(columns_[c].physical);
        if (columns_[c].validity) columns_[c].validity += first / 64;
      }
      result.columns = columns_;
      result.weights = from.weights ? from.weights + first : nullptr;
      result.row_watermark = from.row_watermark ? from.row_watermark + first : nullptr;
      result.sequence = from.sequence ? from.sequence + first : nullptr;
      result.sequence_base = from.sequence_base + first;
      return result;
    }
  }
  if (!buffer_) buffer_.emplace(types_);
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Column& source = from.columns[c];
    if (!needed_[c]) {
      columns_[c] = source;
      continue;
    }
    Column& target = buffer_->column(static_cast<uint32_t>(c));
    DCHECK(source.physical == target.physical);
    gather_values(source, selection, count, target);
    columns_[c] = target;
    columns_[c].validity = nullptr;
    if (source.validity) {
      gather_validity(source.validity, selection, count, target.validity);
      columns_[c].validity = target.validity;
    }
  }
  result.columns = columns_;
  if (from.weights) {
    gather<int64_t>(from.weights, selection, count, buffer_->weights());
    result.weights = buffer_->weights();
  }
  if (from.row_watermark) {
    gather<int64_t>(from.row_watermark, selection, count, buffer_->row_watermark());
    result.row_watermark = buffer_->row_watermark();
  }
  if (from.sequence) {
    gather<uint64_t>(from.sequence, selection, count, buffer_->sequence());
  } else {
    for (uint32_t i = 0; i < count; ++i) buffer_->sequence()[i] = from.sequence_base + selection[i];
  }
  result.sequence = buffer_->sequence();
  return result;
}

}  // namespace laminar::stream
