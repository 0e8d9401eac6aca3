// The distinct values of one group with how often each is there: a small open-addressing table in a StatePool.
//
// Owns:    its slots and the bytes of long strings, in the pool it is given with every call.
// Bounds:  doubles at a load of one half; memory goes back to the pool with free().
#pragma once

#include "stream/state/cell.h"

namespace laminar::stream {

class ValueSet {
 public:
  // Adds `by` to the count of a value and returns the count from before. A count may go below zero inside a tick; at
  // zero the value leaves.
  int64_t add(data::Physical physical, const Cell& value, int64_t by, StatePool& pool);
  void free(data::Physical physical, StatePool& pool);
  uint32_t size() const { return size_; }

  struct Slot {
    Cell value;
    uint64_t hash;
    int64_t count;  // 0: empty
  };
  // f(slot) for every value.
  template <class F>
  void for_each(F&& f) const {
    for (uint32_t i = 0; i < capacity_; ++i)
      if (slots_[i].count) f(slots_[i]);
  }

 private:
  void grow(StatePool& pool);

  Slot* slots_ = nullptr;
  uint32_t capacity_ = 0, size_ = 0;
};

}  // namespace laminar::stream
