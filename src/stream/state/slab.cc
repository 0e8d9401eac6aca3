#include "stream/state/slab.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace laminar::stream {

namespace {
constexpr size_t kHugeBytes = 2 * 1024 * 1024;
constexpr size_t kBlockBytesMax = 4 * 1024 * 1024;
constexpr size_t kPieceBlockBytes = 16 * 1024;
}  // namespace

struct Slab::Blocks {
  struct Block {
    char* base;  // as mapped
    size_t size;
  };
  ~Blocks() {
    for (const Block& block : list) munmap(block.base, block.size);
  }
  std::vector<Block> list;
};

char* Slab::allocate_slow(size_t n) {
  size_t size = std::max(n, next_block_bytes_);
  next_block_bytes_ = std::min(next_block_bytes_ * 2, kBlockBytesMax);
  size_t mapped = size;
  if (size >= kHugeBytes) {
    size = (size + kHugeBytes - 1) & ~(kHugeBytes - 1);
    mapped = size + kHugeBytes;  // room to align; untouched pages cost nothing
  } else {
    mapped = size = (size + 4095) & ~size_t{4095};
  }
  void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(base != MAP_FAILED);
  char* begin = static_cast<char*>(base);
  if (mapped != size) {
    begin += (kHugeBytes - reinterpret_cast<uintptr_t>(begin) % kHugeBytes) % kHugeBytes;
    madvise(begin, size, MADV_HUGEPAGE);
  }
  if (!blocks_) blocks_ = std::make_shared<Blocks>();
  blocks_->list.push_back({static_cast<char*>(base), mapped});
  held_bytes_ += size;
  cursor_ = begin + n;
  left_ = size - n;
  return begin;
}

void Slab::clear() {
  blocks_.reset();
  cursor_ = nullptr;
  left_ = 0;
  held_bytes_ = 0;
  next_block_bytes_ = 64 * 1024;
}

// Classes 0..15: multiples of 16 up to 256; then four steps for each doubling.
uint32_t StringHeap::class_of(uint32_t n) {
  if (n <= 256) return n == 0 ? 0 : (n - 1) / 16;
  const uint32_t top = static_cast<uint32_t>(std::bit_width(n - 1)) - 1;  // n in (2^top, 2^(top+1)]
  const uint32_t step = ((n - 1) >> (top - 2)) & 3;
  return 16 + (top - 8) * 4 + step;
}

size_t StringHeap::class_bytes(uint32_t size_class) {
  if (size_class < 16) return (size_class + 1) * 16;
  const uint32_t top = 8 + (size_class - 16) / 4;
  const uint32_t step = (size_class - 16) % 4;
  return (size_t{1} << top) + (size_t{step} + 1) * (size_t{1} << (top - 2));
}

char* StringHeap::allocate(uint32_t n) {
  const uint32_t size_class = class_of(n);
  if (char* piece = free_[size_class]) {
    std::memcpy(&free_[size_class], piece, sizeof(char*));
    return piece;
  }
  const size_t size = class_bytes(size_class);
  if (size >= kPieceBlockBytes) return slab_.allocate(size);
  if (size > left_) {
    cursor_ = slab_.allocate(kPieceBlockBytes);
    left_ = kPieceBlockBytes;
  }
  char* piece = cursor_;
  cursor_ += size;
  left_ -= size;
  return piece;
}

void StringHeap::free(char* bytes, uint32_t n) {
  const uint32_t size_class = class_of(n);
  std::memcpy(bytes, &free_[size_class], sizeof(char*));
  free_[size_class] = bytes;
}

void StringHeap::clear() {
  std::fill(std::begin(free_), std::end(free_), nullptr);
  cursor_ = nullptr;
  left_ = 0;
  slab_.clear();
}

}  // namespace laminar::stream
