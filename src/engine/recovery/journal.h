// What a database writes to its log: every command that changes it, in order, so that running them again repeats the run
// tick by tick. docs/design/durability.md has the records.
//
// Threads: records are appended under the core's lock, decisions of sinks from their threads too; wait() from any, without
//          the lock.
// Owns:    the log and the thread that flushes it.
// Errors:  LDB-6005 while the disk is full: the command is refused before it changes anything.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "data/batch.h"
#include "sql/backend.h"
#include "storage/wal/log.h"

namespace laminar::engine {

enum class Durability : uint8_t {
  kNone,   // written a little later, never synced before the end
  kBatch,  // written and synced a little later, together with what came meanwhile
  kSync,   // a command returns when it is on disk
};
const char* to_text(Durability durability);
std::optional<Durability> durability_named(std::string_view text);

enum class RecordKind : uint8_t {
  kMark = 0,
  kSource = 1,
  kTable = 2,
  kStatement = 3,
  kDrop = 4,
  kBeginGroup = 5,
  kCommitGroup = 6,
  kRollbackGroup = 7,
  kSet = 8,
  kAppend = 9,
  kApply = 10,
  kWatermark = 11,
  kTick = 12,
  kSourceRows = 13,
  kStartViews = 14,
  kCaughtUp = 15,
  kSinkDecision = 16,
  kLookup = 17,
  kAnswers = 18,
  kCatchUpSlice = 19,
  kAppendTo = 32,   // kAppend for a partition other than the first
  kPartition = 33,  // one comes, goes, or says how far it is
};

// The beginning of every record.
struct RecordHead {
  RecordKind kind = RecordKind::kMark;
  uint64_t tick = 0;   // before the command
  int64_t now_us = 0;  // the clock of all its ticks
  static constexpr size_t kBytes = 17;
};

// Rows that one tick took of a source that reads by itself.
struct SourceRows {
  std::string source;
  uint64_t rows = 0;
  bool ended = false;
  std::string error;  // of a source that failed
};

struct SinkDecision {
  std::string sink;
  uint64_t epoch = 0, tick = 0, rows = 0;  // rows committed in all
  std::string prepared;                    // what the writer needs to finish the commit: SinkWriter::prepared()
};

struct JournalOptions {
  Durability durability = Durability::kBatch;
  int64_t flush_interval_ms = 10;  // 0: no thread, the owner flushes
  bool accept_damage = false;
  storage::LogOptions log;
};

class Journal {
 public:
  // The log of the database in `folder`, made when it is not there.
  static Result<std::unique_ptr<Journal>> open(io::Disk& disk, const std::string& folder, JournalOptions options);
  // Writes what waits.
  ~Journal();
  void close();

  storage::Log& log() { return *log_; }
  const storage::LogState& found() const { return found_; }
  io::Disk& disk() { return disk_; }
  // Disk::use_backend() for the log; a new segment begins, while replaying when that is done.
  Status use_backend(std::string_view name);
  const std::string& folder() const { return folder_; }
  uint64_t database_id() const { return database_id_; }

  // While replaying nothing is recorded.
  bool recording() const { return recording_; }
  void start_recording();
  Durability durability() const { return durability_.load(); }
  void set_durability(Durability durability) { durability_.store(durability); }

  // The record being made; one at a time, under the core's lock.
  ByteWriter& begin(const RecordHead& head);
  // Appends it. The sequence number is what wait() takes.
  Result<uint64_t> append();
  // While it is held no decision is recorded: for a command whose record follows when it is done.
  std::unique_lock<std::mutex> hold_decisions() { return std::unique_lock(decisions_); }
  // The room that begin()..append() of so many bytes needs: what then fails is not for want of space.
  Status make_room(size_t bytes);
  // With durability = sync: until the record is on disk.
  Status wait(uint64_t sequence);
  Status flush();
  // Records the decision; it is durable when the log is up to the number that comes back.
  Result<uint64_t> decide(const SinkDecision& decision);

 private:
  Journal(io::Disk& disk, std::string folder, JournalOptions options) : disk_(disk), folder_(std::move(folder)), options_(options) {}
  void run();

  io::Disk& disk_;
  const std::string folder_;
  const JournalOptions options_;
  uint64_t database_id_ = 0;
  std::unique_ptr<storage::Log> log_;
  storage::LogState found_;
  std::atomic<Durability> durability_{Durability::kBatch};
  bool recording_ = false, closed_ = false, begins_segment_ = false;
  ByteWriter record_;
  std::mutex decisions_;
  std::mutex mutex_;  // the thread's
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

// The bodies of records.
void encode_source(const sql::CreateSource& statement, const data::Schema& columns, ByteWriter& out);
bool decode_source(ByteReader& in, sql::CreateSource& statement, data::Schema& columns);
void encode_table(const sql::TableSpec& spec, bool or_replace, bool if_not_exists, ByteWriter& out);
bool decode_table(ByteReader& in, sql::TableSpec& spec, bool& or_replace, bool& if_not_exists);
void encode_batches(std::span<const data::Batch> batches, ByteWriter& out);
void encode_changes(std::span<const sql::Change> changes, ByteWriter& out);
// A whole record of SET, at no tick.
std::string set_record(const sql::OptionText& option);
// Into buffers of the given columns.
Status decode_batches(ByteReader& in, const data::Schema& columns, std::vector<std::unique_ptr<data::BatchBuffer>>& out);

}  // namespace laminar::engine
