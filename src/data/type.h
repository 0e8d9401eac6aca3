// The types of columns: DuckDB's logical types by kind, with the physical layout that our batches and DuckDB's flat
// vectors share.
//
// Types without a native kind (LIST, STRUCT, MAP, ENUM, BIT, ...) are kBoxed: a column of StringRef whose bytes hold
// one serialized DuckDB value; duck/ packs and unpacks them. Equal values have equal bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace laminar::data {

enum class TypeKind : uint8_t {
  kBoolean, kInt8, kInt16, kInt32, kInt64, kUInt8, kUInt16, kUInt32, kUInt64, kInt128, kUInt128, kFloat, kDouble,
  kDecimal,  // DuckDB's layout: width <= 4 int16, <= 9 int32, <= 18 int64, else int128
  kDate,     // int32 days
  kTime,     // int64 us
  kTimestamp, kTimestampTz,             // int64 us
  kTimestampS, kTimestampMs, kTimestampNs,  // int64 in that unit
  kInterval,  // 16 bytes: int32 months, int32 days, int64 us
  kVarchar, kBlob, kUuid, kBoxed,
};

enum class Physical : uint8_t {
  kBool, kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64, kI128, kU128, kF32, kF64, kInterval, kString,
};

struct Type {
  TypeKind kind = TypeKind::kInt64;
  uint8_t width = 0, scale = 0;  // kDecimal
  std::string foreign;           // kBoxed: DuckDB's text of the type, such as "INTEGER[]"

  Physical physical() const;
  // SQL text: "DECIMAL(18,3)", "TIMESTAMP", "INTEGER[]".
  std::string text() const;
  bool is_timestamp() const { return kind >= TypeKind::kTimestamp && kind <= TypeKind::kTimestampNs; }
  bool is_string() const { return physical() == Physical::kString; }
  bool operator==(const Type&) const = default;

  static Type of(TypeKind kind) { return Type{kind, 0, 0, {}}; }
  static Type decimal(uint8_t width, uint8_t scale) { return Type{TypeKind::kDecimal, width, scale, {}}; }
};

// Bytes of one value in a column.
uint32_t physical_size(Physical physical);

struct Field {
  std::string name;
  Type type;
  bool not_null = false;
};
using Schema = std::vector<Field>;
std::vector<Type> types_of(const Schema& schema);

}  // namespace laminar::data
