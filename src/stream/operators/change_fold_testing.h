// For tests: an operator at the end that folds changes into the relation they stand for.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "data/value.h"
#include "stream/operators/operator.h"

namespace laminar::stream {

using TestRow = std::vector<std::string>;
using TestRelation = std::map<TestRow, int64_t>;  // row to weight, none 0

inline std::string test_value(const data::Type& type, const data::Column& column, uint32_t row) {
  if (column.is_null(row)) return "NULL";
  switch (column.physical) {
    case data::Physical::kBool: case data::Physical::kU8: return std::to_string(column.values<uint8_t>()[row]);
    case data::Physical::kI32: return std::to_string(column.values<int32_t>()[row]);
    case data::Physical::kI64: return std::to_string(column.values<int64_t>()[row]);
    case data::Physical::kF64: return std::to_string(column.values<double>()[row]);
    case data::Physical::kString: return std::string(column.values<data::StringRef>()[row].view());
    default: {
      const data::Value value = data::Value::from_column(type, column, row);
      return std::string(reinterpret_cast<const char*>(value.bits), data::physical_size(column.physical));
    }
  }
}

inline TestRow test_row(const std::vector<data::Type>& types, const data::Batch& batch, uint32_t row) {
  TestRow result;
  for (size_t c = 0; c < types.size(); ++c) result.push_back(test_value(types[c], batch.columns[c], row));
  return result;
}

inline void fold(TestRelation& relation, const TestRow& row, int64_t weight) {
  if ((relation[row] += weight) == 0) relation.erase(row);
}

class ChangeFold final : public Operator {
 public:
  explicit ChangeFold(std::vector<data::Type> types) : Operator(std::move(types)) {}
  void push(uint32_t, const data::Batch& batch) override {
    EXPECT_LE(batch.rows, data::kBatchRowsMax);
    for (uint32_t i = 0; i < batch.rows; ++i) {
      const TestRow row = test_row(types(), batch, i);
      fold(relation, row, batch.weight(i));
      changes.emplace_back(row, batch.weight(i));
      sequences.push_back(batch.sequence_of(i));
      watermarks.push_back(batch.row_watermark ? batch.row_watermark[i] : data::kWatermarkNone);
    }
  }
  // At the end of a tick: every weight is positive, the changes of the tick are gone. Returns them.
  std::vector<std::pair<TestRow, int64_t>> end_tick() {
    for (const auto& [row, weight] : relation) EXPECT_GT(weight, 0);
    sequences.clear();
    watermarks.clear();
    return std::move(changes);
  }

  TestRelation relation;
  std::vector<std::pair<TestRow, int64_t>> changes;  // of this tick
  std::vector<uint64_t> sequences;
  std::vector<int64_t> watermarks;
};

inline TestRelation content_of(Operator& op) {
  TestRelation relation;
  op.scan_content([&](const data::Batch& batch) {
    EXPECT_LE(batch.rows, data::kBatchRowsMax);
    for (uint32_t i = 0; i < batch.rows; ++i) fold(relation, test_row(op.types(), batch, i), batch.weight(i));
  });
  return relation;
}

class CountedRejects final : public RejectedRows {
 public:
  void reject(const std::vector<data::Type>& types, const data::Batch& batch, uint32_t row, const Reject& reject) override {
    ++counts[static_cast<int>(reject.reason)];
    if (keep_rows) rows.push_back(test_row(types, batch, row));
    last = reject;
  }
  uint64_t counts[5] = {};
  bool keep_rows = true;
  std::vector<TestRow> rows;
  Reject last;
};

}  // namespace laminar::stream
