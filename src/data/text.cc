#include "data/text.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "data/string_ref.h"

namespace laminar::data {

namespace {

using int128 = __int128;
using uint128 = unsigned __int128;

template <class T>
T at_row(const Column& column, uint32_t row) {
  return static_cast<const T*>(column.data)[row];
}

template <class T>
void append_number(T value, std::string& out) {
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

void append_u128(uint128 value, std::string& out) {
  char text[40];
  char* cursor = text + sizeof text;
  do {
    *--cursor = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  out.append(cursor, text + sizeof text);
}

void append_i128(int128 value, std::string& out) {
  if (value < 0) out += '-';
  append_u128(value < 0 ? -static_cast<uint128>(value) : static_cast<uint128>(value), out);
}

// DuckDB leaves out the zero before the point where every digit stands behind it: DECIMAL(2,2) prints ".50".
void append_decimal(int128 value, uint8_t width, uint8_t scale, std::string& out) {
  if (value < 0) out += '-';
  uint128 magnitude = value < 0 ? -static_cast<uint128>(value) : static_cast<uint128>(value);
  if (scale == 0) return append_u128(magnitude, out);
  uint128 power = 1;
  for (int i = 0; i < scale; ++i) power *= 10;
  if (width > scale) append_u128(magnitude / power, out);
  out += '.';
  std::string fraction;
  append_u128(magnitude % power, fraction);
  out.append(scale - fraction.size(), '0');
  out += fraction;
}

// The shortest text that reads back as the same number, in the style of DuckDB: "1.0", "1e+20", "nan".
template <class T>
void append_float(T value, std::string& out) {
  if (std::isnan(value)) {
    out += std::signbit(value) ? "-nan" : "nan";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-inf" : "inf";
    return;
  }
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  std::string_view digits(text, static_cast<size_t>(end - text));
  const size_t e = digits.find('e');
  const int exponent = std::atoi(digits.data() + e + 1);
  if (exponent >= -4 && exponent < 16) {
    end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr;
    std::string_view fixed(text, static_cast<size_t>(end - text));
    out += fixed;
    if (fixed.find('.') == std::string_view::npos) out += ".0";
  } else {
    out += digits;
  }
}

void two_digits(int64_t value, std::string& out) {
  out += static_cast<char>('0' + value / 10);
  out += static_cast<char>('0' + value % 10);
}

void append_time_of_day(int64_t us, std::string& out) {
  two_digits(us / 3'600'000'000, out);
  out += ':';
  two_digits(us / 60'000'000 % 60, out);
  out += ':';
  two_digits(us / 1'000'000 % 60, out);
  int64_t fraction = us % 1'000'000;
  if (fraction == 0) return;
  char text[16];
  std::snprintf(text, sizeof text, ".%06d", static_cast<int>(fraction));
  size_t length = 7;
  while (text[length - 1] == '0') --length;
  out.append(text, length);
}

}  // namespace

bool has_exact_text(const Type& type) {
  switch (type.kind) {
    case TypeKind::kFloat: case TypeKind::kDouble: case TypeKind::kInterval: case TypeKind::kUuid: case TypeKind::kBlob:
    case TypeKind::kBoxed: case TypeKind::kTimestampTz: case TypeKind::kTimestampS: case TypeKind::kTimestampMs:
    case TypeKind::kTimestampNs:
      return false;
    default:
      return true;
  }
}

void append_date(int32_t days, std::string& out) {
  if (days == std::numeric_limits<int32_t>::max()) { out += "infinity"; return; }
  if (days == -std::numeric_limits<int32_t>::max()) { out += "-infinity"; return; }
  // Days to a proleptic Gregorian date by eras of 400 years (http://howardhinnant.github.io/date_algorithms.html).
  const int64_t z = int64_t{days} + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const int64_t doe = z - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  const int64_t day = doy - (153 * mp + 2) / 5 + 1;
  const int64_t month = mp < 10 ? mp + 3 : mp - 9;
  int64_t year = yoe + era * 400 + (month <= 2);
  const bool before_christ = year <= 0;
  if (before_christ) year = 1 - year;
  char text[16];
  std::snprintf(text, sizeof text, "%04lld", static_cast<long long>(year));
  out += text;
  out += '-';
  two_digits(month, out);
  out += '-';
  two_digits(day, out);
  if (before_christ) out += " (BC)";
}

void append_timestamp_us(int64_t us, std::string& out) {
  if (us == std::numeric_limits<int64_t>::max()) { out += "infinity"; return; }
  if (us == -std::numeric_limits<int64_t>::max()) { out += "-infinity"; return; }
  constexpr int64_t kDayUs = 86'400'000'000;
  int64_t days = us / kDayUs;
  if (us % kDayUs < 0) --days;
  append_date(static_cast<int32_t>(days), out);
  out += ' ';
  append_time_of_day(us - days * kDayUs, out);
}

void append_text(const Type& type, const Column& column, uint32_t row, std::string& out) {
  if (column.is_null(row)) {
    out += "NULL";
    return;
  }
  switch (type.kind) {
    case TypeKind::kDate: return append_date(at_row<int32_t>(column, row), out);
    case TypeKind::kTime: return append_time_of_day(at_row<int64_t>(column, row), out);
    case TypeKind::kTimestamp: return append_timestamp_us(at_row<int64_t>(column, row), out);
    case TypeKind::kTimestampTz:
      append_timestamp_us(at_row<int64_t>(column, row), out);
      out += "+00";
      return;
    case TypeKind::kTimestampS: case TypeKind::kTimestampMs: {
      const int64_t factor = type.kind == TypeKind::kTimestampS ? 1'000'000 : 1'000;
      int64_t us;
      if (__builtin_mul_overflow(at_row<int64_t>(column, row), factor, &us)) us = std::numeric_limits<int64_t>::max();
      return append_timestamp_us(us, out);
    }
    case TypeKind::kTimestampNs: return append_timestamp_us(at_row<int64_t>(column, row) / 1000, out);
    case TypeKind::kDecimal:
      switch (type.physical()) {
        case Physical::kI16: return append_decimal(at_row<int16_t>(column, row), type.width, type.scale, out);
        case Physical::kI32: return append_decimal(at_row<int32_t>(column, row), type.width, type.scale, out);
        case Physical::kI64: return append_decimal(at_row<int64_t>(column, row), type.width, type.scale, out);
        default: return append_decimal(at_row<int128>(column, row), type.width, type.scale, out);
      }
    default: break;
  }
  switch (column.physical) {
    case Physical::kBool: out += at_row<uint8_t>(column, row) ? "true" : "false"; return;
    case Physical::kI8: return append_number(int{at_row<int8_t>(column, row)}, out);
    case Physical::kI16: return append_number(at_row<int16_t>(column, row), out);
    case Physical::kI32: return append_number(at_row<int32_t>(column, row), out);
    case Physical::kI64: return append_number(at_row<int64_t>(column, row), out);
    case Physical::kU8: return append_number(unsigned{at_row<uint8_t>(column, row)}, out);
    case Physical::kU16: return append_number(at_row<uint16_t>(column, row), out);
    case Physical::kU32: return append_number(at_row<uint32_t>(column, row), out);
    case Physical::kU64: return append_number(at_row<uint64_t>(column, row), out);
    case Physical::kI128: return append_i128(at_row<int128>(column, row), out);
    case Physical::kU128: return append_u128(at_row<uint128>(column, row), out);
    case Physical::kF32: return append_float(at_row<float>(column, row), out);
    case Physical::kF64: return append_float(at_row<double>(column, row), out);
    case Physical::kInterval: {
      struct Interval { int32_t months, days; int64_t us; } value;
      std::memcpy(&value, static_cast<const char*>(column.data) + size_t{row} * 16, 16);
      append_number(value.months, out);
      out += " months ";
      append_number(value.days, out);
      out += " days ";
      append_number(value.us, out);
      out += " us";
      return;
    }
    case Physical::kString: out += at_row<StringRef>(column, row).view(); return;
  }
}

}  // namespace laminar::data
