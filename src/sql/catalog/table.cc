#include "duckdb/function/table_function.hpp"
#include "duckdb/parser/parsed_data/create_table_info.hpp"
#include "duckdb/planner/operator/logical_get.hpp"
#include "duckdb/planner/operator/logical_projection.hpp"
#include "duckdb/planner/operator/logical_update.hpp"
#include "duckdb/storage/statistics/base_statistics.hpp"
#include "duckdb/storage/table_storage_info.hpp"
#include "sql/catalog/catalog.h"
#include "sql/catalog/duck_error.h"
#include "sql/catalog/object_kind.h"
#include "sql/catalog/scan.h"

namespace laminar::sql {

LaminarTable::LaminarTable(duckdb::Catalog& catalog, duckdb::SchemaCatalogEntry& schema, duckdb::CreateTableInfo& info,
                           std::shared_ptr<const Object> object)
    : duckdb::TableCatalogEntry(catalog, schema, info), object_(std::move(object)) {}

Backend& LaminarTable::backend() const {
  // The catalog outlives its entries.
  return static_cast<LaminarCatalog&>(const_cast<LaminarTable*>(this)->ParentCatalog()).backend();
}

std::string LaminarTable::ToSQL() const {
  return object_->sql.empty() ? duckdb::TableCatalogEntry::ToSQL() : object_->sql;
}

// None: DuckDB would plan by what was true a tick ago.
duckdb::unique_ptr<duckdb::BaseStatistics> LaminarTable::GetStatistics(duckdb::ClientContext&, duckdb::column_t) {
  return nullptr;
}

duckdb::TableFunction LaminarTable::GetScanFunction(duckdb::ClientContext& context,
                                                    duckdb::unique_ptr<duckdb::FunctionData>& bind_data) {
  return bind_scan(context, *this, bind_data, -1);
}

duckdb::TableFunction LaminarTable::GetScanFunction(duckdb::ClientContext& context,
                                                    duckdb::unique_ptr<duckdb::FunctionData>& bind_data,
                                                    const duckdb::EntryLookupInfo& lookup) {
  const auto location = lookup.GetErrorContext().query_location;
  const int64_t offset = location.IsValid() ? static_cast<int64_t>(location.GetIndex()) : -1;
  if (lookup.GetAtClause()) raise(ErrorCode::kNotImplemented, "AT is not implemented: " + name, offset);
  return bind_scan(context, *this, bind_data, offset);
}

duckdb::TableStorageInfo LaminarTable::GetStorageInfo(duckdb::ClientContext&) {
  duckdb::TableStorageInfo info;
  if (const auto rows = backend().estimate_rows(name)) info.cardinality = *rows;
  // ON CONFLICT and INSERT OR REPLACE look for the key here.
  if (object_->kind == ObjectKind::kTable && !object_->primary_key.empty()) {
    duckdb::IndexInfo index;
    index.is_unique = index.is_primary = true;
    index.is_foreign = false;
    for (const uint32_t column : object_->primary_key) index.column_set.insert(column);
    info.index_info.push_back(std::move(index));
  }
  return info;
}

// An update hands the backend whole rows.
void LaminarTable::BindUpdateConstraints(duckdb::Binder&, duckdb::LogicalGet& get, duckdb::LogicalProjection& projection,
                                         duckdb::LogicalUpdate& update, duckdb::ClientContext&) {
  if (object_->kind != ObjectKind::kTable) {
    raise(ErrorCode::kWrongObjectKind, std::string("UPDATE changes tables, not a ") + kind_name(object_->kind) + ": " + name);
  }
  duckdb::physical_index_set_t all;
  for (const auto& column : GetColumns().Physical()) all.insert(column.Physical());
  duckdb::LogicalUpdate::BindExtraColumns(*this, get, projection, update, all);
}

duckdb::virtual_column_map_t LaminarTable::GetVirtualColumns() const {
  duckdb::virtual_column_map_t columns;
  columns.insert({duckdb::COLUMN_IDENTIFIER_ROW_ID, duckdb::TableColumn("rowid", duckdb::LogicalType::ROW_TYPE)});
  // For count(*): nothing need be read.
  columns.insert({duckdb::COLUMN_IDENTIFIER_EMPTY, duckdb::TableColumn("", duckdb::LogicalType::BOOLEAN)});
  return columns;
}

}  // namespace laminar::sql
