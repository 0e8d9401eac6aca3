// How a scan of one of our objects looks in a DuckDB plan: the bind data of its LogicalGet. Include in .cc files only.
#pragma once

#include <memory>
#include <string>

#include "duckdb/function/table_function.hpp"
#include "sql/backend.h"

namespace laminar::sql {

// The name of the scan's table function.
inline constexpr const char* kLaminarScan = "laminar_scan";

struct ScanGroup;

// `dynamic_cast<const LaminarScanData*>(get.bind_data.get())` tells our GETs from all others. Column ids of the GET are
// positions in description->columns; ids beyond them are the row id or nothing at all (count(*)).
struct LaminarScanData : duckdb::TableFunctionData {
  std::string object;  // its name in our catalog
  std::shared_ptr<const Object> description;
  duckdb::TableCatalogEntry* entry = nullptr;
  std::shared_ptr<ScanGroup> group;  // the scans of the same statement, all read at one tick

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override;
  bool Equals(const duckdb::FunctionData& other) const override;
};

}  // namespace laminar::sql
