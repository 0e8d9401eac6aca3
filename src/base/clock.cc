#include "base/clock.h"

#include <ctime>

namespace laminar {

namespace {
int64_t read_ns(clockid_t id) {
  timespec ts;
  clock_gettime(id, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}
}  // namespace

int64_t SystemClock::now_us() { return read_ns(CLOCK_REALTIME) / 1000; }
int64_t monotonic_ns() { return read_ns(CLOCK_MONOTONIC); }
int64_t thread_cpu_ns() { return read_ns(CLOCK_THREAD_CPUTIME_ID); }
int64_t process_cpu_ns() { return read_ns(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace laminar
