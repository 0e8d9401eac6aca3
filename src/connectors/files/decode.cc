#include "connectors/files/decode.h"

#include <charconv>
#include <cstring>
#include <limits>
#include <string>

#include "connectors/duck_instance.h"
#include "data/value.h"
#include "duck/types.h"

namespace laminar::connectors {

namespace {

using data::Column;
using data::Physical;
using data::StringArena;
using data::StringRef;
using data::Type;
using data::TypeKind;
using data::Value;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr int64_t kPowers[] = {1,
                               10,
                               100,
                               1'000,
                               10'000,
                               100'000,
                               1'000'000,
                               10'000'000,
                               100'000'000,
                               1'000'000'000,
                               10'000'000'000,
                               100'000'000'000,
                               1'000'000'000'000,
                               10'000'000'000'000,
                               100'000'000'000'000,
                               1'000'000'000'000'000,
                               10'000'000'000'000'000,
                               100'000'000'000'000'000,
                               1'000'000'000'000'000'000};

// -?digits, at most 18 of them.
bool plain_integer(std::string_view text, int64_t& out) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 18) return false;
  int64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    value = value * 10 + (c - '0');
  }
  out = negative ? -value : value;
  return true;
}

template <class T>
bool store_integer(int64_t value, Column& column, uint32_t row) {
  if (value < static_cast<int64_t>(std::numeric_limits<T>::min())) return false;
  if (sizeof(T) < 8 && value > static_cast<int64_t>(std::numeric_limits<T>::max())) return false;
  column.values<T>()[row] = static_cast<T>(value);
  return true;
}

template <class T>
bool decode_integer(std::string_view text, Column& column, uint32_t row) {
  int64_t value;
  return plain_integer(text, value) && store_integer<T>(value, column, row);
}

// -?digits[.digits], no more fraction digits than the scale, no more digits before it than there is room for.
bool plain_decimal(std::string_view text, const Type& type, int64_t& out) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  int64_t value = 0;
  size_t digits = 0, fraction = 0;
  bool point = false;
  for (const char c : text) {
    if (c == '.' && !point && digits > 0) {
      point = true;
    } else if (is_digit(c)) {
      if (++digits > 18) return false;
      value = value * 10 + (c - '0');
      fraction += point;
    } else {
      return false;
    }
  }
  if (digits == 0 || (point && fraction == 0) || fraction > type.scale) return false;
  if (digits - fraction > static_cast<size_t>(type.width - type.scale)) return false;
  value *= kPowers[type.scale - fraction];
  out = negative ? -value : value;
  return true;
}

template <class T>
bool decode_float(std::string_view text, Column& column, uint32_t row) {
  // DuckDB's other forms (inf, nan, blanks, underscores, hexadecimal) take the long way.
  bool digit = false;
  for (const char c : text) {
    digit |= is_digit(c);
    if (!is_digit(c) && c != '-' && c != '.' && c != 'e' && c != 'E' && c != '+') return false;
  }
  if (!digit || text.front() == '+') return false;
  T value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  column.values<T>()[row] = value;
  return true;
}

bool digits_at(const char* at_, int n, int& out) {
  int value = 0;
  for (int i = 0; i < n; ++i) {
    if (!is_digit(at_[i])) return false;
    value = value * 10 + (at_[i] - '0');
  }
  out = value;
  return true;
}

// YYYY-MM-DD to days since 1970.
bool plain_date(std::string_view text, int32_t& out) {
  int year, month, day;
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !digits_at(text.data(), 4, year) ||
      !digits_at(text.data() + 5, 2, month) || !digits_at(text.data() + 8, 2, day)) {
    return false;
  }
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > kDays[month - 1] + (leap && month == 2)) return false;
  // Days from civil date, counted in 400-year eras that begin in March.
  const int y = month <= 2 ? year - 1 : year;
  const int era = y / 400, year_of_era = y % 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  out = era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
  return true;
}

// YYYY-MM-DD[ T]HH:MM:SS[.f to .ffffff][Z] to microseconds since 1970; `has_zone` when there is a Z.
bool plain_timestamp(std::string_view text, int64_t& out, bool& has_zone) {
  int32_t days;
  if (text.size() < 19 || !plain_date(text.substr(0, 10), days) || (text[10] != ' ' && text[10] != 'T')) return false;
  int hour, minute, second;
  if (!digits_at(text.data() + 11, 2, hour) || text[13] != ':' || !digits_at(text.data() + 14, 2, minute) || text[16] != ':' ||
      !digits_at(text.data() + 17, 2, second) || hour > 23 || minute > 59 || second > 59) {
    return false;
  }
  int64_t us = ((int64_t{hour} * 60 + minute) * 60 + second) * 1'000'000;
  text.remove_prefix(19);
  has_zone = !text.empty() && text.back() == 'Z';
  if (has_zone) text.remove_suffix(1);
  if (!text.empty()) {
    if (text.front() != '.' || text.size() < 2 || text.size() > 7) return false;
    int64_t unit = 100'000;
    for (const char c : text.substr(1)) {
      if (!is_digit(c)) return false;
      us += (c - '0') * unit;
      unit /= 10;
    }
  }
  out = days * int64_t{86'400'000'000} + us;
  return true;
}

bool store_value(const Value& value, const Type& type, Column& column, uint32_t row, StringArena& strings) {
  if (!(value.type == type)) return false;
  value.to_column(column, row, strings);
  return true;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    uint64_t word;
    if (end - p >= 8 && (std::memcpy(&word, p, 8), (word & 0x8080808080808080ull) == 0)) {
      p += 8;
      continue;
    }
    const auto c = static_cast<unsigned char>(*p);
    if (c < 0x80) {
      ++p;
      continue;
    }
    const int more = c >= 0xc2 && c <= 0xdf ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
    if (more == 0 || end - p <= more) return false;
    for (int i = 1; i <= more; ++i) {
      if ((static_cast<unsigned char>(p[i]) & 0xc0) != 0x80) return false;
    }
    const auto second = static_cast<unsigned char>(p[1]);
    if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f)) {
      return false;  // longer than need be, a surrogate, or beyond U+10FFFF
    }
    p += more + 1;
  }
  return true;
}

Decoder::Decoder(Type type) : type_(std::move(type)) {}

bool Decoder::decode(std::string_view text, Column& column, uint32_t row, StringArena& strings) const {
  switch (type_.kind) {
    case TypeKind::kVarchar:
      if (!is_utf8(text) || text.size() > std::numeric_limits<uint32_t>::max()) return false;
      column.values<StringRef>()[row] = strings.copy(text);
      return true;
    case TypeKind::kBoolean:
      if (text == "true" || text == "false") {
        column.values<uint8_t>()[row] = text == "true";
        return true;
      }
      break;
    case TypeKind::kInt8: if (decode_integer<int8_t>(text, column, row)) return true; break;
    case TypeKind::kInt16: if (decode_integer<int16_t>(text, column, row)) return true; break;
    case TypeKind::kInt32: if (decode_integer<int32_t>(text, column, row)) return true; break;
    case TypeKind::kInt64: if (decode_integer<int64_t>(text, column, row)) return true; break;
    case TypeKind::kUInt8: if (decode_integer<uint8_t>(text, column, row)) return true; break;
    case TypeKind::kUInt16: if (decode_integer<uint16_t>(text, column, row)) return true; break;
    case TypeKind::kUInt32: if (decode_integer<uint32_t>(text, column, row)) return true; break;
    case TypeKind::kUInt64: if (decode_integer<uint64_t>(text, column, row)) return true; break;
    case TypeKind::kFloat: if (decode_float<float>(text, column, row)) return true; break;
    case TypeKind::kDouble: if (decode_float<double>(text, column, row)) return true; break;
    case TypeKind::kDecimal: {
      int64_t value;
      if (type_.width > 18 || !plain_decimal(text, type_, value)) break;
      switch (column.physical) {
        case Physical::kI16: column.values<int16_t>()[row] = static_cast<int16_t>(value); return true;
        case Physical::kI32: column.values<int32_t>()[row] = static_cast<int32_t>(value); return true;
        case Physical::kI64: column.values<int64_t>()[row] = value; return true;
        default: break;
      }
      break;
    }
    case TypeKind::kDate: if (plain_date(text, column.values<int32_t>()[row])) return true; break;
    case TypeKind::kTimestamp: case TypeKind::kTimestampTz: {
      bool has_zone;
      int64_t us;
      if (!plain_timestamp(text, us, has_zone)) break;
      if (type_.kind == TypeKind::kTimestampTz && !has_zone) break;
      column.values<int64_t>()[row] = us;
      return true;
    }
    default: break;
  }
  return decode_by_cast(text, column, row, strings);
}

bool Decoder::decode_by_cast(std::string_view text, Column& column, uint32_t row, StringArena& strings) const {
  if (!is_utf8(text)) return false;
  const Result<Value> value = duck::cast_value(Value::string(std::string(text)), type_);
  return value.ok() && store_value(*value, type_, column, row, strings);
}

bool Decoder::decode_json(std::string_view json, Column& column, uint32_t row, StringArena& strings) {
  if (type_.kind == TypeKind::kVarchar) return decode(json, column, row, strings);
  if (type_.kind != TypeKind::kBoxed || !is_utf8(json)) return false;
  duck::JsonCast* cast = json_cast(json_cast_);
  if (!cast) return false;
  const Result<Value> value = cast->from_json(json, type_);
  return value.ok() && store_value(*value, type_, column, row, strings);
}

}  // namespace laminar::connectors
