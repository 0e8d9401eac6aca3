#include "io/uring.h"

#include <liburing.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/disk.h"

namespace laminar::io {

namespace {

constexpr unsigned kEntries = 4;
constexpr unsigned kPollIdleMs = 50;  // the kernel's thread sleeps when nothing came for so long
constexpr int kAttempts = 64;         // of writes that come back short, or are to be tried again

enum Tag : uint64_t { kWrite = 1, kSync = 2 };

// What a ring says that is no good here, whatever the disk.
bool is_refusal(int error) {
  return error == ENOSYS || error == EPERM || error == EACCES || error == EINVAL || error == EOPNOTSUPP || error == EBADF || error == ENOMEM || error == EFAULT;
}

}  // namespace

void Uring::Unmap::operator()(char* bytes) const { ::munmap(bytes, kBufferBytes); }

std::unique_ptr<Uring> Uring::open(bool polls, std::string& why) {
  std::unique_ptr<Uring> uring(new Uring());
  auto ring = std::make_unique<io_uring>();
  io_uring_params params{};
  if (polls) {
    params.flags = IORING_SETUP_SQPOLL;
    params.sq_thread_idle = kPollIdleMs;
  }
  int error = -io_uring_queue_init_params(kEntries, ring.get(), &params);
  if (error == 0) {
    uring->ring_ = std::move(ring);
    void* bytes = ::mmap(nullptr, kBufferBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (bytes == MAP_FAILED) {
      error = errno;
    } else {
      uring->buffer_.reset(static_cast<char*>(bytes));
      const iovec vector{bytes, kBufferBytes};
      error = -io_uring_register_buffers(uring->ring_.get(), &vector, 1);
    }
  }
  if (error == 0) return uring;
  why = std::strerror(error);
  return nullptr;
}

Uring::~Uring() {
  if (ring_) io_uring_queue_exit(ring_.get());
}

int Uring::use_file(int fd) {
  if (fd == file_) return 0;
  const int result = files_registered_ ? io_uring_register_files_update(ring_.get(), 0, &fd, 1) : io_uring_register_files(ring_.get(), &fd, 1);
  if (result < 0) return -result;
  files_registered_ = true;
  file_ = fd;
  return 0;
}

void Uring::forget(int fd) {
  std::lock_guard lock(mutex_);
  if (fd != file_) return;
  int none = -1;
  (void)io_uring_register_files_update(ring_.get(), 0, &none, 1);
  file_ = -1;
}

int Uring::submit(size_t n, uint64_t offset, bool sync, int& written, int& synced) {
  io_uring_sqe* write = io_uring_get_sqe(ring_.get());
  io_uring_sqe* then = write && sync ? io_uring_get_sqe(ring_.get()) : nullptr;
  if (!write || (sync && !then)) return EBADF;
  io_uring_prep_write_fixed(write, 0, buffer_.get(), static_cast<unsigned>(n), offset, 0);
  write->flags |= IOSQE_FIXED_FILE;
  write->user_data = kWrite;
  if (sync) {
    write->flags |= IOSQE_IO_LINK;
    io_uring_prep_fsync(then, 0, IORING_FSYNC_DATASYNC);
    then->flags |= IOSQE_FIXED_FILE;
    then->user_data = kSync;
  }
  unsigned left = sync ? 2 : 1;
  int result = io_uring_submit_and_wait(ring_.get(), left);
  while (result == -EINTR) result = io_uring_submit_and_wait(ring_.get(), left);
  if (result < 0) return -result;
  while (left > 0) {
    io_uring_cqe* done = nullptr;
    result = io_uring_wait_cqe(ring_.get(), &done);
    if (result == -EINTR) continue;
    if (result < 0) return -result;
    int given = done->res;
    if (hook_) given = hook_(done->user_data == kSync, given);
    (done->user_data == kSync ? synced : written) = given;
    io_uring_cqe_seen(ring_.get(), done);
    --left;
  }
  return 0;
}

int Uring::write_durable(int fd, uint64_t offset, const char* bytes, size_t n) {
  std::lock_guard lock(mutex_);
  if (refused_) return EOPNOTSUPP;
  int error = use_file(fd);
  for (int attempt = 0; error == 0;) {
    const size_t piece = std::min(n, kBufferBytes);
    std::memcpy(buffer_.get(), bytes, piece);
    int written = 0, synced = 0;
    const bool last = piece == n;
    if (const int ring_error = submit(piece, offset, last, written, synced); ring_error != 0) {
      // Nothing more can be told from this ring: some of it may still be under way.
      refused_ = true;
      return ring_error;
    }
    if (written == static_cast<int>(piece) && (!last || synced == 0)) {
      attempt = 0;
      if (last) return 0;
      bytes += piece;
      offset += piece;
      n -= piece;
      continue;
    }
    // A short write has no sync behind it: whole blocks of it count, the rest comes again.
    if (++attempt == kAttempts) return EIO;
    if (written > 0 && written < static_cast<int>(piece)) {
      const size_t done = static_cast<size_t>(written) / kBlockBytes * kBlockBytes;
      bytes += done;
      offset += done;
      n -= done;
    } else if (written < 0) {
      if (written != -EAGAIN && written != -EINTR) error = -written;
    } else if (written == 0) {
      error = ENOSPC;
    } else if (synced != -EAGAIN && synced != -EINTR && synced != -ECANCELED) {
      error = -synced;
    }
  }
  refused_ = is_refusal(error);
  return error;
}

}  // namespace laminar::io
