#include "stream/joins/packed_rows.h"

#include "base/check.h"

namespace laminar::stream {

using data::Column;
using data::Physical;
using data::StringRef;

PackedRows::PackedRows(std::span<const data::Type> types, uint32_t header_bytes) : columns_(types.size()) {
  DCHECK(header_bytes >= 4);
  uint32_t end = header_bytes;
  // Wide values first: each begins at a multiple of its size.
  for (const uint32_t size : {16u, 8u, 4u, 2u, 1u}) {
    for (size_t c = 0; c < types.size(); ++c) {
      const Physical physical = types[c].physical();
      if (data::physical_size(physical) != size) continue;
      columns_[c] = {physical, end, size};
      end += size;
    }
  }
  nulls_ = end;
  end += static_cast<uint32_t>(types.size() + 7) / 8;
  row_bytes_ = (end + 7) / 8 * 8;
}

uint32_t PackedRows::insert(std::span<const Column> columns, uint32_t row) {
  uint32_t slot = free_;
  if (slot != kNone) {
    std::memcpy(&free_, at(slot), sizeof free_);
  } else {
    if (end_ == chunks_.size() * kChunkRows) chunks_.push_back(slab_.allocate(size_t{kChunkRows} * row_bytes_));
    slot = end_++;
  }
  ++rows_;
  char* to = at(slot);
  std::memset(to + nulls_, 0, (columns_.size() + 7) / 8);
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Field& field = columns_[c];
    const Column& source = columns[c];
    char* value = to + field.offset;
    if (source.is_null(row)) {
      to[nulls_ + c / 8] = static_cast<char>(to[nulls_ + c / 8] | 1 << c % 8);
      std::memset(value, 0, field.size);
      continue;
    }
    const char* from = static_cast<const char*>(source.data) + size_t{row} * field.size;
    switch (field.size) {
      case 8: std::memcpy(value, from, 8); break;
      case 4: std::memcpy(value, from, 4); break;
      case 1: *value = *from; break;
      case 2: std::memcpy(value, from, 2); break;
      default:
        std::memcpy(value, from, 16);
        if (field.physical == Physical::kString && !source.values<StringRef>()[row].is_inline()) {
          const StringRef text = source.values<StringRef>()[row];
          char* bytes = strings_.allocate(text.size());
          std::memcpy(bytes, text.data(), text.size());
          const StringRef kept(bytes, text.size());
          std::memcpy(value, &kept, 16);
        }
    }
  }
  return slot;
}

void PackedRows::erase(uint32_t slot) {
  char* row = at(slot);
  for (const Field& field : columns_) {
    if (field.physical != Physical::kString) continue;
    StringRef text;
    std::memcpy(&text, row + field.offset, 16);
    if (!text.is_inline()) strings_.free(const_cast<char*>(text.data()), text.size());
  }
  std::memcpy(row, &free_, sizeof free_);
  free_ = slot;
  --rows_;
}

bool PackedRows::equals(uint32_t slot, std::span<const Column> columns, uint32_t row) const {
  const char* mine = at(slot);
  for (uint32_t c = 0; c < columns_.size(); ++c) {
    const bool null = columns[c].is_null(row);
    if (is_null(mine, c) != null) return false;
    if (null) continue;
    const Field& field = columns_[c];
    if (field.physical == Physical::kString) {
      if (!(value<StringRef>(mine, c) == columns[c].values<StringRef>()[row])) return false;
    } else if (std::memcmp(mine + field.offset, static_cast<const char*>(columns[c].data) + size_t{row} * field.size, field.size) != 0) {
      return false;
    }
  }
  return true;
}

void PackedRows::gather(uint32_t column, const uint32_t* slots, uint32_t count, Column& to) const {
  const Field& field = columns_[column];
  const auto copy = [&]<uint32_t kSize>() {
    char* target = static_cast<char*>(to.data);
    for (uint32_t i = 0; i < count; ++i, target += kSize) {
      const char* row = at(slots[i]);
      std::memcpy(target, row + field.offset, kSize);
      if (is_null(row, column)) data::set_null(to.validity, i);
    }
  };
  switch (field.size) {
    case 1: return copy.operator()<1>();
    case 2: return copy.operator()<2>();
    case 4: return copy.operator()<4>();
    case 8: return copy.operator()<8>();
    default: return copy.operator()<16>();
  }
}

void PackedRows::copy(uint32_t slot, uint32_t column, Column& to, uint32_t at_row) const {
  const Field& field = columns_[column];
  const char* row = at(slot);
  std::memcpy(static_cast<char*>(to.data) + size_t{at_row} * field.size, row + field.offset, field.size);
  if (is_null(row, column)) data::set_null(to.validity, at_row);
}

}  // namespace laminar::stream
