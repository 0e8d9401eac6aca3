// A sum of doubles that keeps every bit: adding and taking away in any order gives the rounded true sum.
//
// A fixed-point number over the whole range of double in 32-bit limbs, each held in 64 bits so that carries wait: about
// 2^31 weighted additions fit between two normalizations, which happen by themselves.
#pragma once

#include <cstdint>

namespace laminar::stream {

class ExactSum {
 public:
  // Adds value * weight.
  void add(double value, int64_t weight);
  void add(const ExactSum& other);
  // The sum rounded to double; NaN and infinities as addition would give them.
  double value() const;
  // The sum as high + low, good to more than 100 bits.
  void value(double* high, double* low) const;

 private:
  static constexpr int kLimbs = 70;  // bit 0 of limb 0 is worth 2^-1088
  void normalize();

  int64_t limbs_[kLimbs] = {};
  int64_t budget_ = int64_t{1} << 30;
  int64_t nans_ = 0, infinities_ = 0, negative_infinities_ = 0;
};

}  // namespace laminar::stream
