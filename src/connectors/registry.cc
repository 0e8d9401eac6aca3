#include "connectors/registry.h"

#include <string>

#include "base/options.h"
#include "connectors/console/console_connector.h"
#include "connectors/files/files_connector.h"
#include "connectors/memory/memory_connector.h"
#include "connectors/nexmark/nexmark_connector.h"
#include "connectors/postgres/postgres_connector.h"
#include "connectors/redis/redis_connector.h"

namespace laminar::connectors {

namespace {
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}
}  // namespace

std::vector<const stream::Connector*> all_connectors() {
  return {
#define LAMINAR_CONNECTOR(name) name##_connector(),
#include "connectors/connector_list.inc"
#undef LAMINAR_CONNECTOR
  };
}

const stream::Connector* find_connector(std::string_view name) {
  if (equal_ignoring_case(name, "file")) name = "files";
  for (const stream::Connector* connector : all_connectors()) {
    if (equal_ignoring_case(connector->name(), name)) return connector;
  }
  return nullptr;
}

Result<const stream::Connector*> lookup_connector(std::string_view name, int64_t offset) {
  if (const stream::Connector* connector = find_connector(name)) return connector;
  std::vector<std::string> names;
  std::string list;
  for (const stream::Connector* connector : all_connectors()) {
    names.emplace_back(connector->name());
    list += (list.empty() ? "" : ", ") + names.back();
  }
  std::string message = "unknown connector: " + std::string(name);
  if (const std::string near = nearest_name(name, names); !near.empty()) message += "; did you mean " + near + "?";
  return Status(ErrorCode::kUnknownConnector, message + " (connectors are " + list + ")", offset);
}

}  // namespace laminar::connectors
