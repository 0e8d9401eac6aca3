// Translates types and values between data/ and DuckDB, and packs values of boxed types into bytes.
//
// Threads: any; the text of a boxed type is parsed once per thread and kept.
// Errors:  a DuckDB exception never leaves; a type that DuckDB has and we cannot hold is refused by type_from_duckdb.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/type.h"
#include "data/value.h"

namespace duckdb {
struct LogicalType;
class Value;
}  // namespace duckdb

namespace laminar::duck {

// Every type that a column can have; types without a native kind become kBoxed with DuckDB's text.
data::Type type_from_duckdb(const duckdb::LogicalType& type);
duckdb::LogicalType type_to_duckdb(const data::Type& type);
std::vector<duckdb::LogicalType> types_to_duckdb(const std::vector<data::Type>& types);
// SQL text such as "DECIMAL(18,3)" or "STRUCT(a INTEGER)" to a type.
Result<data::Type> parse_type(std::string_view text);

data::Value value_from_duckdb(const duckdb::Value& value);
duckdb::Value value_to_duckdb(const data::Value& value);
// As DuckDB prints the value in a result; "NULL" for NULL.
std::string to_text(const data::Value& value);
// The value as DuckDB's CAST makes it; kTypeMismatch when it cannot.
Result<data::Value> cast_value(const data::Value& value, const data::Type& type);

// Packed bytes of one value of a boxed type; equal values of one type have equal bytes. Layout, by the type: one byte
// 1 for NULL or 0; then fixed-size values as they lie in memory (NaN and -0.0 made unique), strings as uint32 length
// and bytes, lists, maps and arrays as uint32 count and elements, structs and unions field by field.
std::string pack(const duckdb::Value& value);
duckdb::Value unpack(std::string_view bytes, const duckdb::LogicalType& type);

}  // namespace laminar::duck
