// Rows in memory as whole columns, laid out as sources take them: the input of a benchmark, cut into ticks for free.
//
// Threads: one writer; then any number of readers.
// Owns:    the bytes, long strings included. Slices refer to them.
// Bounds:  room for the rows given at construction.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "data/batch.h"
#include "data/string_arena.h"
#include "data/type.h"
#include "laminar/laminar.h"

namespace laminar::bench {

class ColumnStore {
 public:
  ColumnStore(data::Schema schema, uint64_t rows_max);
  ColumnStore(const ColumnStore&) = delete;

  const data::Schema& schema() const { return schema_; }
  uint64_t rows() const { return rows_; }
  // Appends the rows of a buffer made for the schema.
  void append(const data::BatchBuffer& from);
  // All rows as one set of columns.
  const std::vector<data::Column>& columns() const { return columns_; }

  struct Slice {
    std::vector<ColumnView> columns;
    uint64_t rows = 0;
  };
  // Rows [begin, begin + rows). NULL marks that do not begin at a word are copied once and kept here.
  Slice slice(uint64_t begin, uint64_t rows);

 private:
  struct Release {
    void operator()(char* bytes) const;
  };
  data::Schema schema_;
  uint64_t rows_ = 0, rows_max_;
  std::vector<std::unique_ptr<char, Release>> bytes_;
  std::vector<std::vector<uint64_t>> validity_;
  std::vector<data::Column> columns_;
  std::vector<bool> has_nulls_;
  data::StringArena strings_;
  std::deque<std::vector<uint64_t>> shifted_;
};

}  // namespace laminar::bench
