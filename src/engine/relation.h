// Builds the small relations of SHOW and of table functions row by row.
#pragma once

#include <string_view>

#include "sql/backend.h"

namespace laminar::engine {

class RelationBuilder {
 public:
  explicit RelationBuilder(data::Schema columns);
  RelationBuilder& text(std::string_view value);
  RelationBuilder& integer(int64_t value);  // BIGINT, TIMESTAMP
  RelationBuilder& number(double value);
  RelationBuilder& interval(int64_t us);
  RelationBuilder& null();
  // Starts a row; the values of its columns follow in order.
  RelationBuilder& row();
  // Copies the rows of a batch whose columns are the relation's from `first_column` on; what stands before is written
  // by `prefix` (called with this builder for each row).
  void rows(const data::Batch& batch, uint32_t first_column, const std::function<void(RelationBuilder&, uint32_t row)>& prefix);
  sql::Relation take() { return std::move(relation_); }

 private:
  data::BatchBuffer& buffer() { return *relation_.batches.back(); }
  sql::Relation relation_;
  uint32_t column_ = 0;
};

data::Field text_field(std::string name);
data::Field integer_field(std::string name);
data::Field number_field(std::string name);
data::Field time_field(std::string name);
data::Field interval_field(std::string name);

}  // namespace laminar::engine
