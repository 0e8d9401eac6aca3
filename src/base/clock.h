// Clocks as arguments: operators and the runtime read time only through one of these.
//
// Units:   microseconds since 1970-01-01 UTC for wall time; nanoseconds for the monotonic clock.
// Threads: SystemClock from any; ManualClock is advanced by one thread at a time and read by any.
#pragma once

#include <atomic>
#include <cstdint>

namespace laminar {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_us() = 0;
};

class SystemClock final : public Clock {
 public:
  int64_t now_us() override;
};

// Moves only when told: tests, replays and the virtual clock of .slt files.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t start_us = 0) : now_us_(start_us) {}
  int64_t now_us() override { return now_us_.load(std::memory_order_acquire); }
  void advance_us(int64_t delta_us) { now_us_.fetch_add(delta_us, std::memory_order_acq_rel); }
  void set_us(int64_t now_us) { now_us_.store(now_us, std::memory_order_release); }

 private:
  std::atomic<int64_t> now_us_;
};

// For measuring only, never for results.
int64_t monotonic_ns();
int64_t thread_cpu_ns();
int64_t process_cpu_ns();

}  // namespace laminar
