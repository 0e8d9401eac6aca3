// A hash table from GROUP BY keys to fixed-size rows: header, keys, then whatever states the owner lays out.
//
// Flat open addressing over 8-byte slots (16 bits of the hash, 48 of the row's address), at a load of a quarter while
// small, where a second probe costs more than the cache, and of one half when large. Rows keep their address until erased, so a caller may hold pointers across calls. A row keeps its hash: tables can be split by
// key group (top bits) and walked chunk by chunk.
//
// Threads: one owner.
// Owns:    slots and row chunks; long key strings live in the pool given.
// Bounds:  grows by doubling; after clear() or erase() reuse allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/batch.h"
#include "stream/state/state_bytes.h"
#include "stream/state/state_pool.h"

namespace laminar::stream {

struct GroupHeader {
  uint64_t hash;
  uint32_t nulls;  // bit k: key k is NULL
  uint32_t mark;   // kGroup... bits
};
inline constexpr uint32_t kGroupTouched = 1;    // in the list of changed groups of this tick
inline constexpr uint32_t kGroupEmitted = 2;    // its row is part of the output so far
inline constexpr uint32_t kGroupRaw = 4;        // states that need initialize() have not had it
inline constexpr uint32_t kGroupUnsaved = 32;   // changed since the last checkpoint, and in the list of those
inline constexpr uint32_t kGroupFree = 1u << 31;  // an erased row, waiting for reuse

inline GroupHeader& group_header(char* group) { return *reinterpret_cast<GroupHeader*>(group); }
inline const GroupHeader& group_header(const char* group) { return *reinterpret_cast<const GroupHeader*>(group); }

// Where things stand in a row; shared by all tables of one operator.
struct GroupShape {
  static constexpr uint32_t kKeysMax = 32;
  struct Key {
    data::Physical physical;
    uint32_t offset;
  };
  std::vector<Key> keys;
  uint32_t row_bytes = 0;
  std::vector<char> prototype;  // a fresh row: header with mark, states

  // Lays the keys out behind the header; states follow through append().
  explicit GroupShape(std::span<const data::Type> key_types);
  // Reserves bytes for a state, 8-byte aligned, zero in the prototype; returns the offset in the row.
  uint32_t append(uint32_t bytes);
};

// Hashes of the rows' keys, column by column. Equal groups have equal hashes: NULLs are equal, -0.0 = 0.0, NaN = NaN,
// intervals by their normalized value.
void hash_keys(const GroupShape& shape, std::span<const data::Column> keys, uint32_t rows, uint64_t* hashes);

// The same of some keys of a group, in the order given.
uint64_t hash_group_keys(const GroupShape& shape, const char* group, std::span<const uint32_t> keys);

class GroupTable {
 public:
  GroupTable(const GroupShape* shape, StatePool* pool) : shape_(shape), pool_(pool) {}
  GroupTable(const GroupTable&) = delete;
  GroupTable& operator=(const GroupTable&) = delete;

  // groups[i] = the group of batch row rows[i] (row i when rows is null), made from the prototype when it is new.
  // `hashes` is indexed by batch row.
  void find_or_create(std::span<const data::Column> keys, const uint64_t* hashes, const uint32_t* rows, uint32_t count,
                      char** groups);
  // The same for groups that are there; null for those that are not.
  void find(std::span<const data::Column> keys, const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups) const;
  // The groups with the keys of rows of another table of the same shape.
  void find_or_create_like(char* const* from, uint32_t count, char** groups);
  // Takes the group out; its row is used again. The states' own memory must have been freed.
  void erase(char* group);
  // Before an erase(), some other work ahead.
  void prefetch(const char* group) const {
    __builtin_prefetch(group);
    __builtin_prefetch(&slots_[group_header(group).hash & mask_]);
  }
  // Forgets all groups. Key strings are not freed one by one: the owner resets the pool.
  void clear();

  uint64_t size() const { return size_; }
  uint64_t held_bytes() const { return held_row_bytes_ + slots_.size() * sizeof(uint64_t); }

  // A walk in order of creation (an erased row's place goes to the next new group).
  struct Cursor {
    uint32_t chunk = 0, row = 0;
  };
  // Up to `max` groups from the cursor on; 0 at the end.
  uint32_t next(Cursor& cursor, char** groups, uint32_t max) const;

 private:
  struct Chunk {
    StateBytes bytes;
    char* rows;
    uint32_t capacity;
  };
  template <class Equal, class Store>
  char* find(uint64_t hash, const Equal& equal, const Store& store);
  template <bool kSelected>
  void find_i64(std::span<const data::Column> keys, const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups);
  template <bool kSelected>
  void find_i64_pair(std::span<const data::Column> keys, const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups);
  template <bool kPrefetch, class EqualAt, class StoreAt>
  void find_loop(const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups, const EqualAt& equal, const StoreAt& store);
  template <class EqualAt, class StoreAt>
  void find_each(const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups, const EqualAt& equal, const StoreAt& store);
  template <class EqualAt>
  void look_up(const uint64_t* hashes, const uint32_t* rows, uint32_t count, char** groups, const EqualAt& equal) const;
  bool keys_equal(const char* group, std::span<const data::Column> keys, uint32_t row) const;
  void store_keys(char* group, std::span<const data::Column> keys, uint32_t row);
  bool same_keys(const char* a, const char* b) const;
  void copy_keys(char* to, const char* from);
  char* take_row(uint64_t hash);
  void grow();
  bool large() const { return slots_.size() > 16384; }

  const GroupShape* shape_;
  StatePool* pool_;
  std::vector<uint64_t, StateAllocator<uint64_t>> slots_;
  uint64_t mask_ = 0;
  uint64_t size_ = 0;
  std::vector<Chunk> chunks_;
  uint32_t chunk_ = 0, chunk_row_ = 0;  // the next never-used row
  char* free_ = nullptr;
  size_t held_row_bytes_ = 0;
};

}  // namespace laminar::stream
