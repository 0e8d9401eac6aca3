#include "duckdb/catalog/entry_lookup_info.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/parser/constraints/check_constraint.hpp"
#include "duckdb/parser/constraints/not_null_constraint.hpp"
#include "duckdb/parser/constraints/unique_constraint.hpp"
#include "duckdb/parser/parsed_data/alter_info.hpp"
#include "duckdb/parser/parsed_data/create_function_info.hpp"
#include "duckdb/parser/parsed_data/create_index_info.hpp"
#include "duckdb/parser/parsed_data/create_sequence_info.hpp"
#include "duckdb/parser/parsed_data/create_table_info.hpp"
#include "duckdb/parser/parsed_data/create_type_info.hpp"
#include "duckdb/parser/parsed_data/create_view_info.hpp"
#include "duckdb/parser/parsed_data/drop_info.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/planner/parsed_data/bound_create_table_info.hpp"
#include "duck/types.h"
#include "sql/catalog/catalog.h"
#include "sql/catalog/duck_error.h"
#include "sql/catalog/object_kind.h"
#include "sql/catalog/transaction.h"

namespace laminar::sql {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& name) {
  raise(ErrorCode::kNotImplemented, what + " in the database laminar is not implemented: " + name + "; write memory." + name +
                                        " to have it in DuckDB's own database");
}

// What the backend needs of CREATE TABLE; constraints that it cannot keep are refused.
TableSpec table_spec(duckdb::CreateTableInfo& info) {
  TableSpec spec;
  spec.name.name = info.table;
  for (const duckdb::ColumnDefinition& column : info.columns.Logical()) {
    if (column.Generated()) {
      raise(ErrorCode::kNotImplemented, "generated columns are not implemented: " + info.table + "." + column.Name());
    }
    spec.columns.push_back({column.Name(), duck::type_from_duckdb(column.Type()), false});
    spec.column_defaults.push_back(column.HasDefaultValue() ? column.DefaultValue().ToString() : "");
  }
  for (const auto& constraint : info.constraints) {
    switch (constraint->type) {
      case duckdb::ConstraintType::NOT_NULL:
        spec.columns[constraint->Cast<duckdb::NotNullConstraint>().index.index].not_null = true;
        break;
      case duckdb::ConstraintType::CHECK:
        spec.checks.push_back(constraint->Cast<duckdb::CheckConstraint>().expression->ToString());
        break;
      case duckdb::ConstraintType::UNIQUE: {
        const auto& unique = constraint->Cast<duckdb::UniqueConstraint>();
        if (!unique.IsPrimaryKey()) {
          raise(ErrorCode::kNotImplemented, "UNIQUE is not implemented: " + info.table + "; declare a PRIMARY KEY");
        }
        if (unique.HasIndex()) {
          spec.primary_key.push_back(static_cast<uint32_t>(unique.GetIndex().index));
        } else {
          for (const std::string& name : unique.GetColumnNames()) {
            spec.primary_key.push_back(static_cast<uint32_t>(info.columns.GetColumn(name).Logical().index));
          }
        }
        break;
      }
      default:
        raise(ErrorCode::kNotImplemented, "FOREIGN KEY is not implemented: " + info.table);
    }
  }
  for (const uint32_t column : spec.primary_key) spec.columns[column].not_null = true;
  // Names no database, so that it can be run again anywhere.
  auto copy = info.Copy();
  copy->catalog.clear();
  copy->schema.clear();
  copy->on_conflict = duckdb::OnCreateConflict::ERROR_ON_CONFLICT;
  static_cast<duckdb::CreateTableInfo&>(*copy).query.reset();
  spec.sql = copy->ToString();
  return spec;
}

}  // namespace

LaminarSchema::LaminarSchema(duckdb::Catalog& catalog, duckdb::CreateSchemaInfo& info, Backend& backend)
    : duckdb::SchemaCatalogEntry(catalog, info), backend_(backend) {}

void LaminarSchema::Scan(duckdb::ClientContext&, duckdb::CatalogType type,
                         const std::function<void(duckdb::CatalogEntry&)>& callback) {
  Scan(type, callback);
}

void LaminarSchema::Scan(duckdb::CatalogType type, const std::function<void(duckdb::CatalogEntry&)>& callback) {
  if (type != duckdb::CatalogType::TABLE_ENTRY) return;
  std::vector<LaminarTable*> found;
  for (const auto& object : backend_.list()) {
    if (LaminarTable* entry = entry_of(object)) found.push_back(entry);
  }
  for (LaminarTable* entry : found) callback(*entry);
}

duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::LookupEntry(duckdb::CatalogTransaction,
                                                                      const duckdb::EntryLookupInfo& lookup) {
  // DROP VIEW looks for a view: it finds our entry too, so that DropEntry can say what to write.
  const duckdb::CatalogType type = lookup.GetCatalogType();
  if (type != duckdb::CatalogType::TABLE_ENTRY && type != duckdb::CatalogType::VIEW_ENTRY) return nullptr;
  return find(lookup.GetEntryName());
}

LaminarTable* LaminarSchema::find(const std::string& name) {
  const uint64_t version = backend_.version();
  {
    std::lock_guard lock(mutex_);
    const auto cached = entries_.find(name);
    if (cached != entries_.end() && cached->second.version == version) return cached->second.entry.get();
  }
  return entry_of(backend_.find(name));
}

LaminarTable* LaminarSchema::entry_of(const std::shared_ptr<const Object>& object) {
  if (!object || object->kind == ObjectKind::kSink || object->kind == ObjectKind::kWatermarkGroup) return nullptr;
  const uint64_t version = backend_.version();
  const uint64_t next_transaction = static_cast<LaminarCatalog&>(catalog).transactions().next_id();
  std::lock_guard lock(mutex_);
  Cached& cached = entries_[object->name];
  if (!cached.entry || cached.entry->object() != object) {
    if (cached.entry) retired_.push_back({std::move(cached.entry), next_transaction});
    cached.entry = make_entry(object);
  }
  cached.version = version;
  return cached.entry.get();
}

duckdb::unique_ptr<LaminarTable> LaminarSchema::make_entry(const std::shared_ptr<const Object>& object) {
  duckdb::CreateTableInfo info(*this, object->name);
  info.sql = object->sql;
  for (size_t i = 0; i < object->columns.size(); ++i) {
    const data::Field& field = object->columns[i];
    duckdb::ColumnDefinition column(field.name, duck::type_to_duckdb(field.type));
    if (i < object->column_defaults.size() && !object->column_defaults[i].empty()) {
      auto expressions = duckdb::Parser::ParseExpressionList(object->column_defaults[i]);
      column.SetDefaultValue(std::move(expressions[0]));
    }
    info.columns.AddColumn(std::move(column));
    if (field.not_null) info.constraints.push_back(duckdb::make_uniq<duckdb::NotNullConstraint>(duckdb::LogicalIndex(i)));
  }
  for (const std::string& check : object->checks) {
    auto expressions = duckdb::Parser::ParseExpressionList(check);
    info.constraints.push_back(duckdb::make_uniq<duckdb::CheckConstraint>(std::move(expressions[0])));
  }
  if (!object->primary_key.empty()) {
    duckdb::vector<std::string> names;
    for (const uint32_t column : object->primary_key) names.push_back(object->columns[column].name);
    info.constraints.push_back(duckdb::make_uniq<duckdb::UniqueConstraint>(std::move(names), true));
  }
  return duckdb::make_uniq<LaminarTable>(catalog, *this, info, object);
}

void LaminarSchema::release_retired(uint64_t oldest_id) {
  std::vector<Retired> released;
  std::lock_guard lock(mutex_);
  std::erase_if(retired_, [&](Retired& retired) {
    if (retired.last_transaction > oldest_id) return false;
    released.push_back(std::move(retired));
    return true;
  });
}

duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateTable(duckdb::CatalogTransaction transaction,
                                                                      duckdb::BoundCreateTableInfo& info) {
  auto& base = info.Base();
  const TableSpec spec = table_spec(base);
  static_cast<LaminarTransaction&>(*transaction.transaction).begin_ddl(transaction.GetContext());
  raise_if_error(backend_.create_table(spec, base.on_conflict == duckdb::OnCreateConflict::REPLACE_ON_CONFLICT,
                                       base.on_conflict == duckdb::OnCreateConflict::IGNORE_ON_CONFLICT));
  return find(base.table);
}

void LaminarSchema::DropEntry(duckdb::ClientContext& context, duckdb::DropInfo& info) {
  LaminarTable* entry = find(info.name);
  if (!entry) return;
  const ObjectKind kind = entry->object()->kind;
  if (info.type != duckdb::CatalogType::TABLE_ENTRY || kind != ObjectKind::kTable) {
    raise(ErrorCode::kWrongObjectKind, info.name + " is a " + kind_name(kind) + ": write DROP " + kind_words(kind) + " " + info.name);
  }
  LaminarTransaction::get(context, catalog).begin_ddl(context);
  ObjectName name;
  name.name = info.name;
  raise_if_error(backend_.drop(kind, name, info.if_not_found == duckdb::OnEntryNotFound::RETURN_NULL, info.cascade));
}

void LaminarSchema::Alter(duckdb::CatalogTransaction, duckdb::AlterInfo& info) {
  raise(ErrorCode::kNotImplemented, "ALTER is not implemented: " + info.name + "; drop it and create it again");
}

duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateIndex(duckdb::CatalogTransaction,
                                                                      duckdb::CreateIndexInfo&,
                                                                      duckdb::TableCatalogEntry& table) {
  raise(ErrorCode::kNotImplemented, "CREATE INDEX is not implemented: " + table.name);
}
duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateFunction(duckdb::CatalogTransaction,
                                                                         duckdb::CreateFunctionInfo& info) {
  refuse("CREATE MACRO", info.name);
}
duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateView(duckdb::CatalogTransaction,
                                                                     duckdb::CreateViewInfo& info) {
  refuse("CREATE VIEW", info.view_name);
}
duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateSequence(duckdb::CatalogTransaction,
                                                                         duckdb::CreateSequenceInfo& info) {
  refuse("CREATE SEQUENCE", info.name);
}
duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateTableFunction(duckdb::CatalogTransaction,
                                                                              duckdb::CreateTableFunctionInfo&) {
  refuse("CREATE FUNCTION", "f");
}
duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateCopyFunction(duckdb::CatalogTransaction,
                                                                             duckdb::CreateCopyFunctionInfo&) {
  refuse("a COPY function", "f");
}
duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreatePragmaFunction(duckdb::CatalogTransaction,
                                                                               duckdb::CreatePragmaFunctionInfo&) {
  refuse("a PRAGMA function", "f");
}
duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateCollation(duckdb::CatalogTransaction,
                                                                          duckdb::CreateCollationInfo&) {
  refuse("a collation", "c");
}
duckdb::optional_ptr<duckdb::CatalogEntry> LaminarSchema::CreateType(duckdb::CatalogTransaction,
                                                                     duckdb::CreateTypeInfo& info) {
  refuse("CREATE TYPE", info.name);
}

}  // namespace laminar::sql
