// What tests of aggregates share: nodes by hand, rows as text, an operator with its input and a fold of its output.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "data/batch.h"
#include "data/value.h"
#include "stream/operators/aggregate.h"
#include "stream/state/state_store_testing.h"

namespace laminar::stream::testing {

using data::Type;
using data::TypeKind;
using plan::AggregateKind;
using plan::EmitPolicy;
using plan::WindowKind;

inline const Type kInt = Type::of(TypeKind::kInt64);
inline const Type kHuge = Type::of(TypeKind::kInt128);
inline const Type kDouble = Type::of(TypeKind::kDouble);
inline const Type kTime = Type::of(TypeKind::kTimestamp);
inline const Type kText = Type::of(TypeKind::kVarchar);

using Row = std::vector<std::string>;

inline data::Value parse(const data::Type& type, const std::string& text) {
  using data::Physical;
  if (text == "NULL") return data::Value::null(type);
  switch (type.physical()) {
    case Physical::kBool: return data::Value::of<uint8_t>(type, text == "true");
    case Physical::kI16: return data::Value::of<int16_t>(type, static_cast<int16_t>(std::stoi(text)));
    case Physical::kI32: return data::Value::of<int32_t>(type, std::stoi(text));
    case Physical::kI64: return data::Value::of<int64_t>(type, std::stoll(text));
    case Physical::kI128: return data::Value::of<__int128>(type, std::stoll(text));
    case Physical::kF64: return data::Value::of<double>(type, std::stod(text));
    case Physical::kString: {
      data::Value value = data::Value::string(text);
      value.type = type;
      return value;
    }
    default: break;
  }
  CHECK(false);
}

inline std::string print(const data::Column& column, uint32_t row) {
  using data::Physical;
  if (column.is_null(row)) return "NULL";
  switch (column.physical) {
    case Physical::kBool: return column.values<uint8_t>()[row] ? "true" : "false";
    case Physical::kI16: return std::to_string(column.values<int16_t>()[row]);
    case Physical::kI32: return std::to_string(column.values<int32_t>()[row]);
    case Physical::kI64: return std::to_string(column.values<int64_t>()[row]);
    case Physical::kI128: {
      __int128 value;
      std::memcpy(&value, column.values<char>() + size_t{row} * 16, 16);
      return std::to_string(static_cast<int64_t>(value));
    }
    case Physical::kF64: {
      const double value = column.values<double>()[row];
      return std::to_string(value == 0 ? 0.0 : value);
    }
    case Physical::kString: return std::string(column.values<data::StringRef>()[row].view());
    default: break;
  }
  CHECK(false);
}

inline std::string print_row(const data::Batch& batch, uint32_t row) {
  std::string text;
  for (size_t c = 0; c < batch.columns.size(); ++c) {
    if (c) text += ",";
    text += print(batch.columns[c], row);
  }
  return text;
}

class NodeBuilder {
 public:
  NodeBuilder(std::vector<data::Type> input, bool append_only) : node_(std::make_unique<plan::AggregateNode>()) {
    auto scan = std::make_unique<plan::ScanNode>();
    for (size_t i = 0; i < input.size(); ++i) scan->columns.push_back({"c" + std::to_string(i), input[i], std::nullopt});
    scan->append_only = append_only;
    input_ = std::move(input);
    node_->inputs.push_back(std::move(scan));
  }
  NodeBuilder& key(uint32_t column) {
    node_->groups.push_back({plan::AggregateNode::GroupOutput::Kind::kKey, column});
    node_->columns.push_back({"k", input_[column], std::nullopt});
    return *this;
  }
  NodeBuilder& window_start() { return bound(plan::AggregateNode::GroupOutput::Kind::kWindowStart, 0); }
  NodeBuilder& window_end() { return bound(plan::AggregateNode::GroupOutput::Kind::kWindowEnd, 0); }
  NodeBuilder& call(plan::AggregateKind kind, std::vector<uint32_t> args, data::Type type) {
    plan::AggregateCall call;
    call.kind = kind;
    call.args = std::move(args);
    call.type = type;
    call.text = "f()";
    return call_with(std::move(call));
  }
  NodeBuilder& call_with(plan::AggregateCall call) {
    node_->columns.push_back({"f", call.type, std::nullopt});
    node_->aggregates.push_back(std::move(call));
    return *this;
  }
  NodeBuilder& window(plan::WindowSpec spec) {
    node_->window = spec;
    node_->inputs[0]->columns[spec.time_column].time_offset_us = 0;
    return *this;
  }
  NodeBuilder& tumble(uint32_t column, int64_t size) {
    plan::WindowSpec spec;
    spec.kind = plan::WindowKind::kTumble;
    spec.time_column = column;
    spec.size_us = spec.slide_us = size;
    return window(spec);
  }
  NodeBuilder& emit(plan::EmitPolicy policy, int64_t lateness = 0) {
    node_->emit = policy;
    node_->lateness_us = lateness;
    return *this;
  }
  std::unique_ptr<plan::AggregateNode> build() { return std::move(node_); }

 private:
  NodeBuilder& bound(plan::AggregateNode::GroupOutput::Kind kind, int64_t offset) {
    node_->groups.push_back({kind, 0});
    node_->columns.push_back({"w", data::Type::of(data::TypeKind::kTimestamp), offset});
    return *this;
  }
  std::unique_ptr<plan::AggregateNode> node_;
  std::vector<data::Type> input_;
};

// Passes rows on, with a watermark of the test's choice.
class TestSource final : public Operator {
 public:
  using Operator::Operator;
  void push(uint32_t, const data::Batch& batch) override { emit(batch); }
  void finish(const TickInfo&) override {}
  void advance(int64_t watermark) { set_output_watermark(watermark); }
};

// Adds changes up and checks that no count is negative at the end of a tick.
class FoldSink final : public Operator {
 public:
  using Operator::Operator;
  void push(uint32_t, const data::Batch& batch) override {
    for (uint32_t i = 0; i < batch.rows; ++i) {
      const std::string row = print_row(batch, i);
      if ((rows[row] += batch.weight(i)) == 0) rows.erase(row);
      retractions += batch.weight(i) < 0;
    }
  }
  std::map<std::string, int64_t> rows;
  uint64_t retractions = 0;
};

class TestRejects final : public RejectedRows {
 public:
  void reject(const std::vector<data::Type>&, const data::Batch& batch, uint32_t row, const Reject& reject) override {
    std::string text = reject.reason == RejectReason::kLate
                           ? "late " + std::to_string(reject.window_start) + ".." + std::to_string(reject.window_end) + ": "
                       : reject.reason == RejectReason::kNullTime ? std::string("null time: ")
                                                                  : "error " + std::string(reject.message) + ": ";
    rows.push_back(text + print_row(batch, row));
  }
  std::vector<std::string> rows;
};

class Harness {
 public:
  explicit Harness(const plan::AggregateNode& node, bool with_output = true)
      : node_(node), types_(node.inputs[0]->types()), source_(types_), sink_(node.types()), buffer_(types_) {
    auto made = make_aggregate(node);
    if (!made.ok()) status = made.status();
    CHECK(made.ok());
    op_ = made.take();
    op_->keep_content(true);
    op_->set_rejects(&rejects_);
    source_.add_output(op_.get(), 0);
    if (with_output) op_->add_output(&sink_, 0);
  }
  ~Harness() { source_.remove_output(op_.get()); }

  // The content so far becomes the start of the fold.
  void checkpoint() { saved_->save(*op_); }
  // A new operator goes on with the saved state of this one.
  void restart() {
    checkpoint();
    const bool with_output = op_->has_outputs();
    source_.remove_output(op_.get());
    op_ = make_aggregate(node_).take();
    op_->keep_content(true);
    op_->set_rejects(&rejects_);
    source_.add_output(op_.get(), 0);
    if (with_output) op_->add_output(&sink_, 0);
    CHECK(saved_->load(*op_).ok());
    saved_ = std::make_unique<MemoryStateStore>();
  }
  void attach() {
    op_->scan_content([this](const data::Batch& batch) { sink_.push(0, batch); });
    op_->add_output(&sink_, 0);
  }
  void push(const std::vector<Row>& rows, const std::vector<int64_t>& weights = {}, const std::vector<int64_t>& row_watermarks = {},
            const std::vector<uint64_t>& sequences = {}) {
    for (size_t begin = 0; begin < rows.size(); begin += data::kBatchRowsMax) {
      buffer_.clear();
      const size_t n = std::min<size_t>(data::kBatchRowsMax, rows.size() - begin);
      for (size_t i = 0; i < n; ++i) {
        const uint32_t at = buffer_.rows++;
        for (size_t c = 0; c < types_.size(); ++c)
          parse(types_[c], rows[begin + i][c]).to_column(buffer_.column(static_cast<uint32_t>(c)), at, buffer_.strings());
        buffer_.weights()[at] = weights.empty() ? 1 : weights[begin + i];
        buffer_.row_watermark()[at] = row_watermarks.empty() ? data::kWatermarkNone : row_watermarks[begin + i];
        buffer_.sequence()[at] = sequences.empty() ? sequence_ + i : sequences[begin + i];
      }
      buffer_.has_weights = !weights.empty();
      buffer_.has_row_watermark = !row_watermarks.empty();
      buffer_.has_sequence = true;
      sequence_ += n;
      op_->push(0, buffer_.view());
    }
  }
  void finish(int64_t watermark = data::kWatermarkNone) {
    source_.advance(watermark);
    op_->finish(TickInfo{++tick_, 0});
  }
  std::vector<std::string> folded() const { return list(sink_.rows); }
  std::vector<std::string> content() {
    std::map<std::string, int64_t> rows;
    op_->scan_content([&rows](const data::Batch& batch) {
      for (uint32_t i = 0; i < batch.rows; ++i) rows[print_row(batch, i)] += batch.weight(i);
    });
    return list(rows);
  }
  Operator& op() { return *op_; }
  FoldSink& sink() { return sink_; }
  TestRejects& rejects() { return rejects_; }
  Status status;

 private:
  static std::vector<std::string> list(const std::map<std::string, int64_t>& rows) {
    std::vector<std::string> result;
    for (const auto& [row, count] : rows) {
      CHECK(count > 0);
      for (int64_t i = 0; i < count; ++i) result.push_back(row);
    }
    return result;
  }
  const plan::AggregateNode& node_;
  std::unique_ptr<MemoryStateStore> saved_ = std::make_unique<MemoryStateStore>();
  std::vector<data::Type> types_;
  TestSource source_;
  FoldSink sink_;
  TestRejects rejects_;
  std::unique_ptr<Operator> op_;
  data::BatchBuffer buffer_;
  uint64_t tick_ = 0, sequence_ = 0;
};

}  // namespace laminar::stream::testing
