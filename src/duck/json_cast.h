// Casts between JSON text and values of any type, as DuckDB's casts from and to JSON do it.
//
// Threads: one at a time.
// Bounds:  some microseconds a value: for nested values, not for the row path.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "data/value.h"
#include "duck/database.h"

namespace laminar::duck {

class JsonCast {
 public:
  static Result<std::unique_ptr<JsonCast>> open(const std::shared_ptr<Database>& database);
  virtual ~JsonCast() = default;
  // LDB-4004 when the text is no JSON, or its value none of the type.
  virtual Result<data::Value> from_json(std::string_view json, const data::Type& type) = 0;
  virtual Result<std::string> to_json(const data::Value& value) = 0;
};

}  // namespace laminar::duck
