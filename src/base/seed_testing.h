// The seed of a test with random input: LAMINAR_SEED where it is set, else a new one; printed once.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace laminar {

inline uint64_t test_seed() {
  static const uint64_t value = [] {
    const char* text = std::getenv("LAMINAR_SEED");
    const uint64_t seed = text ? std::strtoull(text, nullptr, 10) : std::random_device()();
    std::cout << "seed: LAMINAR_SEED=" << seed << "\n";
    return seed;
  }();
  return value;
}

}  // namespace laminar
