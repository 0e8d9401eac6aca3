// Watches the threads that run a tick and names the operator at work when one of them takes longer than the budget.
//
// The threads note where they are (one store per push and finish); a thread of the watch looks every few milliseconds, so
// what is measured costs nothing, and a stall is named when the tick ends.
//
// Threads: begin() and end() on the thread of that slot; collect() on the leader, between ticks; the watch has its own.
// Bounds:  the last kOverrunsMax overruns.
// Units:   ns of the monotonic clock: for measuring, never for results.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "stream/operators/operator.h"

namespace laminar::stream {

struct Overrun {
  uint64_t tick = 0;
  uint32_t thread = 0;
  std::string object, op;
  int64_t elapsed_ns = 0;  // of the thread's part of the tick
};

class TickWatch {
 public:
  static constexpr size_t kOverrunsMax = 1000;

  TickWatch();
  ~TickWatch();

  // 0: nothing is watched.
  void set_budget_ns(int64_t ns) { budget_ns_.store(ns, std::memory_order_relaxed); }
  int64_t budget_ns() const { return budget_ns_.load(std::memory_order_relaxed); }

  void begin(uint32_t thread, int64_t now_ns);
  void end(uint32_t thread);
  // Whether some thread has overrun since the last collect(). Cheap.
  bool any() const { return any_.load(std::memory_order_acquire); }
  // Adds what the threads have overrun; `name` says whose an operator is: {object, operator}.
  template <class Name>
  void collect(uint64_t tick, const Name& name) {
    any_.store(false, std::memory_order_relaxed);
    for (uint32_t t = 0; t < slots_.size(); ++t) {
      Slot& slot = slots_[t];
      if (!slot.overrun) continue;
      const auto [object, op] = name(slot.overrun);
      if (overruns_.size() == kOverrunsMax) overruns_.pop_front();
      overruns_.push_back({tick, t, object, op, slot.overrun_ns});
      slot.overrun = nullptr;
      ++count_;
    }
  }
  const std::deque<Overrun>& overruns() const { return overruns_; }
  uint64_t count() const { return count_; }

 private:
  struct alignas(64) Slot {
    std::atomic<const Operator*> at{nullptr};
    std::atomic<int64_t> since_ns{0};  // 0: not at work
    std::atomic<uint64_t> round{0};
    // By the watch: where it was in that round, when the budget was gone.
    std::atomic<const Operator*> seen{nullptr};
    std::atomic<uint64_t> seen_round{0};
    // By the thread itself at the end of its round.
    const Operator* overrun = nullptr;
    int64_t overrun_ns = 0;
  };
  void look();

  std::array<Slot, 64> slots_;
  std::atomic<int64_t> budget_ns_{50'000'000};
  std::atomic<bool> any_{false};
  std::deque<Overrun> overruns_;
  uint64_t count_ = 0;
  std::mutex mutex_;  // guards stopping_
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace laminar::stream
