#include "duck/types.h"

#include <cmath>
#include <mutex>
#include <unordered_map>

#include "duckdb.hpp"
#include "duckdb/common/types/hugeint.hpp"
#include "duckdb/common/types/vector.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/database.hpp"
#include "duckdb/parser/keyword_helper.hpp"

namespace laminar::duck {

namespace {

using data::Type;
using data::TypeKind;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;

// The SQL text of a type without the names that users gave to types (CREATE TYPE), so that it binds anywhere.
std::string type_text(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::LIST:
      return type_text(duckdb::ListType::GetChildType(type)) + "[]";
    case LogicalTypeId::ARRAY:
      return type_text(duckdb::ArrayType::GetChildType(type)) + "[" + std::to_string(duckdb::ArrayType::GetSize(type)) +
             "]";
    case LogicalTypeId::MAP:
      return "MAP(" + type_text(duckdb::MapType::KeyType(type)) + ", " + type_text(duckdb::MapType::ValueType(type)) +
             ")";
    case LogicalTypeId::STRUCT: {
      std::string text = "STRUCT(";
      bool first = true;
      for (const auto& child : duckdb::StructType::GetChildTypes(type)) {
        if (!first) text += ", ";
        first = false;
        if (!child.first.empty()) text += duckdb::KeywordHelper::WriteQuoted(child.first, '"') + " ";
        text += type_text(child.second);
      }
      return text + ")";
    }
    case LogicalTypeId::UNION: {
      std::string text = "UNION(";
      for (duckdb::idx_t i = 0; i < duckdb::UnionType::GetMemberCount(type); ++i) {
        if (i) text += ", ";
        text += duckdb::KeywordHelper::WriteQuoted(duckdb::UnionType::GetMemberName(type, i), '"') + " " +
                type_text(duckdb::UnionType::GetMemberType(type, i));
      }
      return text + ")";
    }
    case LogicalTypeId::ENUM: {
      std::string text = "ENUM(";
      for (duckdb::idx_t i = 0; i < duckdb::EnumType::GetSize(type); ++i) {
        if (i) text += ", ";
        text += duckdb::KeywordHelper::WriteQuoted(duckdb::EnumType::GetString(type, i).GetString(), '\'');
      }
      return text + ")";
    }
    case LogicalTypeId::DECIMAL:
      return type.ToString();
    case LogicalTypeId::VARCHAR:
      return "VARCHAR";
    default:
      return LogicalType(type.id()).ToString();
  }
}

// Types that DuckDB binds only with a context, such as ENUM: an empty database of our own gives one. It has no threads
// and stays until the process ends.
LogicalType parse_with_context(const std::string& text) {
  static std::mutex mutex;
  static duckdb::DuckDB* database = nullptr;
  const std::lock_guard lock(mutex);
  if (!database) {
    duckdb::DBConfig config;
    config.SetOptionByName("threads", duckdb::Value::UBIGINT(1));
    database = new duckdb::DuckDB(nullptr, &config);
  }
  duckdb::Connection connection(*database);
  LogicalType type;
  connection.context->RunFunctionInTransaction(
      [&] { type = duckdb::TransformStringToLogicalType(text, *connection.context); });
  return type;
}

LogicalType parse_logical(const std::string& text) {
  thread_local std::unordered_map<std::string, LogicalType> known;
  auto found = known.find(text);
  if (found != known.end()) return found->second;
  LogicalType type;
  try {
    type = duckdb::UnboundType::TryParseAndDefaultBind(text);
  } catch (const std::exception&) {
    type = parse_with_context(text);
  }
  known.emplace(text, type);
  return type;
}

// ---- packing --------------------------------------------------------------------------------------------------------

void put(std::string& out, const void* bytes, size_t n) { out.append(static_cast<const char*>(bytes), n); }
void put_u32(std::string& out, size_t n) {
  const uint32_t value = static_cast<uint32_t>(n);
  put(out, &value, 4);
}

void pack_value(const duckdb::Value& value, std::string& out);

template <class Values>
void pack_values(const Values& values, bool counted, std::string& out) {
  if (counted) put_u32(out, values.size());
  for (const duckdb::Value& child : values) pack_value(child, out);
}

void pack_value(const duckdb::Value& value, std::string& out) {
  out.push_back(value.IsNull() ? 1 : 0);
  if (value.IsNull()) return;
  const LogicalType& type = value.type();
  switch (type.id()) {
    case LogicalTypeId::LIST:
    case LogicalTypeId::MAP:
      return pack_values(duckdb::ListValue::GetChildren(value), true, out);
    case LogicalTypeId::ARRAY:
      return pack_values(duckdb::ArrayValue::GetChildren(value), true, out);
    case LogicalTypeId::UNION: {
      const uint8_t tag = duckdb::UnionValue::GetTag(value);
      put(out, &tag, 1);
      return pack_value(duckdb::UnionValue::GetValue(value), out);
    }
    case LogicalTypeId::FLOAT: {
      float v = value.GetValueUnsafe<float>();
      v = std::isnan(v) ? std::numeric_limits<float>::quiet_NaN() : v + 0.0f;
      return put(out, &v, sizeof v);
    }
    case LogicalTypeId::DOUBLE: {
      double v = value.GetValueUnsafe<double>();
      v = std::isnan(v) ? std::numeric_limits<double>::quiet_NaN() : v + 0.0;
      return put(out, &v, sizeof v);
    }
    default:
      break;
  }
  if (type.InternalType() == duckdb::PhysicalType::STRUCT)
    return pack_values(duckdb::StructValue::GetChildren(value), false, out);
  if (type.InternalType() == duckdb::PhysicalType::VARCHAR) {
    const std::string& text = duckdb::StringValue::Get(value);
    put_u32(out, text.size());
    return put(out, text.data(), text.size());
  }
  duckdb::Vector one(value);
  put(out, duckdb::ConstantVector::GetData(one), duckdb::GetTypeIdSize(type.InternalType()));
}

class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : rest_(bytes) {}

  duckdb::Value value(const LogicalType& type) {
    if (*take(1)) return duckdb::Value(type);
    switch (type.id()) {
      case LogicalTypeId::LIST: {
        const LogicalType& child = duckdb::ListType::GetChildType(type);
        return duckdb::Value::LIST(child, values(child, u32()));
      }
      case LogicalTypeId::MAP: {
        const LogicalType& child = duckdb::ListType::GetChildType(type);
        return duckdb::Value::MAP(child, values(child, u32()));
      }
      case LogicalTypeId::ARRAY: {
        const LogicalType& child = duckdb::ArrayType::GetChildType(type);
        return duckdb::Value::ARRAY(child, values(child, u32()));
      }
      case LogicalTypeId::UNION: {
        const uint8_t tag = static_cast<uint8_t>(*take(1));
        return duckdb::Value::UNION(duckdb::UnionType::CopyMemberTypes(type), tag,
                                    value(duckdb::UnionType::GetMemberType(type, tag)));
      }
      default:
        break;
    }
    if (type.InternalType() == duckdb::PhysicalType::STRUCT) {
      duckdb::vector<duckdb::Value> children;
      for (const auto& child : duckdb::StructType::GetChildTypes(type)) children.push_back(value(child.second));
      if (type.id() == LogicalTypeId::VARIANT) return duckdb::Value::VARIANT(std::move(children));
      return duckdb::Value::STRUCT(type, std::move(children));
    }
    duckdb::Vector one(type, duckdb::idx_t{1});
    if (type.InternalType() == duckdb::PhysicalType::VARCHAR) {
      const uint32_t size = u32();
      const duckdb::string_t text(take(size), size);
      duckdb::FlatVector::GetData<duckdb::string_t>(one)[0] = duckdb::StringVector::AddStringOrBlob(one, text);
    } else {
      const size_t size = duckdb::GetTypeIdSize(type.InternalType());
      std::memcpy(duckdb::FlatVector::GetData(one), take(size), size);
    }
    return one.GetValue(0);
  }

 private:
  const char* take(size_t n) {
    if (n > rest_.size()) throw duckdb::InternalException("packed value is cut short");
    const char* at = rest_.data();
    rest_.remove_prefix(n);
    return at;
  }
  uint32_t u32() {
    uint32_t n;
    std::memcpy(&n, take(4), 4);
    return n;
  }
  duckdb::vector<duckdb::Value> values(const LogicalType& type, uint32_t count) {
    duckdb::vector<duckdb::Value> result;
    for (uint32_t i = 0; i < count; ++i) result.push_back(value(type));
    return result;
  }

  std::string_view rest_;
};

}  // namespace

data::Type type_from_duckdb(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
      return Type::of(TypeKind::kBoolean);
    case LogicalTypeId::TINYINT:
      return Type::of(TypeKind::kInt8);
    case LogicalTypeId::SMALLINT:
      return Type::of(TypeKind::kInt16);
    case LogicalTypeId::SQLNULL:  // as DuckDB does when it makes a column of it
    case LogicalTypeId::INTEGER:
      return Type::of(TypeKind::kInt32);
    case LogicalTypeId::BIGINT:
      return Type::of(TypeKind::kInt64);
    case LogicalTypeId::UTINYINT:
      return Type::of(TypeKind::kUInt8);
    case LogicalTypeId::USMALLINT:
      return Type::of(TypeKind::kUInt16);
    case LogicalTypeId::UINTEGER:
      return Type::of(TypeKind::kUInt32);
    case LogicalTypeId::UBIGINT:
      return Type::of(TypeKind::kUInt64);
    case LogicalTypeId::HUGEINT:
      return Type::of(TypeKind::kInt128);
    case LogicalTypeId::UHUGEINT:
      return Type::of(TypeKind::kUInt128);
    case LogicalTypeId::FLOAT:
      return Type::of(TypeKind::kFloat);
    case LogicalTypeId::DOUBLE:
      return Type::of(TypeKind::kDouble);
    case LogicalTypeId::DECIMAL:
      return Type::decimal(duckdb::DecimalType::GetWidth(type), duckdb::DecimalType::GetScale(type));
    case LogicalTypeId::DATE:
      return Type::of(TypeKind::kDate);
    case LogicalTypeId::TIME:
      return Type::of(TypeKind::kTime);
    case LogicalTypeId::TIMESTAMP:
      return Type::of(TypeKind::kTimestamp);
    case LogicalTypeId::TIMESTAMP_TZ:
      return Type::of(TypeKind::kTimestampTz);
    case LogicalTypeId::TIMESTAMP_SEC:
      return Type::of(TypeKind::kTimestampS);
    case LogicalTypeId::TIMESTAMP_MS:
      return Type::of(TypeKind::kTimestampMs);
    case LogicalTypeId::TIMESTAMP_NS:
      return Type::of(TypeKind::kTimestampNs);
    case LogicalTypeId::INTERVAL:
      return Type::of(TypeKind::kInterval);
    case LogicalTypeId::CHAR:
    case LogicalTypeId::VARCHAR:
      return Type::of(TypeKind::kVarchar);
    case LogicalTypeId::BLOB:
      return Type::of(TypeKind::kBlob);
    case LogicalTypeId::UUID:
      return Type::of(TypeKind::kUuid);
    default:
      break;
  }
  Type boxed = Type::of(TypeKind::kBoxed);
  boxed.foreign = type_text(type);
  return boxed;
}

LogicalType type_to_duckdb(const Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return LogicalType::BOOLEAN;
    case TypeKind::kInt8:
      return LogicalType::TINYINT;
    case TypeKind::kInt16:
      return LogicalType::SMALLINT;
    case TypeKind::kInt32:
      return LogicalType::INTEGER;
    case TypeKind::kInt64:
      return LogicalType::BIGINT;
    case TypeKind::kUInt8:
      return LogicalType::UTINYINT;
    case TypeKind::kUInt16:
      return LogicalType::USMALLINT;
    case TypeKind::kUInt32:
      return LogicalType::UINTEGER;
    case TypeKind::kUInt64:
      return LogicalType::UBIGINT;
    case TypeKind::kInt128:
      return LogicalType::HUGEINT;
    case TypeKind::kUInt128:
      return LogicalType::UHUGEINT;
    case TypeKind::kFloat:
      return LogicalType::FLOAT;
    case TypeKind::kDouble:
      return LogicalType::DOUBLE;
    case TypeKind::kDecimal:
      return LogicalType::DECIMAL(type.width, type.scale);
    case TypeKind::kDate:
      return LogicalType::DATE;
    case TypeKind::kTime:
      return LogicalType::TIME;
    case TypeKind::kTimestamp:
      return LogicalType::TIMESTAMP;
    case TypeKind::kTimestampTz:
      return LogicalType::TIMESTAMP_TZ;
    case TypeKind::kTimestampS:
      return LogicalType::TIMESTAMP_S;
    case TypeKind::kTimestampMs:
      return LogicalType::TIMESTAMP_MS;
    case TypeKind::kTimestampNs:
      return LogicalType::TIMESTAMP_NS;
    case TypeKind::kInterval:
      return LogicalType::INTERVAL;
    case TypeKind::kVarchar:
      return LogicalType::VARCHAR;
    case TypeKind::kBlob:
      return LogicalType::BLOB;
    case TypeKind::kUuid:
      return LogicalType::UUID;
    case TypeKind::kBoxed:
      return parse_logical(type.foreign);
  }
  return LogicalType::INVALID;
}

std::vector<LogicalType> types_to_duckdb(const std::vector<Type>& types) {
  std::vector<LogicalType> result;
  for (const Type& type : types) result.push_back(type_to_duckdb(type));
  return result;
}

Result<Type> parse_type(std::string_view text) {
  try {
    return type_from_duckdb(parse_logical(std::string(text)));
  } catch (const std::exception& e) {
    return Status(ErrorCode::kBindError, duckdb::ErrorData(e).RawMessage());
  }
}

std::string pack(const duckdb::Value& value) {
  std::string out;
  pack_value(value, out);
  return out;
}

duckdb::Value unpack(std::string_view bytes, const LogicalType& type) { return Unpacker(bytes).value(type); }

data::Value value_from_duckdb(const duckdb::Value& value) {
  data::Value result;
  result.type = type_from_duckdb(value.type());
  result.is_null = value.IsNull();
  if (result.is_null) return result;
  if (result.type.kind == TypeKind::kBoxed) {
    result.text = pack(value);
  } else if (result.type.is_string()) {
    result.text = duckdb::StringValue::Get(value);
  } else {
    duckdb::Vector one(value);
    std::memcpy(result.bits, duckdb::ConstantVector::GetData(one), data::physical_size(result.type.physical()));
  }
  return result;
}

duckdb::Value value_to_duckdb(const data::Value& value) {
  const LogicalType type = type_to_duckdb(value.type);
  if (value.is_null) return duckdb::Value(type);
  if (value.type.kind == TypeKind::kBoxed) return unpack(value.text, type);
  duckdb::Vector one(type, duckdb::idx_t{1});
  if (value.type.is_string()) {
    const duckdb::string_t text(value.text.data(), static_cast<uint32_t>(value.text.size()));
    duckdb::FlatVector::GetData<duckdb::string_t>(one)[0] = duckdb::StringVector::AddStringOrBlob(one, text);
  } else {
    std::memcpy(duckdb::FlatVector::GetData(one), value.bits, data::physical_size(value.type.physical()));
  }
  return one.GetValue(0);
}

std::string to_text(const data::Value& value) { return value_to_duckdb(value).ToString(); }

Result<data::Value> cast_value(const data::Value& value, const Type& type) {
  try {
    return value_from_duckdb(value_to_duckdb(value).DefaultCastAs(type_to_duckdb(type)));
  } catch (const std::exception& e) {
    return Status(ErrorCode::kTypeMismatch, duckdb::ErrorData(e).RawMessage());
  }
}

}  // namespace laminar::duck
