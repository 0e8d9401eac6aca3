// Files: reading, listing, and writing so that a reader sees a whole file or none.
//
// Threads: any; an open file belongs to one thread at a time.
// Errors:  LDB-5001 not found, LDB-5002 cannot be read, LDB-5003 cannot be written; messages name the path and why.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace laminar::io {

class DiskFile;

struct FileInfo {
  enum class Kind : uint8_t { kNone, kFile, kFolder, kOther };
  Kind kind = Kind::kNone;
  uint64_t bytes = 0;
  int64_t modified_ns = 0;
  uint64_t inode = 0;

  // Same file, same bytes, as far as the file system tells.
  bool same_as(const FileInfo& other) const {
    return kind == other.kind && bytes == other.bytes && modified_ns == other.modified_ns && inode == other.inode;
  }
};
// kNone when nothing is there; an error when one cannot tell.
Result<FileInfo> file_info(const std::string& path);
// Names (without the folder) of what is in a folder, in byte order; "." and ".." left out.
Result<std::vector<std::string>> list_folder(const std::string& path);
// Paths that match, in byte order: *, ? and [..] within one part of a path. Empty when none does.
Result<std::vector<std::string>> glob(const std::string& pattern);
bool has_glob(std::string_view path);
std::string join_path(std::string_view folder, std::string_view name);
// "/a/b.csv" to "/a", "b.csv" to ".".
std::string folder_of(std::string_view path);
std::string_view name_of(std::string_view path);

// A folder and those above it that are missing.
Status make_folders(const std::string& path);
Status remove_file(const std::string& path);
// Refuses to replace a file: LDB-5003, and `exists` is set. The rename is durable after sync_folder().
Status rename_new(const std::string& from, const std::string& to, bool* exists = nullptr);
Status sync_folder(const std::string& path);
// Makes the bytes of an existing file durable.
Status sync_file(const std::string& path);

class InputFile {
 public:
  InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  static Result<InputFile> open(const std::string& path);
  // Fills up to n bytes; less only at the end of the file.
  Result<size_t> read(char* to, size_t n);
  const FileInfo& info() const { return info_; }  // as of open()
  bool is_open() const { return fd_ >= 0 || redirected_; }

 private:
  int fd_ = -1;
  std::string path_;
  FileInfo info_;
  std::unique_ptr<DiskFile> redirected_;  // see io/disk.h
  uint64_t position_ = 0;                 // in it
};

class OutputFile {
 public:
  OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  // Creates the file; one that exists is refused.
  static Result<OutputFile> create(const std::string& path);
  // Appends. `done` counts the bytes that were written, also when it fails, so that a second try can go on from there.
  Status write(std::string_view bytes, size_t& done);
  Status sync();
  Status close();
  bool is_open() const { return fd_ >= 0 || redirected_; }
  const std::string& path() const { return path_; }

 private:
  int fd_ = -1;
  std::string path_;
  std::unique_ptr<DiskFile> redirected_;
  uint64_t position_ = 0;
};

// Where a test makes files fail.
enum class FilePoint : uint8_t { kOpen, kRead, kCreate, kWrite, kSync, kRename, kRemove };
class FaultInjector {
 public:
  virtual ~FaultInjector() = default;
  // Called before each operation; a Status that is not ok becomes its result.
  virtual Status before(FilePoint point, const std::string& path) = 0;
};
// For all files of the process; null ends it. The injector must outlive its use.
void set_fault_injector(FaultInjector* injector);

}  // namespace laminar::io
