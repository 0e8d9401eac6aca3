// How the watermark of one key of a source has moved, in a tick: what windows of that key close by.
//
// Threads: plain data; the source owns the moves of a tick, and they live until its next one.
#pragma once

#include <cstdint>
#include <span>

namespace laminar::stream {

struct KeyMove {
  uint64_t key;  // of_hash() of the hash of its values
  int64_t before, after;

  // 0 is no key.
  static uint64_t of_hash(uint64_t hash) { return hash + (hash == 0); }
};

// In the order of the rows that made them.
using KeyMoves = std::span<const KeyMove>;

}  // namespace laminar::stream
