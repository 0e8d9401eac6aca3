// What a sink connector implements: rows of ticks in, made durable and visible epoch by epoch.
//
// Order:   begin(epoch) write()* prepare() commit() | abort(); one epoch at a time.
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
  // After prepare(): forgets the epoch without taking anything back; reopen() finishes its commit.
  virtual void leave() {}
  // Called once at the end; a complete last file, flushed.
  virtual Status close() = 0;
};

class SinkDefinition {
 public:
  virtual ~SinkDefinition() = default;
  virtual SinkMode mode() const = 0;
  virtual std::string guarantee() const = 0;  // "exactly-once", "at-least-once", for SHOW SINKS
  virtual Result<std::unique_ptr<SinkWriter>> open() const = 0;
  // The same after a restart. `epoch` was decided, so its commit is finished first, once or again: `prepared` is what the
  // writer said after its prepare(). Epochs after it were not decided and leave nothing. 0: none was decided.
  virtual Result<std::unique_ptr<SinkWriter>> reopen(uint64_t epoch, const std::string& prepared) const {
    (void)epoch, (void)prepared;
    return open();
  }
};

}  // namespace laminar::stream
