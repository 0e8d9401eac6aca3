#include "expr/numeric.h"

#include <cstdio>

namespace laminar::expr {

std::string number_text(uint128 value) {
  char buffer[40];
  char* at = buffer + sizeof buffer;
  do {
    *--at = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  return {at, static_cast<size_t>(buffer + sizeof buffer - at)};
}

std::string number_text(int128 value) {
  if (value >= 0) return number_text(static_cast<uint128>(value));
  std::string text(1, '-');
  text.append(number_text(uint128{0} - static_cast<uint128>(value)));
  return text;
}

std::string number_text(double value) {
  char buffer[40];
  return {buffer, static_cast<size_t>(std::snprintf(buffer, sizeof buffer, "%.17g", value))};
}

const char* physical_name(data::Physical physical) {
  static constexpr const char* kNames[] = {"BOOL",    "INT8",   "INT16",  "INT32",    "INT64",
                                           "UINT8",   "UINT16", "UINT32", "UINT64",   "INT128",
                                           "UINT128", "FLOAT",  "DOUBLE", "INTERVAL", "VARCHAR"};
  return kNames[static_cast<int>(physical)];
}

}  // namespace laminar::expr
