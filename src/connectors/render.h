// Rows as lines of text, for sinks: CSV, newline-delimited JSON, or columns with bars for people.
//
// Values are written as DuckDB's CAST to VARCHAR writes them, but for decimals below 1: 0.5, not .5. CSV quotes what must be; NULL is an empty field, an empty
// string is "". JSON: numbers and booleans bare, numbers that JSON lacks (nan, inf) and everything else as strings,
// nested values as JSON.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "data/value.h"
#include "duck/json_cast.h"

namespace laminar::connectors {

enum class TextFormat : uint8_t { kCsv, kJson, kBars };

class RowRenderer {
 public:
  // With `changelog` two columns follow: tick and weight.
  RowRenderer(data::Schema schema, TextFormat format, bool changelog, char delimiter = ',');

  // Appends the line of column names; nothing for JSON.
  void header(std::string& out) const;
  // Appends one line.
  void row(const data::Batch& batch, uint32_t row, uint64_t tick, int64_t weight, std::string& out);

 private:
  void csv_value(const data::Type& type, const data::Column& column, uint32_t row, std::string& out);
  void json_value(const data::Type& type, const data::Column& column, uint32_t row, std::string& out);
  bool append_nested_json(const data::Value& value, std::string& out);
  void csv_text(std::string_view text, std::string& out) const;

  data::Schema schema_;
  TextFormat format_;
  bool changelog_;
  char delimiter_;
  std::vector<std::string> json_keys_;  // `"name":`
  std::string scratch_;
  std::unique_ptr<duck::JsonCast> json_cast_;  // made when a nested value comes
};

// Appends the value as DuckDB's CAST to VARCHAR writes it; the value is not NULL.
void append_cast_text(const data::Type& type, const data::Column& column, uint32_t row, std::string& out);
void append_json_string(std::string_view text, std::string& out);

}  // namespace laminar::connectors
