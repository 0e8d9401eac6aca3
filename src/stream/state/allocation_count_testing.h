// For tests: how often this process has called operator new.
//
// The operators are weak, so that every test file may include this and one copy stays.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace laminar::stream {
inline std::atomic<uint64_t> allocations_made{0};
inline uint64_t allocation_count() { return allocations_made.load(std::memory_order_relaxed); }
}  // namespace laminar::stream

#if !defined(LAMINAR_SANITIZE)
// NOLINTBEGIN
__attribute__((weak, noinline)) void* operator new(std::size_t n) {
  laminar::stream::allocations_made.fetch_add(1, std::memory_order_relaxed);
  void* p = std::malloc(n ? n : 1);
  if (!p) std::abort();
  return p;
}
__attribute__((weak, noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((weak, noinline)) void operator delete(void* p, std::size_t) noexcept { std::free(p); }
// NOLINTEND
#endif
