// What a source connector implements: a definition made at CREATE SOURCE, and readers that fill batches.
//
// Threads: a reader is used by one thread at a time; the runtime may run it on a thread of its own.
// Errors:  a Status from read() stops the source and is shown by SHOW SOURCES; bad records go to `dead_letters` when
//          the source says on_error = 'skip'.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"

namespace laminar::stream {

struct BadRecord {
  std::string object;   // file name or topic
  uint64_t position = 0;  // line or offset, 1-based for lines
  std::string reason;
  std::string text;     // the record, cut at 4 KiB
};
using DeadLetters = std::function<void(BadRecord)>;

enum class ReadState : uint8_t {
  kRows,   // rows were added, more may wait
  kIdle,   // nothing waits now
  kEnded,  // no row will ever come (rows added in this call still count)
};

class SourceReader {
 public:
  virtual ~SourceReader() = default;
  // Appends rows to `out` (declared columns in order, processing-time columns left for the runtime) until it is full or
  // nothing waits. Every row of one call is of one partition: sets `partition`. Offsets in a partition count from 0.
  // Deterministic: a new reader gives the same rows in the same order, cut anywhere.
  virtual Result<ReadState> read(data::BatchBuffer& out, uint32_t& partition) = 0;
  // Those that hold the watermark back from the start.
  virtual uint32_t partition_count() const { return 1; }
  // Adds the partitions that had ended before the rows of the last read(), each once. A place between rows, like the rows
  // themselves: a new reader tells it at the same one.
  virtual void take_ended(std::vector<uint32_t>& partitions) { (void)partitions; }
  // Rows in all where that is known, for progress.
  virtual std::optional<uint64_t> rows_total() const { return std::nullopt; }
  // Bytes read and to read, where known.
  virtual void cancel() {}
};

class SourceDefinition {
 public:
  virtual ~SourceDefinition() = default;
  // Columns when the user declared none (nexmark, Parquet files), else empty.
  virtual data::Schema inferred_schema() const { return {}; }
  virtual std::string inferred_watermark_column() const { return {}; }
  virtual int64_t inferred_watermark_delay_us() const { return 0; }
  // Whether a new reader gives all rows from the start (files, nexmark), so that later views can catch up.
  virtual bool replayable() const = 0;
  virtual bool bounded() const = 0;
  // Whether its readers tell partitions apart, and what a partition is called.
  virtual bool partitioned() const { return false; }
  virtual std::string partition_name(uint32_t partition) const { return std::to_string(partition); }
  // Null for connectors whose rows come by append (memory).
  virtual Result<std::unique_ptr<SourceReader>> open(DeadLetters dead_letters) const = 0;
};

}  // namespace laminar::stream
