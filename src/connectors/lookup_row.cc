#include "connectors/lookup_row.h"

#include <cstring>

#include "data/text.h"
#include "data/value.h"

namespace laminar::connectors {

namespace {
constexpr size_t kTextMax = 4096;
}

LookupRowBuilder::LookupRowBuilder(const data::Schema& schema) : schema_(schema), is_set_(schema.size()) {
  for (const data::Field& field : schema) decoders_.emplace_back(field.type);
}

void LookupRowBuilder::begin(stream::LookupAnswer& answer, uint32_t key) {
  answer_ = &answer;
  key_ = key;
  buffer_ = &answer.next_row(key);
  problem_.clear();
  text_.clear();
  std::fill(is_set_.begin(), is_set_.end(), false);
}

void LookupRowBuilder::note(uint32_t column, std::string_view text) {
  if (!problem_.empty()) return;
  problem_ = "column " + schema_[column].name + " (" + schema_[column].type.text() + ") cannot hold the value";
  text_ = text.substr(0, kTextMax);
}

void LookupRowBuilder::set(uint32_t column, std::string_view text) {
  is_set_[column] = true;
  if (!decoders_[column].decode(text, buffer_->column(column), buffer_->rows, buffer_->strings())) note(column, text);
}

void LookupRowBuilder::set_json(uint32_t column, std::string_view json) {
  is_set_[column] = true;
  if (!decoders_[column].decode_json(json, buffer_->column(column), buffer_->rows, buffer_->strings())) note(column, json);
}

void LookupRowBuilder::set_blob(uint32_t column, std::string_view bytes) {
  is_set_[column] = true;
  buffer_->column(column).values<data::StringRef>()[buffer_->rows] = buffer_->strings().copy(bytes);
}

void LookupRowBuilder::fail(std::string reason, std::string_view text) {
  if (!problem_.empty()) return;
  problem_ = std::move(reason);
  text_ = text.substr(0, kTextMax);
}

void LookupRowBuilder::finish() {
  for (uint32_t c = 0; c < schema_.size(); ++c) {
    if (is_set_[c] && problem_.empty()) continue;
    if (problem_.empty() && schema_[c].not_null) problem_ = "column " + schema_[c].name + " is NOT NULL and has no value";
    data::Value::null(schema_[c].type).to_column(buffer_->column(c), buffer_->rows, buffer_->strings());
  }
  if (problem_.empty()) {
    ++buffer_->rows;
    return;
  }
  // The place is used again: it must not look NULL.
  for (uint32_t c = 0; c < schema_.size(); ++c) data::set_valid(buffer_->column(c).validity, buffer_->rows);
  answer_->drop_row();
  answer_->bad.push_back({key_, std::move(problem_), std::move(text_)});
}

std::string key_text(const data::Type& type, const data::Column& column, uint32_t row) {
  std::string text;
  if (type.kind == data::TypeKind::kTimestampTz) {
    data::append_timestamp_us(column.values<int64_t>()[row], text);
    return text + "+00";
  }
  data::append_text(type, column, row, text);
  return text;
}

}  // namespace laminar::connectors
