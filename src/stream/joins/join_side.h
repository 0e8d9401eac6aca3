// The rows that one input of a join has now, chained by the key they share with rows of the other input.
//
// Threads: one core.
// Owns:    the rows, string bytes included; the groups (keys) belong to the join.
// Bounds:  the rows of the input, less those that release() has taken out; after warm-up nothing allocates.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/state/row_store.h"

namespace laminar::stream {

class JoinSide {
 public:
  static constexpr uint32_t kNone = RowStore::kNone;

  // `head`: where a group keeps the first row of this side. `unique`: rows only come, so equal ones need not be found.
  JoinSide(std::vector<data::Type> types, uint32_t head, bool unique);

  // Once per batch, before apply().
  void prepare(const data::Batch& batch);
  struct Applied {
    uint32_t slot;
    bool fresh;  // the row was not there before
  };
  // Changes the weight of a row. One whose weight becomes 0 leaves its chain, and its slot stays until sweep().
  Applied apply(char* group, const data::Batch& batch, uint32_t row);
  // Takes a row out of its chain; its slot stays until sweep().
  void remove(uint32_t slot);
  // Frees the slots of rows that have left.
  void sweep();

  uint32_t first(const char* group) const;
  uint32_t next(uint32_t slot) const { return rows_[slot].next; }
  int64_t weight(uint32_t slot) const { return rows_[slot].weight; }
  // How many rows of the other side the row meets, by weight.
  int64_t& matches(uint32_t slot) { return rows_[slot].matches; }
  char* group(uint32_t slot) const { return rows_[slot].group; }
  const RowStore& store() const { return store_; }

  int64_t time(uint32_t slot) const { return rows_[slot].time; }
  // Event time of a row just made, for release.
  void set_time(uint32_t slot, int64_t time);
  // The row with the least time, if that is below `limit`; else kNone. It must be removed before the next call.
  uint32_t due(int64_t limit);

  uint64_t bytes() const;

 private:
  struct Row {
    char* group;
    uint32_t next, previous;
    int64_t weight, matches, time;
    uint64_t hash;
    uint32_t serial;
  };
  struct Timer {
    int64_t time;
    uint32_t slot, serial;
    bool operator<(const Timer& other) const {  // the heap's top is the earliest
      return time != other.time ? time > other.time : slot > other.slot;
    }
  };
  void set_first(char* group, uint32_t slot);
  void unlink(uint32_t slot);

  const std::vector<data::Type> types_;
  const uint32_t head_;
  const bool unique_;
  RowStore store_;
  SlotIndex index_;
  std::vector<Row> rows_;
  std::vector<Timer> timers_;
  std::vector<uint32_t> left_;  // slots to free
  std::vector<uint64_t> hashes_;
};

}  // namespace laminar::stream
