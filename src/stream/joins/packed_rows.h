// Rows of one width, values and the owner's header side by side: what a probe touches lies in one or two cache lines.
//
// Threads: one core.
// Owns:    the rows, string bytes included.
// Bounds:  memory follows the largest number of rows held at once; freed rows are used again.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/state/slab.h"

namespace laminar::stream {

class PackedRows {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // `header_bytes` stand in front of the values and are the owner's, 8-byte aligned, at least 4.
  PackedRows(std::span<const data::Type> types, uint32_t header_bytes);

  uint32_t insert(std::span<const data::Column> columns, uint32_t row);
  void erase(uint32_t slot);
  char* at(uint32_t slot) const { return chunks_[slot / kChunkRows] + size_t{slot % kChunkRows} * row_bytes_; }

  bool is_null(const char* row, uint32_t column) const {
    return static_cast<unsigned char>(row[nulls_ + column / 8]) >> column % 8 & 1;
  }
  template <class T>
  T value(const char* row, uint32_t column) const {
    T value;
    std::memcpy(&value, row + columns_[column].offset, sizeof value);
    return value;
  }
  // Equal as values, NULL equal to NULL; floating point by its bits.
  bool equals(uint32_t slot, std::span<const data::Column> columns, uint32_t row) const;
  // Column `column` of the rows at slots[0..count) to `to`, whose rows from 0 on are valid; long strings by reference.
  void gather(uint32_t column, const uint32_t* slots, uint32_t count, data::Column& to) const;
  // One value to row `at` of `to`, which is valid.
  void copy(uint32_t slot, uint32_t column, data::Column& to, uint32_t at) const;

  uint64_t rows() const { return rows_; }
  uint32_t row_bytes() const { return row_bytes_; }
  uint64_t bytes() const { return slab_.bytes() + strings_.bytes(); }

 private:
  static constexpr uint32_t kChunkRows = 1024;
  struct Field {
    data::Physical physical;
    uint32_t offset, size;
  };

  std::vector<Field> columns_;
  uint32_t nulls_;  // a bit per column, set for NULL
  uint32_t row_bytes_;
  std::vector<char*> chunks_;
  uint32_t end_ = 0;        // slots are below this
  uint32_t free_ = kNone;   // freed slots, chained by their first 4 bytes
  uint64_t rows_ = 0;
  Slab slab_;
  StringHeap strings_;
};

}  // namespace laminar::stream
