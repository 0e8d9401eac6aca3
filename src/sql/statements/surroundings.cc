#include "sql/statements/surroundings.h"

#include <algorithm>

#include "duckdb/catalog/catalog.hpp"
#include "duckdb/catalog/catalog_entry.hpp"
#include "duckdb/catalog/catalog_entry/schema_catalog_entry.hpp"
#include "duckdb/common/string_util.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/parser/parsed_data/create_info.hpp"
#include "sql/catalog/catalog.h"

namespace laminar::sql {
namespace {

thread_local const Surroundings* running = nullptr;

constexpr const char* kSettings[] = {"TimeZone", "Calendar", "default_null_order", "default_order", "integer_division"};

struct Named {
  std::string name, text;
};

// DuckDB's objects in memory, in the order of their making as far as kinds tell it.
std::vector<Named> objects_in_memory(duckdb::ClientContext& context) {
  using duckdb::CatalogType;
  std::vector<Named> list;
  auto& schema = duckdb::Catalog::GetCatalog(context, kDuckCatalogName).GetSchema(context, DEFAULT_SCHEMA);
  for (const CatalogType type : {CatalogType::TYPE_ENTRY, CatalogType::MACRO_ENTRY, CatalogType::TABLE_MACRO_ENTRY, CatalogType::VIEW_ENTRY}) {
    std::vector<std::pair<duckdb::idx_t, Named>> found;
    schema.Scan(context, type, [&](duckdb::CatalogEntry& entry) {
      if (entry.internal || entry.type != type) return;
      const auto info = entry.GetInfo();
      info->on_conflict = type == CatalogType::TYPE_ENTRY ? duckdb::OnCreateConflict::IGNORE_ON_CONFLICT : duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
      found.emplace_back(entry.oid, Named{duckdb::StringUtil::Lower(entry.name), info->ToString()});
    });
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& item : found) list.push_back(std::move(item.second));
  }
  return list;
}

}  // namespace

Surroundings::Surroundings(duckdb::ClientContext& context, std::string_view statement) : outer_(running) {
  try {
    // By name, and what those name in turn.
    const std::vector<Named> objects = objects_in_memory(context);
    std::vector<bool> taken(objects.size());
    std::vector<std::string> texts = {duckdb::StringUtil::Lower(std::string(statement))};
    for (size_t t = 0; t < texts.size(); ++t) {
      for (size_t i = 0; i < objects.size(); ++i) {
        if (taken[i] || texts[t].find(objects[i].name) == std::string::npos) continue;
        taken[i] = true;
        texts.push_back(duckdb::StringUtil::Lower(objects[i].text));
      }
    }
    for (size_t i = 0; i < objects.size(); ++i) {
      if (taken[i]) before_.push_back(objects[i].text);
    }
    for (const char* setting : kSettings) {
      duckdb::Value value;
      if (!context.TryGetCurrentSetting(setting, value) || value.IsNull()) continue;
      before_.push_back(std::string("SET ") + setting + " = '" + duckdb::StringUtil::Replace(value.ToString(), "'", "''") + "'");
      after_.push_back(std::string("RESET ") + setting);
    }
  } catch (const std::exception&) {
    before_.clear();  // what cannot be described is missed when the statement is run again, which says so
    after_.clear();
  }
  running = this;
}

Surroundings::~Surroundings() { running = outer_; }

void Surroundings::write_running(std::string_view statement, ByteWriter& out) {
  out.text(statement);
  if (!running) return;
  for (const std::vector<std::string>* list : {&running->before_, &running->after_}) {
    out.put(static_cast<uint32_t>(list->size()));
    for (const std::string& text : *list) out.text(text);
  }
}

bool SurroundedStatement::read(ByteReader& in) {
  statement = in.text();
  if (in.at_end()) return in.ok();  // recorded without
  for (std::vector<std::string>* list : {&before, &after}) {
    list->resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (std::string& text : *list) text = in.text();
  }
  return in.ok();
}

}  // namespace laminar::sql
