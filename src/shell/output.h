// What the program prints: collected, and written when a statement ends or the buffer is full.
//
// Threads: one.
// Bounds:  at most kBufferBytes wait.
// Errors:  a failed write (a closed pipe, a full disk) is kept; failed() says so and later text is dropped.
#pragma once

#include <string>
#include <string_view>

namespace laminar::shell {

class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}
  // A buffer without a file, for tests and for screens that are put together first.
  Output() = default;

  Output& operator<<(std::string_view text) {
    buffer_.append(text);
    if (fd_ >= 0 && buffer_.size() >= kBufferBytes) flush();
    return *this;
  }
  Output& operator<<(char c) { return *this << std::string_view(&c, 1); }
  void flush();
  bool failed() const { return failed_; }
  std::string take() { return std::move(buffer_); }

 private:
  static constexpr size_t kBufferBytes = 1 << 16;
  int fd_ = -1;
  bool failed_ = false;
  std::string buffer_;
};

// Writes all of it to the file, restarting after signals; false when the file takes no more.
bool write_all(int fd, std::string_view text);

}  // namespace laminar::shell
