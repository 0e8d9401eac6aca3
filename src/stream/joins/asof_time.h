// Times at the ends of time, as an ASOF join adds and compares them.
#pragma once

#include <cstdint>
#include <limits>

namespace laminar::stream {

inline constexpr int64_t kTimeMin = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kTimeMax = std::numeric_limits<int64_t>::max();
// In queues this time comes due when a watermark has ended; never as left_due and right_due.
inline constexpr int64_t kAtEnd = kTimeMax - 1;
inline constexpr int64_t kNever = kTimeMax;

inline int64_t plus(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? kTimeMin : kTimeMax;
}

// b - a of b >= a.
inline uint64_t distance(int64_t a, int64_t b) { return static_cast<uint64_t>(b) - static_cast<uint64_t>(a); }

}  // namespace laminar::stream
