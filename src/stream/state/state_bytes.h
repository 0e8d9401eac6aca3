// Memory for state that is touched at random: on cache lines, and from 2 MiB on in huge pages where the system has them, so that
// a row costs a miss of the cache and not of the page table besides.
//
// Threads: any.
// Errors:  std::bad_alloc.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace laminar::stream {

inline constexpr size_t kHugePageBytes = size_t{2} << 20;

inline void* allocate_state(size_t bytes) {
  const size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : 64;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (!memory) throw std::bad_alloc();
  if (alignment == kHugePageBytes) ::madvise(memory, rounded, MADV_HUGEPAGE);  // a wish: small pages do as well
  return memory;
}

struct FreeStateBytes {
  void operator()(char* bytes) const { std::free(bytes); }
};
using StateBytes = std::unique_ptr<char[], FreeStateBytes>;
inline StateBytes make_state_bytes(size_t bytes) { return StateBytes(static_cast<char*>(allocate_state(bytes))); }

// For std::vector.
template <class T>
struct StateAllocator {
  using value_type = T;
  StateAllocator() = default;
  template <class U>
  StateAllocator(const StateAllocator<U>&) {}
  T* allocate(size_t count) { return static_cast<T*>(allocate_state(count * sizeof(T))); }
  void deallocate(T* memory, size_t) { std::free(memory); }
  bool operator==(const StateAllocator&) const { return true; }
};

}  // namespace laminar::stream
