// A histogram of durations with 1 / 2^kSubBits relative precision: fixed memory, no allocation, percentiles on demand.
//
// Units:   nanoseconds.
// Threads: one writer; readers between ticks.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace laminar::stream {

template <class Count, uint32_t kSubBits>
class BasicHistogram {
 public:
  void record(uint64_t ns) {
    ++counts_[bucket(ns)];
    ++count_;
    if (ns > max_) max_ = ns;
  }
  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  // Upper bound of the bucket that holds the quantile, 0 when empty; never above max().
  uint64_t quantile(double q) const {
    if (count_ == 0) return 0;
    uint64_t rank = static_cast<uint64_t>(q * static_cast<double>(count_ - 1)) + 1;
    for (size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] >= rank) return upper_bound(i) < max_ ? upper_bound(i) : max_;
      rank -= counts_[i];
    }
    return max_;
  }
  void merge(const BasicHistogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    if (other.max_ > max_) max_ = other.max_;
  }
  void reset() { *this = BasicHistogram(); }

 private:
  static size_t bucket(uint64_t v) {
    if (v < (1u << kSubBits)) return v;
    const uint32_t exponent = 63 - static_cast<uint32_t>(std::countl_zero(v));
    return ((exponent - kSubBits + 1) << kSubBits) + ((v >> (exponent - kSubBits)) & ((1u << kSubBits) - 1));
  }
  static uint64_t upper_bound(size_t i) {
    if (i < (1u << kSubBits)) return i;
    const uint32_t exponent = static_cast<uint32_t>(i >> kSubBits) + kSubBits - 1;
    const uint64_t low = (uint64_t{1} << exponent) + ((i & ((1u << kSubBits) - 1)) << (exponent - kSubBits));
    return low + (uint64_t{1} << (exponent - kSubBits)) - 1;
  }

  std::array<Count, (65 - kSubBits) << kSubBits> counts_{};
  uint64_t count_ = 0, max_ = 0;
};

using Histogram = BasicHistogram<uint64_t, 4>;
// One KiB, for what there are many of.
using SmallHistogram = BasicHistogram<uint32_t, 2>;

}  // namespace laminar::stream
