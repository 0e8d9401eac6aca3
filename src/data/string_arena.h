// A bump allocator for the bytes of long strings: addresses are stable until reset(), which keeps the blocks.
//
// Threads: one owner at a time.
// Bounds:  grows by blocks of 64 KiB (a longer string gets a block of its own); after warm-up reset() and reuse
//          allocate nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/string_ref.h"

namespace laminar::data {

class StringArena {
 public:
  static constexpr size_t kBlockBytes = 64 * 1024;

  char* allocate(size_t n) {
    if (n <= left_) {
      char* at_ = cursor_;
      cursor_ += n;
      left_ -= n;
      used_bytes_ += n;
      return at_;
    }
    return allocate_slow(n);
  }
  // A StringRef with its long bytes copied here.
  StringRef copy(StringRef value) {
    if (value.is_inline()) return value;
    char* bytes = allocate(value.size());
    std::memcpy(bytes, value.data(), value.size());
    return StringRef(bytes, value.size());
  }
  StringRef copy(std::string_view text) { return copy(StringRef(text)); }

  void reset();
  // Bytes handed out since the last reset(), and bytes held.
  size_t used_bytes() const { return used_bytes_; }
  size_t held_bytes() const { return held_bytes_; }

 private:
  char* allocate_slow(size_t n);

  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t size;
  };
  std::vector<Block> blocks_;
  size_t block_ = 0;  // the block that cursor_ points into is blocks_[block_ - 1]
  char* cursor_ = nullptr;
  size_t left_ = 0;
  size_t used_bytes_ = 0, held_bytes_ = 0;
};

}  // namespace laminar::data
