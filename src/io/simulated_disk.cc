#include "io/simulated_disk.h"

#include <algorithm>
#include <cstring>

namespace laminar::io {

namespace {
constexpr size_t kSectorBytes = 512;
}  // namespace

// A file that was opened before a power cut stays dead after it.
class SimulatedDisk::File final : public DiskFile {
 public:
  File(SimulatedDisk& disk, InodePtr inode, std::string path, bool writable)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)), writable_(writable), life_(disk.life_) {}

  Status write(uint64_t offset, const char* bytes, size_t n) override {
    std::lock_guard lock(disk_.mutex_);
    RETURN_IF_ERROR(alive());
    if (!writable_) return Status(ErrorCode::kFileWrite, "file was opened for reading: " + path_);
    RETURN_IF_ERROR(disk_.step("write", path_));
    return disk_.change(*inode_, offset, bytes, n, path_);
  }
  Status sync() override {
    return disk_.sync(*inode_, path_, life_);
  }
  Result<size_t> read(uint64_t offset, char* to, size_t n) override {
    std::lock_guard lock(disk_.mutex_);
    RETURN_IF_ERROR(alive());
    if (offset >= inode_->now.size()) return size_t{0};
    const size_t got = std::min<size_t>(n, inode_->now.size() - offset);
    std::memcpy(to, inode_->now.data() + offset, got);
    return got;
  }
  Status truncate(uint64_t bytes) override {
    std::lock_guard lock(disk_.mutex_);
    RETURN_IF_ERROR(alive());
    RETURN_IF_ERROR(disk_.step("truncate", path_));
    inode_->now.resize(bytes, '\0');
    inode_->reserved = 0;
    inode_->resized = true;
    return {};
  }
  Result<uint64_t> bytes() override {
    std::lock_guard lock(disk_.mutex_);
    RETURN_IF_ERROR(alive());
    return static_cast<uint64_t>(inode_->now.size());
  }

 private:
  Status alive() {
    if (disk_.cut_ || life_ != disk_.life_) return Status(ErrorCode::kFileWrite, "no power: " + path_);
    return {};
  }
  SimulatedDisk& disk_;
  const InodePtr inode_;
  const std::string path_;
  const bool writable_;
  const uint64_t life_;
};

Status SimulatedDisk::step(const char* what, const std::string& path) {
  if (cut_) return Status(ErrorCode::kFileWrite, "no power: " + path);
  ++operations_;
  ++points_[std::string(what) + " " + (kind_of_ ? kind_of_(path) : std::string(name_of(path)))];
  if (operations_ >= cut_at_) {
    cut_ = true;
    return Status(ErrorCode::kFileWrite, "no power: " + path);
  }
  return {};
}

uint64_t SimulatedDisk::used_bytes() {
  uint64_t bytes = 0;
  for (const auto& [name, inode] : names_) bytes += std::max<uint64_t>(inode->now.size(), inode->reserved);
  return bytes;
}

Status SimulatedDisk::change(Inode& inode, uint64_t offset, const char* bytes, size_t n, const std::string& path) {
  const uint64_t end = offset + n;
  if (end > inode.now.size()) {
    if (end > inode.reserved && capacity_ != UINT64_MAX && used_bytes() + (end - std::max<uint64_t>(inode.now.size(), inode.reserved)) > capacity_) {
      return Status(ErrorCode::kDiskFull, "no space left on the disk: " + path);
    }
    inode.now.resize(end, '\0');
    inode.resized = true;
  }
  std::memcpy(inode.now.data() + offset, bytes, n);
  inode.unsynced.push_back({offset, std::string(bytes, n)});
  inode.modified = operations_;
  return {};
}

Status SimulatedDisk::sync(Inode& inode, const std::string& path, uint64_t life) {
  std::unique_lock lock(mutex_);
  if (cut_ || life != life_) return Status(ErrorCode::kFileWrite, "no power: " + path);
  RETURN_IF_ERROR(step("sync", path));
  std::string began = inode.now;
  const size_t writes = inode.unsynced.size();
  inode.resized = false;
  if (during_sync_) {
    const auto call = during_sync_;
    lock.unlock();
    call(path);
    lock.lock();
    if (cut_ || life != life_) {
      inode.resized = true;
      return Status(ErrorCode::kFileWrite, "no power: " + path);
    }
  }
  inode.durable = std::move(began);
  inode.unsynced.erase(inode.unsynced.begin(), inode.unsynced.begin() + static_cast<std::ptrdiff_t>(std::min(writes, inode.unsynced.size())));
  return {};
}

Result<std::unique_ptr<DiskFile>> SimulatedDisk::create(const std::string& path, uint64_t reserve, FileUse) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(step("create", path));
  if (names_.contains(path)) return Status(ErrorCode::kFileWrite, "file exists: " + path);
  if (capacity_ != UINT64_MAX && used_bytes() + reserve > capacity_) return Status(ErrorCode::kDiskFull, "no space left on the disk: " + path);
  auto inode = std::make_shared<Inode>();
  inode->reserved = reserve;
  inode->now.resize(reserve, '\0');
  inode->resized = true;
  inode->number = ++inodes_;
  inode->modified = operations_;
  names_[path] = inode;
  name_changes_.push_back({folder_of(path), path, inode, {}});
  return std::unique_ptr<DiskFile>(std::make_unique<File>(*this, inode, path, true));
}

Result<std::unique_ptr<DiskFile>> SimulatedDisk::open(const std::string& path, bool writable) {
  std::lock_guard lock(mutex_);
  if (cut_) return Status(ErrorCode::kFileUnreadable, "no power: " + path);
  const auto found = names_.find(path);
  if (found == names_.end()) return Status(ErrorCode::kFileNotFound, "file not found: " + path);
  return std::unique_ptr<DiskFile>(std::make_unique<File>(*this, found->second, path, writable));
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::string& folder) {
  std::lock_guard lock(mutex_);
  if (cut_) return Status(ErrorCode::kFileUnreadable, "no power: " + folder);
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_) {
    if (folder_of(name) == folder) names.emplace_back(name_of(name));
  }
  return names;
}

Result<FileInfo> SimulatedDisk::info(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (cut_) return Status(ErrorCode::kFileUnreadable, "no power: " + path);
  FileInfo info;
  if (const auto found = names_.find(path); found != names_.end()) {
    info.kind = FileInfo::Kind::kFile;
    info.bytes = found->second->now.size();
    info.modified_ns = static_cast<int64_t>(found->second->modified);
    info.inode = found->second->number;
  } else if (folders_.contains(path)) {
    info.kind = FileInfo::Kind::kFolder;
  }
  return info;
}

Status SimulatedDisk::make_folders(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (cut_) return Status(ErrorCode::kFileWrite, "no power: " + path);
  for (std::string folder = path; folder.size() > 1; folder = folder_of(folder)) folders_.insert(folder);
  return {};
}

Status SimulatedDisk::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (cut_) return Status(ErrorCode::kFileWrite, "no power: " + path);
  if (!names_.contains(path)) return {};
  RETURN_IF_ERROR(step("remove", path));
  names_.erase(path);
  name_changes_.push_back({folder_of(path), path, nullptr, {}});
  return {};
}

Status SimulatedDisk::rename(const std::string& from, const std::string& to, bool replace, bool* exists) {
  std::lock_guard lock(mutex_);
  if (exists) *exists = false;
  RETURN_IF_ERROR(step("rename", to));
  const auto found = names_.find(from);
  if (found == names_.end()) return Status(ErrorCode::kFileWrite, "file cannot be renamed: " + from);
  if (!replace && names_.contains(to)) {
    if (exists) *exists = true;
    return Status(ErrorCode::kFileWrite, "file exists: " + to);
  }
  const InodePtr inode = found->second;
  names_.erase(found);
  names_[to] = inode;
  name_changes_.push_back({folder_of(to), to, inode, from});
  return {};
}

Status SimulatedDisk::sync_folder(const std::string& path) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(step("sync folder", path));
  std::erase_if(name_changes_, [&](const NameChange& change) {
    if (change.folder != path) return false;
    if (!change.also_gone.empty()) durable_names_.erase(change.also_gone);
    if (change.inode) durable_names_[change.name] = change.inode;
    else durable_names_.erase(change.name);
    return true;
  });
  return {};
}

void SimulatedDisk::cut_after(uint64_t n) {
  std::lock_guard lock(mutex_);
  cut_at_ = operations_ + n;
}

void SimulatedDisk::cut_power() {
  std::lock_guard lock(mutex_);
  cut_ = true;
}

bool SimulatedDisk::is_cut() {
  std::lock_guard lock(mutex_);
  return cut_;
}

void SimulatedDisk::restart() {
  std::lock_guard lock(mutex_);
  ++life_;
  cut_ = false;
  cut_at_ = UINT64_MAX;
  // Name changes reach the disk in order: a prefix of them is there, none or all of them often enough.
  size_t kept = name_changes_.empty() ? 0 : random_() % 3 == 0 ? name_changes_.size() : random_() % (name_changes_.size() + 1);
  for (size_t i = 0; i < kept; ++i) {
    const NameChange& change = name_changes_[i];
    if (!change.also_gone.empty()) durable_names_.erase(change.also_gone);
    if (change.inode) durable_names_[change.name] = change.inode;
    else durable_names_.erase(change.name);
  }
  name_changes_.clear();
  names_ = durable_names_;
  for (auto& [name, inode] : names_) {
    if (inode->unsynced.empty() && !inode->resized) continue;
    std::string after = inode->durable;
    const bool new_size = random_() % 2 == 0;
    if (new_size) after.resize(inode->now.size(), '\0');
    const uint64_t mode = random_() % 4;  // 0: nothing, 1: everything, else each sector for itself
    for (const Write& write : inode->unsynced) {
      for (size_t at_byte = 0; at_byte < write.bytes.size();) {
        const uint64_t offset = write.offset + at_byte;
        const size_t n = std::min<size_t>(write.bytes.size() - at_byte, kSectorBytes - offset % kSectorBytes);
        const bool there = mode == 1 || (mode > 1 && random_() % 2 == 0);
        if (there && offset < after.size()) {
          std::memcpy(after.data() + offset, write.bytes.data() + at_byte, std::min<size_t>(n, after.size() - offset));
        }
        at_byte += n;
      }
    }
    inode->now = inode->durable = after;
    inode->reserved = std::min<uint64_t>(inode->reserved, after.size());
    inode->unsynced.clear();
    inode->resized = false;
  }
}

uint64_t SimulatedDisk::operations() {
  std::lock_guard lock(mutex_);
  return operations_;
}

void SimulatedDisk::set_capacity(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

void SimulatedDisk::flip_bit(const std::string& path, uint64_t bit) {
  std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end() || bit / 8 >= found->second->now.size()) return;
  for (std::string* bytes : {&found->second->now, &found->second->durable}) {
    if (bit / 8 < bytes->size()) (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ (1 << bit % 8));
  }
}

bool SimulatedDisk::rot(const std::string& path_end) {
  std::lock_guard lock(mutex_);
  std::vector<Inode*> inodes;
  for (auto& [name, inode] : names_) {
    if (name.ends_with(path_end) && !inode->durable.empty()) inodes.push_back(inode.get());
  }
  if (inodes.empty()) return false;
  Inode& inode = *inodes[random_() % inodes.size()];
  const uint64_t bit = random_() % (inode.durable.size() * 8);
  for (std::string* bytes : {&inode.now, &inode.durable}) {
    if (bit / 8 < bytes->size()) (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ (1 << bit % 8));
  }
  return true;
}

void SimulatedDisk::during_sync(std::function<void(const std::string&)> call) {
  std::lock_guard lock(mutex_);
  during_sync_ = std::move(call);
}

void SimulatedDisk::name_points(std::function<std::string(const std::string&)> kind_of) {
  std::lock_guard lock(mutex_);
  kind_of_ = std::move(kind_of);
}

std::map<std::string, uint64_t> SimulatedDisk::points() {
  std::lock_guard lock(mutex_);
  return points_;
}

std::string SimulatedDisk::content(const std::string& path) {
  std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  return found == names_.end() ? std::string() : found->second->now;
}

void SimulatedDisk::set_content(const std::string& path, std::string bytes) {
  std::lock_guard lock(mutex_);
  InodePtr& inode = names_[path];
  if (!inode) {
    inode = std::make_shared<Inode>();
    inode->number = ++inodes_;
  }
  inode->now = inode->durable = std::move(bytes);
  inode->reserved = 0;
  inode->unsynced.clear();
  inode->resized = false;
  durable_names_[path] = inode;
}

std::vector<std::string> SimulatedDisk::files() {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_) names.push_back(name);
  return names;
}

}  // namespace laminar::io
