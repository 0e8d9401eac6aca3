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

class KeyWatermarks;

// The moves of a tick in the order of the rows that made them, and where all keys stand at its end.
struct KeyMoves {
  std::span<const KeyMove> list;
  const KeyWatermarks* watermarks = nullptr;

  bool empty() const { return list.empty(); }
  size_t size() const { return list.size(); }
  const KeyMove& operator[](size_t i) const { return list[i]; }
  auto begin() const { return list.begin(); }
  auto end() const { return list.end(); }
};

}  // namespace laminar::stream
