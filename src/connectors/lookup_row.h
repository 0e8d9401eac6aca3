// Texts that a server sends become a row of a lookup table.
//
// Threads: one at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "connectors/files/decode.h"
#include "data/type.h"
#include "stream/edge/lookup.h"

namespace laminar::connectors {

class LookupRowBuilder {
 public:
  explicit LookupRowBuilder(const data::Schema& schema);

  // A row for key `key`, all columns NULL; then values; then finish(). Columns not set stay NULL.
  void begin(stream::LookupAnswer& answer, uint32_t key);
  // Notes the first value that is none of its column's type.
  void set(uint32_t column, std::string_view text);
  void set_json(uint32_t column, std::string_view json);
  void set_blob(uint32_t column, std::string_view bytes);
  // Takes the row in, or out again when a value was wrong or a NOT NULL column has none: then it is a bad row of the answer.
  void finish();
  // The row is bad for a reason of the connector's.
  void fail(std::string reason, std::string_view text);

  const data::Schema& schema() const { return schema_; }

 private:
  void note(uint32_t column, std::string_view text);

  const data::Schema schema_;
  std::vector<Decoder> decoders_;
  stream::LookupAnswer* answer_ = nullptr;
  data::BatchBuffer* buffer_ = nullptr;
  uint32_t key_ = 0;
  std::string problem_, text_;
  std::vector<bool> is_set_;
};

// The value as text that Decoder reads back, and that servers understand.
std::string key_text(const data::Type& type, const data::Column& column, uint32_t row);

}  // namespace laminar::connectors
