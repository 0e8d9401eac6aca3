#include "stream/joins/join_side.h"

#include "base/check.h"

namespace laminar::stream {

uint32_t JoinSide::header_bytes(const Options& options) {
  const bool removable = !options.unique || options.time;
  if (!removable) return options.counts ? 16 : 8;
  return 8 + 8 + (options.unique ? 0 : 8) + (options.counts ? 8 : 0) + (options.unique ? 0 : 8);
}

JoinSide::JoinSide(std::vector<data::Type> types, const Options& options)
    : head_(options.head), unique_(options.unique), removable_(!options.unique || options.time), time_column_(options.time),
      rows_(types, header_bytes(options)), hashes_(data::kBatchRowsMax) {
  uint32_t at = 8;
  const auto take = [&at](bool there) {
    const uint32_t place = at;
    if (there) at += 8;
    return place;
  };
  group_ = take(removable_);
  weight_ = take(!unique_);
  matches_ = take(options.counts);
  hash_ = take(!unique_);
}

void JoinSide::prepare(const data::Batch& batch) {
  if (!unique_) hash_rows(batch.columns, batch.rows, hashes_.data());
}

JoinSide::Applied JoinSide::apply(char* group, const data::Batch& batch, uint32_t row) {
  const int64_t change = batch.weight(row);
  if (!unique_) {
    if (row + 8 < batch.rows) index_.prefetch(hashes_[row + 8]);
    const uint32_t known = index_.find(hashes_[row], [&](uint32_t slot) { return rows_.equals(slot, batch.columns, row); });
    if (known != kNone) {
      char* at = rows_.at(known) + weight_;
      const int64_t weight = load<int64_t>(at) + change;
      store(at, weight);
      if (weight == 0) remove(known);
      return {known, false};
    }
  } else {
    CHECK(change == 1);  // the planner proved that rows only come
  }
  const uint32_t slot = rows_.insert(batch.columns, row);
  char* made = rows_.at(slot);
  if (!unique_) {
    store(made + weight_, change);
    store(made + hash_, static_cast<uint32_t>(hashes_[row]));
    index_.insert(hashes_[row], slot);
  }
  if (matches_ != hash_) store(made + matches_, int64_t{0});
  if (removable_) {
    store(made + group_, group);
    if (has_serial()) {
      // The place may have had a row before, whose timer must not be taken for this one's.
      const uint32_t serial = load<uint32_t>(made + hash_ + 4) + 1;
      store(made + hash_ + 4, serial);
      timers_.push({time(slot), slot, serial}, timer_order);
    } else if (time_column_) {
      slots_.push(slot, slot_order());
    }
  }
  link(group, slot);
  return {slot, true};
}

void JoinSide::link(char* group, uint32_t slot) {
  uint32_t before = kNone, after = first(group);
  if (time_column_ && after != kNone) {
    const int64_t own = time(slot);
    while (after != kNone && time(after) > own) {
      before = after;
      after = next(after);
    }
  }
  char* row = rows_.at(slot);
  store(row, after);
  if (!removable_) {
    store(group + head_, slot);
    return;
  }
  store(row + 4, before);
  store(before == kNone ? group + head_ : rows_.at(before), slot);
  store(after == kNone ? group + head_ + 4 : rows_.at(after) + 4, slot);
}

void JoinSide::unlink(uint32_t slot) {
  const char* row = rows_.at(slot);
  char* of = load<char*>(row + group_);
  const uint32_t after = load<uint32_t>(row), before = load<uint32_t>(row + 4);
  store(before == kNone ? of + head_ : rows_.at(before), after);
  store(after == kNone ? of + head_ + 4 : rows_.at(after) + 4, before);
}

void JoinSide::remove(uint32_t slot) {
  unlink(slot);
  char* row = rows_.at(slot);
  if (!unique_) index_.erase(load<uint32_t>(row + hash_), slot);
  if (has_serial()) store(row + hash_ + 4, load<uint32_t>(row + hash_ + 4) + 1);  // its timer is void
  left_.push_back(slot);
}

void JoinSide::sweep() {
  for (const uint32_t slot : left_) rows_.erase(slot);
  left_.clear();
}

uint32_t JoinSide::due(int64_t limit, uint32_t* slots, uint32_t max) {
  uint32_t count = 0;
  const auto is_due = [&](int64_t time) { return time < limit || limit == data::kWatermarkEnded; };
  while (count < max) {
    if (has_serial()) {
      const Timer* timer = timers_.front(timer_order);
      if (!timer || !is_due(timer->time)) break;
      if (load<uint32_t>(rows_.at(timer->slot) + hash_ + 4) == timer->serial) slots[count++] = timer->slot;
      timers_.pop(timer_order);
    } else {
      const uint32_t* slot = slots_.front(slot_order());
      if (!slot || !is_due(time(*slot))) break;
      slots[count++] = *slot;
      slots_.pop(slot_order());
    }
  }
  for (uint32_t i = 0; i < count; ++i) __builtin_prefetch(group(slots[i]) + head_);
  return count;
}

}  // namespace laminar::stream
