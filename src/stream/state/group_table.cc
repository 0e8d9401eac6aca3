#include "stream/state/group_table.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "stream/state/cell.h"

namespace laminar::stream {

using data::Column;
using data::Physical;

namespace {

constexpr unsigned kAddressBits = 48;
constexpr uint64_t kAddressMask = (uint64_t{1} << kAddressBits) - 1;
constexpr uint64_t kNullHash = 0x9ae16a3b2f90404full;
constexpr uint32_t kPrefetchAhead = 12;

uint64_t salt_of(uint64_t hash) { return hash >> kAddressBits; }
char* address_of(uint64_t slot) { return reinterpret_cast<char*>(slot & kAddressMask); }
uint64_t make_slot(uint64_t hash, const char* row) { return (hash & ~kAddressMask) | reinterpret_cast<uint64_t>(row); }

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
__attribute__((noinline)) void hash_column(const Column& column, uint32_t rows, bool combine, uint64_t* hashes) {
  const T* values = column.values<T>();
  if (!column.validity && !combine) {
    for (uint32_t i = 0; i < rows; ++i) hashes[i] = hash_value(values[i]);
  } else {
    for (uint32_t i = 0; i < rows; ++i) {
      const uint64_t h = column.is_null(i) ? kNullHash : hash_value(values[i]);
      hashes[i] = combine ? hash_combine(hashes[i], h) : h;
    }
  }
}

}  // namespace

GroupShape::GroupShape(std::span<const data::Type> key_types) {
  CHECK(key_types.size() <= kKeysMax);
  row_bytes = sizeof(GroupHeader);
  for (const data::Type& type : key_types) {
    const Physical physical = type.physical();
    keys.push_back({physical, row_bytes});
    row_bytes += std::max(8u, data::physical_size(physical));
  }
  prototype.assign(row_bytes, 0);
}

uint32_t GroupShape::append(uint32_t bytes) {
  const uint32_t offset = row_bytes;
  row_bytes += (bytes + 7) / 8 * 8;
  prototype.resize(row_bytes, 0);
  return offset;
}

void hash_keys(const GroupShape& shape, std::span<const Column> keys, uint32_t rows, uint64_t* hashes) {
  if (shape.keys.empty()) {
    std::fill(hashes, hashes + rows, 0);
    return;
  }
  for (size_t k = 0; k < shape.keys.size(); ++k) {
    with_physical(shape.keys[k].physical, [&]<class T>() { hash_column<T>(keys[k], rows, k > 0, hashes); });
  }
}

uint64_t hash_group_keys(const GroupShape& shape, const char* group, std::span<const uint32_t> keys) {
  uint64_t hash = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    const GroupShape::Key& key = shape.keys[keys[i]];
    uint64_t h = kNullHash;
    if (!(group_header(group).nulls >> keys[i] & 1)) {
      h = with_physical(key.physical, [&]<class T>() { return hash_value(load<T>(group + key.offset)); });
    }
    hash = i == 0 ? h : hash_combine(hash, h);
  }
  return hash;
}

char* GroupTable::take_row(uint64_t hash) {
  char* row;
  if (free_) {
    row = free_;
    std::memcpy(&free_, row + sizeof(GroupHeader), sizeof free_);
  } else {
    if (chunk_ < chunks_.size() && chunk_row_ == chunks_[chunk_].capacity) {
      ++chunk_;
      chunk_row_ = 0;
    }
    if (chunk_ == chunks_.size()) {
      // From 16 rows on, doubling, up to a huge page a chunk.
      const size_t limit = std::max<size_t>(1, kHugePageBytes / shape_->row_bytes);
      const uint32_t capacity = static_cast<uint32_t>(std::min(limit, chunks_.empty() ? 16 : size_t{chunks_.back().capacity} * 2));
      Chunk chunk;
      const size_t bytes = capacity == limit ? std::max(kHugePageBytes, limit * shape_->row_bytes) : size_t{capacity} * shape_->row_bytes;
      chunk.bytes = make_state_bytes(bytes);
      chunk.rows = chunk.bytes.get();
      chunk.capacity = capacity;
      held_row_bytes_ += bytes;
      chunks_.push_back(std::move(chunk));
    }
    row = chunks_[chunk_].rows + size_t{chunk_row_++} * shape_->row_bytes;
  }
  std::memcpy(row, shape_->prototype.data(), shape_->row_bytes);
  group_header(row).hash = hash;
  ++size_;
  return row;
}

void GroupTable::grow() {
  auto old = std::move(slots_);
  slots_.assign(std::max<size_t>(64, old.size() * 2), 0);
  mask_ = slots_.size() - 1;
  for (uint64_t slot : old) {
    if (!slot) continue;
    uint64_t at = group_header(address_of(slot)).hash & mask_;
    while (slots_[at]) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
}

template <class Equal, class Store>
inline char* GroupTable::find(uint64_t hash, const Equal& equal, const Store& store) {
  uint64_t at = hash & mask_;
  const uint64_t salt = salt_of(hash);
  while (uint64_t slot = slots_[at]) {
    if (salt_of(slot) == salt) {
      char* row = address_of(slot);
      if (equal(row)) return row;
    }
    at = (at + 1) & mask_;
  }
  char* row = take_row(hash);
  store(row);
  slots_[at] = make_slot(hash, row);
  if (size_ * (large() ? 2 : 4) > slots_.size()) grow();
  return row;
}

template <bool kPrefetch, class EqualAt, class StoreAt>
inline void GroupTable::find_loop(const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups,
                                  const EqualAt& equal, const StoreAt& store) {
  // In registers: stores to `groups` could alias the members.
  const uint64_t* slots = slots_.data();
  uint64_t mask = mask_;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = rows ? rows[i] : i;
    if constexpr (kPrefetch) {
      // Slots first, rows half way behind them: a row's address is known only once its slot has come.
      if (i + 2 * kPrefetchAhead < count) {
        const uint32_t far = rows ? rows[i + 2 * kPrefetchAhead] : i + 2 * kPrefetchAhead;
        __builtin_prefetch(&slots[hashes[far] & mask]);
        const uint32_t near = rows ? rows[i + kPrefetchAhead] : i + kPrefetchAhead;
        __builtin_prefetch(address_of(slots[hashes[near] & mask]));
      }
    }
    const uint64_t hash = hashes[row], slot = slots[hash & mask];
    if (salt_of(slot) == salt_of(hash) && slot && equal(address_of(slot), row)) [[likely]] {
      groups[i] = address_of(slot);
      continue;
    }
    groups[i] = find(
        hash, [&](const char* group) { return equal(group, row); }, [&](char* group) { store(group, row); });
    slots = slots_.data();
    mask = mask_;
  }
}

template <class EqualAt, class StoreAt>
inline void GroupTable::find_each(const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups,
                                  const EqualAt& equal, const StoreAt& store) {
  large() ? find_loop<true>(hashes, rows, count, groups, equal, store) : find_loop<false>(hashes, rows, count, groups, equal, store);
}

template <bool kSelected>
void GroupTable::find_i64(std::span<const Column> keys, const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups) {
  const int64_t* values = keys[0].values<int64_t>();
  constexpr uint32_t kKey = sizeof(GroupHeader);
  find_each(
      hashes, kSelected ? rows : nullptr, count, groups,
      [values](const char* group, uint32_t row) {
        return load<int64_t>(group + kKey) == values[row] && group_header(group).nulls == 0;
      },
      [values](char* group, uint32_t row) { std::memcpy(group + kKey, &values[row], 8); });
}

template <bool kSelected>
void GroupTable::find_i64_pair(std::span<const Column> keys, const uint64_t* hashes, const uint32_t* rows, uint32_t count,
                               char** groups) {
  const int64_t* first = keys[0].values<int64_t>();
  const int64_t* second = keys[1].values<int64_t>();
  constexpr uint32_t kKey = sizeof(GroupHeader);
  find_each(
      hashes, kSelected ? rows : nullptr, count, groups,
      [=](const char* group, uint32_t row) {
        return load<int64_t>(group + kKey) == first[row] && load<int64_t>(group + kKey + 8) == second[row] &&
               group_header(group).nulls == 0;
      },
      [=](char* group, uint32_t row) {
        std::memcpy(group + kKey, &first[row], 8);
        std::memcpy(group + kKey + 8, &second[row], 8);
      });
}

bool GroupTable::keys_equal(const char* group, std::span<const Column> keys, uint32_t row) const {
  const uint32_t nulls = group_header(group).nulls;
  for (size_t k = 0; k < shape_->keys.size(); ++k) {
    const bool null = keys[k].is_null(row);
    if (null != ((nulls >> k & 1) != 0)) return false;
    if (null) continue;
    const char* at = group + shape_->keys[k].offset;
    const bool same = with_physical(shape_->keys[k].physical,
                                    [&]<class T>() { return equal_values(load<T>(at), keys[k].values<T>()[row]); });
    if (!same) return false;
  }
  return true;
}

void GroupTable::store_keys(char* group, std::span<const Column> keys, uint32_t row) {
  uint32_t nulls = 0;
  for (size_t k = 0; k < shape_->keys.size(); ++k) {
    if (keys[k].is_null(row)) {
      nulls |= 1u << k;
      continue;
    }
    char* at = group + shape_->keys[k].offset;
    if (shape_->keys[k].physical == Physical::kString) {
      const data::StringRef value = pool_->copy_string(keys[k].values<data::StringRef>()[row]);
      std::memcpy(at, &value, sizeof value);
    } else {
      const Cell cell = Cell::load(keys[k], row);
      std::memcpy(at, cell.words, data::physical_size(shape_->keys[k].physical));
    }
  }
  group_header(group).nulls = nulls;
}

void GroupTable::find_or_create(std::span<const Column> keys, const uint64_t* hashes, const uint32_t* rows, uint32_t count,
                                char** groups) {
  if (slots_.empty()) grow();
  const auto& shape = shape_->keys;
  if (shape.empty()) {
    if (count == 0) return;
    char* group = find(
        0, [](const char*) { return true; }, [](char*) {});
    std::fill(groups, groups + count, group);
    return;
  }
  if (shape.size() == 1 && shape[0].physical == Physical::kI64 && !keys[0].validity) {
    rows ? find_i64<true>(keys, hashes, rows, count, groups) : find_i64<false>(keys, hashes, rows, count, groups);
    return;
  }
  if (shape.size() == 2 && shape[0].physical == Physical::kI64 && shape[1].physical == Physical::kI64 && !keys[0].validity &&
      !keys[1].validity) {
    rows ? find_i64_pair<true>(keys, hashes, rows, count, groups) : find_i64_pair<false>(keys, hashes, rows, count, groups);
    return;
  }
  find_each(
      hashes, rows, count, groups, [&](const char* group, uint32_t row) { return keys_equal(group, keys, row); },
      [&](char* group, uint32_t row) { store_keys(group, keys, row); });
}

template <class EqualAt>
inline void GroupTable::look_up(const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups, const EqualAt& equal) const {
  const uint64_t* slots = slots_.data();
  const uint64_t mask = mask_;
  const bool far_off = large();
  for (uint32_t i = 0; i < count; ++i) {
    if (far_off && i + 2 * kPrefetchAhead < count) {
      __builtin_prefetch(&slots[hashes[rows[i + 2 * kPrefetchAhead]] & mask]);
      __builtin_prefetch(address_of(slots[hashes[rows[i + kPrefetchAhead]] & mask]));
    }
    const uint64_t hash = hashes[rows[i]], salt = salt_of(hash);
    groups[i] = nullptr;
    for (uint64_t at = hash & mask; slots[at]; at = (at + 1) & mask) {
      if (salt_of(slots[at]) != salt || !equal(address_of(slots[at]), rows[i])) continue;
      groups[i] = address_of(slots[at]);
      break;
    }
  }
}

void GroupTable::find(std::span<const Column> keys, const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups) const {
  if (size_ == 0) {
    std::fill(groups, groups + count, nullptr);
    return;
  }
  if (shape_->keys.size() == 1 && shape_->keys[0].physical == Physical::kI64 && !keys[0].validity) {
    const int64_t* values = keys[0].values<int64_t>();
    return look_up(hashes, rows, count, groups, [values](const char* group, uint32_t row) {
      return load<int64_t>(group + sizeof(GroupHeader)) == values[row] && group_header(group).nulls == 0;
    });
  }
  look_up(hashes, rows, count, groups, [&](const char* group, uint32_t row) { return keys_equal(group, keys, row); });
}

bool GroupTable::same_keys(const char* a, const char* b) const {
  const uint32_t nulls = group_header(a).nulls;
  if (nulls != group_header(b).nulls) return false;
  for (size_t k = 0; k < shape_->keys.size(); ++k) {
    if (nulls >> k & 1) continue;
    const uint32_t offset = shape_->keys[k].offset;
    if (!with_physical(shape_->keys[k].physical,
                       [&]<class T>() { return equal_values(load<T>(a + offset), load<T>(b + offset)); }))
      return false;
  }
  return true;
}

void GroupTable::copy_keys(char* to, const char* from) {
  group_header(to).nulls = group_header(from).nulls;
  for (const GroupShape::Key& key : shape_->keys) {
    if (key.physical == Physical::kString) {
      const data::StringRef value = pool_->copy_string(load<data::StringRef>(from + key.offset));
      std::memcpy(to + key.offset, &value, sizeof value);
    } else {
      std::memcpy(to + key.offset, from + key.offset, std::max(8u, data::physical_size(key.physical)));
    }
  }
}

void GroupTable::find_or_create_like(char* const* from, uint32_t count, char** groups) {
  if (slots_.empty()) grow();
  const bool words = shape_->keys.size() == 1 && shape_->keys[0].physical == Physical::kI64;
  for (uint32_t i = 0; i < count; ++i) {
    if (i + 2 * kPrefetchAhead < count) {
      __builtin_prefetch(from[i + 2 * kPrefetchAhead]);
      __builtin_prefetch(&slots_[group_header(from[i + kPrefetchAhead]).hash & mask_]);
    }
    const char* row = from[i];
    groups[i] = find(
        group_header(row).hash,
        [&](const char* group) {
          if (words)
            return load<int64_t>(group + sizeof(GroupHeader)) == load<int64_t>(row + sizeof(GroupHeader)) &&
                   group_header(group).nulls == group_header(row).nulls;
          return same_keys(group, row);
        },
        [&](char* group) { copy_keys(group, row); });
  }
}

void GroupTable::erase(char* group) {
  GroupHeader& header = group_header(group);
  uint64_t hole = header.hash & mask_;
  while (address_of(slots_[hole]) != group) hole = (hole + 1) & mask_;
  // Close the gap: a later entry of the run moves back when its home is not behind the hole.
  for (uint64_t at = (hole + 1) & mask_; slots_[at]; at = (at + 1) & mask_) {
    const uint64_t home = group_header(address_of(slots_[at])).hash & mask_;
    if (((at - home) & mask_) >= ((at - hole) & mask_)) {
      slots_[hole] = slots_[at];
      hole = at;
    }
  }
  slots_[hole] = 0;
  for (size_t k = 0; k < shape_->keys.size(); ++k) {
    if (shape_->keys[k].physical == Physical::kString && !(header.nulls >> k & 1))
      pool_->free_string(load<data::StringRef>(group + shape_->keys[k].offset));
  }
  header.mark = kGroupFree;
  std::memcpy(group + sizeof(GroupHeader), &free_, sizeof free_);
  free_ = group;
  --size_;
}

void GroupTable::clear() {
  if (size_ * 16 < slots_.size()) {
    // A large table that held little: empty the used runs alone, each from a group's home slot to the end of its run.
    char* groups[256];
    Cursor cursor;
    while (uint32_t n = next(cursor, groups, 256)) {
      for (uint32_t i = 0; i < n; ++i) {
        for (uint64_t at = group_header(groups[i]).hash & mask_; slots_[at]; at = (at + 1) & mask_) slots_[at] = 0;
      }
    }
  } else {
    std::fill(slots_.begin(), slots_.end(), 0);
  }
  size_ = 0;
  chunk_ = chunk_row_ = 0;
  free_ = nullptr;
}

uint32_t GroupTable::next(Cursor& cursor, char** groups, uint32_t max) const {
  uint32_t n = 0;
  while (n < max && cursor.chunk < chunks_.size() && cursor.chunk <= chunk_) {
    const Chunk& chunk = chunks_[cursor.chunk];
    const uint32_t end = cursor.chunk == chunk_ ? chunk_row_ : chunk.capacity;
    for (; cursor.row < end && n < max; ++cursor.row) {
      char* group = chunk.rows + size_t{cursor.row} * shape_->row_bytes;
      if (!(group_header(group).mark & kGroupFree)) groups[n++] = group;
    }
    if (cursor.row < end) break;
    if (cursor.chunk == chunk_) break;
    ++cursor.chunk;
    cursor.row = 0;
  }
  return n;
}

}  // namespace laminar::stream
