#include "io/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/disk.h"

namespace laminar::io {

namespace {

std::atomic<FaultInjector*> g_injector{nullptr};

Status injected(FilePoint point, const std::string& path) {
  FaultInjector* injector = g_injector.load(std::memory_order_acquire);
  return injector ? injector->before(point, path) : Status();
}

Status failed(ErrorCode code, std::string_view what, const std::string& path, int error) {
  return Status(code, std::string(what) + ": " + path + " (" + std::strerror(error) + ")");
}

Status cannot_read(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) return Status(ErrorCode::kFileNotFound, "file not found: " + path);
  return failed(ErrorCode::kFileUnreadable, "file cannot be read", path, error);
}

Status cannot_write(const std::string& path, int error) {
  return failed(ErrorCode::kFileWrite, "file cannot be written", path, error);
}

FileInfo info_of(const struct stat& st) {
  FileInfo info;
  info.kind = S_ISREG(st.st_mode)   ? FileInfo::Kind::kFile
              : S_ISDIR(st.st_mode) ? FileInfo::Kind::kFolder
                                    : FileInfo::Kind::kOther;
  info.bytes = static_cast<uint64_t>(st.st_size);
  info.modified_ns = int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
  info.inode = st.st_ino;
  return info;
}

// fsync of a file or a folder by its path.
Status sync_path(const std::string& path, int flags) {
  RETURN_IF_ERROR(injected(FilePoint::kSync, path));
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return cannot_write(path, errno);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return error == 0 ? Status() : cannot_write(path, error);
}

}  // namespace

void set_fault_injector(FaultInjector* injector) { g_injector.store(injector, std::memory_order_release); }

Result<FileInfo> file_info(const std::string& path) {
  if (Disk* disk = redirected(path)) return disk->info(path);
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return FileInfo();
    return cannot_read(path, errno);
  }
  return info_of(st);
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  RETURN_IF_ERROR(injected(FilePoint::kOpen, path));
  if (Disk* disk = redirected(path)) return disk->list(path);
  DIR* folder = ::opendir(path.c_str());
  if (!folder) return cannot_read(path, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int error = errno;
  ::closedir(folder);
  if (error != 0) return cannot_read(path, error);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::string>> glob(const std::string& pattern) {
  glob_t found;
  int problem = 0;
  const int result = ::glob(pattern.c_str(), GLOB_NOSORT | GLOB_ERR, nullptr, &found);
  std::vector<std::string> paths;
  if (result == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  if (result != 0 && result != GLOB_NOMATCH) problem = errno ? errno : EIO;
  ::globfree(&found);
  if (problem != 0) return cannot_read(pattern, problem);
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool has_glob(std::string_view path) { return path.find_first_of("*?[") != std::string_view::npos; }

std::string join_path(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(name);
}

std::string folder_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string_view name_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

Status make_folders(const std::string& path) {
  if (Disk* disk = redirected(path)) return disk->make_folders(path);
  for (size_t end = 1; end != std::string::npos;) {
    end = path.find('/', end);
    const std::string part = path.substr(0, end);
    if (end != std::string::npos) ++end;
    if (part.empty() || part.back() == '/') continue;
    if (::mkdir(part.c_str(), 0777) == 0) continue;
    if (errno != EEXIST) return cannot_write(part, errno);
  }
  ASSIGN_OR_RETURN(const FileInfo info, file_info(path));
  return info.kind == FileInfo::Kind::kFolder ? Status() : cannot_write(path, ENOTDIR);
}

Status remove_file(const std::string& path) {
  RETURN_IF_ERROR(injected(FilePoint::kRemove, path));
  if (Disk* disk = redirected(path)) return disk->remove(path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return cannot_write(path, errno);
  return Status();
}

Status rename_new(const std::string& from, const std::string& to, bool* exists) {
  if (exists) *exists = false;
  RETURN_IF_ERROR(injected(FilePoint::kRename, to));
  if (Disk* disk = redirected(to)) return disk->rename(from, to, false, exists);
  constexpr unsigned kNoReplace = 1;  // RENAME_NOREPLACE
  if (::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), kNoReplace) == 0) return Status();
  int error = errno;
  if (error == EINVAL || error == ENOSYS) {  // a file system without it: a second name, then the first one goes
    if (::link(from.c_str(), to.c_str()) == 0) return remove_file(from);
    error = errno;
  }
  if (exists) *exists = error == EEXIST;
  return cannot_write(to, error);
}

Status sync_folder(const std::string& path) {
  if (Disk* disk = redirected(path)) return disk->sync_folder(path);
  return sync_path(path, O_RDONLY | O_DIRECTORY);
}

Status sync_file(const std::string& path) {
  if (Disk* disk = redirected(path)) {
    ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk->open(path, true));
    return file->sync();
  }
  return sync_path(path, O_RDONLY);
}

InputFile::InputFile() = default;
OutputFile::OutputFile() = default;

InputFile::InputFile(InputFile&& other) noexcept { *this = std::move(other); }

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(info_, other.info_);
  std::swap(redirected_, other.redirected_);
  std::swap(position_, other.position_);
  return *this;
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<InputFile> InputFile::open(const std::string& path) {
  RETURN_IF_ERROR(injected(FilePoint::kOpen, path));
  InputFile file;
  file.path_ = path;
  if (Disk* disk = redirected(path)) {
    ASSIGN_OR_RETURN(file.info_, disk->info(path));
    ASSIGN_OR_RETURN(file.redirected_, disk->open(path, false));
    return Result<InputFile>(std::move(file));
  }
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.fd_ < 0) return cannot_read(path, errno);
  struct stat st;
  if (::fstat(file.fd_, &st) != 0) return cannot_read(path, errno);
  file.info_ = info_of(st);
  if (file.info_.kind == FileInfo::Kind::kFolder) return cannot_read(path, EISDIR);
  ::posix_fadvise(file.fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  return Result<InputFile>(std::move(file));
}

Result<size_t> InputFile::read(char* to, size_t n) {
  RETURN_IF_ERROR(injected(FilePoint::kRead, path_));
  size_t done = 0;
  if (redirected_) {
    ASSIGN_OR_RETURN(done, redirected_->read(position_, to, n));
    position_ += done;
    return done;
  }
  while (done < n) {
    const ssize_t got = ::read(fd_, to + done, n - done);
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got == 0) {
      break;
    } else if (errno != EINTR) {
      return cannot_read(path_, errno);
    }
  }
  return done;
}

OutputFile::OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(redirected_, other.redirected_);
  std::swap(position_, other.position_);
  return *this;
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<OutputFile> OutputFile::create(const std::string& path) {
  RETURN_IF_ERROR(injected(FilePoint::kCreate, path));
  OutputFile file;
  file.path_ = path;
  if (Disk* disk = redirected(path)) {
    ASSIGN_OR_RETURN(file.redirected_, disk->create(path, 0, FileUse::kPlain));
    return Result<OutputFile>(std::move(file));
  }
  file.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file.fd_ < 0) return cannot_write(path, errno);
  return Result<OutputFile>(std::move(file));
}

Status OutputFile::write(std::string_view bytes, size_t& done) {
  done = 0;
  RETURN_IF_ERROR(injected(FilePoint::kWrite, path_));
  if (redirected_) {
    RETURN_IF_ERROR(redirected_->write(position_, bytes.data(), bytes.size()));
    position_ += bytes.size();
    done = bytes.size();
    return Status();
  }
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (wrote >= 0) {
      done += static_cast<size_t>(wrote);
    } else if (errno != EINTR) {
      return cannot_write(path_, errno);
    }
  }
  return Status();
}

Status OutputFile::sync() {
  RETURN_IF_ERROR(injected(FilePoint::kSync, path_));
  if (redirected_) return redirected_->sync();
  return ::fsync(fd_) == 0 ? Status() : cannot_write(path_, errno);
}

Status OutputFile::close() {
  redirected_.reset();
  const int fd = std::exchange(fd_, -1);
  return fd < 0 || ::close(fd) == 0 ? Status() : cannot_write(path_, errno);
}

}  // namespace laminar::io
