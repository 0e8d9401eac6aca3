// The threads that run the cores' parts of a tick beside the thread that brought it (the leader).
//
// A tick is a row of levels, each with one part per core. run_level() returns when all parts of the level are done. Thread c
// takes core c's part; a part that nobody has begun is taken by whoever is free, so the leader never waits for a thread that
// has not been scheduled, only for one that is at work. Parts are independent of the thread they run on.
//
// Threads: run_level() on one thread at a time, and not while resize() runs.
// Idle:    a worker that has had nothing to do for the spin time parks, at no cost; ready() is then false, and the leader
//          rather runs a tick alone and calls wake_up() than wait 15-60 us for a wake-up.
// Errors:  a worker that cannot be pinned runs unpinned; pin_failure() says why.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace laminar::stream {

class Crew {
 public:
  static constexpr uint32_t kCoresMax = 64;
  Crew();
  ~Crew();

  // Threads in all, the leader counted: starts and stops workers.
  void resize(uint32_t threads);
  uint32_t threads() const { return static_cast<uint32_t>(workers_.size()) + 1; }
  // How long an idle worker looks for work before it parks; negative: for ever.
  void set_spin_ns(int64_t ns) { spin_ns_.store(ns, std::memory_order_relaxed); }
  // Binds worker c to the c-th CPU that this process may use (from 0, which is left to the leader), or lets it go.
  void set_pinned(bool pinned);
  std::string pin_failure() const;

  // Whether all workers look for work.
  bool ready() const { return parked_.load(std::memory_order_acquire) == 0 && !workers_.empty(); }
  void wake_up();
  // Calls `part` once for each core, on any threads (0: the leader). `part` allocates and throws nothing.
  using Part = void (*)(void* context, uint32_t core, uint32_t thread);
  void run_level(uint32_t cores, Part part, void* context);

  struct ThreadCounts {
    uint64_t parts = 0;  // run by this thread
    uint64_t taken = 0;  // of those, parts of another thread's core
    uint64_t parks = 0;
    int64_t cpu = -1;    // bound to
  };
  // Of thread 0, the leader, and the workers. Between ticks.
  std::vector<ThreadCounts> counts() const;

 private:
  struct alignas(64) Claim {
    std::atomic<uint64_t> taken{0};  // the last level for which the part was begun
    std::atomic<uint64_t> done{0};   // ... and ended
  };
  struct alignas(64) Worker {
    std::thread thread;
    std::atomic<uint64_t> parts{0}, taken{0}, parks{0};
    std::atomic<int64_t> cpu{-1};
  };
  void work(uint32_t index);
  // Runs part `core` of level `level` if nobody has begun it.
  bool try_part(uint64_t level, uint32_t core, uint32_t thread, Part part, void* context);
  void pin(Worker& worker, uint32_t index);

  // What the level numbered level_ runs; written before level_ is.
  std::atomic<Part> part_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<uint32_t> cores_{0};
  alignas(64) std::atomic<uint64_t> level_{0};
  std::vector<Claim> claims_{kCoresMax};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<uint64_t> leader_parts_{0}, leader_taken_{0};
  std::atomic<int64_t> spin_ns_{50'000};
  std::atomic<uint32_t> parked_{0};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  // guards parking and pin_failure_
  std::condition_variable wake_;
  uint64_t wake_ups_ = 0;
  std::atomic<bool> pinned_{false};
  std::string pin_failure_;
};

}  // namespace laminar::stream
