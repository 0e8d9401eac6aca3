// Keeps sources from running ahead of one another in event time.
//
// A member is ahead when its watermark lies more than the drift beyond the least of the other members that count. Idle
// and ended members do not count. Members are judged at the end of each tick that reached one of them, so a replay of the
// ticks judges alike; rows that are dropped are judged one by one, against what the others have read before.
//
// Threads: one core, that of the sources.
// Owns:    nothing; its members outlive it, and it lets go of them.
// Bounds:  a paused member goes beyond the drift by one batch, or one append, at most.
// State:   where the group began and its figures are in checkpoints; who is ahead follows from them.
#pragma once

#include <vector>

#include "stream/operators/source_operator.h"

namespace laminar::stream {

class WatermarkGroupOperator final : public Operator, public DriftLimit {
 public:
  enum class Policy : uint8_t { kPause, kWarn, kDrop };
  // What is done is done to those that are ahead: kPause holds them, kWarn counts, kDrop keeps their rows out.
  WatermarkGroupOperator(Policy policy, int64_t max_drift_us, std::vector<SourceOperator*> members);
  ~WatermarkGroupOperator() override;

  void push(uint32_t, const data::Batch&) override;
  void finish(const TickInfo& tick) override;

  int64_t limit_of(const SourceOperator& member) override;
  void count_dropped(const SourceOperator& member, uint64_t rows) override;

  enum class State : uint8_t { kSilent, kRunning, kAhead, kIdle, kEnded };
  struct Member {
    SourceOperator* source = nullptr;
    State state = State::kSilent;
    int64_t drift_us = 0;  // beyond the least of the others; 0 or less: not ahead of them
    // Figures since the group was made.
    int64_t drift_max_us = 0;
    uint64_t times_ahead = 0, rows_dropped = 0;
    int64_t ahead_us = 0;        // by the clock, of times that are over
    int64_t ahead_since_us = 0;  // of the time that goes on, while it is ahead
  };
  const std::vector<Member>& members() const { return members_; }
  Policy policy() const { return policy_; }
  int64_t max_drift_us() const { return max_drift_us_; }

  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;

 private:
  // The least watermark of the members that count, but `without`; kWatermarkEnded when there is none. Members that have
  // not spoken yet stand where the group began.
  int64_t least_without(const SourceOperator& without) const;

  const Policy policy_;
  const int64_t max_drift_us_;
  std::vector<Member> members_;
  int64_t origin_ = data::kWatermarkNone;  // the least first watermark of those that had spoken when the first one had
  int64_t now_us_ = 0;
};

}  // namespace laminar::stream
