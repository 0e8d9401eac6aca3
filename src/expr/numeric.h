// Number types as kernels see them: the C++ type of each physical layout, 128-bit integers without alignment, and
// DuckDB's order of floating point numbers.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "data/type.h"

namespace laminar::expr {

using int128 = __int128;
using uint128 = unsigned __int128;

// 128-bit values in columns may lie at any multiple of 8: read and write them through these.
template <class T>
inline T load(const T* values, uint32_t row) {
  if constexpr (sizeof(T) == 16) {
    T value;
    std::memcpy(&value, reinterpret_cast<const char*>(values) + size_t{row} * 16, 16);
    return value;
  } else {
    return values[row];
  }
}
template <class T>
inline void store(T* values, uint32_t row, T value) {
  if constexpr (sizeof(T) == 16) {
    std::memcpy(reinterpret_cast<char*>(values) + size_t{row} * 16, &value, 16);
  } else {
    values[row] = value;
  }
}

template <class T>
struct TypeTag {
  using type = T;
};

// Calls f(TypeTag<T>) with the C++ type of an integer layout; false for others.
template <class F>
bool with_integer(data::Physical physical, F&& f) {
  switch (physical) {
    case data::Physical::kI8:
      return f(TypeTag<int8_t>());
    case data::Physical::kI16:
      return f(TypeTag<int16_t>());
    case data::Physical::kI32:
      return f(TypeTag<int32_t>());
    case data::Physical::kI64:
      return f(TypeTag<int64_t>());
    case data::Physical::kU8:
      return f(TypeTag<uint8_t>());
    case data::Physical::kU16:
      return f(TypeTag<uint16_t>());
    case data::Physical::kU32:
      return f(TypeTag<uint32_t>());
    case data::Physical::kU64:
      return f(TypeTag<uint64_t>());
    case data::Physical::kI128:
      return f(TypeTag<int128>());
    case data::Physical::kU128:
      return f(TypeTag<uint128>());
    default:
      return false;
  }
}
template <class F>
bool with_number(data::Physical physical, F&& f) {
  if (physical == data::Physical::kF32) return f(TypeTag<float>());
  if (physical == data::Physical::kF64) return f(TypeTag<double>());
  return with_integer(physical, f);
}

inline bool is_integer(const data::Type& type) {
  return type.kind >= data::TypeKind::kInt8 && type.kind <= data::TypeKind::kUInt128;
}
inline bool is_float(const data::Type& type) {
  return type.kind == data::TypeKind::kFloat || type.kind == data::TypeKind::kDouble;
}
inline bool is_decimal(const data::Type& type) { return type.kind == data::TypeKind::kDecimal; }

template <class T>
inline constexpr bool kSigned =
    std::is_signed_v<T> || std::is_same_v<T, int128> || std::is_same_v<T, float> || std::is_same_v<T, double>;
template <class T>
struct UnsignedOf {
  using type = std::make_unsigned_t<T>;
};
template <>
struct UnsignedOf<int128> {
  using type = uint128;
};
template <>
struct UnsignedOf<uint128> {
  using type = uint128;
};
template <class T>
using Unsigned = typename UnsignedOf<T>::type;

template <class T>
constexpr T max_of() {
  return static_cast<T>(static_cast<Unsigned<T>>(~Unsigned<T>{0}) >> (kSigned<T> ? 1 : 0));
}
template <class T>
constexpr T min_of() {
  return kSigned<T> ? static_cast<T>(-max_of<T>() - 1) : T{0};
}

constexpr int128 power_of_ten(uint32_t n) {
  int128 value = 1;
  for (uint32_t i = 0; i < n; ++i) value *= 10;
  return value;
}

std::string number_text(int128 value);
std::string number_text(uint128 value);
std::string number_text(double value);
template <class T>
std::string any_number_text(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return number_text(static_cast<double>(value));
  } else if constexpr (kSigned<T>) {
    return number_text(static_cast<int128>(value));
  } else {
    return number_text(static_cast<uint128>(value));
  }
}
// DuckDB's name of a layout in its messages: "INT64".
const char* physical_name(data::Physical physical);

// NaN equals itself and is greater than all else.
template <class T>
inline bool float_equal(T a, T b) {
  return (a == b) | ((a != a) & (b != b));
}
template <class T>
inline bool float_greater(T a, T b) {
  return ((a > b) | (a != a)) & (b == b);
}

}  // namespace laminar::expr
