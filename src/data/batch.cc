#include "data/batch.h"

#include <cstring>

#include "base/check.h"

namespace laminar::data {

namespace {
constexpr size_t kStaggerBytes = 320;  // keeps column starts out of the same L1 sets
size_t round_up(size_t n) { return (n + 63) / 64 * 64; }
}  // namespace

BatchBuffer::BatchBuffer(std::span<const Type> types, uint32_t rows_max) : rows_max_(rows_max) { allocate(types); }

BatchBuffer::BatchBuffer(const Schema& schema, uint32_t rows_max) : rows_max_(rows_max) {
  std::vector<Type> types;
  for (const Field& field : schema) types.push_back(field.type);
  allocate(types);
}

void BatchBuffer::allocate(std::span<const Type> types) {
  const size_t mask_bytes = round_up(validity_words(rows_max_) * 8);
  const size_t tag_bytes = round_up(size_t{rows_max_} * 8) + kStaggerBytes;
  size_t total = 64 + 3 * tag_bytes;
  for (const Type& type : types) total += round_up(size_t{rows_max_} * physical_size(type.physical())) + mask_bytes + kStaggerBytes;
  bytes_.reset(new char[total]());
  char* at_ = bytes_.get() + (64 - reinterpret_cast<uintptr_t>(bytes_.get()) % 64) % 64;
  auto take = [&at_](size_t n) {
    char* begin = at_;
    at_ += n;
    return begin;
  };
  for (const Type& type : types) {
    Column column;
    column.physical = type.physical();
    column.data = take(round_up(size_t{rows_max_} * physical_size(column.physical)));
    column.validity = reinterpret_cast<uint64_t*>(take(mask_bytes + kStaggerBytes));
    columns_.push_back(column);
  }
  weights_ = reinterpret_cast<int64_t*>(take(tag_bytes));
  sequence_ = reinterpret_cast<uint64_t*>(take(tag_bytes));
  row_watermark_ = reinterpret_cast<int64_t*>(take(tag_bytes));
  view_columns_ = columns_;
  clear();
}

void BatchBuffer::clear() {
  rows = 0;
  has_weights = has_sequence = has_row_watermark = false;
  sequence_base = 0;
  strings_.reset();
  for (Column& column : columns_) std::memset(column.validity, 0xff, validity_words(rows_max_) * 8);
}

void BatchBuffer::append_row(const Batch& from, uint32_t row, int64_t weight) {
  DCHECK(rows < rows_max_ && from.columns.size() >= columns_.size());
  const uint32_t to = rows++;
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Column& source = from.columns[c];
    Column& target = columns_[c];
    DCHECK(source.physical == target.physical);
    if (source.is_null(row)) {
      set_null(target.validity, to);
      if (target.physical == Physical::kString) target.values<StringRef>()[to] = StringRef();
      continue;
    }
    if (target.physical == Physical::kString) {
      target.values<StringRef>()[to] = strings_.copy(source.values<StringRef>()[row]);
      continue;
    }
    const uint32_t size = physical_size(target.physical);
    std::memcpy(static_cast<char*>(target.data) + size_t{to} * size, static_cast<const char*>(source.data) + size_t{row} * size, size);
  }
  weights_[to] = weight;
  if (weight != 1) has_weights = true;
  sequence_[to] = from.sequence_of(row);
  row_watermark_[to] = from.row_watermark ? from.row_watermark[row] : kWatermarkNone;
}

Batch BatchBuffer::view() {
  for (size_t c = 0; c < columns_.size(); ++c) {
    view_columns_[c] = columns_[c];
    bool any_null = false;
    for (uint32_t w = 0; w < rows / 64; ++w) any_null |= ~columns_[c].validity[w] != 0;
    if (rows % 64) any_null |= (~columns_[c].validity[rows / 64] & ((uint64_t{1} << rows % 64) - 1)) != 0;
    if (!any_null) view_columns_[c].validity = nullptr;
  }
  Batch batch;
  batch.rows = rows;
  batch.columns = view_columns_;
  batch.weights = has_weights ? weights_ : nullptr;
  batch.sequence = has_sequence ? sequence_ : nullptr;
  batch.sequence_base = sequence_base;
  batch.row_watermark = has_row_watermark ? row_watermark_ : nullptr;
  return batch;
}

}  // namespace laminar::data
