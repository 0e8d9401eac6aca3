#include "stream/state/state_pool.h"

#include <algorithm>

namespace laminar::stream {

void* StatePool::allocate_slow(size_t rounded) {
  // What is left of the present chunk goes to the free lists, so that a large block does not waste it.
  while (left_ >= 16) {
    const unsigned size_class = static_cast<unsigned>(std::bit_width(left_)) - 1;
    char* block = cursor_;
    cursor_ += size_t{1} << size_class;
    left_ -= size_t{1} << size_class;
    free(block, size_t{1} << size_class);
  }
  // Chunks kept by reset() come first; one that is too small waits for smaller blocks behind a larger one.
  for (size_t i = next_chunk_; i < chunks_.size(); ++i) {
    if (chunks_[i].size < rounded) continue;
    std::swap(chunks_[i], chunks_[next_chunk_]);
    Chunk& chunk = chunks_[next_chunk_++];
    cursor_ = chunk.bytes.get() + rounded;
    left_ = chunk.size - rounded;
    return chunk.bytes.get();
  }
  const size_t size = std::max(rounded, std::clamp(held_bytes_, kChunkBytesMin, kChunkBytesMax));
  chunks_.push_back(Chunk{make_state_bytes(size), size});
  std::swap(chunks_.back(), chunks_[next_chunk_]);
  held_bytes_ += size;
  Chunk& chunk = chunks_[next_chunk_++];
  cursor_ = chunk.bytes.get() + rounded;
  left_ = size - rounded;
  return chunk.bytes.get();
}

void StatePool::reset() {
  free_.fill(nullptr);
  next_chunk_ = 0;
  cursor_ = nullptr;
  left_ = 0;
}

}  // namespace laminar::stream
