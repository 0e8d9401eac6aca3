#include "shell/output.h"

#include <unistd.h>
#include <cerrno>

namespace laminar::shell {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void Output::flush() {
  if (fd_ < 0) return;
  if (!failed_ && !write_all(fd_, buffer_)) failed_ = true;
  buffer_.clear();
}

}  // namespace laminar::shell
