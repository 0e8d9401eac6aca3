// What tests of joins share: rows of both sides, sources with a watermark, an operator between them and a fold of its output.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plan/node.h"
#include "stream/operators/change_fold_testing.h"

namespace laminar::stream::testing {

// Both sides: key, second key, value, time.
inline std::vector<data::Type> side_types() {
  using data::Type, data::TypeKind;
  return {Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar), Type::of(TypeKind::kInt64), Type::of(TypeKind::kTimestamp)};
}

struct Row {
  std::optional<int64_t> key;
  std::optional<std::string> text;
  int64_t value = 0;
  std::optional<int64_t> time;

  TestRow test() const {
    return {key ? std::to_string(*key) : "NULL", text ? *text : "NULL", std::to_string(value), time ? std::to_string(*time) : "NULL"};
  }
};

// Gives the node two scans of side_types().
template <class Node>
void add_scans(Node& node, bool append_only) {
  const char* names[] = {"k", "s", "v", "t"};
  for (int side = 0; side < 2; ++side) {
    auto scan = std::make_unique<plan::ScanNode>();
    for (size_t i = 0; i < 4; ++i) scan->columns.push_back({names[i], side_types()[i], {}});
    scan->columns[3].time_offset_us = 0;
    scan->append_only = append_only;
    node.inputs.push_back(std::move(scan));
  }
}

inline void append(data::BatchBuffer& buffer, const Row& row, int64_t weight) {
  const uint32_t i = buffer.rows++;
  const auto number = [&](uint32_t column, std::optional<int64_t> value) {
    buffer.column(column).values<int64_t>()[i] = value.value_or(0);
    if (!value) data::set_null(buffer.column(column).validity, i);
  };
  number(0, row.key);
  buffer.column(1).values<data::StringRef>()[i] = buffer.strings().copy(row.text ? std::string_view(*row.text) : std::string_view());
  if (!row.text) data::set_null(buffer.column(1).validity, i);
  number(2, row.value);
  number(3, row.time);
  buffer.weights()[i] = weight;
  buffer.has_weights |= weight != 1;
}

class Source final : public Operator {
 public:
  Source() : Operator(side_types()) {}
  bool passes_at_once() const override { return true; }
  void push(uint32_t, const data::Batch& batch) override { emit(batch); }
  void finish(const TickInfo&) override { set_output_watermark(watermark); }
  int64_t watermark = data::kWatermarkNone;
};

template <class Node, class JoinOperator>
struct JoinHarness {
  explicit JoinHarness(std::unique_ptr<Node> made) : node(std::move(made)), join(JoinOperator::make(*node).take()), end(join->types()) { connect(); }

  void finish() {
    for (Source& source : sources) source.finish({});
    join->finish({});
    end.end_tick();
  }
  // Another operator of the same node takes the place of the join.
  void start_anew() {
    for (Source& source : sources) source.remove_output(join.get());
    join = JoinOperator::make(*node).take();
    connect();
  }

  std::unique_ptr<Node> node;
  Source sources[2];
  std::unique_ptr<JoinOperator> join;
  ChangeFold end;
  CountedRejects rejects;

 private:
  void connect() {
    for (uint32_t port = 0; port < 2; ++port) sources[port].add_output(join.get(), port);
    join->add_output(&end, 0);
    join->set_rejects(&rejects);
  }
};

}  // namespace laminar::stream::testing
