// A sink at run time: the changes of its view as they wait, tick by tick, and how far they have been brought out.
//
// An epoch's rows stay here until its commit has succeeded.
//
// Threads: the core pushes into the subscription; all else on the thread of the sink's group, but for progress() and stop().
// Bounds:  rows_max rows wait in the subscription, and as many in the open epoch.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/sink_group.h"
#include "engine/subscription.h"
#include "sql/backend.h"
#include "stream/edge/sink.h"

namespace laminar::engine {

class SinkStage {
 public:
  SinkStage(std::shared_ptr<const sql::Object> object, std::string from, std::string connector,
            std::unique_ptr<stream::SinkDefinition> definition, std::vector<data::Type> types, uint64_t rows_max);
  ~SinkStage();

  Subscription& subscription() { return subscription_; }
  // Where its place comes from after a restart; `writer` is null until then.
  void prepare(std::shared_ptr<SinkGroup> group, std::unique_ptr<stream::SinkWriter> writer);
  // Runs from here on; what was pushed before waits in the subscription. The database stands at `tick`.
  void start(const stream::SinkPlace& from, uint64_t tick);
  // Brings out what waits, commits, closes the last file; gives up after a failure that lasts.
  void stop();
  // See SinkGroup::flush().
  Status flush(const std::function<bool()>& interrupted, int64_t patience_ms) {
    return group_ ? group_->flush(*this, interrupted, patience_ms) : Status();
  }
  const std::shared_ptr<SinkGroup>& group() const { return group_; }

  const std::shared_ptr<const sql::Object> object;
  const std::string from, connector;
  const std::unique_ptr<stream::SinkDefinition> definition;
  SinkDecision recovered;  // the last one of a replay
  int64_t commit_interval_ms = 1000;  // set before start(); of a group, the least of those that have rows counts

  struct Progress {
    uint64_t epoch = 0, tick = 0, rows_committed = 0, failures = 0;
    std::string last_error;  // empty when the last attempt went well
    ErrorCode last_code = ErrorCode::kFileWrite;
  };
  Progress progress();
  // Of an attempt that was made elsewhere.
  void show_error(const Error& error);

 private:
  friend class SinkGroup;
  enum class Taken { kAll, kEnded, kPart };
  // Takes what came of ticks up to `through` into the open epoch. kEnded: all, and nothing more will come. kPart: the epoch
  // is full, or decided.
  Taken take(uint64_t through, uint64_t rows_max);
  // The outside has come as far as `there`: what it has leaves the epoch. An error when that cannot be.
  Status take_place(const stream::SinkPlace& there);
  Status write_epoch();
  // Where the sink stands when the open epoch is committed.
  stream::SinkPlace next_place() const;
  SinkDecision decision(const stream::SinkPlace& place) const;
  void ended_attempt(const Status& status);
  void close_writer();
  void recycle(std::unique_ptr<TickRows> rows);

  std::unique_ptr<stream::SinkWriter> writer_;
  std::shared_ptr<SinkGroup> group_;
  bool started_ = false;
  stream::SinkPlace place_;          // committed
  uint64_t tried_tick_ = 0;          // what the outside may have; beyond it are ticks of another life of the database
  std::optional<uint64_t> decided_;  // the open epoch's decision
  Subscription subscription_;
  std::vector<std::unique_ptr<TickRows>> epoch_rows_;
  std::vector<std::unique_ptr<TickRows>> spares_;
  uint64_t epoch_row_count_ = 0;
  std::mutex mutex_;
  Progress progress_;
};

}  // namespace laminar::engine
