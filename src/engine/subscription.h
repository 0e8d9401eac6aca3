// Follows the changes of a view tick by tick: by a callback on the core, or by a queue that another thread polls.
//
// Threads: push() and finish() on the core; poll() on one other thread. The queue's mutex is held for pointer moves only.
// Bounds:  rows_max rows wait in the queue; while it is full, has_room() is false and whoever wants to run a tick waits.
// Memory:  buffers circulate; after warm-up neither side allocates.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "data/batch.h"
#include "stream/operators/operator.h"

namespace laminar::engine {

// The changes of one tick; weights are always present.
struct TickRows {
  uint64_t tick = 0;
  int64_t watermark = data::kWatermarkNone;
  std::vector<std::unique_ptr<data::BatchBuffer>> buffers;  // the first `used` hold rows
  size_t used = 0;
};

class Subscription final : public stream::Operator {
 public:
  using Callback = std::function<void(TickRows&)>;
  // With a callback nothing queues.
  Subscription(std::vector<data::Type> types, Callback callback, uint64_t rows_max);

  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const stream::TickInfo& tick) override;

  enum class State : uint8_t { kChanges, kTimeout, kEnded };
  // The next tick's changes into `rows`, whose buffers are taken back first; those of ticks after `through` stay. Waits up to
  // timeout_ms.
  State poll(std::unique_ptr<TickRows>& rows, int timeout_ms, uint64_t through = UINT64_MAX);
  bool has_room();
  // While held, what comes is kept for the first tick after it: a view that catches up takes no ticks of its own, and comes
  // as one piece. On the core.
  void hold(bool held) { held_ = held; }
  // Recovery: forgets the ticks up to this one, which have been taken out before.
  void drop_through(uint64_t tick);
  uint64_t rows_max() const { return rows_max_; }
  // No tick will come any more: the view was dropped or the database closed.
  void close();
  bool ended();

 private:
  std::unique_ptr<TickRows> take_spare();

  Callback callback_;
  bool held_ = false;
  bool has_held_ = false;  // current_ has rows that came while held
  const uint64_t rows_max_;
  std::unique_ptr<TickRows> current_;  // the running tick's
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::unique_ptr<TickRows>> queue_;  // a ring: [queue_head_, queue_head_ + queue_size_)
  size_t queue_head_ = 0, queue_size_ = 0;
  std::vector<std::unique_ptr<TickRows>> spares_;
  uint64_t queued_rows_ = 0;
  bool ended_ = false;
};

}  // namespace laminar::engine
