#include "generated.h"

#include <span>

#include "base/options.h"
#include "connectors/common_options.h"
#include "connectors/registry.h"
#include "sql/parse/settings.h"

namespace laminar::docs {
namespace {

std::string errors() {
  std::string out = "| code | what failed | what to do |\n|---|---|---|\n";
#define LAMINAR_ERROR(code, name, title, advice) out += "| LDB-" #code " | " title " | " advice " |\n";
#include "laminar/error_codes.inc"
#undef LAMINAR_ERROR
  return out;
}

// A bar would end the cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string kind_text(const OptionSpec& option) {
  switch (option.kind) {
    case OptionKind::kString: return "text";
    case OptionKind::kInteger: return "integer";
    case OptionKind::kDouble: return "number";
    case OptionKind::kBoolean: return "boolean";
    case OptionKind::kInterval: return "interval";
    case OptionKind::kBytes: return "bytes, such as '64 MB'";
    case OptionKind::kChoice: {
      std::string out = "'";
      for (const char c : option.choices) out += c == '|' ? std::string("', '") : std::string(1, c);
      return out + "'";
    }
  }
  return "";
}

std::string options(std::span<const OptionSpec> table) {
  if (table.empty()) return "No options.\n";
  std::string out = "| option | value | default | meaning |\n|---|---|---|---|\n";
  for (const OptionSpec& option : table) {
    const std::string by_default = option.required               ? "required"
                                   : option.default_text.empty() ? ""
                                                                 : "`" + std::string(option.default_text) + "`";
    out += "| `" + std::string(option.name) + "` | " + kind_text(option) + " | " + by_default + " | " + cell(option.doc) + " |\n";
  }
  return out;
}

std::string connectors() {
  std::string out = "| connector | as | what it is |\n|---|---|---|\n";
  for (const stream::Connector* connector : connectors::all_connectors()) {
    std::string as;
    const auto add = [&as](bool is, const char* what) {
      if (is) as += (as.empty() ? "" : ", ") + std::string(what);
    };
    add(connector->is_source(), "source");
    add(connector->is_sink(), "sink");
    add(connector->is_lookup(), "lookup table");
    out += "| `" + std::string(connector->name()) + "` | " + as + " | " + cell(connector->doc()) + " |\n";
  }
  return out;
}

}  // namespace

std::string generated(const std::string& name) {
  if (name == "errors") return errors();
  if (name == "settings") return options(sql::engine_settings());
  if (name == "connectors") return connectors();
  if (name == "sink options") return options(connectors::sink_options());
  if (name == "lookup options") return options(connectors::lookup_options());
  for (const stream::Connector* connector : connectors::all_connectors()) {
    if (name == "source options " + std::string(connector->name())) return options(connector->source_options());
    if (name == "sink options " + std::string(connector->name())) return options(connector->sink_options());
    if (name == "lookup options " + std::string(connector->name())) return options(connector->lookup_options());
  }
  return {};
}

}  // namespace laminar::docs
