#include "data/string_arena.h"

#include <algorithm>

namespace laminar::data {

char* StringArena::allocate_slow(size_t n) {
  // Blocks kept by reset() are used again in order; one that is too small is swapped behind a larger one, or skipped.
  while (block_ < blocks_.size() && blocks_[block_].size < n) {
    auto larger = std::find_if(blocks_.begin() + block_ + 1, blocks_.end(), [n](const Block& b) { return b.size >= n; });
    if (larger == blocks_.end()) break;
    std::swap(blocks_[block_], *larger);
  }
  if (block_ >= blocks_.size() || blocks_[block_].size < n) {
    size_t size = std::max(n, kBlockBytes);
    blocks_.insert(blocks_.begin() + static_cast<ptrdiff_t>(block_), Block{std::unique_ptr<char[]>(new char[size]), size});
    held_bytes_ += size;
  }
  Block& block = blocks_[block_++];
  cursor_ = block.bytes.get() + n;
  left_ = block.size - n;
  used_bytes_ += n;
  return block.bytes.get();
}

void StringArena::reset() {
  block_ = 0;
  cursor_ = nullptr;
  left_ = 0;
  used_bytes_ = 0;
}

}  // namespace laminar::data
