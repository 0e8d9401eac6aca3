// Rows that only get more: chunks of columns, filled by plain copies.
//
// Threads: one core.
// Owns:    the rows, string bytes included.
// Bounds:  none; bytes() says what is held.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/state/fixed_rows.h"
#include "stream/state/slab.h"

namespace laminar::stream {

class RowLog {
 public:
  static constexpr uint32_t kChunkRows = data::kBatchRowsMax;

  explicit RowLog(std::span<const data::Type> types);

  // Weights are not looked at.
  void append(const data::Batch& batch);
  void append_row(const data::Batch& batch, uint32_t row);
  // In the order of append(); a batch lives until the next append().
  void scan(const std::function<void(const data::Batch&)>& visit);
  // The same: full chunks, which stay as they are, to `fixed` with what keeps them in place; the last one to `rest`.
  void share(const FixedVisitor& fixed, const std::function<void(const data::Batch&)>& rest);
  uint64_t rows() const { return rows_; }
  uint64_t bytes() const { return slab_.bytes() + strings_.bytes(); }

 private:
  void add_chunk();
  void append_range(const data::Batch& batch, uint32_t begin, uint32_t count);

  std::vector<data::Physical> physical_;
  std::vector<data::Column> columns_;   // chunk-major; validity null while the chunk has no NULL in the column
  std::vector<uint64_t*> validity_;     // the words set aside for it
  std::vector<data::Column> scan_columns_;
  uint64_t rows_ = 0;
  uint32_t chunk_fill_ = kChunkRows;    // rows in the last chunk
  size_t chunks_ = 0;
  Slab slab_;
  StringHeap strings_;
};

}  // namespace laminar::stream
