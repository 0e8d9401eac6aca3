// The rows that one key has on one side of a join, in order of time; both ends move, and most rows come at the end.
//
// A plain struct that stands in the row of a GroupTable, all zero when empty. Rows are slots of a RowStore.
//
// Threads: one core.
// Owns:    its block of the pool; release() gives it back.
// Bounds:  grows by doubling; blocks are reused, so nothing allocates after warm-up.
#pragma once

#include <cstdint>
#include <cstring>

#include "stream/state/state_pool.h"

namespace laminar::stream {

struct TimeRing {
  struct Entry {
    int64_t time;
    uint64_t order;  // among rows of one time, where the input has a total order
    uint32_t slot;
    uint32_t mark;
  };

  Entry* block;
  uint32_t first, end, capacity;
  mutable uint32_t hint;  // where the last search ended: the next one begins there

  bool empty() const { return first == end; }
  uint32_t size() const { return end - first; }
  Entry* begin_entry() { return block + first; }
  Entry* end_entry() { return block + end; }
  const Entry* begin_entry() const { return block + first; }
  const Entry* end_entry() const { return block + end; }
  const Entry& front() const { return block[first]; }
  const Entry& back() const { return block[end - 1]; }

  // The first entry with time >= t, or > t. Questions come mostly in order of time.
  const Entry* at_or_after(int64_t t) const {
    return search([t](const Entry& entry) { return entry.time < t; });
  }
  const Entry* after(int64_t t) const {
    return search([t](const Entry& entry) { return entry.time <= t; });
  }

  // Inserts before `at`, which must be an entry of this ring or its end.
  Entry* insert(StatePool& pool, Entry* at, const Entry& entry) {
    uint32_t position = static_cast<uint32_t>(at - block);
    if (end == capacity) position -= make_room(pool);
    std::memmove(block + position + 1, block + position, sizeof(Entry) * (end - position));
    ++end;
    block[position] = entry;
    return block + position;
  }
  // Behind all entries of its time.
  void insert_by_time(StatePool& pool, const Entry& entry) {
    Entry* at = end_entry();
    while (at != begin_entry() && at[-1].time > entry.time) --at;
    insert(pool, at, entry);
  }
  // Before a search, some other work ahead.
  void prefetch() const { __builtin_prefetch(block + hint); }
  void remove(Entry* at) {
    if (at == block + first) return pop_front();
    std::memmove(at, at + 1, sizeof(Entry) * static_cast<size_t>(block + end - at - 1));
    --end;
  }
  void pop_front() {
    if (++first == end) first = end = hint = 0;
  }
  void release(StatePool& pool) {
    if (block) pool.free(block, sizeof(Entry) * capacity);
    std::memset(static_cast<void*>(this), 0, sizeof *this);
  }

 private:
  // The end of the entries for which `before` holds: gallops from the hint, either way.
  template <class Before>
  const Entry* search(const Before& before) const {
    uint32_t low, high = hint < first ? first : hint > end ? end : hint, step = 1;
    if (high < end && before(block[high])) {
      low = high + 1;
      while (step <= end - low && before(block[low + step - 1])) {
        low += step;
        step *= 2;
      }
      high = step <= end - low ? low + step - 1 : end;
    } else {
      while (high - first >= step && !before(block[high - step])) {
        high -= step;
        step *= 2;
      }
      low = high - first >= step ? high - step + 1 : first;
    }
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (before(block[middle])) low = middle + 1;
      else high = middle;
    }
    hint = low;
    return block + low;
  }
  // Room for one more at the end; returns by how much the entries have moved down.
  uint32_t make_room(StatePool& pool) {
    const uint32_t shift = first;
    if (first > capacity / 2 || (first > 0 && first >= size())) {
      std::memmove(block, block + first, sizeof(Entry) * size());
    } else {
      const uint32_t larger = capacity == 0 ? 4 : 2 * capacity;
      auto* grown = static_cast<Entry*>(pool.allocate(sizeof(Entry) * larger));
      if (block) {
        std::memcpy(grown, block + first, sizeof(Entry) * size());
        pool.free(block, sizeof(Entry) * capacity);
      }
      block = grown;
      capacity = larger;
    }
    end -= first;
    hint -= hint < first ? hint : first;
    first = 0;
    return shift;
  }
};

}  // namespace laminar::stream
