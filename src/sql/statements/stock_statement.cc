#include "sql/statements/stock_statement.h"

#include <algorithm>

#include "base/options.h"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/main/extension_entries.hpp"
#include "duckdb/main/extension_helper.hpp"
#include "duckdb/parser/parsed_data/copy_info.hpp"
#include "duckdb/parser/parsed_data/create_table_info.hpp"
#include "duckdb/parser/parsed_data/create_view_info.hpp"
#include "duckdb/parser/parsed_data/alter_info.hpp"
#include "duckdb/parser/parsed_data/drop_info.hpp"
#include "duckdb/parser/statement/alter_statement.hpp"
#include "duckdb/parser/statement/copy_statement.hpp"
#include "duckdb/parser/statement/create_statement.hpp"
#include "duckdb/parser/statement/delete_statement.hpp"
#include "duckdb/parser/statement/drop_statement.hpp"
#include "duckdb/parser/statement/explain_statement.hpp"
#include "duckdb/parser/statement/insert_statement.hpp"
#include "duckdb/parser/statement/merge_into_statement.hpp"
#include "duckdb/parser/statement/prepare_statement.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/statement/set_statement.hpp"
#include "duckdb/parser/query_node/select_node.hpp"
#include "duckdb/parser/statement/update_statement.hpp"
#include "duckdb/parser/tableref/basetableref.hpp"
#include "duckdb/parser/tableref/showref.hpp"
#include "sql/bind/bind_failure.h"
#include "sql/bind/window_ast.h"
#include "sql/catalog/catalog.h"
#include "sql/parse/session_parser.h"
#include "sql/parse/settings.h"

namespace laminar::sql {
namespace {

void rewrite_query(duckdb::ClientContext& context, duckdb::QueryNode& query) {
  try {
    rewrite_windows(context, query, QueryUse::kAdHoc);
  } catch (const BindFailure& failure) {
    throw_error(failure.error());
  }
}

// Our catalog holds streaming objects and tables; the rest belongs into DuckDB's database, which the search path has too.
void redirect(duckdb::CreateInfo& info) {
  if (info.temporary || !info.catalog.empty() || !info.schema.empty()) return;
  switch (info.type) {
    case duckdb::CatalogType::VIEW_ENTRY:
    case duckdb::CatalogType::MACRO_ENTRY:
    case duckdb::CatalogType::TABLE_MACRO_ENTRY:
    case duckdb::CatalogType::TYPE_ENTRY:
    case duckdb::CatalogType::SEQUENCE_ENTRY:
      info.catalog = kDuckCatalogName;
      info.schema = DEFAULT_SCHEMA;
      break;
    default:
      break;
  }
}

// DuckDB's settings by the names that SET takes.
std::vector<std::string> setting_names(duckdb::ClientContext& context) {
  std::vector<std::string> names;
  for (const auto& name : duckdb::DBConfig::GetOptionNames()) names.push_back(name);
  for (const auto& [name, parameter] : duckdb::DBConfig::GetConfig(context).GetExtensionSettings()) names.push_back(name);
  for (const OptionSpec& setting : engine_settings()) names.emplace_back(setting.name);
  return names;
}

void check_setting(duckdb::ClientContext& context, const duckdb::SetStatement& set) {
  const std::string name = duckdb::StringUtil::Lower(set.name);
  const std::vector<std::string> names = setting_names(context);
  const bool known = duckdb::DBConfig::GetOptionByName(name) || std::any_of(names.begin(), names.end(), [&](const std::string& n) { return duckdb::StringUtil::CIEquals(n, name); });
  // Settings of extensions that are not loaded are DuckDB's to explain.
  if (!known && name.find('.') == std::string::npos && duckdb::ExtensionHelper::FindExtensionInEntries(name, duckdb::EXTENSION_SETTINGS).empty()) {
    const std::string nearest = nearest_name(name, names);
    throw_error(Error{ErrorCode::kUnknownOption,
                      "unknown setting: " + set.name +
                          (nearest.empty() ? "; duckdb_settings() and SHOW SETTINGS list what there is" : "; did you mean " + nearest + "?")});
  }
  if (name != "ieee_floating_point_ops" || set.set_type != duckdb::SetType::SET) return;
  const auto& value = set.Cast<duckdb::SetVariableStatement>().value;
  const std::string text = duckdb::StringUtil::Lower(value->ToString());
  for (const char* yes : {"true", "'t'", "1", "on", "yes"})
    if (text == yes || text.find(std::string("'") + yes + "'") != std::string::npos || text.find("'t'") != std::string::npos) return;
  throw_error(Error{ErrorCode::kNotImplemented,
                    "views divide doubles as IEEE 754 does: ieee_floating_point_ops = false would make a query differ from its view"});
}

}  // namespace

std::string subject_of(const duckdb::SQLStatement& statement) {
  auto table_name = [](const duckdb::unique_ptr<duckdb::TableRef>& table) {
    if (!table || table->type != duckdb::TableReferenceType::BASE_TABLE) return std::string();
    return table->Cast<duckdb::BaseTableRef>().table_name;
  };
  switch (statement.type) {
    case duckdb::StatementType::INSERT_STATEMENT:
      return statement.Cast<duckdb::InsertStatement>().table;
    case duckdb::StatementType::UPDATE_STATEMENT:
      return table_name(statement.Cast<duckdb::UpdateStatement>().table);
    case duckdb::StatementType::DELETE_STATEMENT:
      return table_name(statement.Cast<duckdb::DeleteStatement>().table);
    case duckdb::StatementType::MERGE_INTO_STATEMENT:
      return table_name(statement.Cast<duckdb::MergeIntoStatement>().target);
    case duckdb::StatementType::CREATE_STATEMENT: {
      const duckdb::CreateInfo& info = *statement.Cast<duckdb::CreateStatement>().info;
      return info.type == duckdb::CatalogType::SCHEMA_ENTRY ? info.schema : info.GetEntryName();
    }
    case duckdb::StatementType::DROP_STATEMENT:
      return statement.Cast<duckdb::DropStatement>().info->name;
    case duckdb::StatementType::ALTER_STATEMENT: {
      const duckdb::AlterInfo& info = *statement.Cast<duckdb::AlterStatement>().info;
      return info.name;
    }
    case duckdb::StatementType::SET_STATEMENT:
      return statement.Cast<duckdb::SetStatement>().name;
    default:
      return {};
  }
}

bool only_describes(const duckdb::SQLStatement& statement) {
  if (statement.type != duckdb::StatementType::SELECT_STATEMENT) return false;
  const duckdb::QueryNode& node = *statement.Cast<duckdb::SelectStatement>().node;
  if (node.type != duckdb::QueryNodeType::SELECT_NODE) return false;
  const auto& from = node.Cast<duckdb::SelectNode>().from_table;
  return from && from->type == duckdb::TableReferenceType::SHOW_REF &&
         from->Cast<duckdb::ShowRef>().show_type == duckdb::ShowType::DESCRIBE;
}

void adapt_stock_statement(duckdb::ClientContext& context, duckdb::SQLStatement& statement) {
  switch (statement.type) {
    case duckdb::StatementType::SELECT_STATEMENT:
      rewrite_query(context, *statement.Cast<duckdb::SelectStatement>().node);
      break;
    case duckdb::StatementType::INSERT_STATEMENT:
      if (auto& select = statement.Cast<duckdb::InsertStatement>().select_statement) rewrite_query(context, *select->node);
      break;
    case duckdb::StatementType::CREATE_STATEMENT: {
      duckdb::CreateInfo& info = *statement.Cast<duckdb::CreateStatement>().info;
      redirect(info);
      if (info.type == duckdb::CatalogType::TABLE_ENTRY) {
        if (auto& query = info.Cast<duckdb::CreateTableInfo>().query) rewrite_query(context, *query->node);
      } else if (info.type == duckdb::CatalogType::VIEW_ENTRY) {
        if (auto& query = info.Cast<duckdb::CreateViewInfo>().query) rewrite_query(context, *query->node);
      }
      break;
    }
    case duckdb::StatementType::EXPLAIN_STATEMENT:
      adapt_stock_statement(context, *statement.Cast<duckdb::ExplainStatement>().stmt);
      break;
    case duckdb::StatementType::PREPARE_STATEMENT:
      adapt_stock_statement(context, *statement.Cast<duckdb::PrepareStatement>().statement);
      break;
    case duckdb::StatementType::COPY_STATEMENT:
      if (auto& query = statement.Cast<duckdb::CopyStatement>().info->select_statement) rewrite_query(context, *query);
      break;
    case duckdb::StatementType::SET_STATEMENT: {
      const auto& set = statement.Cast<duckdb::SetStatement>();
      if (set.scope != duckdb::SetScope::VARIABLE) check_setting(context, set);
      break;
    }
    default:
      break;
  }
}

}  // namespace laminar::sql
