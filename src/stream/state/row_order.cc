#include "stream/state/row_order.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "expr/interval.h"

namespace laminar::stream {

using data::Column;
using data::Physical;
using data::StringRef;
using expr::Interval;

namespace {

template <class T>
int compare_values(T a, T b) {
  return (a > b) - (a < b);
}

template <class T>
int compare_floats(T a, T b) {
  const bool a_nan = std::isnan(a), b_nan = std::isnan(b);
  if (a_nan || b_nan) return a_nan - b_nan;
  return compare_values(a, b);
}

int compare_strings(const StringRef& a, const StringRef& b) {
  const uint32_t n = std::min(a.size(), b.size());
  const int order = std::memcmp(a.data(), b.data(), n);
  return order != 0 ? order : compare_values(a.size(), b.size());
}

template <class T>
T load(const Column& column, uint32_t row) {
  T value;
  std::memcpy(&value, static_cast<const char*>(column.data) + size_t{row} * sizeof(T), sizeof(T));
  return value;
}

// Both not NULL.
int compare_column(const Column& a, uint32_t a_row, const Column& b, uint32_t b_row) {
  DCHECK(a.physical == b.physical);
#define LAMINAR_COMPARE(kind, type) \
  case Physical::kind:              \
    return compare_values(a.values<type>()[a_row], b.values<type>()[b_row]);
  switch (a.physical) {
    LAMINAR_COMPARE(kBool, uint8_t)
    LAMINAR_COMPARE(kI8, int8_t)
    LAMINAR_COMPARE(kI16, int16_t)
    LAMINAR_COMPARE(kI32, int32_t)
    LAMINAR_COMPARE(kI64, int64_t)
    LAMINAR_COMPARE(kU8, uint8_t)
    LAMINAR_COMPARE(kU16, uint16_t)
    LAMINAR_COMPARE(kU32, uint32_t)
    LAMINAR_COMPARE(kU64, uint64_t)
    case Physical::kI128: return compare_values(load<__int128>(a, a_row), load<__int128>(b, b_row));
    case Physical::kU128: return compare_values(load<unsigned __int128>(a, a_row), load<unsigned __int128>(b, b_row));
    case Physical::kF32: return compare_floats(a.values<float>()[a_row], b.values<float>()[b_row]);
    case Physical::kF64: return compare_floats(a.values<double>()[a_row], b.values<double>()[b_row]);
    case Physical::kInterval: return compare_values(load<Interval>(a, a_row), load<Interval>(b, b_row));
    case Physical::kString: return compare_strings(a.values<StringRef>()[a_row], b.values<StringRef>()[b_row]);
  }
#undef LAMINAR_COMPARE
  CHECK(false);
}

constexpr uint64_t kSignBit = uint64_t{1} << 63;
uint64_t from_signed(int64_t value) { return static_cast<uint64_t>(value) ^ kSignBit; }

uint64_t from_double(double value) {
  if (std::isnan(value)) return ~uint64_t{0};
  if (value == 0) value = 0;  // -0.0
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  return bits & kSignBit ? ~bits : bits | kSignBit;
}

uint64_t value_prefix(const Column& column, uint32_t row) {
  switch (column.physical) {
    case Physical::kBool: case Physical::kU8: return column.values<uint8_t>()[row];
    case Physical::kU16: return column.values<uint16_t>()[row];
    case Physical::kU32: return column.values<uint32_t>()[row];
    case Physical::kU64: return column.values<uint64_t>()[row];
    case Physical::kI8: return from_signed(column.values<int8_t>()[row]);
    case Physical::kI16: return from_signed(column.values<int16_t>()[row]);
    case Physical::kI32: return from_signed(column.values<int32_t>()[row]);
    case Physical::kI64: return from_signed(column.values<int64_t>()[row]);
    case Physical::kF32: return from_double(column.values<float>()[row]);
    case Physical::kF64: return from_double(column.values<double>()[row]);
    case Physical::kI128: return from_signed(static_cast<int64_t>(load<__int128>(column, row) >> 64));
    case Physical::kU128: return static_cast<uint64_t>(load<unsigned __int128>(column, row) >> 64);
    case Physical::kInterval: return from_signed(load<Interval>(column, row).normalized().months);
    case Physical::kString: {
      const StringRef& text = column.values<StringRef>()[row];
      uint64_t bytes = 0;
      std::memcpy(&bytes, text.data(), std::min<uint32_t>(8, text.size()));
      return __builtin_bswap64(bytes);
    }
  }
  CHECK(false);
}

}  // namespace

uint64_t RowOrder::prefix(const RowRef& row) const {
  if (keys_.empty()) return 0;
  const plan::SortKey& key = keys_[0];
  const Column& column = row.columns[key.column];
  if (column.is_null(row.row)) return key.nulls_first ? 0 : ~uint64_t{0};
  const uint64_t value = value_prefix(column, row.row);
  return key.descending ? ~value : value;
}

void RowOrder::prefixes(std::span<const Column> columns, uint32_t rows, uint64_t* out) const {
  if (!keys_.empty()) {
    const Column& column = columns[keys_[0].column];
    if (column.physical == Physical::kI64 && !column.validity) {
      const int64_t* values = column.values<int64_t>();
      const uint64_t flip = keys_[0].descending ? ~kSignBit : kSignBit;
      for (uint32_t row = 0; row < rows; ++row) out[row] = static_cast<uint64_t>(values[row]) ^ flip;
      return;
    }
  }
  for (uint32_t row = 0; row < rows; ++row) out[row] = prefix({columns, row});
}

int RowOrder::compare_keys(const RowRef& a, const RowRef& b) const {
  for (const plan::SortKey& key : keys_) {
    const Column& left = a.columns[key.column];
    const Column& right = b.columns[key.column];
    const bool left_null = left.is_null(a.row), right_null = right.is_null(b.row);
    if (left_null || right_null) {
      if (left_null == right_null) continue;
      return left_null == key.nulls_first ? -1 : 1;
    }
    const int order = compare_column(left, a.row, right, b.row);
    if (order != 0) return key.descending ? -order : order;
  }
  return 0;
}

int RowOrder::compare_content(const RowRef& a, const RowRef& b) const {
  for (size_t c = 0; c < column_count_; ++c) {
    const Column& left = a.columns[c];
    const Column& right = b.columns[c];
    const bool left_null = left.is_null(a.row), right_null = right.is_null(b.row);
    if (left_null || right_null) {
      if (left_null == right_null) continue;
      return left_null ? 1 : -1;
    }
    if (const int order = compare_column(left, a.row, right, b.row)) return order;
    // Equal in order, yet perhaps not the same: -0.0 and 0.0, 30 days and a month.
    if (left.physical == Physical::kF32 || left.physical == Physical::kF64 || left.physical == Physical::kInterval) {
      const uint32_t size = data::physical_size(left.physical);
      const int order = std::memcmp(static_cast<const char*>(left.data) + size_t{a.row} * size,
                                    static_cast<const char*>(right.data) + size_t{b.row} * size, size);
      if (order != 0) return order;
    }
  }
  return 0;
}

}  // namespace laminar::stream
