#include "stream/state/value_set.h"

#include <algorithm>

namespace laminar::stream {

using data::Physical;
using data::StringRef;

void ValueSet::grow(StatePool& pool) {
  Slot* old = slots_;
  const uint32_t old_capacity = capacity_;
  capacity_ = std::max(4u, capacity_ * 2);
  slots_ = static_cast<Slot*>(pool.allocate(capacity_ * sizeof(Slot)));
  for (uint32_t i = 0; i < capacity_; ++i) slots_[i].count = 0;
  for (uint32_t i = 0; i < old_capacity; ++i) {
    if (!old[i].count) continue;
    uint32_t at = static_cast<uint32_t>(old[i].hash) & (capacity_ - 1);
    while (slots_[at].count) at = (at + 1) & (capacity_ - 1);
    slots_[at] = old[i];
  }
  if (old) pool.free(old, old_capacity * sizeof(Slot));
}

int64_t ValueSet::add(Physical physical, const Cell& value, int64_t by, StatePool& pool) {
  if ((size_ + 1) * 2 > capacity_) grow(pool);
  const uint64_t hash = hash_cell(physical, value);
  const uint32_t mask = capacity_ - 1;
  uint32_t at = static_cast<uint32_t>(hash) & mask;
  for (; slots_[at].count; at = (at + 1) & mask) {
    Slot& slot = slots_[at];
    if (slot.hash != hash || compare_cells(physical, slot.value, value) != 0) continue;
    const int64_t before = slot.count;
    slot.count += by;
    if (slot.count != 0) return before;
    if (physical == Physical::kString) pool.free_string(slot.value.as<StringRef>());
    --size_;
    // Close the gap: a later entry of the run moves back when its home is not behind the hole.
    uint32_t hole = at;
    for (uint32_t next = (hole + 1) & mask; slots_[next].count; next = (next + 1) & mask) {
      const uint32_t home = static_cast<uint32_t>(slots_[next].hash) & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      slots_[hole] = slots_[next];
      slots_[next].count = 0;
      hole = next;
    }
    return before;
  }
  const Cell held = physical == Physical::kString ? Cell::of(pool.copy_string(value.as<StringRef>())) : value;
  slots_[at] = Slot{held, hash, by};
  ++size_;
  return 0;
}

void ValueSet::free(Physical physical, StatePool& pool) {
  if (!slots_) return;
  if (physical == Physical::kString) for_each([&](const Slot& slot) { pool.free_string(slot.value.as<StringRef>()); });
  pool.free(slots_, capacity_ * sizeof(Slot));
  slots_ = nullptr;
  capacity_ = size_ = 0;
}

}  // namespace laminar::stream
