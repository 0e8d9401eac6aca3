// The order of rows by ORDER BY keys, as DuckDB orders them: NaN above all numbers, strings by bytes, NULLs as told.
//
// Threads: immutable after construction.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "plan/node.h"

namespace laminar::stream {

// A row wherever it stands.
struct RowRef {
  std::span<const data::Column> columns;
  uint32_t row = 0;
};

class RowOrder {
 public:
  RowOrder(std::vector<plan::SortKey> keys, std::span<const data::Type> types) : keys_(std::move(keys)), column_count_(types.size()) {}

  // A type whose stored bytes don't tell its order (LIST, STRUCT, ...) cannot be a key.
  static bool can_order(const data::Type& type) { return type.kind != data::TypeKind::kBoxed; }

  // Never decreases along the order: different prefixes decide, equal ones say nothing.
  uint64_t prefix(const RowRef& row) const;
  // The same for rows [0, rows).
  void prefixes(std::span<const data::Column> columns, uint32_t rows, uint64_t* out) const;
  // By the keys: negative, zero, positive.
  int compare_keys(const RowRef& a, const RowRef& b) const;
  // By all columns from the first, zero only for rows that RowStore::equals would call equal.
  int compare_content(const RowRef& a, const RowRef& b) const;

 private:
  std::vector<plan::SortKey> keys_;
  size_t column_count_;
};

}  // namespace laminar::stream
