// Rows that will not change any more, as compact columns: the content of closed windows.
//
// Threads: one owner.
// Owns:    its rows, string bytes included, in a slab: growing takes nothing from the heap.
// Bounds:  grows with its rows; nothing is taken out but by clear().
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/batch.h"
#include "stream/state/fixed_rows.h"
#include "stream/state/slab.h"

namespace laminar::stream {

class ColumnStore {
 public:
  explicit ColumnStore(const std::vector<data::Type>& types);
  ColumnStore(const ColumnStore&) = delete;
  ColumnStore& operator=(const ColumnStore&) = delete;

  // Copies the rows; weights are not kept.
  void append(const data::Batch& batch);
  // Batches in order of append(), weights +1.
  void scan(const std::function<void(const data::Batch&)>& visit) const;
  // The same: full chunks, which stay as they are, to `fixed` with what keeps them in place; the last one to `rest`.
  void share(const FixedVisitor& fixed, const std::function<void(const data::Batch&)>& rest) const;
  void clear();
  uint64_t rows() const { return rows_; }
  uint64_t held_bytes() const { return slab_.bytes(); }

 private:
  struct Chunk {
    Chunk* next;
    uint32_t rows;
    data::Column* columns;  // one per type, validity always present
  };
  char* allocate_string(uint32_t bytes);
  Chunk* make_chunk();

  std::vector<data::Physical> physical_;
  Slab slab_;
  char* cursor_ = nullptr;  // of the piece that strings are cut from
  size_t left_ = 0;
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  uint64_t rows_ = 0;
};

}  // namespace laminar::stream
