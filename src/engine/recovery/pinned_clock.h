// A clock that stands still while a command runs, so that all of the command sees one time and a replay can give it again.
//
// Threads: pinned and read under the core's lock; read unpinned from any.
// Time:    never goes back, also when the machine's clock does and over a restart: see not_before().
#pragma once

#include <algorithm>
#include <atomic>

#include "base/clock.h"

namespace laminar::engine {

class PinnedClock final : public Clock {
 public:
  explicit PinnedClock(Clock& base) : base_(base) {}
  int64_t now_us() override {
    const int64_t pinned = pinned_us_.load(std::memory_order_relaxed);
    return pinned != kNotPinned ? pinned : std::max(base_.now_us(), least_us_.load(std::memory_order_relaxed));
  }

  // Time stands still as long as this lives. Pins nest: the outer one decides.
  class Pin {
   public:
    explicit Pin(PinnedClock& clock) : Pin(clock, clock.now_us()) {}
    Pin(PinnedClock& clock, int64_t now_us) : clock_(clock), outer_(clock.pinned_us_.load(std::memory_order_relaxed)) {
      if (outer_ != kNotPinned) return;
      clock.pinned_us_.store(now_us, std::memory_order_relaxed);
      clock.not_before(now_us);
    }
    ~Pin() { clock_.pinned_us_.store(outer_, std::memory_order_relaxed); }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    int64_t now_us() const { return clock_.pinned_us_.load(std::memory_order_relaxed); }

   private:
    PinnedClock& clock_;
    const int64_t outer_;
  };
  void not_before(int64_t us) {
    if (us > least_us_.load(std::memory_order_relaxed)) least_us_.store(us, std::memory_order_relaxed);
  }

 private:
  static constexpr int64_t kNotPinned = INT64_MIN;
  Clock& base_;
  std::atomic<int64_t> pinned_us_{kNotPinned}, least_us_{INT64_MIN};
};

}  // namespace laminar::engine
