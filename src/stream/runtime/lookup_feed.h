// Asks a lookup connector on a thread of its own: batches of keys on demand, or the whole table; many batches under way at once.
//
// After a failure it closes the connection, waits (0.1 s, doubling to 5 s), connects again and asks again for everything that
// was not answered, in its order. What rows get meanwhile is the user's choice: they wait; or after `retry_for_us` of outage
// they get no row; or the feed fails for good.
//
// Threads: the core asks and takes; one thread works. They meet under a lock that is held for moments only.
// Bounds:  the questions that wait are as many as the rows that wait for them; under way are batches_in_flight batches.
// Errors:  progress() shows the last one. A row that cannot be decoded fails the feed, or with skip_bad is left out and given
//          to the dead letters.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "stream/edge/lookup.h"
#include "stream/edge/source.h"
#include "stream/lookup/lookup_cache.h"
#include "stream/lookup/lookup_copy.h"

namespace laminar::stream {

class LookupFeed {
 public:
  enum class WhenAway : uint8_t { kWait, kNull, kFail };
  struct Options {
    uint32_t batch_keys = 256, batches_in_flight = 8;
    int64_t timeout_us = 5'000'000;
    WhenAway when_away = WhenAway::kWait;
    int64_t retry_for_us = 10'000'000;
    bool skip_bad = false;
  };
  struct Progress {
    bool connected = false;
    uint64_t requests = 0, batches = 0, rows = 0, retries = 0, unavailable = 0, loads = 0;
    std::string last_error;              // empty when all is well
    std::optional<Error> failure;        // it has ended
  };

  // `types`: the table's columns. `wake` is called on the feed's thread when there is something to take.
  LookupFeed(std::unique_ptr<LookupReader> reader, std::vector<data::Type> types, std::vector<data::Type> key_types, Options options,
             DeadLetters dead_letters, std::function<void()> wake);
  ~LookupFeed();

  // On demand.
  void ask(std::vector<std::unique_ptr<LookupKeys>> keys);
  // Batches for LookupCache::apply(), in order.
  std::vector<std::unique_ptr<data::BatchBuffer>> take_answers();

  // In full.
  void load(std::vector<std::vector<uint32_t>> indexes);
  struct Loaded {
    std::unique_ptr<LookupCopy> copy;  // null: the server is away and rows get nothing
  };
  std::optional<Loaded> take_copy();
  bool is_loading();

  Progress progress();

 private:
  struct Batch {
    std::unique_ptr<LookupKeys> keys;
    int64_t sent_ns = 0;
  };
  void run();
  void run_load(std::unique_lock<std::mutex>& lock);
  void run_asks(std::unique_lock<std::mutex>& lock);
  Status exchange(std::unique_lock<std::mutex>& lock);
  Status send_waiting(std::unique_lock<std::mutex>& lock);
  std::unique_ptr<LookupKeys> next_batch();
  void deliver(const LookupKeys& keys);
  void deliver_nothing();
  void outage(std::unique_lock<std::mutex>& lock, const Status& status);
  void fail(const Status& status);
  void signal();
  void wait_descriptor(int timeout_ms);
  bool report_bad(const std::vector<LookupAnswer::BadRow>& bad);
  data::BatchBuffer& answer_buffer();

  std::unique_ptr<LookupReader> reader_;
  const std::vector<data::Type> types_, key_types_, answer_types_;
  const Options options_;
  const DeadLetters dead_letters_;
  const std::function<void()> wake_;
  int wake_descriptor_ = -1;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::unique_ptr<LookupKeys>> queue_;
  std::vector<std::unique_ptr<data::BatchBuffer>> answers_;
  std::optional<std::vector<std::vector<uint32_t>>> load_;
  bool loading_ = false;
  std::optional<Loaded> loaded_;
  Progress progress_;
  bool stopping_ = false;

  // The thread's own.
  std::deque<Batch> in_flight_;
  LookupAnswer answer_;
  bool connected_ = false, away_ = false;
  int64_t outage_since_ns_ = 0, pause_ms_ = 0;
  std::thread thread_;
};

}  // namespace laminar::stream
