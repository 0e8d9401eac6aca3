#include "bench/progress.h"

#include <unistd.h>
#include <cstdio>

namespace laminar::bench {

Progress::Progress() : on_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (on_) std::fputs("\r\x1b[K", stderr);
}

void Progress::show(const std::string& what) {
  if (!on_) return;
  std::fprintf(stderr, "\r%.78s\x1b[K", what.c_str());
  std::fflush(stderr);
}

}  // namespace laminar::bench
