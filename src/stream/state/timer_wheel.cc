#include "stream/state/timer_wheel.h"

#include <algorithm>

namespace laminar::stream {

namespace {
bool later(const TimerWheel::Timer& a, const TimerWheel::Timer& b) { return a.time > b.time; }
}  // namespace

TimerWheel::TimerWheel(int64_t bucket_width) : width_(std::max<int64_t>(1, bucket_width)) {}

int64_t TimerWheel::bucket_of(int64_t time) const {
  const int64_t q = time / width_;
  return q - (time % width_ < 0);
}

void TimerWheel::place(const Timer& timer) {
  const int64_t bucket = bucket_of(timer.time);
  if (bucket <= current_) {
    near_.push_back(timer);
    std::push_heap(near_.begin(), near_.end(), later);
  } else if (bucket - current_ >= kBuckets) {
    far_.push_back(timer);
  } else {
    Block*& head = ring_[bucket & (kBuckets - 1)];
    if (!head || head->count == Block::kTimers) {
      Block* block = free_;
      if (block) {
        free_ = block->next;
      } else {
        blocks_.emplace_back();
        block = &blocks_.back();
      }
      block->next = head;
      block->count = 0;
      head = block;
    }
    head->timers[head->count++] = timer;
  }
}

void TimerWheel::add(const Timer& timer) {
  if (!started_) {
    started_ = true;
    current_ = bucket_of(timer.time) - 1;
    far_check_ = current_ + kBuckets / 2;
  }
  place(timer);
  ++size_;
}

void TimerWheel::take_bucket(int64_t bucket, bool all_due, std::vector<Timer>& due) {
  Block*& head = ring_[bucket & (kBuckets - 1)];
  while (Block* block = head) {
    head = block->next;
    for (uint32_t i = 0; i < block->count; ++i) {
      if (all_due) {
        due.push_back(block->timers[i]);
      } else {
        near_.push_back(block->timers[i]);
        std::push_heap(near_.begin(), near_.end(), later);
      }
    }
    block->next = free_;
    free_ = block;
  }
}

void TimerWheel::advance(int64_t now, std::vector<Timer>& due) {
  if (!started_ || size_ == 0) return;
  const size_t before = due.size();
  // Bucket numbers are subtracted below and must not wrap.
  const int64_t bucket = std::min(bucket_of(now), int64_t{1} << 61);
  if (bucket > current_) {
    if (bucket - current_ >= kBuckets) {
      for (int64_t b = current_ + 1; b <= current_ + kBuckets; ++b) take_bucket(b, true, due);
    } else {
      for (int64_t b = current_ + 1; b <= bucket; ++b) take_bucket(b, b < bucket, due);
    }
    current_ = bucket;
    if (current_ >= far_check_) {
      far_check_ = current_ + kBuckets / 2;
      size_t kept = 0;
      for (const Timer& timer : far_) {
        if (bucket_of(timer.time) - current_ >= kBuckets) far_[kept++] = timer;
        else place(timer);
      }
      far_.resize(kept);
    }
  }
  while (!near_.empty() && near_.front().time <= now) {
    due.push_back(near_.front());
    std::pop_heap(near_.begin(), near_.end(), later);
    near_.pop_back();
  }
  size_ -= due.size() - before;
}

}  // namespace laminar::stream
