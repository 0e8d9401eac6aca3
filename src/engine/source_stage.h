// A source at run time: its definition, the operator that tags its rows, and the feed that brings them.
//
// Threads: under the core's lock; the feed's reader thread touches nothing here but the dead letters, which lock.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/reject_store.h"
#include "sql/backend.h"
#include "stream/edge/source.h"
#include "stream/operators/source_operator.h"
#include "stream/runtime/core.h"
#include "stream/runtime/source_feed.h"

namespace laminar::engine {

// Bad records of a source, for dead_letters('s').
class DeadLetterStore {
 public:
  static constexpr size_t kRecordsMax = 100'000;  // the oldest go, counted
  void add(stream::BadRecord record);
  std::vector<stream::BadRecord> list();
  uint64_t count();

 private:
  std::mutex mutex_;
  std::deque<stream::BadRecord> records_;
  uint64_t count_ = 0;
};

struct SourceStage final : stream::Stage {
  enum class State : uint8_t { kWaiting, kRunning, kEnded, kFailed };

  SourceStage(std::shared_ptr<const sql::Object> object, std::string connector_name, std::unique_ptr<stream::SourceDefinition> definition,
              std::optional<stream::SourceTime> time, std::vector<uint32_t> processing_time_columns);

  bool clock_due(int64_t now_us) const override { return op.clock_due(now_us); }

  // How many partitions hold the watermark back before they have spoken.
  uint32_t first_partitions(const stream::SourceReader& reader) const {
    return time && time->partition_column ? 1 : reader.partition_count();
  }

  // A reader from the first row on, with an operator of its own where the shared one is ahead.
  Result<std::unique_ptr<stream::SourceFeed>> open_feed(std::function<void()> wake);
  // The next batch of the feed; what a replay left of one comes first.
  bool poll(stream::SourceFeed::Item& item);
  void recycle(data::BatchBuffer* buffer);
  // Keeps the rows of an item behind the first `taken` for the next poll(), and gives its buffer back.
  void keep_rest(stream::SourceFeed::Item item, uint32_t taken);

  // A reader of the changes on a core; `whole`: it takes all rows, not the core's share.
  void connect_part(stream::Operator* scan, uint32_t core, bool whole, stream::Intake& intake);
  void disconnect(stream::Operator* scan);
  // Writes the clock into the PROCTIME() columns of a buffer.
  void fill_processing_time(data::BatchBuffer& buffer, int64_t now_us) const;

  // A batch's worth of the clock, for the PROCTIME() columns of a tick that reads its rows in place; null without any.
  const int64_t* processing_times(int64_t now_us);

  std::shared_ptr<const sql::Object> object;
  std::string connector;
  std::unique_ptr<stream::SourceDefinition> definition;
  std::optional<stream::SourceTime> time;
  std::vector<uint32_t> processing_time_columns;
  RejectStore rejects;
  stream::SourceOperator op;
  std::unique_ptr<stream::SourceFan> fan;  // once a view with parts reads it
  DeadLetterStore dead_letters;
  std::unique_ptr<stream::SourceFeed> feed;
  State state = State::kWaiting;
  uint64_t rows = 0;  // that entered ticks
  uint64_t rows_skipped = 0;  // read again after a restart, of those in the checkpoint
  std::optional<Error> failure;

 private:
  stream::SourceFeed::Item rest_;
  std::unique_ptr<data::BatchBuffer> rest_rows_;
  std::vector<int64_t> processing_times_;
};

const char* to_text(SourceStage::State state);

}  // namespace laminar::engine
