// For tests: how much of the work of a long random test is done.
//
// LAMINAR_TEST_SHARE is the percentage, 100 without it. The presets of the sanitizers, under which everything takes five to
// fifteen times as long, set it (CMakePresets.json): there the tests run fewer seeds, rows and queries, and skip nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace laminar {

inline int64_t test_share(int64_t whole) {
  const char* percent = std::getenv("LAMINAR_TEST_SHARE");
  return percent ? std::max<int64_t>(1, whole * std::atoll(percent) / 100) : whole;
}

}  // namespace laminar
