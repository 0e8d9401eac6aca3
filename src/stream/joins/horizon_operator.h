// Gives each row once per offset, the offset as an INTERVAL behind the other columns: the left side of ASOF ... HORIZON.
//
// State:   none.
#pragma once

#include <vector>

#include "plan/node.h"
#include "stream/operators/operator.h"
#include "stream/state/row_selector.h"

namespace laminar::stream {

class HorizonOperator final : public Operator {
 public:
  explicit HorizonOperator(const plan::HorizonNode& node);

  void push(uint32_t port, const data::Batch& batch) override;
  bool saves_state() const override { return true; }

 private:
  const std::vector<int64_t> offsets_us_;
  RowSelector selector_;
  std::vector<uint32_t> selection_;
  std::vector<data::Column> columns_;
  struct Interval {
    int32_t months, days;
    int64_t us;
  };
  std::vector<Interval> intervals_;
};

}  // namespace laminar::stream
