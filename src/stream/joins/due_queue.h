// What is to be looked at again when a watermark has passed a time: in order of time, cheap where times come in order.
//
// Times that do not go back stand in a queue; the others in a heap.
//
// Threads: one core.
// Bounds:  as many items as were pushed and have not come due; after warm-up nothing allocates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace laminar::stream {

template <class T>
class DueQueue {
 public:
  struct Item {
    int64_t time;
    T what;
  };

  void push(int64_t time, T what) {
    if (size_ == 0 || time >= at(size_ - 1).time) {
      if (size_ == queue_.size()) grow();
      at(size_++) = {time, what};
      return;
    }
    heap_.push_back({time, what});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  bool empty() const { return size_ == 0 && heap_.empty(); }
  // The item with the least time; the queue must not be empty.
  const Item& next() const { return heap_first() ? heap_.front() : queue_[first_]; }
  Item pop() {
    if (heap_first()) {
      const Item item = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), later);
      heap_.pop_back();
      return item;
    }
    const Item item = queue_[first_];
    first_ = (first_ + 1) & (queue_.size() - 1);
    --size_;
    return item;
  }
  uint64_t bytes() const { return (queue_.capacity() + heap_.capacity()) * sizeof(Item); }

 private:
  static bool later(const Item& a, const Item& b) { return a.time > b.time; }
  bool heap_first() const { return !heap_.empty() && (size_ == 0 || heap_.front().time < queue_[first_].time); }
  Item& at(size_t i) { return queue_[(first_ + i) & (queue_.size() - 1)]; }
  void grow() {
    std::vector<Item> larger(queue_.empty() ? 64 : 2 * queue_.size());
    for (size_t i = 0; i < size_; ++i) larger[i] = at(i);
    queue_.swap(larger);
    first_ = 0;
  }

  std::vector<Item> queue_;  // a ring of a power of two
  size_t first_ = 0, size_ = 0;
  std::vector<Item> heap_;
};

}  // namespace laminar::stream
