// The files that a path stands for, in the order in which they are read: one file, those that match a pattern, or those
// of a folder; with `watch` also those that come later.
//
// Threads: any.
// Order:   by name; a watched folder's new files are appended in the order of their names, whenever they are found.
// Errors:  LDB-5001 when there is nothing to read now or ever.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "io/file.h"

namespace laminar::connectors {

struct ListedFile {
  std::string path;
  io::FileInfo info;  // as of listing: later readers see the same bytes or an error
};

enum class FileFormat : uint8_t { kCsv, kJson, kParquet };
// By the extension of a name; nothing for those we do not know.
std::optional<FileFormat> format_of(std::string_view name);
std::string_view format_name(FileFormat format);

class FileList {
 public:
  // `format`: what a folder's files must have as extension; without it, what its files have, all the same.
  static Result<std::shared_ptr<FileList>> open(const std::string& path, std::optional<FileFormat> format, bool watch,
                                                int64_t path_offset);
  // Of the files; nothing when the list is empty or the extension says nothing.
  std::optional<FileFormat> format();
  std::optional<ListedFile> file(size_t i);
  size_t size();
  // Looks for new files. Watched lists only.
  Status refresh();

 private:
  FileList() = default;
  Result<std::vector<std::string>> find() const;

  std::string path_;
  bool is_folder_ = false, is_pattern_ = false;
  std::optional<FileFormat> wanted_;
  std::mutex mutex_;
  std::vector<ListedFile> files_;
  std::unordered_set<std::string> known_;
};

}  // namespace laminar::connectors
