// The memory of one set of groups: blocks in power-of-two sizes with free lists, all taken back at once by reset().
//
// Threads: one owner.
// Owns:    chunks, kept until destruction; reset() makes all of them free again in constant time.
// Bounds:  grows by chunks that double up to 1 MiB (a larger block gets a chunk of its own); reuse after free() or
//          reset() allocates nothing.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/string_ref.h"
#include "stream/state/state_bytes.h"

namespace laminar::stream {

class StatePool {
 public:
  StatePool() = default;
  StatePool(const StatePool&) = delete;
  StatePool& operator=(const StatePool&) = delete;

  // 16-byte aligned, contents undefined. `bytes` must be repeated to free().
  void* allocate(size_t bytes) {
    const unsigned size_class = class_of(bytes);
    if (void* block = free_[size_class]) {
      free_[size_class] = *static_cast<void**>(block);
      return block;
    }
    const size_t rounded = size_t{1} << size_class;
    if (rounded <= left_) {
      char* block = cursor_;
      cursor_ += rounded;
      left_ -= rounded;
      return block;
    }
    return allocate_slow(rounded);
  }
  void free(void* block, size_t bytes) {
    const unsigned size_class = class_of(bytes);
    *static_cast<void**>(block) = free_[size_class];
    free_[size_class] = block;
  }

  // A copy whose long bytes live here; give it back with free_string().
  data::StringRef copy_string(data::StringRef value) {
    if (value.is_inline()) return value;
    char* bytes = static_cast<char*>(allocate(value.size()));
    std::memcpy(bytes, value.data(), value.size());
    return data::StringRef(bytes, value.size());
  }
  void free_string(data::StringRef value) {
    if (!value.is_inline()) free(const_cast<char*>(value.data()), value.size());
  }

  void reset();
  size_t held_bytes() const { return held_bytes_; }

 private:
  static constexpr size_t kChunkBytesMin = 4096, kChunkBytesMax = size_t{1} << 20;
  static unsigned class_of(size_t bytes) { return bytes <= 16 ? 4 : static_cast<unsigned>(std::bit_width(bytes - 1)); }
  void* allocate_slow(size_t rounded);

  struct Chunk {
    StateBytes bytes;
    size_t size;
  };
  std::array<void*, 48> free_{};
  char* cursor_ = nullptr;
  size_t left_ = 0;
  std::vector<Chunk> chunks_;
  size_t next_chunk_ = 0;  // chunks before it are in use
  size_t held_bytes_ = 0;
};

}  // namespace laminar::stream
