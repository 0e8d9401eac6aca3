#include "stream/operators/aggregate_changes.h"

#include <algorithm>

#include "stream/state/cell.h"

namespace laminar::stream {

using data::BatchBuffer;
using data::Column;
using data::kBatchRowsMax;

namespace {

// Marks the rows where old and new value differ; rows with differs[i] = 1 already are left alone.
void compare_column(const Column& a, const Column& b, const uint8_t* compare, uint32_t rows, uint8_t* differs) {
  for (uint32_t i = 0; i < rows; ++i) differs[i] |= compare[i] && a.is_null(i) != b.is_null(i);
  if (a.physical == data::Physical::kString) {
    const auto* x = a.values<data::StringRef>();
    const auto* y = b.values<data::StringRef>();
    for (uint32_t i = 0; i < rows; ++i)
      if (compare[i] && !differs[i] && !a.is_null(i)) differs[i] = !(x[i] == y[i]);
    return;
  }
  const uint32_t size = data::physical_size(a.physical);
  const char* x = static_cast<const char*>(a.data);
  const char* y = static_cast<const char*>(b.data);
  for (uint32_t i = 0; i < rows; ++i)
    if (compare[i] && !differs[i] && !a.is_null(i)) differs[i] = std::memcmp(x + size_t{i} * size, y + size_t{i} * size, size) != 0;
}

template <size_t kSize>
void compact(char* data, const uint32_t* selected, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) std::memmove(data + size_t{i} * kSize, data + size_t{selected[i]} * kSize, kSize);
}

}  // namespace

void keep_rows(BatchBuffer& buffer, const uint32_t* selected, uint32_t count) {
  if (count == buffer.rows) return;
  for (uint32_t c = 0; c < buffer.column_count(); ++c) {
    Column& column = buffer.column(c);
    char* data = static_cast<char*>(column.data);
    switch (data::physical_size(column.physical)) {
      case 1: compact<1>(data, selected, count); break;
      case 2: compact<2>(data, selected, count); break;
      case 4: compact<4>(data, selected, count); break;
      case 8: compact<8>(data, selected, count); break;
      default: compact<16>(data, selected, count); break;
    }
    for (uint32_t i = 0; i < count; ++i) {
      if (column.is_null(selected[i])) data::set_null(column.validity, i);
      else data::set_valid(column.validity, i);
    }
  }
  buffer.rows = count;
}

GroupChanges::GroupChanges(AggregateLayout* layout, const std::vector<data::Type>& types, Bounds bounds)
    : layout_(layout), types_(types), bounds_(std::move(bounds)), new_(std::make_unique<BatchBuffer>(types_)), groups_(kBatchRowsMax),
      starts_(kBatchRowsMax), ends_(kBatchRowsMax), differs_(2 * kBatchRowsMax), selected_(kBatchRowsMax) {
  entries_.reserve(kBatchRowsMax);
}

void GroupChanges::touch(char* const* groups, uint32_t count, void* owner, bool keep_old) {
  const size_t before = entries_.size();
  bool any_old = false;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t& mark = group_header(groups[i]).mark;
    if (mark & kGroupTouched) continue;
    mark |= kGroupTouched;
    any_old |= (mark & kGroupEmitted) != 0;
    entries_.push_back({groups[i], owner});
  }
  if (keep_old && any_old) keep(static_cast<uint32_t>(before));
}

void GroupChanges::keep(uint32_t begin) {
  const uint32_t end = static_cast<uint32_t>(entries_.size());
  while (begin < end) {
    const uint32_t chunk = begin / kBatchRowsMax, at = begin % kBatchRowsMax;
    const uint32_t n = std::min(end - begin, kBatchRowsMax - at);
    while (old_.size() <= chunk) old_.push_back(std::make_unique<BatchBuffer>(types_));
    for (uint32_t i = 0; i < n; ++i) groups_[i] = entries_[begin + i].group;
    if (bounds_) bounds_(&entries_[begin], n, starts_.data(), ends_.data());
    layout_->finalize(groups_.data(), starts_.data(), ends_.data(), n, *old_[chunk], at);
    begin += n;
  }
}

void GroupChanges::form_chunk(uint32_t begin, uint32_t count, BatchBuffer& old, const BatchVisitor& emit) {
  for (uint32_t i = 0; i < count; ++i) groups_[i] = entries_[begin + i].group;
  if (bounds_) bounds_(&entries_[begin], count, starts_.data(), ends_.data());
  new_->clear();
  layout_->finalize(groups_.data(), starts_.data(), ends_.data(), count, *new_, 0);
  uint8_t* differs = differs_.data();
  uint8_t* compare = differs + kBatchRowsMax;
  for (uint32_t i = 0; i < count; ++i) {
    differs[i] = 0;
    compare[i] = (group_header(groups_[i]).mark & kGroupEmitted) && shown(groups_[i]);
  }
  for (uint32_t c = 0; c < new_->column_count(); ++c) compare_column(old.column(c), new_->column(c), compare, count, differs);
  uint32_t n = 0;
  for (uint32_t i = 0; i < count; ++i) {
    selected_[n] = i;
    n += (group_header(groups_[i]).mark & kGroupEmitted) && (!compare[i] || differs[i]);
  }
  if (n > 0) {
    old.rows = count;
    keep_rows(old, selected_.data(), n);
    std::fill(old.weights(), old.weights() + n, -1);
    old.has_weights = true;
    old.sequence_base = sequence_;
    sequence_ += n;
    emit(old.view());
  }
  n = 0;
  for (uint32_t i = 0; i < count; ++i) {
    selected_[n] = i;
    n += compare[i] ? differs[i] : shown(groups_[i]) && !(group_header(groups_[i]).mark & kGroupEmitted);
  }
  if (n > 0) {
    keep_rows(*new_, selected_.data(), n);
    new_->sequence_base = sequence_;
    sequence_ += n;
    emit(new_->view());
  }
}

void GroupChanges::flush(bool form, const BatchVisitor& emit, const std::function<void(const Entry&)>& erase) {
  if (form) {
    for (uint32_t begin = 0; begin < entries_.size(); begin += kBatchRowsMax) {
      const uint32_t count = std::min<uint32_t>(kBatchRowsMax, static_cast<uint32_t>(entries_.size()) - begin);
      while (old_.size() <= begin / kBatchRowsMax) old_.push_back(std::make_unique<BatchBuffer>(types_));
      BatchBuffer& old = *old_[begin / kBatchRowsMax];
      form_chunk(begin, count, old, emit);
      old.clear();
    }
  }
  for (const Entry& entry : entries_) {
    uint32_t& mark = group_header(entry.group).mark;
    mark &= ~kGroupTouched;
    mark = shown(entry.group) ? mark | kGroupEmitted : mark & ~kGroupEmitted;
    if (!alive(entry.group)) {
      if ((mark & kGroupDead) || layout_->weight(entry.group) == 0) erase(entry);
    }
  }
  entries_.clear();
}

size_t GroupChanges::held_bytes() const {
  size_t bytes = entries_.capacity() * sizeof(Entry);
  size_t row = 0;
  for (const data::Type& type : types_) row += data::physical_size(type.physical());
  return bytes + (old_.size() + 1) * (row + 24) * kBatchRowsMax;
}

}  // namespace laminar::stream
