// Assertions of what we believe: CHECK stays on in release, DCHECK in debug builds only. Never for what a user typed.
#pragma once

namespace laminar {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (__builtin_expect(!(condition), 0)) ::laminar::check_failed(#condition, __FILE__, __LINE__); \
  } while (0)

#ifdef NDEBUG
#define DCHECK(condition) \
  do {                    \
    (void)sizeof(condition); \
  } while (0)
#else
#define DCHECK(condition) CHECK(condition)
#endif

}  // namespace laminar
