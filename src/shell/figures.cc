#include "shell/figures.h"

#include <cstdio>

namespace laminar::shell {
namespace {

std::string three_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), value >= 99.95 ? "%.0f" : value >= 9.995 ? "%.1f" : "%.2f", value);
  return text;
}

}  // namespace

double metric(const std::vector<Metric>& metrics, std::string_view name, std::string_view object, double otherwise) {
  for (const Metric& m : metrics) {
    if (m.name == name && m.object == object) return m.value;
  }
  return otherwise;
}

double total(const std::vector<Metric>& metrics, std::string_view name) {
  double sum = 0;
  for (const Metric& m : metrics) {
    if (m.name == name) sum += m.value;
  }
  return sum;
}

std::string with_commas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string short_number(double number) {
  if (number < 1000)
    return number == static_cast<double>(static_cast<int64_t>(number)) ? std::to_string(static_cast<int64_t>(number))
                                                                       : three_digits(number);
  if (number < 1e6) return three_digits(number / 1e3) + " k";
  if (number < 1e9) return three_digits(number / 1e6) + " M";
  return three_digits(number / 1e9) + " G";
}

std::string short_duration_us(double microseconds) {
  if (microseconds < 1000) return three_digits(microseconds) + " us";
  if (microseconds < 1e6) return three_digits(microseconds / 1e3) + " ms";
  return three_digits(microseconds / 1e6) + " s";
}

std::string elapsed_text(int64_t nanoseconds) {
  const double seconds = static_cast<double>(nanoseconds) / 1e9;
  char text[48];
  if (seconds < 0.9995) {
    std::snprintf(text, sizeof(text), "%.1f ms", seconds * 1e3);
  } else if (seconds < 60) {
    std::snprintf(text, sizeof(text), "%.2f s", seconds);
  } else {
    const auto whole = static_cast<int64_t>(seconds);
    std::snprintf(text, sizeof(text), "%lld min %02lld s", static_cast<long long>(whole / 60),
                  static_cast<long long>(whole % 60));
  }
  return text;
}

}  // namespace laminar::shell
