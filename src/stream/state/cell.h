// Values of columns outside columns: comparison and hashing as GROUP BY and ORDER BY see them, and Cell, 16 bytes that
// hold a value of any type.
#pragma once

#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "data/batch.h"
#include "expr/interval.h"
#include "stream/state/state_pool.h"

namespace laminar::stream {

using expr::Interval;

// The total order of values: byte order for strings, NaN greatest and equal to itself, -0.0 = 0.0.
template <class T>
inline int compare_values(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a < b) return -1;
    if (a > b) return 1;
    if (a == b) return 0;
    return static_cast<int>(std::isnan(a)) - static_cast<int>(std::isnan(b));
  } else if constexpr (std::is_same_v<T, data::StringRef>) {
    const uint32_t n = a.size() < b.size() ? a.size() : b.size();
    const int c = std::memcmp(a.data(), b.data(), n);
    return c ? c : a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
  } else if constexpr (std::is_same_v<T, Interval>) {
    return a == b ? 0 : a > b ? 1 : -1;
  } else {
    return a < b ? -1 : a > b ? 1 : 0;
  }
}

template <class T>
inline bool equal_values(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, data::StringRef>) {
    return a == b;
  } else {
    return compare_values(a, b) == 0;
  }
}

template <class T>
inline uint64_t hash_value(const T& value) {
  if constexpr (std::is_floating_point_v<T>) {
    double canonical = static_cast<double>(value);
    if (canonical == 0) canonical = 0;
    if (std::isnan(canonical)) canonical = std::numeric_limits<double>::quiet_NaN();
    uint64_t bits;
    std::memcpy(&bits, &canonical, 8);
    return hash_u64(bits);
  } else if constexpr (std::is_same_v<T, data::StringRef>) {
    return hash_bytes(value.data(), value.size());
  } else if constexpr (std::is_same_v<T, Interval>) {
    const Interval::Parts normal = value.normalized();
    return hash_combine(hash_combine(hash_u64(static_cast<uint64_t>(normal.months)), static_cast<uint64_t>(normal.days)),
                        static_cast<uint64_t>(normal.us));
  } else if constexpr (sizeof(T) == 16) {
    uint64_t words[2];
    std::memcpy(words, &value, 16);
    return hash_combine(hash_u64(words[0]), words[1]);
  } else {
    return hash_u64(static_cast<uint64_t>(value));
  }
}

// Calls f.template operator()<T>() with the C++ type of a physical type.
template <class F>
decltype(auto) with_physical(data::Physical physical, F&& f) {
  using data::Physical;
  switch (physical) {
    case Physical::kBool: return f.template operator()<uint8_t>();
    case Physical::kI8: return f.template operator()<int8_t>();
    case Physical::kI16: return f.template operator()<int16_t>();
    case Physical::kI32: return f.template operator()<int32_t>();
    case Physical::kI64: return f.template operator()<int64_t>();
    case Physical::kU8: return f.template operator()<uint8_t>();
    case Physical::kU16: return f.template operator()<uint16_t>();
    case Physical::kU32: return f.template operator()<uint32_t>();
    case Physical::kU64: return f.template operator()<uint64_t>();
    case Physical::kI128: return f.template operator()<__int128>();
    case Physical::kU128: return f.template operator()<unsigned __int128>();
    case Physical::kF32: return f.template operator()<float>();
    case Physical::kF64: return f.template operator()<double>();
    case Physical::kInterval: return f.template operator()<Interval>();
    case Physical::kString: break;
  }
  return f.template operator()<data::StringRef>();
}

// Bytes of a value in its physical layout; strings by StringRef.
struct Cell {
  uint64_t words[2] = {0, 0};

  template <class T>
  T as() const {
    T value;
    std::memcpy(&value, words, sizeof value);
    return value;
  }
  template <class T>
  static Cell of(const T& value) {
    Cell cell;
    std::memcpy(cell.words, &value, sizeof value);
    return cell;
  }
  static Cell load(const data::Column& column, uint32_t row) {
    Cell cell;
    const uint32_t size = data::physical_size(column.physical);
    std::memcpy(cell.words, static_cast<const char*>(column.data) + size_t{row} * size, size);
    return cell;
  }
};

int compare_cells(data::Physical physical, const Cell& a, const Cell& b);
uint64_t hash_cell(data::Physical physical, const Cell& cell);
// Writes the value; long strings are copied to the arena.
void store_cell(const Cell& cell, data::Column& column, uint32_t row, data::StringArena& strings);
inline void store_null(data::Column& column, uint32_t row) {
  data::set_null(column.validity, row);
  if (column.physical == data::Physical::kString) column.values<data::StringRef>()[row] = data::StringRef();
}

}  // namespace laminar::stream
