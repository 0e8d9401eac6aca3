#include "stream/joins/join_side.h"

#include <algorithm>
#include <cstring>

namespace laminar::stream {

JoinSide::JoinSide(std::vector<data::Type> types, uint32_t head, bool unique)
    : types_(std::move(types)), head_(head), unique_(unique), store_(types_), hashes_(data::kBatchRowsMax) {}

void JoinSide::prepare(const data::Batch& batch) {
  if (!unique_) hash_rows(batch.columns, batch.rows, hashes_.data());
}

uint32_t JoinSide::first(const char* group) const {
  uint32_t slot;
  std::memcpy(&slot, group + head_, sizeof slot);
  return slot;
}

void JoinSide::set_first(char* group, uint32_t slot) { std::memcpy(group + head_, &slot, sizeof slot); }

JoinSide::Applied JoinSide::apply(char* group, const data::Batch& batch, uint32_t row) {
  const int64_t change = batch.weight(row);
  if (!unique_) {
    const uint32_t known = index_.find(hashes_[row], [&](uint32_t slot) { return store_.equals(slot, batch.columns, row); });
    if (known != kNone) {
      rows_[known].weight += change;
      if (rows_[known].weight == 0) remove(known);
      return {known, false};
    }
  }
  const uint32_t slot = store_.insert(batch.columns, row);
  if (slot >= rows_.size()) rows_.resize(std::max<size_t>(2 * rows_.size(), RowStore::kChunkRows));
  Row& made = rows_[slot];
  made = {group, first(group), kNone, change, 0, 0, unique_ ? 0 : hashes_[row], made.serial + 1};
  if (made.next != kNone) rows_[made.next].previous = slot;
  set_first(group, slot);
  if (!unique_) index_.insert(made.hash, slot);
  return {slot, true};
}

void JoinSide::unlink(uint32_t slot) {
  const Row& row = rows_[slot];
  if (row.previous == kNone) set_first(row.group, row.next);
  else rows_[row.previous].next = row.next;
  if (row.next != kNone) rows_[row.next].previous = row.previous;
}

void JoinSide::remove(uint32_t slot) {
  unlink(slot);
  if (!unique_) index_.erase(rows_[slot].hash, slot);
  ++rows_[slot].serial;  // its timer is void
  left_.push_back(slot);
}

void JoinSide::sweep() {
  for (const uint32_t slot : left_) store_.erase(slot);
  left_.clear();
}

void JoinSide::set_time(uint32_t slot, int64_t time) {
  rows_[slot].time = time;
  timers_.push_back({time, slot, rows_[slot].serial});
  std::push_heap(timers_.begin(), timers_.end());
}

uint32_t JoinSide::due(int64_t limit) {
  while (!timers_.empty()) {
    const Timer timer = timers_.front();
    const bool live = rows_[timer.slot].serial == timer.serial;
    if (live && timer.time >= limit && limit != data::kWatermarkEnded) return kNone;
    std::pop_heap(timers_.begin(), timers_.end());
    timers_.pop_back();
    if (live) return timer.slot;
  }
  return kNone;
}

uint64_t JoinSide::bytes() const {
  return store_.bytes() + index_.bytes() + rows_.capacity() * sizeof(Row) + timers_.capacity() * sizeof(Timer);
}

}  // namespace laminar::stream
