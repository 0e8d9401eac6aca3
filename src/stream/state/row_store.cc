#include "stream/state/row_store.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace laminar::stream {

using data::Column;
using data::Physical;
using data::StringRef;

namespace {

struct Wide {
  uint64_t words[2];
};

// With a type of the width of a value.
template <class F>
void with_width(Physical physical, const F& f) {
  switch (data::physical_size(physical)) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    case 8: return f.template operator()<uint64_t>();
    default: return f.template operator()<Wide>();
  }
}

}  // namespace

RowStore::RowStore(std::span<const data::Type> types) : has_nulls_(types.size()) {
  for (const data::Type& type : types) {
    physical_.push_back(type.physical());
    has_strings_ |= physical_.back() == Physical::kString;
  }
}

void RowStore::add_chunk() {
  for (const Physical physical : physical_) {
    Column column;
    column.physical = physical;
    column.data = slab_.allocate(size_t{kChunkRows} * data::physical_size(physical));
    column.validity = reinterpret_cast<uint64_t*>(slab_.allocate(kChunkRows / 8));
    std::memset(column.validity, 0xff, kChunkRows / 8);
    columns_.push_back(column);
  }
  ++chunks_;
  // So that erase() never allocates.
  const size_t slots = size_t{chunks_} * kChunkRows;
  if (free_slots_.capacity() < slots) free_slots_.reserve(2 * slots);
}

inline uint32_t RowStore::take_slot() {
  if (!free_slots_.empty()) {
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  if (slot_end_ == chunks_ * kChunkRows) add_chunk();
  return slot_end_++;
}

uint32_t RowStore::insert(std::span<const Column> columns, uint32_t row) {
  const uint32_t slot = take_slot();
  ++rows_;
  write(slot, columns, row);
  return slot;
}

void RowStore::insert(std::span<const Column> columns, const uint32_t* rows, uint32_t count, uint32_t* slots) {
  // In the order in which slots were freed, which is mostly that of memory.
  const uint32_t reused = static_cast<uint32_t>(std::min<size_t>(count, free_slots_.size()));
  std::copy(free_slots_.end() - reused, free_slots_.end(), slots);
  free_slots_.resize(free_slots_.size() - reused);
  for (uint32_t i = reused; i < count; ++i) slots[i] = take_slot();
  rows_ += count;
  const size_t width = physical_.size();
  for (size_t c = 0; c < width; ++c) {
    const Column& source = columns[c];
    DCHECK(source.physical == physical_[c]);
    const Column* targets = columns_.data() + c;
    with_width(physical_[c], [&]<class T>() {
      const T* values = source.values<T>();
      for (uint32_t i = 0; i < count; ++i) {
        const uint32_t slot = slots[i];
        static_cast<T*>(targets[slot / kChunkRows * width].data)[slot % kChunkRows] = values[rows ? rows[i] : i];
      }
    });
    const bool text = physical_[c] == Physical::kString;
    if (!text && !source.validity && !has_nulls_[c]) continue;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t slot = slots[i], row = rows ? rows[i] : i, at = slot % kChunkRows;
      const Column& target = targets[slot / kChunkRows * width];
      if (source.is_null(row)) {
        has_nulls_[c] = true;
        data::set_null(target.validity, at);
        std::memset(static_cast<char*>(target.data) + size_t{at} * data::physical_size(physical_[c]), 0, data::physical_size(physical_[c]));
        continue;
      }
      data::set_valid(target.validity, at);
      if (!text) continue;
      StringRef& value = static_cast<StringRef*>(target.data)[at];
      if (value.is_inline()) continue;
      char* bytes = strings_.allocate(value.size());
      std::memcpy(bytes, value.data(), value.size());
      value = StringRef(bytes, value.size());
    }
  }
}

void RowStore::replace(uint32_t slot, std::span<const Column> columns, uint32_t row) {
  free_strings(slot);
  write(slot, columns, row);
}

void RowStore::write(uint32_t slot, std::span<const Column> columns, uint32_t row) {
  const uint32_t to = slot % kChunkRows;
  Column* target = columns_.data() + slot / kChunkRows * physical_.size();
  for (size_t c = 0; c < physical_.size(); ++c, ++target) {
    const Column& source = columns[c];
    DCHECK(source.physical == target->physical);
    if (source.is_null(row)) {
      has_nulls_[c] = true;
      data::set_null(target->validity, to);
      std::memset(static_cast<char*>(target->data) + size_t{to} * data::physical_size(target->physical), 0,
                  data::physical_size(target->physical));
      continue;
    }
    data::set_valid(target->validity, to);
    switch (data::physical_size(target->physical)) {
      case 1: target->values<uint8_t>()[to] = source.values<uint8_t>()[row]; break;
      case 2: target->values<uint16_t>()[to] = source.values<uint16_t>()[row]; break;
      case 4: target->values<uint32_t>()[to] = source.values<uint32_t>()[row]; break;
      case 8: target->values<uint64_t>()[to] = source.values<uint64_t>()[row]; break;
      default:
        if (target->physical == Physical::kString && !source.values<StringRef>()[row].is_inline()) {
          const StringRef value = source.values<StringRef>()[row];
          char* bytes = strings_.allocate(value.size());
          std::memcpy(bytes, value.data(), value.size());
          target->values<StringRef>()[to] = StringRef(bytes, value.size());
        } else {
          std::memcpy(static_cast<char*>(target->data) + size_t{to} * 16, static_cast<const char*>(source.data) + size_t{row} * 16, 16);
        }
    }
  }
}

void RowStore::erase(uint32_t slot) {
  free_strings(slot);
  free_slots_.push_back(slot);
  --rows_;
}

void RowStore::erase(const uint32_t* slots, uint32_t count) {
  for (uint32_t i = 0; has_strings_ && i < count; ++i) free_strings(slots[i]);
  free_slots_.insert(free_slots_.end(), slots, slots + count);
  rows_ -= count;
}

void RowStore::free_strings(uint32_t slot) {
  if (!has_strings_) return;
  const uint32_t at_row = slot % kChunkRows;
  Column* column = columns_.data() + slot / kChunkRows * physical_.size();
  for (size_t c = 0; c < physical_.size(); ++c, ++column) {
    if (column->physical != Physical::kString) continue;
    StringRef& value = column->values<StringRef>()[at_row];
    if (!value.is_inline()) strings_.free(const_cast<char*>(value.data()), value.size());
    value = StringRef();
  }
}

void RowStore::reset() {
  for (size_t c = 0; c < physical_.size(); ++c) {
    if (physical_[c] != Physical::kString) continue;
    for (uint32_t slot = 0; slot < slot_end_; ++slot) {
      StringRef& value = columns_[slot / kChunkRows * physical_.size() + c].values<StringRef>()[slot % kChunkRows];
      if (!value.is_inline()) strings_.free(const_cast<char*>(value.data()), value.size());
      value = StringRef();
    }
  }
  free_slots_.clear();
  slot_end_ = 0;
  rows_ = 0;
}

bool RowStore::equals(uint32_t slot, std::span<const Column> columns, uint32_t row) const {
  const uint32_t at_row = slot % kChunkRows;
  const Column* mine = columns_.data() + slot / kChunkRows * physical_.size();
  for (size_t c = 0; c < physical_.size(); ++c, ++mine) {
    const bool null = columns[c].is_null(row);
    if (mine->is_null(at_row) != null) return false;
    if (null) continue;
    switch (mine->physical) {
      case Physical::kString:
        if (!(mine->values<StringRef>()[at_row] == columns[c].values<StringRef>()[row])) return false;
        break;
      default: {
        const uint32_t size = data::physical_size(mine->physical);
        if (std::memcmp(static_cast<const char*>(mine->data) + size_t{at_row} * size,
                        static_cast<const char*>(columns[c].data) + size_t{row} * size, size) != 0) {
          return false;
        }
      }
    }
  }
  return true;
}

void RowStore::gather(uint32_t c, const uint32_t* slots, uint32_t count, Column& to, bool may_lack) const {
  const size_t width = physical_.size();
  const Column* sources = columns_.data() + c;
  with_width(physical_[c], [&]<class T>() {
    T* out = static_cast<T*>(to.data);
    if (!may_lack) {
      for (uint32_t i = 0; i < count; ++i) {
        const uint32_t slot = slots[i];
        out[i] = static_cast<const T*>(sources[slot / kChunkRows * width].data)[slot % kChunkRows];
      }
      return;
    }
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t slot = slots[i];
      if (slot == kNone) {
        data::set_null(to.validity, i);
        out[i] = T{};
      } else {
        out[i] = static_cast<const T*>(sources[slot / kChunkRows * width].data)[slot % kChunkRows];
      }
    }
  });
  if (!has_nulls_[c]) return;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t slot = slots[i];
    if (slot != kNone && sources[slot / kChunkRows * width].is_null(slot % kChunkRows)) data::set_null(to.validity, i);
  }
}

void RowStore::append_to(data::BatchBuffer& buffer, uint32_t slot) const {
  const uint32_t from = slot % kChunkRows;
  const uint32_t to = buffer.rows++;
  const Column* source = columns_.data() + slot / kChunkRows * physical_.size();
  for (uint32_t c = 0; c < physical_.size(); ++c, ++source) {
    Column& target = buffer.column(c);
    if (source->is_null(from)) data::set_null(target.validity, to);
    switch (data::physical_size(source->physical)) {
      case 1: target.values<uint8_t>()[to] = source->values<uint8_t>()[from]; break;
      case 2: target.values<uint16_t>()[to] = source->values<uint16_t>()[from]; break;
      case 4: target.values<uint32_t>()[to] = source->values<uint32_t>()[from]; break;
      case 8: target.values<uint64_t>()[to] = source->values<uint64_t>()[from]; break;
      default:
        std::memcpy(static_cast<char*>(target.data) + size_t{to} * 16, static_cast<const char*>(source->data) + size_t{from} * 16, 16);
    }
  }
}

namespace {

constexpr uint64_t kMultiplier = 0xd6e8feb86659fd93ull;
constexpr uint64_t kNullHash = 0x9E3779B97F4A7C15ull;
constexpr uint64_t kSeed = 0xff51afd7ed558ccdull;

inline uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * kMultiplier;
  return h ^ h >> 32;
}

template <class T>
uint64_t value_hash(const void* data, uint32_t row) {
  if constexpr (sizeof(T) == 16) {
    uint64_t words[2];
    std::memcpy(words, static_cast<const char*>(data) + size_t{row} * 16, 16);
    return mix(words[0], words[1]);
  } else {
    return static_cast<const T*>(data)[row];
  }
}

inline uint64_t string_hash(const StringRef& value) {
  if (value.is_inline()) {
    uint64_t words[2];
    std::memcpy(words, &value, 16);
    return mix(words[0], words[1]);
  }
  return hash_bytes(value.data(), value.size());
}

template <class T>
void hash_column(const Column& column, uint32_t rows, uint64_t* out) {
  if (!column.validity) {
    for (uint32_t i = 0; i < rows; ++i) out[i] = mix(out[i], value_hash<T>(column.data, i));
    return;
  }
  for (uint32_t i = 0; i < rows; ++i) out[i] = mix(out[i], column.is_null(i) ? kNullHash : value_hash<T>(column.data, i));
}

void hash_strings(const Column& column, uint32_t rows, uint64_t* out) {
  const StringRef* values = column.values<StringRef>();
  for (uint32_t i = 0; i < rows; ++i) out[i] = mix(out[i], column.is_null(i) ? kNullHash : string_hash(values[i]));
}

uint64_t hash_value(const Column& column, uint32_t row) {
  if (column.is_null(row)) return kNullHash;
  if (column.physical == Physical::kString) return string_hash(column.values<StringRef>()[row]);
  switch (data::physical_size(column.physical)) {
    case 1: return value_hash<uint8_t>(column.data, row);
    case 2: return value_hash<uint16_t>(column.data, row);
    case 4: return value_hash<uint32_t>(column.data, row);
    case 8: return value_hash<uint64_t>(column.data, row);
    default: return value_hash<Wide>(column.data, row);
  }
}

}  // namespace

void hash_rows(std::span<const Column> columns, uint32_t rows, uint64_t* out) {
  for (uint32_t i = 0; i < rows; ++i) out[i] = kSeed;
  for (const Column& column : columns) {
    if (column.physical == Physical::kString) {
      hash_strings(column, rows, out);
      continue;
    }
    switch (data::physical_size(column.physical)) {
      case 1: hash_column<uint8_t>(column, rows, out); break;
      case 2: hash_column<uint16_t>(column, rows, out); break;
      case 4: hash_column<uint32_t>(column, rows, out); break;
      case 8: hash_column<uint64_t>(column, rows, out); break;
      default: hash_column<Wide>(column, rows, out);
    }
  }
  // The low bits address the index, and a multiplication only carries upwards: fold once more.
  for (uint32_t i = 0; i < rows; ++i) out[i] = mix(out[i], out[i] >> 32);
}

uint64_t hash_row(std::span<const Column> columns, uint32_t row) {
  uint64_t h = kSeed;
  for (const Column& column : columns) h = mix(h, hash_value(column, row));
  return mix(h, h >> 32);
}

SlotIndex::SlotIndex() : entries_(64, Entry{0, RowStore::kNone}), mask_(63) {}

void SlotIndex::reset() {
  std::fill(entries_.begin(), entries_.end(), Entry{0, RowStore::kNone});
  used_ = 0;
}

void SlotIndex::insert(uint64_t hash, uint32_t slot) {
  if ((used_ + 1) * 3 > entries_.size() * 2) grow();
  const uint32_t tag = static_cast<uint32_t>(hash);
  size_t i = tag & mask_;
  while (entries_[i].slot != RowStore::kNone) i = (i + 1) & mask_;
  entries_[i] = {tag, slot};
  ++used_;
}

void SlotIndex::erase(uint64_t hash, uint32_t slot) {
  size_t i = static_cast<uint32_t>(hash) & mask_;
  while (entries_[i].slot != slot) {
    CHECK(entries_[i].slot != RowStore::kNone);
    i = (i + 1) & mask_;
  }
  for (size_t next = (i + 1) & mask_; entries_[next].slot != RowStore::kNone; next = (next + 1) & mask_) {
    const size_t home = entries_[next].tag & mask_;
    // Moves back unless its home lies in (i, next].
    if (((next - home) & mask_) >= ((next - i) & mask_)) {
      entries_[i] = entries_[next];
      i = next;
    }
  }
  entries_[i].slot = RowStore::kNone;
  --used_;
}

void SlotIndex::grow() {
  std::vector<Entry> old(entries_.size() * 2, Entry{0, RowStore::kNone});
  old.swap(entries_);
  mask_ = entries_.size() - 1;
  for (const Entry& entry : old) {
    if (entry.slot == RowStore::kNone) continue;
    size_t i = entry.tag & mask_;
    while (entries_[i].slot != RowStore::kNone) i = (i + 1) & mask_;
    entries_[i] = entry;
  }
}

}  // namespace laminar::stream
