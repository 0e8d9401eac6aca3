// A sink at run time: takes a view's changes tick by tick and brings them to the outside, epoch by epoch.
//
// An epoch's rows stay here until its commit has succeeded. When a write fails (disk full, server away) the epoch is
// aborted and tried again after a pause, so nothing is lost; meanwhile the queue fills and holds the sources back.
//
// Threads: a thread of its own; the core only pushes into the subscription.
// Bounds:  rows_max rows wait in the subscription, and as many in the open epoch.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/recovery/journal.h"
#include "engine/subscription.h"
#include "sql/backend.h"
#include "stream/edge/sink.h"

namespace laminar::engine {

struct SinkOptions {
  int64_t commit_interval_ms = 1000;
  uint64_t rows_max = 1 << 20;  // waiting, and in one epoch
};

class SinkStage {
 public:
  SinkStage(std::shared_ptr<const sql::Object> object, std::string from, std::string connector,
            std::unique_ptr<stream::SinkDefinition> definition, std::vector<data::Type> types, SinkOptions options);
  // Brings out what waits, commits, closes the last file; gives up after a failure that lasts.
  ~SinkStage();

  Subscription& subscription() { return subscription_; }
  // Waits until everything that was pushed before the call is committed. Fails with the sink's error when it does not
  // go through within `patience_ms` after a failure.
  Status flush(const std::function<bool()>& interrupted, int64_t patience_ms);
  void stop();

  const std::shared_ptr<const sql::Object> object;
  const std::string from, connector;
  const std::unique_ptr<stream::SinkDefinition> definition;
  SinkDecision recovered;  // the last one of a replay

  struct Progress;
  // What makes an epoch's decision durable, in a database that is in a folder: the decision is recorded after prepare() and
  // before commit(), and an epoch that is decided is never given up, over restarts either.
  struct Links {
    std::function<Result<uint64_t>(const SinkDecision&)> decide;  // gives what `wait` takes
    std::function<Status(uint64_t)> wait;                         // until it is on disk
  };
  // Runs from here on; what was pushed before waits in the subscription.
  void start(std::unique_ptr<stream::SinkWriter> writer, Links links, Progress from);

  struct Progress {
    uint64_t epoch = 0, rows_committed = 0, failures = 0;
    std::string last_error;  // empty when the last attempt went well
  };
  Progress progress();

 private:
  void run();
  // Writes and commits all ticks of the open epoch.
  Status bring_out();

  Status prepare_epoch(uint64_t epoch);

  std::unique_ptr<stream::SinkWriter> writer_;
  Links links_;
  std::optional<uint64_t> decided_;  // the open epoch's decision
  const SinkOptions options_;
  Subscription subscription_;
  std::vector<std::unique_ptr<TickRows>> epoch_rows_;
  std::vector<std::unique_ptr<TickRows>> spares_;
  uint64_t epoch_row_count_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  Progress progress_;
  uint64_t flush_requested_ = 0, flush_done_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace laminar::engine
