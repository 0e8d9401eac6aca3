// For tests: how often the calling thread has asked the heap for memory, by malloc and its kin, operator new included.
//
// Threads: each counts its own calls.
//
// malloc and its kin stand here, over glibc's; a sanitizer has them for itself and calls a hook. They are weak, so every
// file of a test program may include this.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LAMINAR_HEAP_HOOKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LAMINAR_HEAP_HOOKS 1
#endif
#endif

namespace laminar {

inline constinit thread_local uint64_t heap_calls_made = 0;
inline uint64_t heap_calls() { return heap_calls_made; }

// Whether a call is counted: a test that wants none asks this first.
inline bool heap_calls_are_counted() {
  const uint64_t before = heap_calls();
  void* escape = std::malloc(100);
  asm volatile("" : : "g"(escape) : "memory");
  std::free(escape);
  char* object = new char[100];
  asm volatile("" : : "g"(object) : "memory");
  delete[] object;
  return heap_calls() == before + 2;
}

}  // namespace laminar

// NOLINTBEGIN
#ifdef LAMINAR_HEAP_HOOKS
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                                         void (*on_free)(const volatile void*));
namespace laminar {
inline void count_heap_call(const volatile void*, size_t) { ++heap_calls_made; }
inline void ignore_heap_call(const volatile void*) {}
inline const int heap_hooks = __sanitizer_install_malloc_and_free_hooks(count_heap_call, ignore_heap_call);
}  // namespace laminar
#else
#define LAMINAR_OVER_LIBC extern "C" __attribute__((weak, noinline, visibility("default")))
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}
LAMINAR_OVER_LIBC void* malloc(size_t n) noexcept {
  ++laminar::heap_calls_made;
  return __libc_malloc(n);
}
LAMINAR_OVER_LIBC void* calloc(size_t n, size_t size) noexcept {
  ++laminar::heap_calls_made;
  return __libc_calloc(n, size);
}
LAMINAR_OVER_LIBC void* realloc(void* p, size_t n) noexcept {
  ++laminar::heap_calls_made;
  return __libc_realloc(p, n);
}
LAMINAR_OVER_LIBC void* memalign(size_t alignment, size_t n) noexcept {
  ++laminar::heap_calls_made;
  return __libc_memalign(alignment, n);
}
LAMINAR_OVER_LIBC void* aligned_alloc(size_t alignment, size_t n) noexcept {
  ++laminar::heap_calls_made;
  return __libc_memalign(alignment, n);
}
LAMINAR_OVER_LIBC int posix_memalign(void** p, size_t alignment, size_t n) noexcept {
  ++laminar::heap_calls_made;
  *p = __libc_memalign(alignment, n);
  return *p ? 0 : ENOMEM;
}
#undef LAMINAR_OVER_LIBC
#endif
// NOLINTEND
