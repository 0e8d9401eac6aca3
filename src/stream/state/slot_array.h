// Values by slot number, in chunks that stay where they are: growing neither copies nor touches what is there.
//
// Threads: one core.
// Bounds:  grows to the largest slot asked for; never shrinks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace laminar::stream {

template <class T>
class SlotArray {
 public:
  static constexpr uint32_t kChunk = 1024;

  T& operator[](uint32_t slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  const T& operator[](uint32_t slot) const { return chunks_[slot / kChunk][slot % kChunk]; }
  // Makes room for slots up to this one; new values are T().
  void reach(uint32_t slot) {
    while (slot >= size()) chunks_.push_back(std::make_unique<T[]>(kChunk));
  }
  uint32_t size() const { return static_cast<uint32_t>(chunks_.size()) * kChunk; }
  uint64_t bytes() const { return uint64_t{size()} * sizeof(T); }

 private:
  std::vector<std::unique_ptr<T[]>> chunks_;
};

}  // namespace laminar::stream
