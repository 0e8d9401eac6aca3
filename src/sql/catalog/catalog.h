// The DuckDB catalog `laminar`: its one schema `main` holds our sources, tables, views and streams as the backend has
// them. Include in .cc files only.
//
// Threads: any; entries are made under a lock and never change.
// Owns:    the entries. A dropped one stays until every transaction that may have seen it has ended.
// Errors:  throws DuckDB exceptions, see parse/session_parser.h.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "duckdb/catalog/catalog.hpp"
#include "duckdb/catalog/catalog_entry/schema_catalog_entry.hpp"
#include "duckdb/catalog/catalog_entry/table_catalog_entry.hpp"
#include "duckdb/common/case_insensitive_map.hpp"
#include "sql/backend.h"

namespace duckdb {
struct DBConfig;
class DatabaseInstance;
}  // namespace duckdb

namespace laminar::sql {

inline constexpr const char* kCatalogName = "laminar";
inline constexpr const char* kDuckCatalogName = "memory";  // DuckDB's own database beside it

class LaminarSchema;
class LaminarTransactionManager;

// One object as DuckDB sees it; sources, views and streams are tables to it.
class LaminarTable : public duckdb::TableCatalogEntry {
 public:
  LaminarTable(duckdb::Catalog& catalog, duckdb::SchemaCatalogEntry& schema, duckdb::CreateTableInfo& info,
               std::shared_ptr<const Object> object);

  const std::shared_ptr<const Object>& object() const { return object_; }
  Backend& backend() const;

  std::string ToSQL() const override;
  duckdb::unique_ptr<duckdb::BaseStatistics> GetStatistics(duckdb::ClientContext& context, duckdb::column_t column) override;
  duckdb::TableFunction GetScanFunction(duckdb::ClientContext& context,
                                        duckdb::unique_ptr<duckdb::FunctionData>& bind_data) override;
  duckdb::TableFunction GetScanFunction(duckdb::ClientContext& context,
                                        duckdb::unique_ptr<duckdb::FunctionData>& bind_data,
                                        const duckdb::EntryLookupInfo& lookup) override;
  duckdb::TableStorageInfo GetStorageInfo(duckdb::ClientContext& context) override;
  void BindUpdateConstraints(duckdb::Binder& binder, duckdb::LogicalGet& get, duckdb::LogicalProjection& projection,
                             duckdb::LogicalUpdate& update, duckdb::ClientContext& context) override;
  duckdb::virtual_column_map_t GetVirtualColumns() const override;

 private:
  std::shared_ptr<const Object> object_;
};

class LaminarSchema : public duckdb::SchemaCatalogEntry {
 public:
  LaminarSchema(duckdb::Catalog& catalog, duckdb::CreateSchemaInfo& info, Backend& backend);

  void Scan(duckdb::ClientContext& context, duckdb::CatalogType type,
            const std::function<void(duckdb::CatalogEntry&)>& callback) override;
  void Scan(duckdb::CatalogType type, const std::function<void(duckdb::CatalogEntry&)>& callback) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> LookupEntry(duckdb::CatalogTransaction transaction,
                                                         const duckdb::EntryLookupInfo& lookup) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateTable(duckdb::CatalogTransaction transaction,
                                                         duckdb::BoundCreateTableInfo& info) override;
  void DropEntry(duckdb::ClientContext& context, duckdb::DropInfo& info) override;
  void Alter(duckdb::CatalogTransaction transaction, duckdb::AlterInfo& info) override;

  duckdb::optional_ptr<duckdb::CatalogEntry> CreateIndex(duckdb::CatalogTransaction, duckdb::CreateIndexInfo&,
                                                         duckdb::TableCatalogEntry&) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateFunction(duckdb::CatalogTransaction, duckdb::CreateFunctionInfo&) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateView(duckdb::CatalogTransaction, duckdb::CreateViewInfo&) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateSequence(duckdb::CatalogTransaction, duckdb::CreateSequenceInfo&) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateTableFunction(duckdb::CatalogTransaction,
                                                                 duckdb::CreateTableFunctionInfo&) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateCopyFunction(duckdb::CatalogTransaction,
                                                                duckdb::CreateCopyFunctionInfo&) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreatePragmaFunction(duckdb::CatalogTransaction,
                                                                  duckdb::CreatePragmaFunctionInfo&) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateCollation(duckdb::CatalogTransaction,
                                                             duckdb::CreateCollationInfo&) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateType(duckdb::CatalogTransaction, duckdb::CreateTypeInfo&) override;

  // The entry of an object, null when there is none or it is a sink.
  LaminarTable* find(const std::string& name);
  // Frees dropped entries that no transaction older than `oldest_id` can hold.
  void release_retired(uint64_t oldest_id);

 private:
  LaminarTable* entry_of(const std::shared_ptr<const Object>& object);
  duckdb::unique_ptr<LaminarTable> make_entry(const std::shared_ptr<const Object>& object);

  struct Cached {
    duckdb::unique_ptr<LaminarTable> entry;
    uint64_t version = 0;  // of the backend when it was last known to be current
  };
  struct Retired {
    duckdb::unique_ptr<LaminarTable> entry;
    uint64_t last_transaction = 0;
  };
  Backend& backend_;
  std::mutex mutex_;
  duckdb::case_insensitive_map_t<Cached> entries_;
  std::vector<Retired> retired_;
};

class LaminarCatalog : public duckdb::Catalog {
 public:
  LaminarCatalog(duckdb::AttachedDatabase& db, std::shared_ptr<Backend> backend);

  Backend& backend() { return *backend_; }
  LaminarSchema& schema() { return *schema_; }
  LaminarTransactionManager& transactions();

  void Initialize(bool load_builtin) override;
  std::string GetCatalogType() override { return kCatalogName; }
  duckdb::optional_idx GetCatalogVersion(duckdb::ClientContext& context) override;
  duckdb::optional_ptr<duckdb::CatalogEntry> CreateSchema(duckdb::CatalogTransaction transaction,
                                                          duckdb::CreateSchemaInfo& info) override;
  duckdb::optional_ptr<duckdb::SchemaCatalogEntry> LookupSchema(duckdb::CatalogTransaction transaction,
                                                                const duckdb::EntryLookupInfo& lookup,
                                                                duckdb::OnEntryNotFound if_not_found) override;
  void ScanSchemas(duckdb::ClientContext& context,
                   std::function<void(duckdb::SchemaCatalogEntry&)> callback) override;

  duckdb::PhysicalOperator& PlanCreateTableAs(duckdb::ClientContext& context, duckdb::PhysicalPlanGenerator& planner,
                                              duckdb::LogicalCreateTable& op, duckdb::PhysicalOperator& plan) override;
  duckdb::PhysicalOperator& PlanInsert(duckdb::ClientContext& context, duckdb::PhysicalPlanGenerator& planner,
                                       duckdb::LogicalInsert& op,
                                       duckdb::optional_ptr<duckdb::PhysicalOperator> plan) override;
  duckdb::PhysicalOperator& PlanDelete(duckdb::ClientContext& context, duckdb::PhysicalPlanGenerator& planner,
                                       duckdb::LogicalDelete& op, duckdb::PhysicalOperator& plan) override;
  duckdb::PhysicalOperator& PlanUpdate(duckdb::ClientContext& context, duckdb::PhysicalPlanGenerator& planner,
                                       duckdb::LogicalUpdate& op, duckdb::PhysicalOperator& plan) override;
  duckdb::PhysicalOperator& PlanMergeInto(duckdb::ClientContext& context, duckdb::PhysicalPlanGenerator& planner,
                                          duckdb::LogicalMergeInto& op, duckdb::PhysicalOperator& plan) override;
  duckdb::unique_ptr<duckdb::LogicalOperator> BindCreateIndex(duckdb::Binder& binder, duckdb::CreateStatement& statement,
                                                              duckdb::TableCatalogEntry& table,
                                                              duckdb::unique_ptr<duckdb::LogicalOperator> plan) override;
  duckdb::ErrorData SupportsCreateTable(duckdb::BoundCreateTableInfo& info) override;
  duckdb::DatabaseSize GetDatabaseSize(duckdb::ClientContext& context) override;
  bool InMemory() override { return true; }
  std::string GetDBPath() override { return ":memory:"; }

 private:
  void DropSchema(duckdb::ClientContext& context, duckdb::DropInfo& info) override;

  std::shared_ptr<Backend> backend_;
  duckdb::unique_ptr<LaminarSchema> schema_;
};

// Before DuckDB opens: the storage extension, and the search path of every new connection.
void register_catalog(duckdb::DBConfig& config, std::shared_ptr<Backend> backend);
// After it opened: attaches the catalog, registers the scan and the backend's table functions.
Status attach_catalog(duckdb::DatabaseInstance& database, Backend& backend);

}  // namespace laminar::sql
