// Division by a constant without a division: the quotient by a multiplication of twice the width.
//
// The method is that of Granlund and Montgomery: with l = ceil(log2 d) and m = floor(2^N (2^l - d) / d) + 1, the
// unsigned quotient is (t + ((n - t) >> 1)) >> (l - 1), where t is the high half of m * n.
#pragma once

#include <cstdint>

#include "expr/numeric.h"

namespace laminar::expr {

// Divides 64-bit numbers by `divisor`, which is at least 1.
class UnsignedDivider {
 public:
  UnsignedDivider() = default;
  explicit UnsignedDivider(uint64_t divisor) : divisor_(divisor) {
    if (divisor == 1) return;
    const uint32_t l = 64 - static_cast<uint32_t>(__builtin_clzll(divisor - 1));
    const uint128 numerator = ((l == 64 ? uint128{1} << 64 : uint128{1} << l) - divisor) << 64;
    magic_ = static_cast<uint64_t>(numerator / divisor) + 1;
    shift1_ = 1;
    shift2_ = l - 1;
  }
  uint64_t divide(uint64_t n) const {
    if (divisor_ == 1) return n;
    const uint64_t t = static_cast<uint64_t>(static_cast<uint128>(magic_) * n >> 64);
    return (t + ((n - t) >> shift1_)) >> shift2_;
  }

 private:
  uint64_t divisor_ = 1, magic_ = 0;
  uint32_t shift1_ = 0, shift2_ = 0;
};

// Divides 64-bit numbers by a positive constant; the quotient is rounded toward zero.
class SignedDivider {
 public:
  SignedDivider() = default;
  explicit SignedDivider(int64_t divisor) : divisor_(divisor) {
    if (divisor == 1) return;
    // m = ceil(2^(63 + l) / d) - 2^64 with l = ceil(log2 d), kept as a signed number.
    const uint32_t l = 64 - static_cast<uint32_t>(__builtin_clzll(static_cast<uint64_t>(divisor) - 1));
    shift_ = l - 1;
    const uint128 m = (uint128{1} << (63 + l)) / static_cast<uint64_t>(divisor) + 1;
    magic_ = static_cast<int64_t>(static_cast<uint64_t>(m));
  }
  int64_t divisor() const { return divisor_; }
  int64_t divide(int64_t n) const {
    if (divisor_ == 1) return n;
    const int64_t high = static_cast<int64_t>(static_cast<int128>(magic_) * n >> 64);
    return ((high + n) >> shift_) + static_cast<int64_t>(static_cast<uint64_t>(n) >> 63);
  }
  // Rounded toward minus infinity.
  int64_t floor(int64_t n) const {
    const int64_t q = divide(n);
    return q - (q * divisor_ > n);
  }
  int64_t remainder(int64_t n) const { return n - divide(n) * divisor_; }

 private:
  int64_t divisor_ = 1;
  int64_t magic_ = 0;
  uint32_t shift_ = 0;
};

}  // namespace laminar::expr
