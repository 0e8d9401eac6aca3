#include "engine/relation.h"

#include <cstring>

#include "base/check.h"
#include "data/value.h"

namespace laminar::engine {

using data::StringRef;
using data::Type;
using data::TypeKind;

data::Field text_field(std::string name) { return {std::move(name), Type::of(TypeKind::kVarchar)}; }
data::Field integer_field(std::string name) { return {std::move(name), Type::of(TypeKind::kInt64)}; }
data::Field number_field(std::string name) { return {std::move(name), Type::of(TypeKind::kDouble)}; }
data::Field time_field(std::string name) { return {std::move(name), Type::of(TypeKind::kTimestamp)}; }

data::Field interval_field(std::string name) { return {std::move(name), Type::of(TypeKind::kInterval)}; }

RelationBuilder::RelationBuilder(data::Schema columns) { relation_.columns = std::move(columns); }

RelationBuilder& RelationBuilder::row() {
  if (relation_.batches.empty() || buffer().full()) relation_.batches.push_back(std::make_unique<data::BatchBuffer>(relation_.columns));
  ++buffer().rows;
  column_ = 0;
  return *this;
}

RelationBuilder& RelationBuilder::text(std::string_view value) {
  CHECK(relation_.columns[column_].type.is_string());
  buffer().column(column_++).values<StringRef>()[buffer().rows - 1] = buffer().strings().copy(value);
  return *this;
}

RelationBuilder& RelationBuilder::integer(int64_t value) {
  CHECK(relation_.columns[column_].type.physical() == data::Physical::kI64);
  buffer().column(column_++).values<int64_t>()[buffer().rows - 1] = value;
  return *this;
}

RelationBuilder& RelationBuilder::number(double value) {
  CHECK(relation_.columns[column_].type.kind == TypeKind::kDouble);
  buffer().column(column_++).values<double>()[buffer().rows - 1] = value;
  return *this;
}

RelationBuilder& RelationBuilder::interval(int64_t us) {
  constexpr int64_t kDayUs = 86'400'000'000;
  CHECK(relation_.columns[column_].type.kind == TypeKind::kInterval);
  struct {
    int32_t months, days;
    int64_t us;
  } const value = {0, static_cast<int32_t>(us / kDayUs), us % kDayUs};
  std::memcpy(buffer().column(column_++).values<char>() + size_t{16} * (buffer().rows - 1), &value, sizeof value);
  return *this;
}

RelationBuilder& RelationBuilder::null() {
  const Type& type = relation_.columns[column_].type;
  data::Value::null(type).to_column(buffer().column(column_), buffer().rows - 1, buffer().strings());
  ++column_;
  return *this;
}

void RelationBuilder::rows(const data::Batch& batch, uint32_t first_column,
                           const std::function<void(RelationBuilder&, uint32_t row)>& prefix) {
  for (uint32_t i = 0; i < batch.rows; ++i) {
    row();
    prefix(*this, i);
    CHECK(column_ == first_column);
    for (uint32_t c = 0; c < batch.columns.size(); ++c) {
      const Type& type = relation_.columns[first_column + c].type;
      data::Value::from_column(type, batch.columns[c], i).to_column(buffer().column(first_column + c), buffer().rows - 1, buffer().strings());
    }
  }
}

}  // namespace laminar::engine
