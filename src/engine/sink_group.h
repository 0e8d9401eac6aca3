// Sinks that commit together: a thread that brings their views' changes to the outside, epoch by epoch.
//
// Most sinks are a group of their own: prepare, a decision in the log, commit. Sinks whose places are committed by a
// transaction of the outside share one: an epoch of the group holds the same ticks of all of them.
//
// When a write fails (disk full, server away) the epoch is aborted and tried again after a pause, so nothing is lost;
// meanwhile the queues fill and hold the sources back.
//
// Threads: one of its own from the first add() on; the functions from any.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/recovery/journal.h"
#include "stream/edge/sink.h"

namespace laminar::engine {

class SinkStage;

struct SinkOptions {
  uint64_t rows_max = 1 << 20;  // waiting, and in one epoch
  int64_t retry_pause_ms = 200;
};

// What makes epochs durable in a database that is in a folder. A decision is recorded after prepare() and before commit(), and
// an epoch that is decided is never given up, over restarts either. All but `whole_tick` are empty in memory.
struct SinkLinks {
  std::function<uint64_t()> whole_tick;                         // the last tick that has run to its end
  std::function<Result<uint64_t>(const SinkDecision&)> decide;  // gives what `wait` takes
  std::function<Status(uint64_t)> wait;                         // until it is on disk
  std::function<uint64_t()> appended;                           // what `wait` takes for all that was recorded so far
};

class SinkGroup {
 public:
  // `transactional`: the sinks share a transaction, else there is one sink.
  SinkGroup(bool transactional, SinkOptions options, SinkLinks links);
  ~SinkGroup();

  // What the writers share.
  std::shared_ptr<stream::SinkSession> session;

  void add(SinkStage& sink);
  // Brings out what waits and closes the writer; gives up on what fails, without waiting for long when it has failed before.
  void remove(SinkStage& sink);
  // Waits until everything that was pushed to the sink before the call is committed. Fails with its error when it does not
  // go through within `patience_ms` after a failure.
  Status flush(SinkStage& sink, const std::function<bool()>& interrupted, int64_t patience_ms);

 private:
  struct Member {
    SinkStage* sink;
    bool leaving = false;
  };
  void run();
  bool has(const SinkStage& sink) const;
  // One attempt with all that the sinks have taken.
  bool bring_out(std::span<SinkStage* const> sinks);
  Status commit_decided(SinkStage& sink);
  Status commit_together(std::span<SinkStage* const> sinks);
  void drop_leaving(std::unique_lock<std::mutex>& lock);

  const bool transactional_;
  const SinkOptions options_;
  const SinkLinks links_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Member> members_;
  uint64_t flush_requested_ = 0, flush_done_ = 0;
  bool running_ = false;
  std::thread thread_;
};

}  // namespace laminar::engine
