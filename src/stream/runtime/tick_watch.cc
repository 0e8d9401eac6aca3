#include "stream/runtime/tick_watch.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace laminar::stream {

namespace {
constexpr int64_t kLookNsMin = 1'000'000, kLookNsMax = 10'000'000;
}

TickWatch::TickWatch() {
  thread_ = std::thread([this] { look(); });
}

TickWatch::~TickWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    stop_.notify_all();
  }
  thread_.join();
}

void TickWatch::begin(uint32_t thread, int64_t now_ns) {
  Slot& slot = slots_[thread];
  slot.round.store(slot.round.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  slot.at.store(nullptr, std::memory_order_relaxed);
  slot.since_ns.store(now_ns, std::memory_order_release);
  Operator::note_at(&slot.at);
}

void TickWatch::end(uint32_t thread) {
  Slot& slot = slots_[thread];
  Operator::note_at(nullptr);
  if (slot.seen_round.load(std::memory_order_acquire) == slot.round.load(std::memory_order_relaxed)) {
    slot.overrun = slot.seen.load(std::memory_order_relaxed);
    slot.overrun_ns = monotonic_ns() - slot.since_ns.load(std::memory_order_relaxed);
    any_.store(true, std::memory_order_release);
  }
  slot.since_ns.store(0, std::memory_order_relaxed);
}

void TickWatch::look() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const int64_t budget = budget_ns();
    stop_.wait_for(lock, std::chrono::nanoseconds(budget == 0 ? kLookNsMax : std::clamp(budget / 4, kLookNsMin, kLookNsMax)),
                   [this] { return stopping_; });
    if (budget == 0) continue;
    const int64_t now = monotonic_ns();
    for (Slot& slot : slots_) {
      const uint64_t round = slot.round.load(std::memory_order_acquire);
      const int64_t since = slot.since_ns.load(std::memory_order_acquire);
      if (since == 0 || now - since < budget || slot.seen_round.load(std::memory_order_relaxed) == round) continue;
      const Operator* at = slot.at.load(std::memory_order_relaxed);
      if (!at) continue;
      slot.seen.store(at, std::memory_order_relaxed);
      slot.seen_round.store(round, std::memory_order_release);
    }
  }
}

}  // namespace laminar::stream
