#include "duck/json_cast.h"

#include <duckdb.hpp>

#include "duck/types.h"

namespace laminar::duck {

namespace {

class ConnectionCast final : public JsonCast {
 public:
  explicit ConnectionCast(const std::shared_ptr<Database>& database) : connection_(database->connect()) {}

  Result<data::Value> from_json(std::string_view json, const data::Type& type) override {
    duckdb::Value text(std::string{json});
    text.Reinterpret(duckdb::LogicalType::JSON());
    return cast(std::move(text), type_to_duckdb(type));
  }

  Result<std::string> to_json(const data::Value& value) override {
    Result<data::Value> json = cast(value_to_duckdb(value), duckdb::LogicalType::JSON());
    if (!json.ok()) return json.status();
    return json->is_null ? std::string("null") : to_text(*json);
  }

 private:
  Result<data::Value> cast(duckdb::Value value, const duckdb::LogicalType& type) {
    try {
      duckdb::Value result;
      std::string error;
      bool good = false;
      connection_->context->RunFunctionInTransaction(
          [&] { good = value.TryCastAs(*connection_->context, type, result, &error, true); });
      if (!good) return Status(ErrorCode::kTypeMismatch, error);
      return value_from_duckdb(result);
    } catch (const std::exception& e) {
      return Status(ErrorCode::kTypeMismatch, duckdb::ErrorData(e).RawMessage());
    }
  }

  std::shared_ptr<duckdb::Connection> connection_;
};

}  // namespace

Result<std::unique_ptr<JsonCast>> JsonCast::open(const std::shared_ptr<Database>& database) try {
  return std::unique_ptr<JsonCast>(std::make_unique<ConnectionCast>(database));
} catch (const std::exception& e) {
  return Status(ErrorCode::kInternal, duckdb::ErrorData(e).RawMessage());
}

}  // namespace laminar::duck
