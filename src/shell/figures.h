// The figures that the shell shows of a running database, out of its metrics, and numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "laminar/laminar.h"

namespace laminar::shell {

// The metric of an object, or of the database where `object` is empty; `otherwise` where there is none.
double metric(const std::vector<Metric>& metrics, std::string_view name, std::string_view object = {},
              double otherwise = 0);
// Summed up over all objects.
double total(const std::vector<Metric>& metrics, std::string_view name);
// 1,234,567
std::string with_commas(uint64_t number);
// 950, 12.3 k, 4.56 M, 1.2 G
std::string short_number(double number);
// Three digits of a duration: "0.8 us", "12.3 us", "4.56 ms", "1.2 s".
std::string short_duration_us(double microseconds);
// "0.012 s", "3.4 s", "1 min 05 s"
std::string elapsed_text(int64_t nanoseconds);

}  // namespace laminar::shell
