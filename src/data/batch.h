// A batch: up to 2,048 rows of a stream of changes, as flat columns that DuckDB can read in place.
//
// A Batch is a view. Its bytes belong to whoever pushes it and live until push() returns: an operator that keeps a row
// copies it, string bytes included. BatchBuffer is the owner that sources, operators' outputs and stores use.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "data/string_arena.h"
#include "data/type.h"

namespace laminar::data {

// Watermarks: microseconds of event time. kNone: nothing known yet; kEnded: no row will come any more.
inline constexpr int64_t kWatermarkNone = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kWatermarkEnded = std::numeric_limits<int64_t>::max();

inline constexpr uint32_t kBatchRowsMax = 2048;

// One flat column. Bit i of the validity words is 1 when row i is not NULL; a null pointer means no NULLs.
// The value under a NULL may be anything that is safe to read (strings: a valid StringRef).
struct Column {
  void* data = nullptr;
  uint64_t* validity = nullptr;
  Physical physical = Physical::kI64;

  template <class T>
  T* values() { return static_cast<T*>(data); }
  template <class T>
  const T* values() const { return static_cast<const T*>(data); }
  bool is_null(uint32_t row) const { return validity && !(validity[row >> 6] >> (row & 63) & 1); }
};

inline void set_null(uint64_t* validity, uint32_t row) { validity[row >> 6] &= ~(uint64_t{1} << (row & 63)); }
inline void set_valid(uint64_t* validity, uint32_t row) { validity[row >> 6] |= uint64_t{1} << (row & 63); }
inline constexpr uint32_t validity_words(uint32_t rows) { return (rows + 63) / 64; }

struct Batch {
  uint32_t rows = 0;
  std::span<const Column> columns;
  // Z-set weights; null: every row has weight +1. Never 0.
  const int64_t* weights = nullptr;
  // The watermark that earlier rows of the row's own partition had made; null: no row of this batch lies at or behind
  // that watermark, so none can be late for anything.
  const int64_t* row_watermark = nullptr;
  // Place in the total order of the input, for ties: row i is sequence[i], or sequence_base + i where it is null.
  const uint64_t* sequence = nullptr;
  uint64_t sequence_base = 0;

  int64_t weight(uint32_t row) const { return weights ? weights[row] : 1; }
  uint64_t sequence_of(uint32_t row) const { return sequence ? sequence[row] : sequence_base + row; }
};

// A sequence number: partition in the high 16 bits, offset in the partition in the low 48.
inline constexpr uint64_t make_sequence(uint64_t partition, uint64_t offset) { return partition << 48 | (offset & ((uint64_t{1} << 48) - 1)); }

// Owns the columns of one batch. Column starts are staggered so that columns do not meet in the same cache sets.
// Bounds:  rows_max rows; after warm-up clear() and refill allocate nothing.
class BatchBuffer {
 public:
  explicit BatchBuffer(std::span<const Type> types, uint32_t rows_max = kBatchRowsMax);
  explicit BatchBuffer(const Schema& schema, uint32_t rows_max = kBatchRowsMax);
  BatchBuffer(BatchBuffer&&) = default;
  BatchBuffer& operator=(BatchBuffer&&) = default;

  uint32_t rows = 0;
  uint32_t rows_max() const { return rows_max_; }
  uint32_t column_count() const { return static_cast<uint32_t>(columns_.size()); }
  // Column with its validity words present and all valid after clear(); a writer only clears bits.
  Column& column(uint32_t i) { return columns_[i]; }
  const Column& column(uint32_t i) const { return columns_[i]; }
  StringArena& strings() { return strings_; }

  // Weights, sequences and row watermarks have their arrays always; a view carries them when the flag is set.
  int64_t* weights() { return weights_; }
  uint64_t* sequence() { return sequence_; }
  int64_t* row_watermark() { return row_watermark_; }
  bool has_weights = false, has_sequence = false, has_row_watermark = false;
  uint64_t sequence_base = 0;

  bool full() const { return rows == rows_max_; }
  void clear();
  // Appends row `row` of `from` (columns in order), strings copied into this buffer's arena. Weight as given.
  void append_row(const Batch& from, uint32_t row, int64_t weight);
  // A view of the rows. Validity words without a NULL are left out, so that fast paths see it.
  Batch view();

 private:
  void allocate(std::span<const Type> types);

  uint32_t rows_max_ = 0;
  std::unique_ptr<char[]> bytes_;
  std::vector<Column> columns_;
  std::vector<Column> view_columns_;
  int64_t* weights_ = nullptr;
  uint64_t* sequence_ = nullptr;
  int64_t* row_watermark_ = nullptr;
  StringArena strings_;
};

}  // namespace laminar::data
