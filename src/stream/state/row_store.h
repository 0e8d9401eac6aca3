// Rows that come and go: a slot number each, columns in chunks, freed slots and string bytes used again.
//
// Threads: one core.
// Owns:    the rows, string bytes included.
// Bounds:  memory follows the largest number of rows held at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/state/slab.h"

namespace laminar::stream {

class RowStore {
 public:
  static constexpr uint32_t kChunkRows = 1024;
  static constexpr uint32_t kNone = ~uint32_t{0};

  explicit RowStore(std::span<const data::Type> types);

  uint32_t insert(std::span<const data::Column> columns, uint32_t row);
  // Many at once, column by column: slots[i] is that of row rows[i] (of row i where `rows` is null).
  void insert(std::span<const data::Column> columns, const uint32_t* rows, uint32_t count, uint32_t* slots);
  // Puts another row into a slot that is in use.
  void replace(uint32_t slot, std::span<const data::Column> columns, uint32_t row);
  void erase(uint32_t slot);
  void erase(const uint32_t* slots, uint32_t count);
  // Takes all rows out and keeps the memory.
  void reset();

  // Column `c` of the chunk that holds `slot`; the slot's row in it is slot % kChunkRows.
  const data::Column& column(uint32_t slot, uint32_t c) const { return columns_[slot / kChunkRows * physical_.size() + c]; }
  // The columns of the slot's chunk.
  std::span<const data::Column> chunk_columns(uint32_t slot) const {
    return {columns_.data() + slot / kChunkRows * physical_.size(), physical_.size()};
  }
  // Whether the column has ever held a NULL.
  bool has_nulls(uint32_t c) const { return has_nulls_[c]; }
  // Column `c` of the rows at slots[0..count) to `to`, whose rows from 0 on are valid; strings by reference to this store.
  // NULL for kNone, which is among them only if `may_lack`.
  void gather(uint32_t c, const uint32_t* slots, uint32_t count, data::Column& to, bool may_lack) const;
  // Equal as values, NULL equal to NULL; floating point by its bits.
  bool equals(uint32_t slot, std::span<const data::Column> columns, uint32_t row) const;
  // Appends the row to a buffer whose first columns are these; strings by reference to this store. Weight and tags are
  // the caller's; raises buffer.rows.
  void append_to(data::BatchBuffer& buffer, uint32_t slot) const;

  uint64_t rows() const { return rows_; }
  // Slots are below this.
  uint32_t slot_end() const { return slot_end_; }
  uint64_t bytes() const { return slab_.bytes() + strings_.bytes(); }
  size_t column_count() const { return physical_.size(); }

 private:
  void add_chunk();
  uint32_t take_slot();
  void write(uint32_t slot, std::span<const data::Column> columns, uint32_t row);
  void free_strings(uint32_t slot);

  std::vector<data::Physical> physical_;
  std::vector<bool> has_nulls_;
  bool has_strings_ = false;
  std::vector<data::Column> columns_;  // chunk-major; a bit of validity is clear for NULL alone
  std::vector<uint32_t> free_slots_;
  uint32_t chunks_ = 0;
  uint32_t slot_end_ = 0;
  uint64_t rows_ = 0;
  Slab slab_;
  StringHeap strings_;
};

// Hashes of whole rows into out[0..batch.rows); equal rows (as RowStore::equals) have equal hashes, in every store.
void hash_rows(std::span<const data::Column> columns, uint32_t rows, uint64_t* out);
uint64_t hash_row(std::span<const data::Column> columns, uint32_t row);

// Finds slots by the hash of their rows. Linear probing; removal shifts back, so there are no tombstones.
class SlotIndex {
 public:
  SlotIndex();
  // The first slot with this hash for which `equal(slot)` holds, else RowStore::kNone.
  template <class Equal>
  uint32_t find(uint64_t hash, Equal&& equal) const {
    const uint32_t tag = static_cast<uint32_t>(hash);
    for (size_t i = tag & mask_;; i = (i + 1) & mask_) {
      if (entries_[i].slot == RowStore::kNone) return RowStore::kNone;
      if (entries_[i].tag == tag && equal(entries_[i].slot)) return entries_[i].slot;
    }
  }
  void insert(uint64_t hash, uint32_t slot);
  void erase(uint64_t hash, uint32_t slot);
  // Empties it and keeps the memory.
  void reset();
  uint64_t bytes() const { return entries_.capacity() * sizeof(Entry); }
  void prefetch(uint64_t hash) const { __builtin_prefetch(&entries_[static_cast<uint32_t>(hash) & mask_]); }

 private:
  struct Entry {
    uint32_t tag;
    uint32_t slot;
  };
  void grow();

  std::vector<Entry> entries_;
  size_t mask_ = 0;
  size_t used_ = 0;
};

}  // namespace laminar::stream
