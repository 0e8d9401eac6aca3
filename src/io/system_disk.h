// The disk of this machine.
//
// Backends of log files: pwrite (page cache and fdatasync), direct (O_DIRECT | O_DSYNC: the write itself is durable and
// passes the page cache by). On a file system that refuses O_DIRECT a direct file is written as pwrite does.
#pragma once

#include <atomic>

#include "io/disk.h"

namespace laminar::io {

enum class LogBackend : uint8_t { kPwrite, kDirect };
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

 private:
  // Median time of a durable block in a reserved file, in ns.
  Result<int64_t> measure(LogBackend backend, const std::string& folder);
  std::atomic<LogBackend> log_backend_;
};

}  // namespace laminar::io
