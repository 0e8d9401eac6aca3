#include "io/system_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

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

}  // namespace

class SystemDisk::File : public DiskFile {
 public:
  File(int fd, std::string path, bool writes_are_durable) : fd_(fd), path_(std::move(path)), durable_(writes_are_durable) {}
  ~File() override { ::close(fd_); }

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

 protected:
  const int fd_;
  const std::string path_;

 private:
  const bool durable_;
};

class SystemDisk::UringFile final : public File {
 public:
  UringFile(SystemDisk& disk, std::shared_ptr<Uring> ring, LogBackend backend, int fd, std::string path)
      : File(fd, std::move(path), false), disk_(disk), ring_(std::move(ring)), backend_(backend) {}
  ~UringFile() override { ring_->forget(fd_); }

  Status write_durable(uint64_t offset, const char* bytes, size_t n) override {
    if (!ring_->refused()) {
      const int error = ring_->write_durable(fd_, offset, bytes, n);
      if (error == 0) return {};
      if (!ring_->refused()) return failed(path_, error, true);
      disk_.refused(backend_, std::strerror(error));
    }
    return File::write_durable(offset, bytes, n);
  }

 private:
  SystemDisk& disk_;
  const std::shared_ptr<Uring> ring_;
  const LogBackend backend_;
};

std::string_view to_text(LogBackend backend) {
  switch (backend) {
    case LogBackend::kPwrite: return "pwrite";
    case LogBackend::kDirect: return "direct";
    case LogBackend::kUring: return "io_uring";
    case LogBackend::kUringPoll: return "io_uring_sqpoll";
  }
  return "";
}

Result<std::unique_ptr<DiskFile>> SystemDisk::create(const std::string& path, uint64_t reserve, FileUse use) {
  int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  const LogBackend backend = use == FileUse::kLog ? log_backend_.load() : LogBackend::kPwrite;
  const bool by_ring = backend == LogBackend::kUring || backend == LogBackend::kUringPoll;
  std::shared_ptr<Uring> ring = by_ring ? this->ring(backend) : nullptr;
  const bool direct = ring || backend == LogBackend::kDirect;
  int fd = -1;
  if (direct) fd = ::open(path.c_str(), flags | O_DIRECT | (ring ? 0 : O_DSYNC), 0644);
  const bool is_direct = fd >= 0;
  if (direct && !is_direct && errno == EINVAL) ::unlink(path.c_str());  // some file systems refuse after they have made it
  if (fd < 0) fd = ::open(path.c_str(), flags, 0644);
  if (fd < 0) return failed(path, errno, true);
  std::unique_ptr<File> file;
  if (ring) file = std::make_unique<UringFile>(*this, std::move(ring), backend, fd, path);
  else file = std::make_unique<File>(fd, path, is_direct);
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
  return std::unique_ptr<DiskFile>(std::make_unique<File>(fd, path, false));
}

Result<int64_t> SystemDisk::measure(LogBackend backend, const std::string& folder, int writes, size_t bytes) {
  const std::string path = join_path(folder, "probe");
  RETURN_IF_ERROR(remove_file(path));
  SystemDisk disk(backend);
  std::vector<int64_t> times;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk.create(path, static_cast<uint64_t>(writes + 1) * bytes, FileUse::kLog));
    const std::unique_ptr<char, decltype(&std::free)> block(static_cast<char*>(std::aligned_alloc(kBlockBytes, bytes)), &std::free);
    std::memset(block.get(), 0, bytes);
    for (int i = 0; i <= writes; ++i) {
      const int64_t begin_ns = monotonic_ns();
      RETURN_IF_ERROR(file->write_durable(static_cast<uint64_t>(i) * bytes, block.get(), bytes));
      if (i > 0) times.push_back(monotonic_ns() - begin_ns);
    }
  }
  RETURN_IF_ERROR(remove_file(path));
  if (!disk.refusal_.empty()) return Status(ErrorCode::kNotImplemented, disk.refusal_);
  std::nth_element(times.begin(), times.begin() + writes / 2, times.end());
  return times[static_cast<size_t>(writes) / 2];
}

std::shared_ptr<Uring> SystemDisk::ring(LogBackend backend) {
  std::lock_guard lock(mutex_);
  if (ring_ && ring_backend_ == backend && !ring_->refused()) return ring_;
  std::string why;
  ring_ = Uring::open(backend == LogBackend::kUringPoll, why);
  ring_backend_ = backend;
  refusal_ = ring_ ? "" : std::string(to_text(backend)) + " is refused here (" + why + "): written by pwrite";
  return ring_;
}

void SystemDisk::refused(LogBackend backend, const std::string& why) {
  std::lock_guard lock(mutex_);
  refusal_ = std::string(to_text(backend)) + " is refused here (" + why + "): written by pwrite";
}

std::string SystemDisk::note() const {
  std::lock_guard lock(mutex_);
  return trial_.empty() || refusal_.empty() ? trial_ + refusal_ : trial_ + "; " + refusal_;
}

Status SystemDisk::use_backend(std::string_view name, const std::string& folder) {
  for (const LogBackend backend : kLogBackends) {
    if (name != to_text(backend)) continue;
    log_backend_ = backend;
    const bool by_ring = backend == LogBackend::kUring || backend == LogBackend::kUringPoll;
    if (by_ring) (void)ring(backend);  // note() says at once when it is refused
    std::lock_guard lock(mutex_);
    trial_.clear();
    if (!by_ring) refusal_.clear();
    return {};
  }
  if (name != "auto") return Status(ErrorCode::kNotImplemented, "io_backend is pwrite, direct, io_uring, io_uring_sqpoll or auto; not " + std::string(name));
  constexpr int kWrites = 15;
  std::string trial;
  int64_t best_ns = INT64_MAX;
  for (const LogBackend backend : kLogBackends) {
    // A thread that polls takes a CPU from the ticks when there are few.
    if (backend == LogBackend::kUringPoll && std::thread::hardware_concurrency() <= 2) continue;
    const Result<int64_t> ns = measure(backend, folder, kWrites, kBlockBytes);
    if (!ns.ok() && ns.error().code != ErrorCode::kNotImplemented) return ns.status();
    trial += (trial.empty() ? "" : ", ") + std::string(to_text(backend)) + (ns.ok() ? " " + std::to_string(*ns / 1000) + " us" : " refused");
    if (!ns.ok() || *ns >= best_ns) continue;
    best_ns = *ns;
    log_backend_ = backend;
  }
  std::lock_guard lock(mutex_);
  trial_ = "of " + trial;
  refusal_.clear();
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
