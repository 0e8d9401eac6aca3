// Memory for state that grows: blocks straight from the kernel, in huge pages once they are large, given back together.
//
// Threads: one core.
// Owns:    the blocks; what was handed out stays in place until clear() or the end, and while somebody holds memory().
// Bounds:  none of its own; bytes() says what is held. The first block has 64 KiB, later ones twice as much up to 4 MiB.
// Errors:  ends the process when the kernel has no memory, as operator new would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace laminar::stream {

class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // 64-byte aligned, zeroed.
  char* allocate(size_t n) {
    n = (n + 63) & ~size_t{63};
    if (n > left_) return allocate_slow(n);
    char* result = cursor_;
    cursor_ += n;
    left_ -= n;
    return result;
  }
  void clear();
  uint64_t bytes() const { return held_bytes_; }
  // Keeps what was handed out so far where it is; any thread may let go of it.
  std::shared_ptr<const void> memory() const { return blocks_; }

 private:
  char* allocate_slow(size_t n);

  struct Blocks;
  std::shared_ptr<Blocks> blocks_;  // null while there are none
  char* cursor_ = nullptr;
  size_t left_ = 0;
  size_t next_block_bytes_ = 64 * 1024;
  uint64_t held_bytes_ = 0;
};

// Long strings of rows that come and go: size classes over a slab, each with a list of free pieces.
//
// Bounds:  a piece is at most a quarter larger than asked; freed pieces serve later strings of their class.
class StringHeap {
 public:
  char* allocate(uint32_t n);
  void free(char* bytes, uint32_t n);
  void clear();
  uint64_t bytes() const { return slab_.bytes(); }
  std::shared_ptr<const void> memory() const { return slab_.memory(); }

 private:
  static uint32_t class_of(uint32_t n);
  static size_t class_bytes(uint32_t size_class);

  static constexpr uint32_t kClasses = 128;
  char* free_[kClasses] = {};
  char* cursor_ = nullptr;  // small pieces are cut from here without the slab's alignment
  size_t left_ = 0;
  Slab slab_;
};

}  // namespace laminar::stream
