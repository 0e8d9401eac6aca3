// Checkpoints of a database: records of bytes in RocksDB, each checkpoint a folder of hard links with a manifest.
//
// Layout.  `live/` is the RocksDB that collects; `<id>/` (20 digits) a checkpoint: RocksDB's files, and `manifest`: magic, u32
//          CRC-32C of the rest, u64 id, the owner's bytes. A key is u32 object, u16 part, u8 table (all big endian), then the
//          owner's key.
// Order.   Records go to live/ without a log of RocksDB's own, are flushed there, and linked into `<id>.new/`; the manifest is
//          written and synced, the folder synced, renamed to `<id>/`, and the folder above synced. What is not renamed is no
//          checkpoint and goes at the next open.
// Basis:   hard-link snapshots of an LSM tree as in Flink's incremental checkpoints over RocksDB: files that did not change
//          are the same files.
//
// Threads: one at a time.
// Errors:  LDB-6005 when the disk is full, LDB-6006 for a checkpoint that cannot be read. What failed leaves no checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace laminar::storage {

// Where a record belongs.
struct RecordPlace {
  uint32_t object = 0;
  uint16_t part = 0;
  uint8_t table = 0;
};

// The changes of one checkpoint, in order.
class CheckpointBatch {
 public:
  CheckpointBatch();
  ~CheckpointBatch();
  void put(RecordPlace place, std::string_view key, std::string_view value);
  void erase(RecordPlace place, std::string_view key);
  // All keys of the table that begin so.
  void erase_prefix(RecordPlace place, std::string_view prefix);
  void clear_object(uint32_t object);
  uint64_t bytes() const;
  uint64_t records() const { return records_; }

  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
  uint64_t records_ = 0;
};

struct CheckpointInfo {
  uint64_t id = 0;
  uint64_t bytes = 0;        // of its files, shared ones too
  std::string manifest;      // the owner's
};

// A checkpoint being read.
class CheckpointReader {
 public:
  // Reads all blocks once, so that damage shows before anything is built from it.
  static Result<std::unique_ptr<CheckpointReader>> open(const std::string& folder, uint64_t id);
  ~CheckpointReader();
  const std::string& manifest() const;
  using Visitor = std::function<Status(std::string_view key, std::string_view value)>;
  Status scan(RecordPlace table, const Visitor& visit);

  struct Impl;
  explicit CheckpointReader(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

class CheckpointStore {
 public:
  // Removes what was left half-way; the live records begin empty.
  static Result<std::unique_ptr<CheckpointStore>> open(const std::string& folder);
  ~CheckpointStore();
  // Records ahead of the next checkpoint. When a write fails the store holds part of them: clear its objects.
  Status add(const CheckpointBatch& batch);
  // The changes since the last one become checkpoint `id`, which is larger than all before.
  Status write(uint64_t id, const CheckpointBatch& batch, std::string_view manifest);
  Status remove(uint64_t id);

  // Newest first, those with a whole manifest; nothing is opened.
  static Result<std::vector<CheckpointInfo>> list(const std::string& folder);

  struct Impl;
  explicit CheckpointStore(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace laminar::storage
