// What a sink connector implements: rows of ticks in, made durable and visible epoch by epoch.
//
// Order:   begin(epoch) write()* prepare() commit() | abort(); one epoch at a time.
//          Of sinks that share a transaction: begin() of all, write()* prepare() of each, commit() of all.
// Threads: one thread at a time.
// Errors:  a failed write, prepare or commit leaves the epoch open; the runtime keeps its rows and tries again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"

namespace laminar::stream {

enum class SinkMode : uint8_t { kAppend, kUpsert, kChangelog };

// How far a sink has come: its last epoch, the last tick in it, the rows of all its epochs.
struct SinkPlace {
  uint64_t epoch = 0, tick = 0, rows = 0;
};

// What the writers of sinks share that commit in one transaction, such as a connection.
class SinkSession {
 public:
  virtual ~SinkSession() = default;
  // From any thread: what waits for the outside ends soon, now and ever after.
  virtual void cancel() = 0;
};

// Which sink of which database it is, for those whose places the outside keeps.
struct SinkIdentity {
  uint64_t database = 0;  // the same over restarts; of a database in memory, a number of this run
  int64_t created_us = 0;
  bool is_new = false;    // made just now, not brought back
  bool durable = false;   // the database is in a folder
};

class SinkWriter {
 public:
  virtual ~SinkWriter() = default;
  virtual Status begin(uint64_t epoch) = 0;
  // Changes of one tick. In kAppend mode every weight is positive.
  virtual Status write(const data::Batch& batch, uint64_t tick) = 0;
  // After prepare() the rows cannot be lost any more; after commit() readers see them.
  virtual Status prepare() = 0;
  virtual Status commit() = 0;
  virtual void abort() = 0;
  // After prepare(): what SinkDefinition::reopen() needs to finish this epoch's commit in another process.
  virtual std::string prepared() const { return {}; }
  // Of writers that share a transaction, after begin(): the place that the outside has committed.
  virtual SinkPlace place() const { return {}; }
  // After prepare(): forgets the epoch without taking anything back; reopen() finishes its commit.
  virtual void leave() {}
  // Called once at the end; a complete last file, flushed.
  virtual Status close() = 0;
};

class SinkDefinition {
 public:
  virtual ~SinkDefinition() = default;
  virtual SinkMode mode() const = 0;
  // "exactly-once", "at-least-once", for SHOW SINKS. `durable`: the database is in a folder.
  virtual std::string guarantee(bool durable) const = 0;
  virtual Result<std::unique_ptr<SinkWriter>> open() const = 0;
  // The same after a restart. `epoch` was decided, so its commit is finished first, once or again: `prepared` is what the
  // writer said after its prepare(). Epochs after it were not decided and leave nothing. 0: none was decided.
  virtual Result<std::unique_ptr<SinkWriter>> reopen(uint64_t epoch, const std::string& prepared) const {
    (void)epoch, (void)prepared;
    return open();
  }
  // Not empty: the sink's place is committed with its rows, by a transaction that the sinks of this database share which
  // say the same. Such a sink is opened by open_in(), and after a failure its epoch begins anew from place(); the two
  // functions above are for the others, whose epochs the database decides.
  virtual std::string transaction() const { return {}; }
  // `session`: the first sink makes it. A sink that is not new takes what place() says for done.
  virtual Result<std::unique_ptr<SinkWriter>> open_in(std::shared_ptr<SinkSession>& session, const SinkIdentity& identity) const {
    (void)session, (void)identity;
    return Status(ErrorCode::kInternal, "this sink shares no transactions");
  }
};

}  // namespace laminar::stream
