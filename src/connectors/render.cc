#include "connectors/render.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "connectors/duck_instance.h"
#include "data/text.h"
#include "data/value.h"
#include "duck/types.h"

namespace laminar::connectors {

namespace {

using data::Column;
using data::Type;
using data::TypeKind;
using data::Value;

// The shortest digits that read back as the same number, laid out as DuckDB does: 1.0, 1e-05, 1e+16.
void append_double(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "nan";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-inf" : "inf";
    return;
  }
  char text[64];
  char* end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  const std::string_view scientific(text, static_cast<size_t>(end - text));
  const size_t e = scientific.rfind('e');
  int exponent = 0;
  std::from_chars(scientific.data() + e + 2, end, exponent);
  if (scientific[e + 1] == '-') exponent = -exponent;
  if (exponent < -4 || exponent >= 16) {
    out += scientific;
    return;
  }
  const bool negative = scientific.front() == '-';
  std::string digits(1, scientific[negative]);
  if (e > size_t{2} + negative) digits += scientific.substr(2 + negative, e - 2 - negative);
  if (negative) out += '-';
  if (exponent < 0) {
    out += "0.";
    out.append(static_cast<size_t>(-exponent - 1), '0');
    out += digits;
    return;
  }
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    out += digits;
    out.append(whole - digits.size(), '0');
    out += ".0";
  } else {
    out.append(digits, 0, whole);
    out += '.';
    out.append(digits, whole);
  }
}

bool is_json_number(TypeKind kind) { return kind >= TypeKind::kInt8 && kind <= TypeKind::kDecimal; }

}  // namespace

void append_cast_text(const Type& type, const Column& column, uint32_t row, std::string& out) {
  switch (type.kind) {
    case TypeKind::kDouble: append_double(column.values<double>()[row], out); return;
    case TypeKind::kVarchar: out += column.values<data::StringRef>()[row].view(); return;
    default: break;
  }
  constexpr int64_t kYearOneUs = -62'135'596'800'000'000;  // DuckDB marks times before it in a way of its own
  const bool before_christ = type.kind == TypeKind::kTimestamp && column.values<int64_t>()[row] < kYearOneUs;
  if (data::has_exact_text(type) && !before_christ) {
    const size_t begin = out.size();
    data::append_text(type, column, row, out);
    // A decimal of no whole digits comes as ".5"; "0.5" is a number in JSON too.
    if (type.kind == TypeKind::kDecimal && type.width == type.scale && !column.is_null(row)) out.insert(out.find('.', begin), "0");
  } else {
    out += duck::to_text(Value::from_column(type, column, row));
  }
}

void append_json_string(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t done = 0;  // written so far; plain stretches go in one piece
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20) continue;
    out.append(text, done, i - done);
    done = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += kHex[c >> 4 & 15];
        out += kHex[c & 15];
    }
  }
  out.append(text, done);
  out += '"';
}

RowRenderer::RowRenderer(data::Schema schema, TextFormat format, bool changelog, char delimiter)
    : schema_(std::move(schema)), format_(format), changelog_(changelog), delimiter_(delimiter) {
  for (const data::Field& field : schema_) {
    std::string key;
    append_json_string(field.name, key);
    json_keys_.push_back(key + ":");
  }
}

void RowRenderer::csv_text(std::string_view text, std::string& out) const {
  bool quote = text.empty();
  for (const char c : text) quote |= c == delimiter_ || c == '"' || c == '\n' || c == '\r';
  if (!quote) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  out += '"';
}

void RowRenderer::csv_value(const Type& type, const Column& column, uint32_t row, std::string& out) {
  if (column.is_null(row)) return;
  if (type.kind == TypeKind::kVarchar) return csv_text(column.values<data::StringRef>()[row].view(), out);
  scratch_.clear();
  append_cast_text(type, column, row, scratch_);
  csv_text(scratch_, out);
}

void RowRenderer::json_value(const Type& type, const Column& column, uint32_t row, std::string& out) {
  if (column.is_null(row)) {
    out += "null";
    return;
  }
  if (type.kind == TypeKind::kVarchar) return append_json_string(column.values<data::StringRef>()[row].view(), out);
  scratch_.clear();
  if (type.kind == TypeKind::kBoxed) {
    if (append_nested_json(Value::from_column(type, column, row), out)) return;
  }
  append_cast_text(type, column, row, scratch_);
  const bool bare = type.kind == TypeKind::kBoolean || (is_json_number(type.kind) && scratch_.find_first_of("nN") == std::string::npos);
  if (bare) {
    out += scratch_;
  } else {
    append_json_string(scratch_, out);
  }
}

bool RowRenderer::append_nested_json(const Value& value, std::string& out) {
  duck::JsonCast* cast = json_cast(json_cast_);
  if (!cast) return false;
  const Result<std::string> json = cast->to_json(value);
  if (json.ok()) out += *json;
  return json.ok();
}

void RowRenderer::header(std::string& out) const {
  if (format_ == TextFormat::kJson) return;
  bool first = true;
  const auto name = [&](std::string_view text) {
    if (!first) {
      if (format_ == TextFormat::kCsv) out += delimiter_;
      else out += " | ";
    }
    first = false;
    if (format_ == TextFormat::kCsv) csv_text(text, out);
    else out += text;
  };
  for (const data::Field& field : schema_) name(field.name);
  if (changelog_) {
    name("tick");
    name("weight");
  }
  out += '\n';
}

void RowRenderer::row(const data::Batch& batch, uint32_t row, uint64_t tick, int64_t weight, std::string& out) {
  const auto count = static_cast<uint32_t>(schema_.size());
  switch (format_) {
    case TextFormat::kCsv:
      for (uint32_t c = 0; c < count; ++c) {
        if (c > 0) out += delimiter_;
        csv_value(schema_[c].type, batch.columns[c], row, out);
      }
      if (changelog_) {
        out += delimiter_;
        out += std::to_string(tick);
        out += delimiter_;
        out += std::to_string(weight);
      }
      break;
    case TextFormat::kJson:
      out += '{';
      for (uint32_t c = 0; c < count; ++c) {
        if (c > 0) out += ',';
        out += json_keys_[c];
        json_value(schema_[c].type, batch.columns[c], row, out);
      }
      if (changelog_) out += (count > 0 ? ",\"tick\":" : "\"tick\":") + std::to_string(tick) + ",\"weight\":" + std::to_string(weight);
      out += '}';
      break;
    case TextFormat::kBars:
      for (uint32_t c = 0; c < count; ++c) {
        if (c > 0) out += " | ";
        if (batch.columns[c].is_null(row)) {
          out += "NULL";
          continue;
        }
        scratch_.clear();
        append_cast_text(schema_[c].type, batch.columns[c], row, scratch_);
        for (const char ch : scratch_) out += ch == '\n' || ch == '\r' ? ' ' : ch;  // a row is a line
      }
      if (changelog_) out += " | " + std::to_string(tick) + " | " + (weight > 0 ? "+" : "") + std::to_string(weight);
      break;
  }
  out += '\n';
}

}  // namespace laminar::connectors
