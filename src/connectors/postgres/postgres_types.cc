#include "connectors/postgres/postgres_types.h"

#include <algorithm>
#include <initializer_list>

namespace laminar::connectors {

using data::TypeKind;

namespace {

constexpr uint32_t kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kJson = 114, kFloat4 = 700, kFloat8 = 701,
                   kDate = 1082, kTime = 1083, kTimestamp = 1114, kTimestampTz = 1184, kInterval = 1186, kTimeTz = 1266, kNumeric = 1700,
                   kUuid = 2950, kJsonb = 3802;
constexpr char kTextCategory = 'S', kEnumCategory = 'E', kNetworkCategory = 'I';

bool any(uint32_t oid, std::initializer_list<uint32_t> list) { return std::find(list.begin(), list.end(), oid) != list.end(); }

// LIST, STRUCT, MAP, UNION, JSON; the other boxed types have texts that say all.
bool is_nested(const data::Type& type) {
  const std::string& text = type.foreign;
  return text.ends_with("]") || text.starts_with("STRUCT") || text.starts_with("MAP") || text.starts_with("UNION") || text == "JSON" || text == "VARIANT";
}

}  // namespace

bool can_hold(const data::Type& type, uint32_t oid) {
  switch (type.kind) {
    case TypeKind::kBoolean: return oid == kBool;
    case TypeKind::kInt8: case TypeKind::kInt16: case TypeKind::kInt32: case TypeKind::kInt64: case TypeKind::kInt128:
    case TypeKind::kUInt8: case TypeKind::kUInt16: case TypeKind::kUInt32: case TypeKind::kUInt64: case TypeKind::kUInt128:
      return any(oid, {kInt2, kInt4, kInt8, kOid, kNumeric});
    case TypeKind::kFloat: case TypeKind::kDouble: case TypeKind::kDecimal:
      return any(oid, {kInt2, kInt4, kInt8, kFloat4, kFloat8, kNumeric});
    case TypeKind::kDate: return oid == kDate;
    case TypeKind::kTime: return oid == kTime;
    case TypeKind::kTimestamp: case TypeKind::kTimestampS: case TypeKind::kTimestampMs: case TypeKind::kTimestampNs:
      return any(oid, {kTimestamp, kDate});
    case TypeKind::kTimestampTz: return oid == kTimestampTz;
    case TypeKind::kUuid: return oid == kUuid;
    case TypeKind::kBlob: return oid == kBytea;
    case TypeKind::kVarchar: return true;
    case TypeKind::kBoxed: return any(oid, {kJson, kJsonb});
    default: return false;
  }
}

bool can_take(uint32_t oid, char category, const data::Type& type) {
  if (category == kTextCategory) return true;
  switch (type.kind) {
    case TypeKind::kBoolean: return oid == kBool;
    case TypeKind::kInt8: case TypeKind::kInt16: case TypeKind::kUInt8:
      return any(oid, {kInt2, kInt4, kInt8, kNumeric, kFloat4, kFloat8});
    case TypeKind::kInt32: case TypeKind::kUInt16:
      return any(oid, {kInt4, kInt8, kNumeric, kFloat8});
    case TypeKind::kInt64: case TypeKind::kUInt32:
      return any(oid, {kInt8, kNumeric});
    case TypeKind::kUInt64: case TypeKind::kInt128: case TypeKind::kUInt128:
      return oid == kNumeric;
    case TypeKind::kFloat: return any(oid, {kFloat4, kFloat8});
    case TypeKind::kDouble: return oid == kFloat8;
    case TypeKind::kDecimal: return any(oid, {kNumeric, kFloat8});
    case TypeKind::kDate: return any(oid, {kDate, kTimestamp});
    case TypeKind::kTime: return oid == kTime;
    case TypeKind::kTimestamp: case TypeKind::kTimestampS: case TypeKind::kTimestampMs: case TypeKind::kTimestampNs:
      return any(oid, {kTimestamp, kTimestampTz});
    case TypeKind::kTimestampTz: return oid == kTimestampTz;
    case TypeKind::kInterval: return oid == kInterval;
    case TypeKind::kUuid: return oid == kUuid;
    case TypeKind::kBlob: return oid == kBytea;
    case TypeKind::kVarchar: return any(oid, {kJson, kJsonb, kUuid}) || category == kEnumCategory || category == kNetworkCategory;
    case TypeKind::kBoxed:
      if (is_nested(type)) return any(oid, {kJson, kJsonb});
      return category == kEnumCategory || oid == kTimeTz;
  }
  return false;
}

std::string postgres_type(const data::Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean: return "boolean";
    case TypeKind::kInt8: case TypeKind::kInt16: case TypeKind::kUInt8: return "smallint";
    case TypeKind::kInt32: case TypeKind::kUInt16: return "integer";
    case TypeKind::kInt64: case TypeKind::kUInt32: return "bigint";
    case TypeKind::kUInt64: return "numeric(20,0)";
    case TypeKind::kInt128: case TypeKind::kUInt128: return "numeric(39,0)";
    case TypeKind::kFloat: return "real";
    case TypeKind::kDouble: return "double precision";
    case TypeKind::kDecimal: return "numeric(" + std::to_string(type.width) + "," + std::to_string(type.scale) + ")";
    case TypeKind::kDate: return "date";
    case TypeKind::kTime: return "time";
    case TypeKind::kTimestamp: case TypeKind::kTimestampS: case TypeKind::kTimestampMs: case TypeKind::kTimestampNs: return "timestamp";
    case TypeKind::kTimestampTz: return "timestamptz";
    case TypeKind::kInterval: return "interval";
    case TypeKind::kUuid: return "uuid";
    case TypeKind::kBlob: return "bytea";
    case TypeKind::kVarchar: return "text";
    case TypeKind::kBoxed: return is_nested(type) ? "jsonb" : "text";
  }
  return "text";
}

PostgresText postgres_text(const data::Type& type) {
  if (type.kind == TypeKind::kBlob) return PostgresText::kHex;
  return type.kind == TypeKind::kBoxed && is_nested(type) ? PostgresText::kJson : PostgresText::kCast;
}

}  // namespace laminar::connectors
