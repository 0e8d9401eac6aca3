// Generated Nexmark rows, into columns in memory and into tables of DuckDB's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "bench/column_store.h"
#include "connectors/nexmark/generator.h"
#include "duck/batch_engine.h"

namespace laminar::bench {

// Columns of a Nexmark table for which `wanted` holds, in the table's order.
class NexmarkRows {
 public:
  NexmarkRows(const connectors::nexmark::GeneratorOptions& options,
              const std::function<bool(std::string_view)>& wanted);

  const data::Schema& schema() const { return schema_; }
  uint64_t rows() const { return generator_.rows_among(options_.events); }
  std::unique_ptr<ColumnStore> to_columns() const;
  // Creates the table and fills it.
  Status to_table(const std::string& name, duck::BatchEngine& engine) const;

 private:
  connectors::nexmark::GeneratorOptions options_;
  connectors::nexmark::Generator generator_;
  std::vector<connectors::nexmark::Column> columns_;
  data::Schema schema_;
};

}  // namespace laminar::bench
