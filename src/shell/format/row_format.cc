#include "shell/format/row_format.h"

namespace laminar::shell {
namespace {

Status write_csv(Rows& rows, Output& out) {
  const std::vector<ColumnInfo>& columns = rows.columns();
  std::string line;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) line += ',';
    append_csv_field(columns[i].name, false, line);
  }
  line += '\n';
  out << line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.next());
    if (!more) return {};
    line.clear();
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) line += ',';
      append_csv_field(rows.text(i), rows.is_null(i), line);
    }
    line += '\n';
    out << line;
  }
}

// Keys must differ for a reader to see all values: the second `a` is `a_1`.
std::vector<std::string> json_keys(const std::vector<ColumnInfo>& columns) {
  std::vector<std::string> names;
  const auto taken = [&](const std::string& name, size_t before) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i < before ? names[i] == name : (i > before && columns[i].name == name)) return true;
    }
    return false;
  };
  for (size_t i = 0; i < columns.size(); ++i) {
    std::string name = columns[i].name;
    bool repeated = false;
    for (size_t j = 0; j < i; ++j) repeated |= columns[j].name == name;
    for (int n = 1; repeated && (n == 1 || taken(name, i)); ++n) name = columns[i].name + "_" + std::to_string(n);
    names.push_back(name);
  }
  return names;
}

Status write_json(Rows& rows, Output& out) {
  const std::vector<ColumnInfo>& columns = rows.columns();
  const std::vector<std::string> names = json_keys(columns);
  std::vector<std::string> keys;
  std::vector<JsonForm> forms;
  for (size_t i = 0; i < columns.size(); ++i) {
    std::string key = i == 0 ? "{" : ",";
    append_json_string(names[i], key);
    keys.push_back(key + ":");
    forms.push_back(json_form(columns[i].type));
  }
  std::string line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.next());
    if (!more) return {};
    line.clear();
    if (columns.empty()) line += '{';
    for (size_t i = 0; i < columns.size(); ++i) {
      line += keys[i];
      append_json_value(rows.text(i), rows.is_null(i), forms[i], line);
    }
    line += "}\n";
    out << line;
  }
}

}  // namespace

std::optional<Format> format_named(std::string_view name) {
  if (name == "csv") return Format::kCsv;
  if (name == "json") return Format::kJson;
  if (name == "table") return Format::kTable;
  return std::nullopt;
}

std::string_view name_of(Format format) {
  return format == Format::kCsv ? "csv" : format == Format::kJson ? "json" : "table";
}

Status write_rows(Rows& rows, const FormatOptions& options, Output& out) {
  switch (options.format) {
    case Format::kCsv:
      return write_csv(rows, out);
    case Format::kJson:
      return write_json(rows, out);
    case Format::kTable:
      break;
  }
  ASSIGN_OR_RETURN(const Table table, read_table(rows, options.rows_max));
  out << draw_table(table, options.width);
  return {};
}

// RFC 4180, and an empty text in quotes, so that it differs from NULL.
void append_csv_field(std::string_view text, bool is_null, std::string& out) {
  if (is_null) return;
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out.append(text);
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void append_json_string(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

JsonForm json_form(std::string_view type) {
  constexpr std::string_view kNumbers[] = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT",   "HUGEINT", "UTINYINT",
                                           "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT",   "DOUBLE"};
  for (const std::string_view number : kNumbers) {
    if (type == number) return JsonForm::kNumber;
  }
  if (type.starts_with("DECIMAL(") && type.ends_with(")")) return JsonForm::kNumber;
  if (type == "BOOLEAN") return JsonForm::kBoolean;
  if (type == "JSON") return JsonForm::kJson;
  return JsonForm::kString;
}

void append_json_value(std::string_view text, bool is_null, JsonForm form, std::string& out) {
  if (is_null) {
    out += "null";
  } else if (form == JsonForm::kBoolean || form == JsonForm::kJson) {
    out.append(text);
  } else if (form == JsonForm::kNumber && text.find_first_of("ny") == std::string_view::npos) {
    out.append(text);
  } else {  // texts, and the doubles that JSON cannot say: inf, -inf, nan
    append_json_string(text, out);
  }
}

}  // namespace laminar::shell
