// Bitmaps over the rows of one batch, and their translation from and to BOOLEAN bytes.
//
// Bounds:  kBatchRowsMax bits; bits at and behind `rows` may be anything unless said.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "data/batch.h"

namespace laminar::expr {

inline constexpr uint32_t kWords = data::validity_words(data::kBatchRowsMax);

// Bits of word `word` that stand for rows below `rows`.
inline uint64_t word_mask(uint32_t word, uint32_t rows) {
  const uint32_t left = rows - word * 64;
  return left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
}

inline bool test_bit(const uint64_t* bits, uint32_t row) { return bits[row >> 6] >> (row & 63) & 1; }

inline bool any_bit(const uint64_t* bits, uint32_t rows) {
  for (uint32_t w = 0; w < data::validity_words(rows); ++w) {
    if (bits[w] & word_mask(w, rows)) return true;
  }
  return false;
}

// Calls f(row) for each set bit below `rows`, ascending.
template <class F>
inline void for_each_bit(const uint64_t* bits, uint32_t rows, F&& f) {
  for (uint32_t w = 0; w < data::validity_words(rows); ++w) {
    for (uint64_t word = bits[w] & word_mask(w, rows); word; word &= word - 1) {
      f(w * 64 + static_cast<uint32_t>(std::countr_zero(word)));
    }
  }
}

// One bit per byte (its lowest bit). `bytes` is readable up to a multiple of 8.
inline void bits_from_bytes(const uint8_t* bytes, uint32_t rows, uint64_t* bits) {
  for (uint32_t w = 0; w < data::validity_words(rows); ++w) {
    uint64_t word = 0;
    const uint32_t chunks = (rows - w * 64 >= 64) ? 8 : (rows - w * 64 + 7) / 8;
    for (uint32_t c = 0; c < chunks; ++c) {
      uint64_t eight = 0;
      const uint32_t first = w * 64 + c * 8;
      std::memcpy(&eight, bytes + first, rows - first >= 8 ? 8 : rows - first);
      word |= ((eight & 0x0101010101010101u) * 0x0102040810204080u >> 56) << (c * 8);
    }
    bits[w] = word;
  }
}

// Bytes 0 or 1; writes up to a multiple of 8 rows.
inline void bytes_from_bits(const uint64_t* bits, uint32_t rows, uint8_t* bytes) {
  for (uint32_t c = 0; c < (rows + 7) / 8; ++c) {
    const uint64_t eight = bits[c >> 3] >> ((c & 7) * 8) & 0xff;
    const uint64_t spread =
        ((eight * 0x0101010101010101u & 0x8040201008040201u) + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
    std::memcpy(bytes + c * 8, &spread, 8);
  }
}

}  // namespace laminar::expr
