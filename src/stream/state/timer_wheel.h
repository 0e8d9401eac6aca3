// Timers on event time: constant work to add one, and none for those that are not due.
//
// Times fall into buckets of a fixed width in a ring; the bucket that the present time cuts through is a small heap, so
// that timers go off exactly. Timers beyond the ring wait in a list that is looked at twice per turn.
//
// There is no cancel: an owner that no longer wants a timer ignores it when it goes off, by its serial number.
//
// Threads: one core.
// Bounds:  blocks of timers are pooled; after warm-up nothing allocates.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace laminar::stream {

class TimerWheel {
 public:
  struct Timer {
    int64_t time;
    char* owner;
    uint64_t serial;
  };
  explicit TimerWheel(int64_t bucket_width);

  void add(const Timer& timer);
  // Appends all timers with time <= `now` to `due`, in no order. `now` never goes back.
  void advance(int64_t now, std::vector<Timer>& due);
  uint64_t size() const { return size_; }
  uint64_t held_bytes() const { return blocks_.size() * sizeof(Block) + (near_.capacity() + far_.capacity()) * sizeof(Timer); }

 private:
  static constexpr int64_t kBuckets = 1024;
  struct Block {
    static constexpr uint32_t kTimers = 20;
    Block* next;
    uint32_t count;
    Timer timers[kTimers];
  };
  int64_t bucket_of(int64_t time) const;
  void place(const Timer& timer);
  void take_bucket(int64_t bucket, bool all_due, std::vector<Timer>& due);

  int64_t width_;
  int64_t current_ = 0;  // the bucket of the latest `now`; timers up to it are in near_
  bool started_ = false;
  int64_t far_check_ = 0;  // look at far_ when current_ gets here
  Block* ring_[kBuckets] = {};
  std::vector<Timer> near_, far_;  // near_ is a heap, least time first
  std::deque<Block> blocks_;
  Block* free_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace laminar::stream
