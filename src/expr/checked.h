// Integer +, - and * that also say whether they overflowed, in a form that compilers vectorize.
#pragma once

#include <cmath>

#include "expr/numeric.h"

namespace laminar::expr {

// apply(a, b, overflow) returns the wrapped result; `overflow` collects: it is set (in its top bit for signed addition
// and subtraction, in any bit otherwise) when some row overflowed. overflowed() reads it.
struct CheckedAdd {
  static constexpr const char* kName = "addition";
  static constexpr char kSign = '+';
  template <class T>
  static T apply(T a, T b, Unsigned<T>& overflow) {
    using U = Unsigned<T>;
    const U x = static_cast<U>(a), y = static_cast<U>(b);
    const U sum = static_cast<U>(x + y);
    if constexpr (kSigned<T>)
      overflow |= static_cast<U>((x ^ sum) & (y ^ sum));
    else
      overflow |= static_cast<U>(sum < x);
    return static_cast<T>(sum);
  }
};
struct CheckedSubtract {
  static constexpr const char* kName = "subtraction";
  static constexpr char kSign = '-';
  template <class T>
  static T apply(T a, T b, Unsigned<T>& overflow) {
    using U = Unsigned<T>;
    const U x = static_cast<U>(a), y = static_cast<U>(b);
    const U difference = static_cast<U>(x - y);
    if constexpr (kSigned<T>)
      overflow |= static_cast<U>((x ^ y) & (x ^ difference));
    else
      overflow |= static_cast<U>(x < y);
    return static_cast<T>(difference);
  }
};
struct CheckedMultiply {
  static constexpr const char* kName = "multiplication";
  static constexpr char kSign = '*';
  template <class T>
  static T apply(T a, T b, Unsigned<T>& overflow) {
    using U = Unsigned<T>;
    constexpr U kTop = static_cast<U>(U{1} << (sizeof(T) * 8 - 1));
    if constexpr (sizeof(T) <= 4) {
      using Wide = std::conditional_t<kSigned<T>, int64_t, uint64_t>;
      const Wide product = static_cast<Wide>(a) * static_cast<Wide>(b);
      const T narrow = static_cast<T>(product);
      overflow |= product != static_cast<Wide>(narrow) ? kTop : U{0};
      return narrow;
    } else {
      T product;
      overflow |= __builtin_mul_overflow(a, b, &product) ? kTop : U{0};
      return product;
    }
  }
};
template <class T>
bool overflowed(Unsigned<T> overflow) {
  if constexpr (kSigned<T>)
    return overflow >> (sizeof(T) * 8 - 1);
  else
    return overflow != 0;
}

}  // namespace laminar::expr
