// A ring of io_uring for durable writes: the write from a registered buffer to a registered file, and fdatasync linked behind it,
// in one system call, or with a polling kernel thread in none.
//
// Threads: any; one write at a time, others wait.
// Bounds:  one buffer of kBufferBytes; longer writes go in pieces.
// Errors:  a kernel that refuses (too old, seccomp, kernel.io_uring_disabled) is told from a disk that fails: refused().
// Basis:   Axboe, "Efficient IO with io_uring" (2019).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

struct io_uring;

namespace laminar::io {

class Uring {
 public:
  static constexpr size_t kBufferBytes = 256 * 1024;

  // `polls`: a thread of the kernel looks for what is to be done (SQPOLL). Null and `why` when the kernel refuses.
  static std::unique_ptr<Uring> open(bool polls, std::string& why);
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  // Everything written and durable: 0. Else an errno; with refused() it is the ring's fault and not the disk's.
  int write_durable(int fd, uint64_t offset, const char* bytes, size_t n);
  // The file is closed soon.
  void forget(int fd);
  bool refused() const { return refused_; }

  // For tests: what an operation (true: the sync) is taken to have given instead of `result`.
  void set_result_hook(std::function<int(bool is_sync, int result)> hook) { hook_ = std::move(hook); }

 private:
  Uring() = default;
  int use_file(int fd);
  // One piece in the buffer, and the sync when it is the last: what they gave. Non-zero: the ring failed.
  int submit(size_t n, uint64_t offset, bool sync, int& written, int& synced);

  struct Unmap {
    void operator()(char* bytes) const;
  };
  std::mutex mutex_;
  std::unique_ptr<io_uring> ring_;
  std::unique_ptr<char, Unmap> buffer_;
  int file_ = -1;  // registered
  bool files_registered_ = false, refused_ = false;
  std::function<int(bool, int)> hook_;
};

}  // namespace laminar::io
