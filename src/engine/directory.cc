#include "engine/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

namespace laminar::engine {

Result<std::unique_ptr<Directory>> Directory::open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Status(ErrorCode::kFileUnreadable, "database directory cannot be made: " + path + ": " + error.message());
  const std::string lock = path + "/lock";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Status(ErrorCode::kFileUnreadable, "database directory cannot be written: " + path + ": " + std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char owner[256] = {};
    const ssize_t n = ::pread(fd, owner, sizeof owner - 1, 0);
    ::close(fd);
    return Status(ErrorCode::kDatabaseLocked, "database " + path + " is open in another process" + (n > 0 ? ": " + std::string(owner) : ""));
  }
  char host[128] = {}, since[32] = {};
  (void)::gethostname(host, sizeof host - 1);
  const time_t now = ::time(nullptr);
  tm parts{};
  std::strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S UTC", ::gmtime_r(&now, &parts));
  const std::string pid = "process " + std::to_string(::getpid()) + " on " + host + " since " + since;
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    ::close(fd);
    return Status(ErrorCode::kFileWrite, "lock of database " + path + " cannot be written: " + std::strerror(errno));
  }
  return std::unique_ptr<Directory>(new Directory(fd));
}

Directory::~Directory() { ::close(lock_fd_); }

}  // namespace laminar::engine
