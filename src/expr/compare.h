// How two values of a layout compare, as DuckDB orders them.
#pragma once

#include <algorithm>
#include <cstring>

#include "data/string_ref.h"
#include "expr/expression.h"
#include "expr/interval.h"
#include "expr/numeric.h"

namespace laminar::expr {

inline int compare_strings(const data::StringRef& a, const data::StringRef& b) {
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return order ? order : static_cast<int>(a.size() > b.size()) - static_cast<int>(a.size() < b.size());
}

struct Equal {
  template <class T>
  static bool apply(const T& a, const T& b) {
    if constexpr (std::is_floating_point_v<T>)
      return float_equal(a, b);
    else
      return a == b;
  }
};
struct NotEqual {
  template <class T>
  static bool apply(const T& a, const T& b) {
    return !Equal::apply(a, b);
  }
};
struct Greater {
  template <class T>
  static bool apply(const T& a, const T& b) {
    if constexpr (std::is_floating_point_v<T>)
      return float_greater(a, b);
    else if constexpr (std::is_same_v<T, data::StringRef>)
      return compare_strings(a, b) > 0;
    else
      return a > b;
  }
};
struct Less {
  template <class T>
  static bool apply(const T& a, const T& b) {
    return Greater::apply(b, a);
  }
};
struct GreaterEqual {
  template <class T>
  static bool apply(const T& a, const T& b) {
    return !Greater::apply(b, a);
  }
};
struct LessEqual {
  template <class T>
  static bool apply(const T& a, const T& b) {
    return !Greater::apply(a, b);
  }
};

// Calls f(TypeTag<T>) with the C++ type that values of `type` compare as; false where we have no order.
template <class F>
bool with_comparable(const data::Type& type, F&& f) {
  switch (type.physical()) {
    case data::Physical::kBool:
      return f(TypeTag<uint8_t>());
    case data::Physical::kInterval:
      return f(TypeTag<Interval>());
    case data::Physical::kString:
      return type.kind != data::TypeKind::kBoxed && f(TypeTag<data::StringRef>());
    default:
      return with_number(type.physical(), f);
  }
}

// Calls f(TypeTag<Comparison>) for the six comparisons; false for other operators.
template <class F>
bool with_comparison(Op op, F&& f) {
  switch (op) {
    case Op::kEqual:
      return f(TypeTag<Equal>());
    case Op::kNotEqual:
      return f(TypeTag<NotEqual>());
    case Op::kLess:
      return f(TypeTag<Less>());
    case Op::kLessEqual:
      return f(TypeTag<LessEqual>());
    case Op::kGreater:
      return f(TypeTag<Greater>());
    case Op::kGreaterEqual:
      return f(TypeTag<GreaterEqual>());
    default:
      return false;
  }
}

// a op b is b mirror(op) a.
inline Op mirror(Op op) {
  switch (op) {
    case Op::kLess:
      return Op::kGreater;
    case Op::kLessEqual:
      return Op::kGreaterEqual;
    case Op::kGreater:
      return Op::kLess;
    case Op::kGreaterEqual:
      return Op::kLessEqual;
    default:
      return op;
  }
}

// The constant of a kernel as a value to compare with.
template <class T>
T constant_value(const data::Value& value) {
  if constexpr (std::is_same_v<T, data::StringRef>)
    return data::StringRef(value.text);
  else
    return value.as<T>();
}

}  // namespace laminar::expr
