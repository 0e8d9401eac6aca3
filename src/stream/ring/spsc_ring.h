// A ring that moves values from one thread to another, one producer and one consumer.
//
// Threads: one producer and one consumer at a time, each with its handle; handles move but do not copy, so a second
//          producer does not compile.
// Bounds:  try_push() returns false when `capacity` values wait.
// Order:   a slot is written before tail_ is released, and read before head_ is released; each side caches the other's
//          index, so a push that finds room touches no line of the consumer (Lamport's ring with cached indices).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"

namespace laminar::stream {

template <class T>
class SpscRing {
 public:
  // Room for `capacity` values, rounded up to a power of two.
  explicit SpscRing(size_t capacity) {
    size_t size = 1;
    while (size < capacity) size *= 2;
    slots_ = std::vector<T>(size);
    mask_ = size - 1;
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  class Producer {
   public:
    explicit Producer(SpscRing& ring) : ring_(&ring) {}
    Producer(Producer&& other) noexcept : ring_(std::exchange(other.ring_, nullptr)) {}
    Producer(const Producer&) = delete;

    bool try_push(T&& value) {
      const uint64_t tail = ring_->tail_.load(std::memory_order_relaxed);
      if (tail - ring_->cached_head_ > ring_->mask_) {
        ring_->cached_head_ = ring_->head_.load(std::memory_order_acquire);
        if (tail - ring_->cached_head_ > ring_->mask_) return false;
      }
      ring_->slots_[tail & ring_->mask_] = std::move(value);
      ring_->tail_.store(tail + 1, std::memory_order_release);
      return true;
    }

   private:
    SpscRing* ring_;
  };

  class Consumer {
   public:
    explicit Consumer(SpscRing& ring) : ring_(&ring) {}
    Consumer(Consumer&& other) noexcept : ring_(std::exchange(other.ring_, nullptr)) {}
    Consumer(const Consumer&) = delete;

    bool try_pop(T& value) {
      const uint64_t head = ring_->head_.load(std::memory_order_relaxed);
      if (head == ring_->cached_tail_) {
        ring_->cached_tail_ = ring_->tail_.load(std::memory_order_acquire);
        if (head == ring_->cached_tail_) return false;
      }
      value = std::move(ring_->slots_[head & ring_->mask_]);
      ring_->head_.store(head + 1, std::memory_order_release);
      return true;
    }
    bool empty() {
      if (ring_->head_.load(std::memory_order_relaxed) != ring_->cached_tail_) return false;
      ring_->cached_tail_ = ring_->tail_.load(std::memory_order_acquire);
      return ring_->head_.load(std::memory_order_relaxed) == ring_->cached_tail_;
    }

   private:
    SpscRing* ring_;
  };

 private:
  std::vector<T> slots_;
  uint64_t mask_ = 0;
  alignas(64) std::atomic<uint64_t> tail_{0};  // next slot to write; the producer's line
  uint64_t cached_head_ = 0;
  alignas(64) std::atomic<uint64_t> head_{0};  // next slot to read; the consumer's line
  uint64_t cached_tail_ = 0;
};

}  // namespace laminar::stream
