// EMIT EVERY: collects changes and gives what is left of them when the clock crosses a multiple of the interval.
//
// A row that came and went in between is never seen; of the rest first what goes, then what comes, in order of first
// change. The watermark waits with the changes.
//
// Time:   multiples of the interval since 1970 by the clock argument; the end of the input releases at once.
// State:  the changes since the last release.
#pragma once

#include "stream/operators/operator.h"
#include "stream/state/view_store.h"

namespace laminar::stream {

class ThrottleOperator final : public Operator {
 public:
  ThrottleOperator(std::vector<data::Type> types, int64_t interval_us);
  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const TickInfo& tick) override;
  uint64_t state_bytes() const override { return pending_.bytes(); }
  uint64_t state_rows() const override { return pending_.distinct_rows(); }
  // Tables: 0 the changes that wait, 1 the running period.
  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;
  // Whether changes or a watermark wait for the clock.
  bool waiting() const { return pending_.distinct_rows() > 0 || output_watermark() != input_watermark(); }
  // The time of the next release.
  int64_t next_release_us() const { return (period_ + 1) * interval_us_; }

 private:
  const int64_t interval_us_;
  int64_t period_ = 0;
  bool started_ = false;
  WeightedRows pending_;
  BatchVisitor emit_;
};

}  // namespace laminar::stream
