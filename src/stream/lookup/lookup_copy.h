// A copy of a whole lookup table, with an index for each set of key columns that views ask by.
//
// Threads: filled by the loader, then given to the core; indexes are added on the core between ticks.
// Bounds:  the table's rows; it is the user's to know that they fit.
#pragma once

#include <memory>
#include <vector>

#include "stream/lookup/lookup_index.h"

namespace laminar::stream {

class LookupCopy {
 public:
  explicit LookupCopy(const std::vector<data::Type>& types) : rows_(types) {}

  void add(const data::Batch& batch);
  // Builds the index when it is not there. Rows with a NULL in a key column are in none.
  void add_index(const std::vector<uint32_t>& key_columns);
  const RowStore& rows() const { return rows_; }
  uint64_t bytes() const;
  // All rows, batch by batch.
  void scan(const std::vector<data::Type>& types, const BatchVisitor& visit) const;

  struct Index {
    std::vector<uint32_t> key_columns;
    SlotIndex heads;
    std::vector<uint32_t> next;  // by row
  };
  const Index* index(const std::vector<uint32_t>& key_columns) const;

 private:
  RowStore rows_;
  std::vector<std::unique_ptr<Index>> indexes_;
};

// The index of an operator into whatever copy is current; rows wait until there is one.
class LookupCopyIndex final : public LookupIndex {
 public:
  explicit LookupCopyIndex(std::vector<uint32_t> key_columns) : LookupIndex(std::move(key_columns)) {}
  // Between ticks. `copy` may be null when the table could not be loaded and nothing is to be found.
  void set(const LookupCopy* copy);
  bool is_set() const { return is_set_; }

  Found find(std::span<const data::Column> keys, uint32_t row, uint64_t hash, const TickInfo& tick) override;
  Found peek(uint32_t) override { return {}; }
  void release(uint32_t) override {}
  const RowStore& rows() const override { return copy_ ? copy_->rows() : none_; }
  uint32_t next(uint32_t row) const override { return index_->next[row]; }

  uint64_t hits = 0, misses = 0;

 private:
  bool is_set_ = false;
  const LookupCopy* copy_ = nullptr;
  const LookupCopy::Index* index_ = nullptr;
  RowStore none_{std::span<const data::Type>()};
};

}  // namespace laminar::stream
