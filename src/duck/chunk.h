// Batches as DuckDB chunks and back: out without copying, in with long strings copied into the arena of the receiver.
//
// Threads: one at a time.
// Owns:    nothing of the batch: what was wrapped stays readable until its owner lets go, which is the caller's to
//          keep until DuckDB asks for the next chunk. Boxed columns are unpacked and belong to the chunk.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/type.h"

namespace duckdb {
class DataChunk;
class Vector;
}  // namespace duckdb

namespace laminar::duck {

// A chunk of given types that refers to the columns of one batch after another.
class ChunkView {
 public:
  explicit ChunkView(std::vector<data::Type> types);
  ~ChunkView();
  ChunkView(ChunkView&&) noexcept;
  ChunkView& operator=(ChunkView&&) noexcept;

  // The chunk with the rows of `columns`, valid until the next wrap(). Weights are not considered.
  duckdb::DataChunk& wrap(std::span<const data::Column> columns, uint32_t rows);
  duckdb::DataChunk& wrap(const data::Batch& batch) { return wrap(batch.columns, batch.rows); }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Puts batches into chunks that DuckDB hands us (table functions): column i of the chunk is column columns[i] of the
// batch; a row of weight w comes w times. Without weights above 1 nothing is copied.
class BatchScan {
 public:
  // types: of the batches' columns.
  BatchScan(std::vector<data::Type> types, std::vector<uint32_t> columns);
  ~BatchScan();
  // `batch` must stay readable until next() has returned false and its last chunk has been used.
  void start(const data::Batch& batch);
  // Fills `out`, made with the types of the chosen columns and reset by DuckDB; false when the batch is used up.
  bool next(duckdb::DataChunk& out);

 private:
  std::vector<data::Type> types_;
  std::vector<uint32_t> columns_;
  data::Batch batch_;
  uint32_t row_ = 0;
  int64_t repeated_ = 0;
  bool plain_ = true;
};

// Reads rows [begin, begin + rows) of a vector of any form into rows [at, at + rows) of `out`, whose validity words
// must be there and be all valid.
void read_vector(duckdb::Vector& vector, uint32_t begin, uint32_t rows, const data::Type& type, data::Column& out,
                 uint32_t at, data::StringArena& strings);
// Appends rows [begin, begin + rows) of the chunk to `out`, which has room for them; weights are 1.
void append_chunk(duckdb::DataChunk& chunk, uint32_t begin, uint32_t rows, std::span<const data::Type> types,
                  data::BatchBuffer& out);

}  // namespace laminar::duck
