// Hashes that are part of results' placement: stable across builds and machines, so key groups survive a restart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace laminar {

inline uint64_t hash_u64(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ull;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ull;
  x ^= x >> 32;
  return x;
}

inline uint64_t hash_combine(uint64_t seed, uint64_t h) {
  return hash_u64(seed * 0x9E3779B97F4A7C15ull + h);
}

inline uint64_t hash_bytes(const char* bytes, size_t n) {
  uint64_t h = 0x9E3779B97F4A7C15ull ^ (n * 0xff51afd7ed558ccdull);
  while (n >= 8) {
    uint64_t w;
    std::memcpy(&w, bytes, 8);
    h = (h ^ w) * 0xd6e8feb86659fd93ull;
    h ^= h >> 32;
    bytes += 8;
    n -= 8;
  }
  uint64_t w = 0;
  std::memcpy(&w, bytes, n);
  return hash_u64(h ^ w);
}

}  // namespace laminar
