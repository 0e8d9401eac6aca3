#include "io/disk.h"

#include <atomic>
#include <mutex>

namespace laminar::io {

namespace {

struct Redirect {
  std::string prefix;
  Disk* disk = nullptr;
};
std::mutex g_redirect_mutex;
Redirect g_redirect;
std::atomic<bool> g_redirecting{false};

}  // namespace

void redirect(const std::string& prefix, Disk* disk) {
  std::lock_guard lock(g_redirect_mutex);
  g_redirect = {prefix, disk};
  g_redirecting.store(disk != nullptr);
}

Disk* redirected(const std::string& path) {
  if (!g_redirecting.load(std::memory_order_relaxed)) return nullptr;
  std::lock_guard lock(g_redirect_mutex);
  return path.starts_with(g_redirect.prefix) ? g_redirect.disk : nullptr;
}

Result<std::string> read_whole(Disk& disk, const std::string& path) {
  ASSIGN_OR_RETURN(const FileInfo info, disk.info(path));
  if (info.kind == FileInfo::Kind::kNone) return std::string();
  ASSIGN_OR_RETURN(std::unique_ptr<DiskFile> file, disk.open(path, false));
  ASSIGN_OR_RETURN(const uint64_t bytes, file->bytes());
  std::string text(bytes, '\0');
  ASSIGN_OR_RETURN(const size_t got, file->read(0, text.data(), text.size()));
  text.resize(got);
  return text;
}

Status write_whole(Disk& disk, const std::string& path, std::string_view bytes) {
  const std::string fresh = path + ".new";
  RETURN_IF_ERROR(disk.remove(fresh));
  {
    ASSIGN_OR_RETURN(std::unique_ptr<DiskFile> file, disk.create(fresh, 0, FileUse::kPlain));
    RETURN_IF_ERROR(file->write(0, bytes.data(), bytes.size()));
    RETURN_IF_ERROR(file->sync());
  }
  RETURN_IF_ERROR(disk.rename(fresh, path, true, nullptr));
  return disk.sync_folder(folder_of(path));
}

}  // namespace laminar::io
