#include "stream/joins/pair_output.h"

#include <cstring>

namespace laminar::stream {

namespace {

struct Wide {
  uint64_t words[2];
};

template <class T>
void gather_values(const RowStore& store, const uint32_t* slots, uint32_t rows, uint32_t store_column, data::Column& to,
                   bool may_lack) {
  T* out = static_cast<T*>(to.data);
  for (uint32_t i = 0; i < rows; ++i) {
    if (may_lack && slots[i] == RowStore::kNone) {
      data::set_null(to.validity, i);
      std::memset(static_cast<void*>(out + i), 0, sizeof(T));
      continue;
    }
    const data::Column& from = store.column(slots[i], store_column);
    const uint32_t at = slots[i] % RowStore::kChunkRows;
    if (!(from.validity[at >> 6] >> (at & 63) & 1)) data::set_null(to.validity, i);
    out[i] = static_cast<const T*>(from.data)[at];
  }
}

}  // namespace

PairOutput::PairOutput(std::vector<data::Type> types, size_t left_width)
    : buffer_(types), left_width_(static_cast<uint32_t>(left_width)), left_(data::kBatchRowsMax), right_(data::kBatchRowsMax) {}

void PairOutput::gather(const RowStore& store, const uint32_t* slots, uint32_t store_column, data::Column& to, bool may_lack) {
  switch (data::physical_size(to.physical)) {
    case 1: return gather_values<uint8_t>(store, slots, rows_, store_column, to, may_lack);
    case 2: return gather_values<uint16_t>(store, slots, rows_, store_column, to, may_lack);
    case 4: return gather_values<uint32_t>(store, slots, rows_, store_column, to, may_lack);
    case 8: return gather_values<uint64_t>(store, slots, rows_, store_column, to, may_lack);
    default: return gather_values<Wide>(store, slots, rows_, store_column, to, may_lack);
  }
}

data::Batch PairOutput::take(const RowStore& left, const RowStore& right) {
  const bool weights = buffer_.has_weights;
  buffer_.clear();
  buffer_.has_weights = weights;
  buffer_.rows = rows_;
  for (uint32_t c = 0; c < buffer_.column_count(); ++c) {
    if (c < left_width_) gather(left, left_.data(), c, buffer_.column(c), false);
    else gather(right, right_.data(), c - left_width_, buffer_.column(c), without_right_);
  }
  buffer_.sequence_base = sequence_;
  sequence_ += rows_;
  const data::Batch batch = buffer_.view();
  rows_ = 0;
  without_right_ = false;
  buffer_.has_weights = false;
  return batch;
}

}  // namespace laminar::stream
