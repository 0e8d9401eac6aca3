#include "connectors/postgres/copy_text.h"

#include "connectors/duck_instance.h"
#include "connectors/postgres/postgres_types.h"
#include "connectors/render.h"
#include "data/value.h"

namespace laminar::connectors {

namespace {

void append_escaped(std::string_view text, std::string& out) {
  size_t done = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '\\' && c != '\t' && c != '\n' && c != '\r') continue;
    out.append(text, done, i - done);
    done = i + 1;
    out += '\\';
    out += c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : '\\';
  }
  out.append(text, done);
}

}  // namespace

CopyText::CopyText(const data::Schema& schema) : schema_(schema) {}

Status CopyText::field(uint32_t c, const data::Batch& batch, uint32_t row, std::string& out) {
  const data::Column& column = batch.columns[c];
  const data::Type& type = schema_[c].type;
  if (column.is_null(row)) {
    out += "\\N";
    return {};
  }
  switch (postgres_text(type)) {
    case PostgresText::kHex: {
      static constexpr char kDigits[] = "0123456789abcdef";
      out += "\\\\x";
      for (const char c8 : column.values<data::StringRef>()[row].view()) {
        out += kDigits[c8 >> 4 & 15];
        out += kDigits[c8 & 15];
      }
      return {};
    }
    case PostgresText::kJson: {
      if (!json_cast_) {
        ASSIGN_OR_RETURN(const auto database, connector_duckdb());
        ASSIGN_OR_RETURN(json_cast_, duck::JsonCast::open(database));
      }
      ASSIGN_OR_RETURN(const std::string json, json_cast_->to_json(data::Value::from_column(type, column, row)));
      append_escaped(json, out);
      return {};
    }
    case PostgresText::kCast: break;
  }
  if (type.kind == data::TypeKind::kVarchar) {
    append_escaped(column.values<data::StringRef>()[row].view(), out);
    return {};
  }
  scratch_.clear();
  append_cast_text(type, column, row, scratch_);
  // DuckDB's (BC) is PostgreSQL's BC.
  if (const size_t era = scratch_.rfind("(BC)"); era != std::string::npos && (type.is_timestamp() || type.kind == data::TypeKind::kDate)) {
    scratch_.erase(era + 3, 1).erase(era, 1);
  }
  append_escaped(scratch_, out);
  return {};
}

Status CopyText::row(const data::Batch& batch, uint32_t row, std::string& out) {
  for (uint32_t c = 0; c < schema_.size(); ++c) {
    if (c > 0) out += '\t';
    RETURN_IF_ERROR(field(c, batch, row, out));
  }
  return {};
}

Status CopyText::columns(const data::Batch& batch, uint32_t row, std::span<const uint32_t> columns, std::string& out) {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out += '\t';
    RETURN_IF_ERROR(field(columns[i], batch, row, out));
  }
  return {};
}

}  // namespace laminar::connectors
