// Puts the batches of a Relation into DuckDB chunks, one after another. Include in .cc files only.
#pragma once

#include <numeric>
#include <vector>

#include "duck/chunk.h"
#include "duckdb/common/types/data_chunk.hpp"
#include "sql/backend.h"

namespace laminar::sql {

class RelationScan {
 public:
  RelationScan(Relation relation, std::vector<uint32_t> columns)
      : relation_(std::move(relation)), scan_(types_of(relation_.columns), std::move(columns)) {}
  static std::vector<data::Type> types_of(const data::Schema& schema) {
    std::vector<data::Type> types;
    for (const data::Field& field : schema) types.push_back(field.type);
    return types;
  }

  // Leaves no row in `out` at the end.
  void next(duckdb::DataChunk& out) {
    while (true) {
      if (started_ && scan_.next(out)) return;
      if (next_ == relation_.batches.size()) {
        out.SetCardinality(0);
        return;
      }
      data::BatchBuffer& buffer = *relation_.batches[next_++];
      started_ = buffer.rows > 0;
      if (started_) scan_.start(batch_ = buffer.view());
    }
  }

 private:
  Relation relation_;
  duck::BatchScan scan_;
  data::Batch batch_;
  size_t next_ = 0;
  bool started_ = false;
};

}  // namespace laminar::sql
