// The directory of a database: made when missing, locked while open, so that two processes never share one.
//
// Holds:   `lock`, which says who has it open: process, host, since when. The rest is the journal's.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace laminar::engine {

class Directory {
 public:
  // Fails with LDB-5002 when it cannot be made or written, with LDB-6008 when another process has it open.
  static Result<std::unique_ptr<Directory>> open(const std::string& path);
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

 private:
  explicit Directory(int lock_fd) : lock_fd_(lock_fd) {}
  int lock_fd_;
};

}  // namespace laminar::engine
