// Reads an object: takes its full batches and passes on the columns that the view needs, by reference.
//
// State: none.
#pragma once

#include "plan/node.h"
#include "stream/operators/operator.h"

namespace laminar::stream {

class ScanOperator final : public Operator {
 public:
  explicit ScanOperator(const plan::ScanNode& node);
  // Port 0; `batch` has all columns of the object.
  void push(uint32_t port, const data::Batch& batch) override;
  void push_moves(uint32_t, KeyMoves moves) override { emit_moves(moves); }
  bool passes_at_once() const override { return true; }
  bool saves_state() const override { return true; }  // it has none

 private:
  std::vector<uint32_t> source_columns_;
  std::vector<data::Column> columns_;
};

}  // namespace laminar::stream
