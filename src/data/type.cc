#include "data/type.h"

#include "base/check.h"

namespace laminar::data {

Physical Type::physical() const {
  switch (kind) {
    case TypeKind::kBoolean: return Physical::kBool;
    case TypeKind::kInt8: return Physical::kI8;
    case TypeKind::kInt16: return Physical::kI16;
    case TypeKind::kInt32: return Physical::kI32;
    case TypeKind::kInt64: return Physical::kI64;
    case TypeKind::kUInt8: return Physical::kU8;
    case TypeKind::kUInt16: return Physical::kU16;
    case TypeKind::kUInt32: return Physical::kU32;
    case TypeKind::kUInt64: return Physical::kU64;
    case TypeKind::kInt128: case TypeKind::kUuid: return Physical::kI128;
    case TypeKind::kUInt128: return Physical::kU128;
    case TypeKind::kFloat: return Physical::kF32;
    case TypeKind::kDouble: return Physical::kF64;
    case TypeKind::kDecimal:
      return width <= 4 ? Physical::kI16 : width <= 9 ? Physical::kI32 : width <= 18 ? Physical::kI64 : Physical::kI128;
    case TypeKind::kDate: return Physical::kI32;
    case TypeKind::kTime: case TypeKind::kTimestamp: case TypeKind::kTimestampTz: case TypeKind::kTimestampS:
    case TypeKind::kTimestampMs: case TypeKind::kTimestampNs: return Physical::kI64;
    case TypeKind::kInterval: return Physical::kInterval;
    case TypeKind::kVarchar: case TypeKind::kBlob: case TypeKind::kBoxed: return Physical::kString;
  }
  CHECK(false);
}

std::string Type::text() const {
  switch (kind) {
    case TypeKind::kBoolean: return "BOOLEAN";
    case TypeKind::kInt8: return "TINYINT";
    case TypeKind::kInt16: return "SMALLINT";
    case TypeKind::kInt32: return "INTEGER";
    case TypeKind::kInt64: return "BIGINT";
    case TypeKind::kUInt8: return "UTINYINT";
    case TypeKind::kUInt16: return "USMALLINT";
    case TypeKind::kUInt32: return "UINTEGER";
    case TypeKind::kUInt64: return "UBIGINT";
    case TypeKind::kInt128: return "HUGEINT";
    case TypeKind::kUInt128: return "UHUGEINT";
    case TypeKind::kFloat: return "FLOAT";
    case TypeKind::kDouble: return "DOUBLE";
    case TypeKind::kDecimal: return "DECIMAL(" + std::to_string(width) + "," + std::to_string(scale) + ")";
    case TypeKind::kDate: return "DATE";
    case TypeKind::kTime: return "TIME";
    case TypeKind::kTimestamp: return "TIMESTAMP";
    case TypeKind::kTimestampTz: return "TIMESTAMP WITH TIME ZONE";
    case TypeKind::kTimestampS: return "TIMESTAMP_S";
    case TypeKind::kTimestampMs: return "TIMESTAMP_MS";
    case TypeKind::kTimestampNs: return "TIMESTAMP_NS";
    case TypeKind::kInterval: return "INTERVAL";
    case TypeKind::kVarchar: return "VARCHAR";
    case TypeKind::kBlob: return "BLOB";
    case TypeKind::kUuid: return "UUID";
    case TypeKind::kBoxed: return foreign;
  }
  CHECK(false);
}

std::vector<Type> types_of(const Schema& schema) {
  std::vector<Type> types;
  for (const Field& field : schema) types.push_back(field.type);
  return types;
}

uint32_t physical_size(Physical physical) {
  switch (physical) {
    case Physical::kBool: case Physical::kI8: case Physical::kU8: return 1;
    case Physical::kI16: case Physical::kU16: return 2;
    case Physical::kI32: case Physical::kU32: case Physical::kF32: return 4;
    case Physical::kI64: case Physical::kU64: case Physical::kF64: return 8;
    case Physical::kI128: case Physical::kU128: case Physical::kInterval: case Physical::kString: return 16;
  }
  CHECK(false);
}

}  // namespace laminar::data
