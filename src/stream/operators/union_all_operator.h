// Passes the changes of all its inputs on; its watermark is the least of theirs.
//
// State: none.
#pragma once

#include "plan/node.h"
#include "stream/operators/operator.h"

namespace laminar::stream {

class UnionAllOperator final : public Operator {
 public:
  explicit UnionAllOperator(const plan::UnionAllNode& node);
  void push(uint32_t port, const data::Batch& batch) override;
  bool passes_at_once() const override { return true; }
  bool saves_state() const override { return true; }  // it has none
};

}  // namespace laminar::stream
