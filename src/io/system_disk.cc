#include "io/system_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/clock.h"

namespace laminar::io {

namespace {

Status failed(const std::string& path, int error, bool writing) {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return Status(ErrorCode::kDiskFull, "no space left on the disk: " + path + " (" + std::strerror(error) + ")");
  }
  if (!writing && (error == ENOENT || error == ENOTDIR)) return Status(ErrorCode::kFileNotFound, "file not found: " + path);
  return Status(writing ? ErrorCode::kFileWrite : ErrorCode::kFileUnreadable,
                std::string(writing ? "file cannot be written: " : "file cannot be read: ") + path + " (" + std::strerror(error) + ")");
}

class SystemFile final : public DiskFile {
 public:
  SystemFile(int fd, std::string path, bool writes_are_durable) : fd_(fd), path_(std::move(path)), durable_(writes_are_durable) {}
  ~SystemFile() override { ::close(fd_); }

  Status write(uint64_t offset, const char* bytes, size_t n) override {
    for (size_t done = 0; done < n;) {
      const ssize_t wrote = ::pwrite(fd_, bytes + done, n - done, static_cast<off_t>(offset + done));
      if (wrote >= 0) {
        done += static_cast<size_t>(wrote);
      } else if (errno != EINTR) {
        return failed(path_, errno, true);
      }
    }
    return {};
  }
  Status write_durable(uint64_t offset, const char* bytes, size_t n) override {
    RETURN_IF_ERROR(write(offset, bytes, n));
    return durable_ ? Status() : sync();
  }
  Status sync() override { return ::fdatasync(fd_) == 0 ? Status() : failed(path_, errno, true); }
  Result<size_t> read(uint64_t offset, char* to, size_t n) override {
    size_t done = 0;
    while (done < n) {
      const ssize_t got = ::pread(fd_, to + done, n - done, static_cast<off_t>(offset + done));
      if (got > 0) {
        done += static_cast<size_t>(got);
      } else if (got == 0) {
        break;
      } else if (errno != EINTR) {
        return failed(path_, errno, false);
      }
    }
    return done;
  }
  Status truncate(uint64_t bytes) override {
    return ::ftruncate(fd_, static_cast<off_t>(bytes)) == 0 ? Status() : failed(path_, errno, true);
  }
  Result<uint64_t> bytes() override {
    struct stat st;
    if (::fstat(fd_, &st) != 0) return failed(path_, errno, false);
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  const int fd_;
  const std::string path_;
  const bool durable_;
};

}  // namespace

std::string_view to_text(LogBackend backend) {
  switch (backend) {
    case LogBackend::kPwrite: return "pwrite";
    case LogBackend::kDirect: return "direct";
  }
  return "";
}

Result<std::unique_ptr<DiskFile>> SystemDisk::create(const std::string& path, uint64_t reserve, FileUse use) {
  int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  const bool direct = use == FileUse::kLog && log_backend_ == LogBackend::kDirect;
  int fd = -1;
  if (direct) fd = ::open(path.c_str(), flags | O_DIRECT | O_DSYNC, 0644);
  const bool is_direct = fd >= 0;
  if (direct && !is_direct && errno == EINVAL) ::unlink(path.c_str());  // some file systems refuse after they have made it
  if (fd < 0) fd = ::open(path.c_str(), flags, 0644);
  if (fd < 0) return failed(path, errno, true);
  auto file = std::make_unique<SystemFile>(fd, path, is_direct);
  if (reserve > 0) {
    const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(reserve));
    if (error != 0) {
      file.reset();
      ::unlink(path.c_str());
      return failed(path, error, true);
    }
  }
  return std::unique_ptr<DiskFile>(std::move(file));
}

Result<std::unique_ptr<DiskFile>> SystemDisk::open(const std::string& path, bool writable) {
  const int fd = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (fd < 0) return failed(path, errno, false);
  return std::unique_ptr<DiskFile>(std::make_unique<SystemFile>(fd, path, false));
}

Result<int64_t> SystemDisk::measure(LogBackend backend, const std::string& folder) {
  constexpr int kWrites = 15;
  const std::string path = join_path(folder, "probe");
  RETURN_IF_ERROR(remove_file(path));
  SystemDisk disk(backend);
  std::vector<int64_t> times;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk.create(path, (kWrites + 1) * kBlockBytes, FileUse::kLog));
    alignas(kBlockBytes) static const char kBlock[kBlockBytes] = {};
    for (int i = 0; i <= kWrites; ++i) {
      const int64_t begin_ns = monotonic_ns();
      RETURN_IF_ERROR(file->write_durable(static_cast<uint64_t>(i) * kBlockBytes, kBlock, kBlockBytes));
      if (i > 0) times.push_back(monotonic_ns() - begin_ns);
    }
  }
  RETURN_IF_ERROR(remove_file(path));
  std::nth_element(times.begin(), times.begin() + kWrites / 2, times.end());
  return times[kWrites / 2];
}

Status SystemDisk::use_backend(std::string_view name, const std::string& folder) {
  if (name == "pwrite" || name == "direct") {
    log_backend_ = name == "pwrite" ? LogBackend::kPwrite : LogBackend::kDirect;
    return {};
  }
  if (name != "auto") return Status(ErrorCode::kNotImplemented, "io_backend is pwrite, direct or auto; " + std::string(name) + " is not there yet");
  ASSIGN_OR_RETURN(const int64_t pwrite_ns, measure(LogBackend::kPwrite, folder));
  ASSIGN_OR_RETURN(const int64_t direct_ns, measure(LogBackend::kDirect, folder));
  log_backend_ = direct_ns < pwrite_ns ? LogBackend::kDirect : LogBackend::kPwrite;
  return {};
}

Result<std::vector<std::string>> SystemDisk::list(const std::string& folder) { return list_folder(folder); }
Result<FileInfo> SystemDisk::info(const std::string& path) { return file_info(path); }
Status SystemDisk::make_folders(const std::string& path) { return io::make_folders(path); }
Status SystemDisk::remove(const std::string& path) { return remove_file(path); }
Status SystemDisk::sync_folder(const std::string& path) { return io::sync_folder(path); }

Status SystemDisk::rename(const std::string& from, const std::string& to, bool replace, bool* exists) {
  if (!replace) return rename_new(from, to, exists);
  return ::rename(from.c_str(), to.c_str()) == 0 ? Status() : failed(to, errno, true);
}

}  // namespace laminar::io
