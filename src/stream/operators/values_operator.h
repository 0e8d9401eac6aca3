// Constant rows: they appear at the first tick and never change, so the watermark is at its end from then on.
//
// State: the rows.
#pragma once

#include "plan/node.h"
#include "stream/operators/operator.h"

namespace laminar::stream {

class ValuesOperator final : public Operator {
 public:
  explicit ValuesOperator(const plan::ValuesNode& node);
  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const TickInfo& tick) override;
  bool saves_state() const override { return true; }
  Status load_state(StateSource& source) override;

 private:
  std::vector<data::BatchBuffer> buffers_;
  bool emitted_ = false;
};

}  // namespace laminar::stream
