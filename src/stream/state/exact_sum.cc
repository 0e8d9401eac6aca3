#include "stream/state/exact_sum.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace laminar::stream {

namespace {
constexpr int kBias = 1088;  // 2^-1088 is below the least subnormal, 2^-1074
constexpr int64_t kBudget = int64_t{1} << 30;
}  // namespace

void ExactSum::add(double value, int64_t weight) {
  if (!std::isfinite(value)) {
    (std::isnan(value) ? nans_ : value > 0 ? infinities_ : negative_infinities_) += weight;
    return;
  }
  if (value == 0) return;
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  const int biased = static_cast<int>(bits >> 52 & 0x7ff);
  uint64_t mantissa = bits & ((uint64_t{1} << 52) - 1);
  if (biased) mantissa |= uint64_t{1} << 52;
  const int exponent = (biased ? biased : 1) - 1075;  // value = mantissa * 2^exponent
  const int position = exponent + kBias;
  const bool negative = (bits >> 63) != (weight < 0);
  uint64_t times = weight < 0 ? -static_cast<uint64_t>(weight) : static_cast<uint64_t>(weight);
  // A large weight is added by its 30-bit digits.
  for (int shift = 0; times; shift += 30, times >>= 30) {
    const uint64_t digit = times & ((uint64_t{1} << 30) - 1);
    if (!digit) continue;
    const int at = position + shift;
    const int limb = at / 32, offset = at % 32;
    // mantissa * digit < 2^83; shifted < 2^115.
    const unsigned __int128 product = static_cast<unsigned __int128>(mantissa) * digit << offset;
    for (int k = 0; k < 4; ++k) {
      const int64_t part = static_cast<int64_t>(static_cast<uint64_t>(product >> (32 * k)) & 0xffffffffu);
      if (limb + k < kLimbs) limbs_[limb + k] += negative ? -part : part;
    }
    if (--budget_ == 0) normalize();
  }
}

void ExactSum::add(const ExactSum& other) {
  ExactSum copy = other;
  copy.normalize();
  normalize();
  for (int k = 0; k < kLimbs; ++k) limbs_[k] += copy.limbs_[k];
  --budget_;
  nans_ += other.nans_;
  infinities_ += other.infinities_;
  negative_infinities_ += other.negative_infinities_;
}

// All limbs but the last to [0, 2^32); the last one carries the sign.
void ExactSum::normalize() {
  int64_t carry = 0;
  for (int k = 0; k < kLimbs - 1; ++k) {
    const int64_t sum = limbs_[k] + carry;
    carry = sum >> 32;
    limbs_[k] = sum & 0xffffffff;
  }
  limbs_[kLimbs - 1] += carry;
  budget_ = kBudget;
}

void ExactSum::value(double* high, double* low) const {
  *low = 0;
  if (nans_ > 0 || (infinities_ > 0 && negative_infinities_ > 0)) {
    *high = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  if (infinities_ > 0 || negative_infinities_ > 0) {
    *high = infinities_ > 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    return;
  }
  ExactSum sum = *this;
  sum.normalize();
  const bool negative = sum.limbs_[kLimbs - 1] < 0;
  if (negative) {
    for (int64_t& limb : sum.limbs_) limb = -limb;
    sum.normalize();
  }
  int top = kLimbs - 1;
  while (top >= 0 && sum.limbs_[top] == 0) --top;
  if (top < 0) {
    *high = 0;
    return;
  }
  // The six limbs at the top hold at least 161 bits. Whatever lies below can only break a tie.
  bool rest = false;
  for (int k = top - 6; k >= 0; --k) rest |= sum.limbs_[k] != 0;
  // First 53 bits by round-half-even on the exact bits, then the remainder.
  auto bit_length = [](uint64_t x) { return 64 - __builtin_clzll(x); };
  const int top_bits = bit_length(static_cast<uint64_t>(sum.limbs_[top]));
  const int msb = top * 32 + top_bits - 1;               // worth 2^(msb - kBias)
  int lsb = msb - 52;                                     // last kept bit
  if (lsb < kBias - 1074) lsb = kBias - 1074;             // subnormal results have fewer
  auto bit = [&sum](int at) { return at >= 0 && (sum.limbs_[at / 32] >> (at % 32) & 1) != 0; };
  uint64_t mantissa = 0;
  for (int at = msb; at >= lsb; --at) mantissa = mantissa << 1 | (bit(at) ? 1u : 0u);
  const bool half = bit(lsb - 1);
  bool below = rest;
  for (int at = lsb - 2; at >= 0 && at >= (top - 5) * 32 && !below; --at) below = bit(at);
  const double truncated = std::ldexp(static_cast<double>(mantissa), lsb - kBias);
  const bool up = half && (below || (mantissa & 1));
  const double rounded = up ? std::ldexp(static_cast<double>(mantissa + 1), lsb - kBias) : truncated;
  // Remainder from the next 64 bits, which is exact enough for 100 bits in all.
  uint64_t next = 0;
  for (int at = lsb - 1; at >= lsb - 64; --at) next = next << 1 | (bit(at) ? 1u : 0u);
  double remainder = std::ldexp(static_cast<double>(next), lsb - 64 - kBias);
  if (up) remainder -= std::ldexp(1.0, lsb - kBias);
  *high = negative ? -rounded : rounded;
  *low = negative ? -remainder : remainder;
}

double ExactSum::value() const {
  double high, low;
  value(&high, &low);
  return high;
}

}  // namespace laminar::stream
