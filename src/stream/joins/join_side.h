// The rows that one input of a join has now, chained by the key they share with rows of the other input.
//
// With event times a chain is in order of time, the newest first: a probe goes in from the nearer end and stops where its
// bound does, so a key with many rows costs what it matches.
//
// Threads: one core.
// Owns:    the rows, string bytes included; the groups (keys) belong to the join.
// Bounds:  the rows of the input, less those that were removed; after warm-up nothing allocates.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/joins/packed_rows.h"
#include "stream/joins/time_queue.h"
#include "stream/state/row_store.h"

namespace laminar::stream {

class JoinSide {
 public:
  static constexpr uint32_t kNone = PackedRows::kNone;

  struct Options {
    uint32_t head = 0;             // where a group keeps the first and the last row of this side, 8 bytes
    bool unique = false;           // rows only come, with weight 1, so equal ones need not be found
    bool counts = false;           // rows know their matches
    std::optional<uint32_t> time;  // rows are removed by this column
  };
  JoinSide(std::vector<data::Type> types, const Options& options);

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

  uint32_t first(const char* group) const { return load<uint32_t>(group + head_); }
  uint32_t last(const char* group) const { return load<uint32_t>(group + head_ + 4); }
  uint32_t next(uint32_t slot) const { return load<uint32_t>(rows_.at(slot)); }
  uint32_t previous(uint32_t slot) const { return load<uint32_t>(rows_.at(slot) + 4); }
  int64_t weight(uint32_t slot) const { return unique_ ? 1 : load<int64_t>(rows_.at(slot) + weight_); }
  bool has_weights() const { return !unique_; }
  // How many rows of the other side the row meets, by weight.
  int64_t& matches(uint32_t slot) { return *reinterpret_cast<int64_t*>(rows_.at(slot) + matches_); }
  char* group(uint32_t slot) const { return load<char*>(rows_.at(slot) + group_); }
  // Event time; of a row without one the least.
  int64_t time(uint32_t slot) const {
    const char* row = rows_.at(slot);
    return rows_.is_null(row, *time_column_) ? data::kWatermarkNone : rows_.value<int64_t>(row, *time_column_);
  }
  const PackedRows& rows() const { return rows_; }
  void prefetch(uint32_t slot) const { __builtin_prefetch(rows_.at(slot)); }

  // Up to `max` rows with times below `limit`, the earliest first; they must be removed before the next call.
  uint32_t due(int64_t limit, uint32_t* slots, uint32_t max);

  uint64_t bytes() const { return rows_.bytes() + index_.bytes() + slots_.bytes() + timers_.bytes(); }

 private:
  template <class T>
  static T load(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  template <class T>
  static void store(char* at, T value) { std::memcpy(at, &value, sizeof value); }
  // A row that may be taken out before its time: the timer is void when the serial of the row is another.
  struct Timer {
    int64_t time;
    uint32_t slot, serial;
  };
  bool has_serial() const { return !unique_ && time_column_; }
  // Earlier in time, then by slot.
  auto slot_order() const {
    return [this](uint32_t a, uint32_t b) {
      const int64_t x = time(a), y = time(b);
      return x != y ? x < y : a < b;
    };
  }
  static bool timer_order(const Timer& a, const Timer& b) { return a.time != b.time ? a.time < b.time : a.slot < b.slot; }
  static uint32_t header_bytes(const Options& options);
  void link(char* group, uint32_t slot);
  void unlink(uint32_t slot);

  const uint32_t head_;
  const bool unique_, removable_;
  const std::optional<uint32_t> time_column_;
  // Places in a row: next, previous (removable rows), group, weight, matches, hash with serial.
  uint32_t group_ = 0, weight_ = 0, matches_ = 0, hash_ = 0;
  PackedRows rows_;
  SlotIndex index_;
  TimeQueue<uint32_t> slots_;  // rows that leave by time alone
  TimeQueue<Timer> timers_;
  std::vector<uint32_t> left_;  // slots to free
  std::vector<uint64_t> hashes_;
};

}  // namespace laminar::stream
