#include "storage/checkpoint/checkpoint_store.h"

#include <rocksdb/db.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "io/disk.h"
#include "io/system_disk.h"

namespace laminar::storage {

namespace {

constexpr std::string_view kMagic = "LDBCKPT1";

std::string place_bytes(RecordPlace place) {
  ByteWriter out;
  out.put(__builtin_bswap32(place.object)).put(__builtin_bswap16(place.part)).put(place.table);
  return std::string(out.view());
}
std::string object_bytes(uint32_t object) {
  ByteWriter out;
  out.put(__builtin_bswap32(object));
  return std::string(out.view());
}

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

// The least key above all that begin with the prefix.
std::string behind(std::string prefix) {
  while (!prefix.empty() && static_cast<uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

Status from_rocks(const rocksdb::Status& status, const std::string& folder) {
  if (status.ok()) return {};
  const ErrorCode code = status.IsNoSpace() ? ErrorCode::kDiskFull : status.IsCorruption() ? ErrorCode::kDamagedState : ErrorCode::kFileWrite;
  return Status(code, "checkpoint in " + folder + ": " + status.ToString());
}

Status from_system(const std::error_code& error, const std::string& path) {
  if (!error) return {};
  return Status(error == std::errc::no_space_on_device ? ErrorCode::kDiskFull : ErrorCode::kFileWrite,
                "checkpoint cannot be written: " + path + " (" + error.message() + ")");
}

rocksdb::Options rocks_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.max_background_jobs = 2;
  options.info_log_level = rocksdb::ERROR_LEVEL;
  options.keep_log_file_num = 1;
  options.paranoid_checks = true;
  // Read from end to end, once.
  rocksdb::BlockBasedTableOptions table;
  table.block_size = 64 * 1024;
  table.no_block_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::string folder_name(uint64_t id) {
  char name[24];
  std::snprintf(name, sizeof name, "%020llu", static_cast<unsigned long long>(id));
  return name;
}

uint64_t id_of(const std::string& name) {
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  return name.size() == 20 && error == std::errc() && end == name.data() + name.size() ? id : 0;
}

Result<std::string> read_manifest(const std::string& path, uint64_t id) {
  io::SystemDisk disk;
  ASSIGN_OR_RETURN(const std::string bytes, io::read_whole(disk, path));
  ByteReader in(bytes);
  const std::string_view magic = in.raw(kMagic.size());
  const uint32_t crc = in.get<uint32_t>();
  if (!in.ok() || magic != kMagic || crc32c(in.rest()) != crc || in.get<uint64_t>() != id) {
    return Status(ErrorCode::kDamagedState, "manifest cannot be read: " + path);
  }
  return std::string(in.rest());
}

}  // namespace

// Batch --------------------------------------------------------------------------------------------------------------

struct CheckpointBatch::Impl {
  rocksdb::WriteBatch batch;
  std::string key;
};

CheckpointBatch::CheckpointBatch() : impl_(std::make_unique<Impl>()) {}
CheckpointBatch::~CheckpointBatch() = default;

void CheckpointBatch::put(RecordPlace place, std::string_view key, std::string_view value) {
  impl_->key = place_bytes(place);
  impl_->key.append(key);
  (void)impl_->batch.Put(impl_->key, slice(value));  // into memory: cannot fail
  ++records_;
}
void CheckpointBatch::erase(RecordPlace place, std::string_view key) {
  impl_->key = place_bytes(place);
  impl_->key.append(key);
  (void)impl_->batch.Delete(impl_->key);
  ++records_;
}
void CheckpointBatch::erase_prefix(RecordPlace place, std::string_view prefix) {
  const std::string begin = place_bytes(place).append(prefix);
  (void)impl_->batch.DeleteRange(begin, behind(begin));
}
void CheckpointBatch::clear_object(uint32_t object) {
  const std::string begin = object_bytes(object);
  (void)impl_->batch.DeleteRange(begin, behind(begin));
}
uint64_t CheckpointBatch::bytes() const { return impl_->batch.GetDataSize(); }

// Reader -------------------------------------------------------------------------------------------------------------

struct CheckpointReader::Impl {
  std::string path, manifest;
  std::unique_ptr<rocksdb::DB> db;
};

CheckpointReader::CheckpointReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CheckpointReader::~CheckpointReader() = default;
const std::string& CheckpointReader::manifest() const { return impl_->manifest; }

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::open(const std::string& folder, uint64_t id) {
  auto impl = std::make_unique<Impl>();
  impl->path = io::join_path(folder, folder_name(id));
  ASSIGN_OR_RETURN(impl->manifest, read_manifest(io::join_path(impl->path, "manifest"), id));
  rocksdb::DB* db = nullptr;
  rocksdb::Options options = rocks_options();
  options.create_if_missing = false;
  const auto damaged = [&](const rocksdb::Status& status) {
    return Status(ErrorCode::kDamagedState, "checkpoint " + impl->path + " cannot be read: " + status.ToString());
  };
  rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, impl->path, &db);
  if (!status.ok()) return damaged(status);
  impl->db.reset(db);
  status = db->VerifyChecksum();
  if (!status.ok()) return damaged(status);
  return std::make_unique<CheckpointReader>(std::move(impl));
}

Status CheckpointReader::scan(RecordPlace table, const Visitor& visit) {
  const std::string begin = place_bytes(table), end = behind(begin);
  const rocksdb::Slice upper = slice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  options.readahead_size = 1 << 20;
  options.verify_checksums = false;  // open() has seen them all
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(options));
  for (it->Seek(begin); it->Valid(); it->Next()) {
    std::string_view key(it->key().data(), it->key().size());
    key.remove_prefix(begin.size());
    RETURN_IF_ERROR(visit(key, {it->value().data(), it->value().size()}));
  }
  return from_rocks(it->status(), impl_->path);
}

// Store --------------------------------------------------------------------------------------------------------------

struct CheckpointStore::Impl {
  std::string folder;
  std::unique_ptr<rocksdb::DB> live;
};

CheckpointStore::CheckpointStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CheckpointStore::~CheckpointStore() = default;

Result<std::unique_ptr<CheckpointStore>> CheckpointStore::open(const std::string& folder) {
  RETURN_IF_ERROR(io::make_folders(folder));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, io::list_folder(folder));
  std::error_code error;
  for (const std::string& name : names) {
    if (name == "live" || name.ends_with(".new")) std::filesystem::remove_all(io::join_path(folder, name), error);
    RETURN_IF_ERROR(from_system(error, io::join_path(folder, name)));
  }
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  rocksdb::DB* db = nullptr;
  RETURN_IF_ERROR(from_rocks(rocksdb::DB::Open(rocks_options(), io::join_path(folder, "live"), &db), folder));
  impl->live.reset(db);
  return std::make_unique<CheckpointStore>(std::move(impl));
}

Status CheckpointStore::add(const CheckpointBatch& batch) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return from_rocks(impl_->live->Write(options, &batch.impl().batch), impl_->folder);
}

Status CheckpointStore::write(uint64_t id, const CheckpointBatch& batch, std::string_view manifest) {
  RETURN_IF_ERROR(add(batch));
  const std::string fresh = io::join_path(impl_->folder, folder_name(id) + ".new");
  const auto link = [&]() -> Status {
    rocksdb::Checkpoint* made = nullptr;
    RETURN_IF_ERROR(from_rocks(rocksdb::Checkpoint::Create(impl_->live.get(), &made), impl_->folder));
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    RETURN_IF_ERROR(from_rocks(checkpoint->CreateCheckpoint(fresh), fresh));
    ByteWriter body;
    body.put(id).raw(manifest.data(), manifest.size());
    ByteWriter whole;
    whole.raw(kMagic.data(), kMagic.size()).put(crc32c(body.view())).raw(body.view().data(), body.size());
    io::SystemDisk disk;
    RETURN_IF_ERROR(io::write_whole(disk, io::join_path(fresh, "manifest"), whole.view()));
    RETURN_IF_ERROR(disk.rename(fresh, io::join_path(impl_->folder, folder_name(id)), false, nullptr));
    return io::sync_folder(impl_->folder);
  };
  const Status status = link();
  if (!status.ok()) {
    std::error_code ignored;
    std::filesystem::remove_all(fresh, ignored);
  }
  return status;
}

Status CheckpointStore::remove(uint64_t id) {
  // Renamed first: half a folder is no checkpoint.
  const std::string path = io::join_path(impl_->folder, folder_name(id)), doomed = path + ".new";
  std::error_code error;
  std::filesystem::rename(path, doomed, error);
  RETURN_IF_ERROR(from_system(error, path));
  std::filesystem::remove_all(doomed, error);
  return from_system(error, doomed);
}

Result<std::vector<CheckpointInfo>> CheckpointStore::list(const std::string& folder) {
  ASSIGN_OR_RETURN(const io::FileInfo info, io::file_info(folder));
  std::vector<CheckpointInfo> list;
  if (info.kind != io::FileInfo::Kind::kFolder) return list;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, io::list_folder(folder));
  for (const std::string& name : names) {
    CheckpointInfo found;
    found.id = id_of(name);
    if (found.id == 0) continue;
    const std::string path = io::join_path(folder, name);
    Result<std::string> manifest = read_manifest(io::join_path(path, "manifest"), found.id);
    if (!manifest.ok()) continue;
    found.manifest = manifest.take();
    ASSIGN_OR_RETURN(const std::vector<std::string> files, io::list_folder(path));
    for (const std::string& file : files) {
      ASSIGN_OR_RETURN(const io::FileInfo bytes, io::file_info(io::join_path(path, file)));
      found.bytes += bytes.bytes;
    }
    list.push_back(std::move(found));
  }
  std::reverse(list.begin(), list.end());
  return list;
}

}  // namespace laminar::storage
