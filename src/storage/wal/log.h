// A write-ahead log: records of bytes with rising sequence numbers, in segment files that are reserved ahead.
//
// Layout.  A segment `<number>.log`: a block of 4 KiB with the header (magic, version, CRC, number, first sequence, the
//          database's id), then records back to back, each at a multiple of 8:
//            u32 length of the payload   u32 CRC-32C of all that follows and of the length, started with the segment's number
//            u64 sequence                u64 synced: the last sequence that was durable when this record was written
//            payload, then zeros up to a multiple of 8
//          A segment holds the sequences from its first one up to the one before the next segment's first. A record lies in
//          one segment; a large one gets a segment of its own size.
// Order.   A segment is created, reserved, given its header, synced, and its folder synced before a record goes to it. A
//          flush writes whole blocks, the last one again when more comes, and then syncs. The segment before is flushed
//          before the next one takes records. Opening always begins a new segment, so what a torn tail left behind the
//          last good record is never read again.
// Reading. Records are taken in order until one is not whole. What stands behind it decides what that means: a later
//          record that was written when the missing one was durable proves damage; without one it is the torn tail of
//          a power cut, was never promised to anybody, and is cut off.
// Basis:   group commit with a leader as in DeWitt et al., "Implementation techniques for main memory database systems"
//          (1984): who waits for durability first writes for all who have come by then.
//
// Threads: any; who appends under a lock of its own decides the order of its records.
// Bounds:  kBufferMax bytes wait in memory; then append() writes them itself.
// Errors:  LDB-6005 from append() when no segment can be reserved: nothing is appended then. A failed write keeps its
//          bytes; the next commit or append tries again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "io/disk.h"

namespace laminar::storage {

struct LogOptions {
  uint64_t segment_bytes = 16 << 20;  // of a full-size segment; the first one of an opening is smaller
  uint64_t first_segment_bytes = 1 << 20;
};

// What opening found.
struct LogState {
  uint64_t first_sequence = 1;  // of the oldest record that is kept
  uint64_t next_sequence = 1;
  uint64_t cut_bytes = 0;       // of a torn tail
  // A record in the middle could not be read: `damage` says which; what stands before it is `next_sequence`.
  std::string damage;
  uint64_t bytes = 0;
};

class Log {
 public:
  // Looks at all segments of the folder, reads nothing into memory. With `accept_damage` segments with and behind a
  // damaged record are renamed to *.damaged; without it damage is an LDB-6007.
  static Result<std::unique_ptr<Log>> open(io::Disk& disk, const std::string& folder, uint64_t database_id, LogOptions options,
                                           bool accept_damage, LogState* state);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Calls `visit` for each record from `from` on that stood in the log when it was opened; before the first append().
  using Visitor = std::function<Status(uint64_t sequence, std::string_view payload)>;
  Status replay(uint64_t from, const Visitor& visit);

  // Takes the record into the buffer and gives its sequence number.
  Result<uint64_t> append(std::string_view payload);
  // The next append() of up to so many bytes finds its room.
  Status make_room(size_t payload_bytes);
  // Waits until the record and all before it are durable.
  Status commit(uint64_t sequence);
  // Writes what waits, with `sync` durably.
  Status flush(bool sync);
  uint64_t appended() const { return appended_.load(std::memory_order_acquire); }  // last sequence; 0: none yet
  uint64_t durable() const { return durable_.load(std::memory_order_acquire); }
  uint64_t bytes_waiting();
  // Of all records since open.
  uint64_t appended_bytes() const { return appended_bytes_.load(std::memory_order_relaxed); }

  // What comes goes to a new segment, made as the disk makes files now.
  Status begin_segment();

  // Frees segments whose records all are before `sequence`.
  Status free_before(uint64_t sequence);
  // Of the records that are kept.
  uint64_t first_sequence();
  uint64_t bytes_on_disk();
  uint64_t segment_count();
  // Commits since open, and the records in them: for SHOW and benchmarks.
  uint64_t flushes() const { return flushes_.load(); }
  uint64_t bytes_written() const { return bytes_written_.load(); }

 private:
  struct Segment {
    uint64_t number = 0, first = 0, end = 0;  // sequences [first, end); end of the last one is open
    uint64_t bytes = 0;                        // valid
  };
  struct Aligned {
    void operator()(char* p) const;
  };
  // Bytes of the current segment from `offset` (a block's start) on.
  struct Buffer {
    std::unique_ptr<char[], Aligned> bytes;
    uint64_t offset = 0;
    size_t used = 0, capacity = 0;
    void room(size_t n);
  };

  Log(io::Disk& disk, std::string folder, uint64_t database_id, LogOptions options);
  std::string path_of(uint64_t number) const;
  Result<std::unique_ptr<io::DiskFile>> make_segment(uint64_t number, uint64_t first, uint64_t bytes);
  Status read_segment(const Segment& segment, uint64_t from, const Visitor& visit);
  // Under mutex_: waits for a running flush, then writes the buffer.
  Status flush_locked(std::unique_lock<std::mutex>& lock, bool sync);
  bool has_room(size_t bytes) const { return active_.offset + active_.used + bytes <= file_reserved_; }
  Status roll(std::unique_lock<std::mutex>& lock, size_t record_bytes);

  static constexpr size_t kBufferMax = 4 << 20;
  io::Disk& disk_;
  const std::string folder_;
  const uint64_t database_id_;
  const LogOptions options_;
  std::mutex mutex_;
  std::condition_variable flushed_;
  std::vector<Segment> segments_;  // the last one takes records
  std::unique_ptr<io::DiskFile> file_;
  uint64_t file_reserved_ = 0;
  Buffer active_, writing_;
  uint64_t buffered_ = 0;  // last sequence in active_
  bool dirty_ = false;     // active_ holds bytes that were not written
  bool unsynced_ = false;  // written without sync
  bool flushing_ = false;
  std::atomic<uint64_t> appended_{0}, durable_{0}, flushes_{0}, bytes_written_{0}, appended_bytes_{0};
};

}  // namespace laminar::storage
