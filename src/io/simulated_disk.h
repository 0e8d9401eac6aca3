// A disk in memory that does what real ones do at bad moments, the same for the same seed.
//
// Power:   cut_power() or the operation after cut_after(n): from then on every operation fails. restart() gives the disk
//          back as it may look then: durable bytes are there; of the writes since the last sync each 512-byte sector is there
//          or not; names that were made, renamed or removed since the folder's sync are as before or as after, in order.
// Space:   set_capacity(); reserved bytes count.
// Rot:     flip_bit(), or rot() for a bit anywhere in some files.
// Slow:    during_sync() is called in the middle of each sync: other threads write meanwhile, or the power goes. What was
//          written after a sync began is not made durable by it.
// Points:  each operation has a name made of what it does and to what kind of file ("write log", "rename part"): the kinds
//          are given by name_points(). points() counts them, so that a test can say which it never reached.
// Lies:    syncs of two files do not change places, and a sector is never half old and half new.
//
// Threads: any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "io/disk.h"

namespace laminar::io {

class SimulatedDisk final : public Disk {
 public:
  explicit SimulatedDisk(uint64_t seed) : random_(seed) {}

  Result<std::unique_ptr<DiskFile>> create(const std::string& path, uint64_t reserve, FileUse use) override;
  Result<std::unique_ptr<DiskFile>> open(const std::string& path, bool writable) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<FileInfo> info(const std::string& path) override;
  Status make_folders(const std::string& path) override;
  Status remove(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to, bool replace, bool* exists) override;
  Status sync_folder(const std::string& path) override;
  std::string backend() const override { return "simulated"; }

  // The n-th operation from now that changes something does not happen, nor does any later one.
  void cut_after(uint64_t n);
  void cut_power();
  bool is_cut();
  void restart();
  uint64_t operations();  // that change something
  void set_capacity(uint64_t bytes);
  void flip_bit(const std::string& path, uint64_t bit);
  // Flips a bit of a file whose path ends so; whether there was one.
  bool rot(const std::string& path_end);
  void during_sync(std::function<void(const std::string& path)> call);
  // The kind of a file in the names of points, by its path.
  void name_points(std::function<std::string(const std::string& path)> kind_of);
  std::map<std::string, uint64_t> points();
  // The bytes of a file as they are now; as they must be after a power cut.
  std::string content(const std::string& path);
  void set_content(const std::string& path, std::string bytes);
  std::vector<std::string> files();

 private:
  class File;
  struct Write {
    uint64_t offset;
    std::string bytes;
  };
  struct Inode {
    std::string now, durable;
    uint64_t reserved = 0;
    std::vector<Write> unsynced;
    bool resized = false;
    uint64_t number = 0, modified = 0;
  };
  using InodePtr = std::shared_ptr<Inode>;
  struct NameChange {
    std::string folder, name;
    InodePtr inode;  // null: the name goes
    std::string also_gone;  // of a rename: the name it had
  };

  // Counts the operation; an error when the power is gone.
  Status step(const char* what, const std::string& path);
  uint64_t used_bytes();
  Status change(Inode& inode, uint64_t offset, const char* bytes, size_t n, const std::string& path);
  Status sync(Inode& inode, const std::string& path, uint64_t life);

  std::mutex mutex_;
  std::mt19937_64 random_;
  std::map<std::string, InodePtr> names_, durable_names_;
  std::vector<NameChange> name_changes_;  // since the folders' syncs, oldest first
  std::set<std::string> folders_;
  std::function<std::string(const std::string&)> kind_of_;
  std::function<void(const std::string&)> during_sync_;
  std::map<std::string, uint64_t> points_;
  uint64_t capacity_ = UINT64_MAX, operations_ = 0, cut_at_ = UINT64_MAX, inodes_ = 0, life_ = 0;
  bool cut_ = false;
};

}  // namespace laminar::io
