// What the storage layer asks of a disk: files written at places and made durable, and a name space with renames.
//
// SystemDisk is the machine's; SimulatedDisk (io/simulated_disk.h) loses power, tears writes and fills up on demand.
//
// Threads: a Disk from any; a DiskFile by one at a time.
// Errors:  as in io/file.h, and LDB-6005 when there is no space left.
// Durable: write() alone lasts over the end of the process, not of the machine. A new file is there after a power cut
//          when it was synced and its folder was.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/file.h"

namespace laminar::io {

// Offsets, lengths and addresses of writes to a file that was made with align: multiples of this.
inline constexpr size_t kBlockBytes = 4096;

class DiskFile {
 public:
  virtual ~DiskFile() = default;
  virtual Status write(uint64_t offset, const char* bytes, size_t n) = 0;
  // The same, and everything written so far is durable.
  virtual Status write_durable(uint64_t offset, const char* bytes, size_t n) {
    RETURN_IF_ERROR(write(offset, bytes, n));
    return sync();
  }
  virtual Status sync() = 0;
  // Less than n only at the end of the file.
  virtual Result<size_t> read(uint64_t offset, char* to, size_t n) = 0;
  virtual Status truncate(uint64_t bytes) = 0;
  virtual Result<uint64_t> bytes() = 0;
};

enum class FileUse : uint8_t {
  kPlain,
  kLog,  // by aligned blocks, made durable often: the backend that the disk was told to use
};

class Disk {
 public:
  virtual ~Disk() = default;
  // A new file, an existing one is refused. `reserve` bytes are reserved: writes below that find room on the disk.
  virtual Result<std::unique_ptr<DiskFile>> create(const std::string& path, uint64_t reserve, FileUse use) = 0;
  virtual Result<std::unique_ptr<DiskFile>> open(const std::string& path, bool writable) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  virtual Result<FileInfo> info(const std::string& path) = 0;
  virtual Status make_folders(const std::string& path) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Replaces `to`, or with replace = false refuses to and sets `exists`.
  virtual Status rename(const std::string& from, const std::string& to, bool replace, bool* exists) = 0;
  virtual Status sync_folder(const std::string& path) = 0;
  // How kLog files are written: "pwrite", "direct"; for SHOW.
  virtual std::string backend() const = 0;
  // What the user should know about it: what a trial has shown, what the system refuses. Empty: nothing.
  virtual std::string note() const { return {}; }
  // For files made from now on; "auto" tries each in `folder` and takes the faster.
  virtual Status use_backend(std::string_view name, const std::string& folder) {
    (void)folder;
    return Status(ErrorCode::kNotImplemented, "this disk has no backend " + std::string(name));
  }
};

// The whole file, none when it is not there.
Result<std::string> read_whole(Disk& disk, const std::string& path);
// Replaces the file as a whole and durably: a reader sees the old bytes or the new ones, over power cuts too.
// Order: <path>.new is written and synced, renamed over `path`, the folder synced.
Status write_whole(Disk& disk, const std::string& path, std::string_view bytes);

// Files whose path begins with `prefix` are on `disk`, also for the functions and classes of io/file.h; null ends it.
// For tests; the disk must outlive its use.
void redirect(const std::string& prefix, Disk* disk);
Disk* redirected(const std::string& path);

}  // namespace laminar::io
