// The table function that scans our objects, and chunks from lists of batches. Include in .cc files only.
#pragma once

#include "duckdb/function/table_function.hpp"
#include "sql/catalog/catalog.h"
#include "sql/catalog/scan_data.h"

namespace duckdb {
class DatabaseInstance;
}

namespace laminar::sql {

// The scan of `table` for the statement being bound; throws for sources and streams outside of views, at `offset`.
duckdb::TableFunction bind_scan(duckdb::ClientContext& context, LaminarTable& table,
                                duckdb::unique_ptr<duckdb::FunctionData>& bind_data, int64_t offset);
void register_scan(duckdb::DatabaseInstance& database);

}  // namespace laminar::sql
