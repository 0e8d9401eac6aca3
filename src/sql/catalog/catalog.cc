#include "sql/catalog/catalog.h"

#include "duckdb/catalog/catalog_search_path.hpp"
#include "duckdb/main/attached_database.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/client_data.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/main/connection.hpp"
#include "duckdb/main/database.hpp"
#include "duckdb/main/database_manager.hpp"
#include "duckdb/parser/parsed_data/create_schema_info.hpp"
#include "duckdb/parser/parsed_data/create_table_info.hpp"
#include "duckdb/planner/extension_callback.hpp"
#include "duckdb/planner/logical_operator.hpp"
#include "duckdb/planner/parsed_data/bound_create_table_info.hpp"
#include "duckdb/storage/database_size.hpp"
#include "duckdb/storage/storage_extension.hpp"
#include "sql/catalog/duck_error.h"
#include "sql/catalog/scan.h"
#include "sql/catalog/table_functions.h"
#include "sql/catalog/transaction.h"

namespace laminar::sql {
namespace {

struct CatalogStorage : duckdb::StorageExtension {};

struct CatalogStorageInfo : duckdb::StorageExtensionInfo {
  explicit CatalogStorageInfo(std::shared_ptr<Backend> backend) : backend(std::move(backend)) {}
  std::shared_ptr<Backend> backend;
};

duckdb::unique_ptr<duckdb::Catalog> attach(duckdb::optional_ptr<duckdb::StorageExtensionInfo> info,
                                           duckdb::ClientContext&, duckdb::AttachedDatabase& db,
                                           const std::string& name, duckdb::AttachInfo&, duckdb::AttachOptions&) {
  if (name != kCatalogName) raise(ErrorCode::kNotImplemented, std::string("only one laminar database can be attached: ") + name);
  return duckdb::make_uniq<LaminarCatalog>(db, static_cast<CatalogStorageInfo&>(*info).backend);
}

duckdb::unique_ptr<duckdb::TransactionManager> create_transactions(
    duckdb::optional_ptr<duckdb::StorageExtensionInfo>, duckdb::AttachedDatabase& db, duckdb::Catalog& catalog) {
  auto& ours = static_cast<LaminarCatalog&>(catalog);
  return duckdb::make_uniq<LaminarTransactionManager>(db, ours, ours.backend());
}

// Names without a prefix are ours first, then DuckDB's; CREATE TABLE without a prefix is ours.
struct SearchPathCallback : duckdb::ExtensionCallback {
  void OnConnectionOpened(duckdb::ClientContext& context) override {
    if (!duckdb::DatabaseManager::Get(*context.db).GetDatabase(kCatalogName)) return;  // not attached yet
    std::vector<duckdb::CatalogSearchEntry> path;
    path.emplace_back(kCatalogName, DEFAULT_SCHEMA);
    path.emplace_back(kDuckCatalogName, DEFAULT_SCHEMA);
    duckdb::ClientData::Get(context).catalog_search_path->Set(std::move(path), duckdb::CatalogSetPathType::SET_DIRECTLY);
  }
};

}  // namespace

LaminarCatalog::LaminarCatalog(duckdb::AttachedDatabase& db, std::shared_ptr<Backend> backend)
    : duckdb::Catalog(db), backend_(std::move(backend)) {
  duckdb::CreateSchemaInfo info;
  info.catalog = kCatalogName;
  info.schema = DEFAULT_SCHEMA;
  info.internal = true;
  schema_ = duckdb::make_uniq<LaminarSchema>(*this, info, *backend_);
}

LaminarTransactionManager& LaminarCatalog::transactions() {
  return static_cast<LaminarTransactionManager&>(GetAttached().GetTransactionManager());
}

void LaminarCatalog::Initialize(bool) {}

duckdb::optional_idx LaminarCatalog::GetCatalogVersion(duckdb::ClientContext&) { return backend_->version(); }

duckdb::optional_ptr<duckdb::CatalogEntry> LaminarCatalog::CreateSchema(duckdb::CatalogTransaction,
                                                                        duckdb::CreateSchemaInfo& info) {
  raise(ErrorCode::kNotImplemented,
        "the database laminar has one schema, main: write CREATE SCHEMA memory." + info.schema + " for a schema of DuckDB's tables");
}

duckdb::optional_ptr<duckdb::SchemaCatalogEntry> LaminarCatalog::LookupSchema(duckdb::CatalogTransaction,
                                                                              const duckdb::EntryLookupInfo& lookup,
                                                                              duckdb::OnEntryNotFound if_not_found) {
  const std::string& name = lookup.GetEntryName();
  if (name.empty() || duckdb::StringUtil::CIEquals(name, DEFAULT_SCHEMA)) return schema_.get();
  if (if_not_found == duckdb::OnEntryNotFound::RETURN_NULL) return nullptr;
  throw duckdb::CatalogException(lookup.GetErrorContext(), "Schema with name %s does not exist in database laminar!", name);
}

void LaminarCatalog::ScanSchemas(duckdb::ClientContext&, std::function<void(duckdb::SchemaCatalogEntry&)> callback) {
  callback(*schema_);
}

duckdb::unique_ptr<duckdb::LogicalOperator> LaminarCatalog::BindCreateIndex(
    duckdb::Binder&, duckdb::CreateStatement&, duckdb::TableCatalogEntry& table,
    duckdb::unique_ptr<duckdb::LogicalOperator>) {
  raise(ErrorCode::kNotImplemented,
        "CREATE INDEX is not implemented: " + table.name + "; tables are found by their PRIMARY KEY");
}

duckdb::ErrorData LaminarCatalog::SupportsCreateTable(duckdb::BoundCreateTableInfo& info) {
  const duckdb::CreateTableInfo& base = info.Base();
  auto refuse = [&](const char* clause) {
    raise(ErrorCode::kNotImplemented, std::string(clause) + " of CREATE TABLE is not implemented: " + base.table);
  };
  if (!base.partition_keys.empty()) refuse("PARTITIONED BY");
  if (!base.sort_keys.empty()) refuse("SORTED BY");
  if (!base.options.empty()) refuse("WITH (...)");
  return {};
}

duckdb::DatabaseSize LaminarCatalog::GetDatabaseSize(duckdb::ClientContext&) { return {}; }

void LaminarCatalog::DropSchema(duckdb::ClientContext&, duckdb::DropInfo&) {
  raise(ErrorCode::kNotImplemented, "the schema main of the database laminar cannot be dropped");
}

void register_catalog(duckdb::DBConfig& config, std::shared_ptr<Backend> backend) {
  auto storage = duckdb::make_shared_ptr<CatalogStorage>();
  storage->attach = attach;
  storage->create_transaction_manager = create_transactions;
  storage->storage_info = duckdb::make_shared_ptr<CatalogStorageInfo>(std::move(backend));
  duckdb::StorageExtension::Register(config, kCatalogName, std::move(storage));
  duckdb::ExtensionCallback::Register(config, duckdb::make_shared_ptr<SearchPathCallback>());
}

Status attach_catalog(duckdb::DatabaseInstance& database, Backend& backend) {
  try {
    register_scan(database);
    register_table_functions(database, backend);
    duckdb::Connection connection(database);
    const auto result = connection.Query("ATTACH ':memory:' AS laminar (TYPE laminar)");
    if (result->HasError()) return to_error(result->GetErrorObject(), "");
    return {};
  } catch (const std::exception& exception) {
    return to_error(duckdb::ErrorData(exception), "");
  }
}

}  // namespace laminar::sql
