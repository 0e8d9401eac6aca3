// Text of a field to a value in a column: what DuckDB's CAST from VARCHAR makes of it, with short cuts for plain forms.
//
// Threads: one at a time.
// Errors:  decode() says no; the reason is for the caller to make, out of the row path.
#pragma once

#include <memory>
#include <string_view>

#include "data/batch.h"
#include "data/type.h"
#include "duck/json_cast.h"

namespace laminar::connectors {

bool is_utf8(std::string_view text);

class Decoder {
 public:
  explicit Decoder(data::Type type);
  const data::Type& type() const { return type_; }
  // Sets row `row` of the column, valid on entry. False when the text is no value of the type, or no UTF-8.
  bool decode(std::string_view text, data::Column& column, uint32_t row, data::StringArena& strings) const;
  // The same from JSON text, for objects and arrays in columns of nested types.
  bool decode_json(std::string_view json, data::Column& column, uint32_t row, data::StringArena& strings);
  // DuckDB's CAST alone; the tests hold decode() against it.
  bool decode_by_cast(std::string_view text, data::Column& column, uint32_t row, data::StringArena& strings) const;

 private:
  data::Type type_;
  std::shared_ptr<duck::JsonCast> json_cast_;  // made when it is needed
};

}  // namespace laminar::connectors
