// EMIT EVERY: holds changes back and gives their net effect when the clock passes a multiple of the interval.
//
// Rows whose changes cancel out within the interval never show. The end of all inputs lets the rest out at once.
// State:   net changes since the last release, bounded by the rows that changed in one interval.
// Time:    the tick's clock, since the epoch; two runs with the same clock release the same changes.
#pragma once

#include "stream/operators/operator.h"
#include "stream/state/view_store.h"

namespace laminar::stream {

class ThrottleOperator final : public Operator {
 public:
  ThrottleOperator(std::vector<data::Type> types, int64_t every_us);

  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const TickInfo& tick) override;
  uint64_t state_bytes() const override { return pending_.bytes(); }
  uint64_t state_rows() const override { return pending_.distinct_rows(); }

 private:
  // Old rows go first: a consumer that keys its rows sees -old before +new.
  void release(bool negative);

  const int64_t every_us_;
  WeightedRows pending_;
  data::BatchBuffer out_;
  int64_t period_ = 0;
  bool started_ = false;
};

}  // namespace laminar::stream
