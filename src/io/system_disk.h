// The disk of this machine.
//
// Backends of log files: pwrite (page cache and fdatasync), direct (O_DIRECT | O_DSYNC: the write itself is durable and
// passes the page cache by), io_uring (write and fdatasync linked, from a registered buffer, O_DIRECT), io_uring_sqpoll (the same
// with a polling thread of the kernel). On a file system that refuses O_DIRECT the page cache is used. Where the kernel refuses
// io_uring, at the start or later, files are written as pwrite does, and note() says so.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "io/disk.h"
#include "io/uring.h"

namespace laminar::io {

enum class LogBackend : uint8_t { kPwrite, kDirect, kUring, kUringPoll };
inline constexpr LogBackend kLogBackends[] = {LogBackend::kPwrite, LogBackend::kDirect, LogBackend::kUring, LogBackend::kUringPoll};
std::string_view to_text(LogBackend backend);

class SystemDisk final : public Disk {
 public:
  explicit SystemDisk(LogBackend backend = LogBackend::kPwrite) : log_backend_(backend) {}

  Result<std::unique_ptr<DiskFile>> create(const std::string& path, uint64_t reserve, FileUse use) override;
  Result<std::unique_ptr<DiskFile>> open(const std::string& path, bool writable) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<FileInfo> info(const std::string& path) override;
  Status make_folders(const std::string& path) override;
  Status remove(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to, bool replace, bool* exists) override;
  Status sync_folder(const std::string& path) override;
  std::string backend() const override { return std::string(to_text(log_backend_)); }

  Status use_backend(std::string_view name, const std::string& folder) override;
  std::string note() const override;

  // The median time of a durable write of `bytes`, a multiple of blocks, in a reserved file of `folder`, in ns.
  static Result<int64_t> measure(LogBackend backend, const std::string& folder, int writes, size_t bytes);

 private:
  class File;
  class UringFile;
  // The ring of files made from now on; null when the kernel refuses.
  std::shared_ptr<Uring> ring(LogBackend backend);
  void refused(LogBackend backend, const std::string& why);

  std::atomic<LogBackend> log_backend_;
  mutable std::mutex mutex_;
  std::shared_ptr<Uring> ring_;
  LogBackend ring_backend_ = LogBackend::kPwrite;
  std::string refusal_, trial_;
};

}  // namespace laminar::io
