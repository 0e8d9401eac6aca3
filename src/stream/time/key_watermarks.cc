#include "stream/time/key_watermarks.h"

#include <algorithm>

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;

namespace {

constexpr uint32_t kPrefetchAhead = 16;
constexpr size_t kSlotsMin = 64;

// a - b; never the mark for no watermark.
int64_t less(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_sub_overflow(a, b, &result)) return kWatermarkNone + 1;
  return std::max(result, kWatermarkNone + 1);
}

}  // namespace

KeyWatermarks::KeyWatermarks(const WatermarkOptions& options, int64_t floor_us)
    : options_(options), floor_us_(floor_us), slots_(kSlotsMin), mask_(kSlotsMin - 1) {}

int64_t& KeyWatermarks::find(uint64_t key) {
  uint64_t at = key & mask_;
  while (slots_[at].key != 0) {
    if (slots_[at].key == key) return slots_[at].watermark;
    at = (at + 1) & mask_;
  }
  if (2 * (size_ + 1) > slots_.size()) {
    make_room();
    at = key & mask_;
    while (slots_[at].key != 0) at = (at + 1) & mask_;
  }
  ++size_;
  slots_[at] = {key, kWatermarkNone};
  return slots_[at].watermark;
}

// Keys at or below the floor go; where few do, the table doubles.
void KeyWatermarks::make_room() {
  const uint64_t kept = static_cast<uint64_t>(std::count_if(
      slots_.begin(), slots_.end(), [this](const Slot& slot) { return slot.key != 0 && slot.watermark > floor_; }));
  Slots old(4 * kept > slots_.size() ? 2 * slots_.size() : slots_.size());
  old.swap(slots_);
  mask_ = slots_.size() - 1;
  size_ = kept;
  for (const Slot& slot : old) {
    if (slot.key == 0 || slot.watermark <= floor_) continue;
    uint64_t at = slot.key & mask_;
    while (slots_[at].key != 0) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
}

WatermarkTracker::Judged KeyWatermarks::advance(const uint64_t* keys, const int64_t* times, const uint64_t* validity,
                                                const uint64_t* marks, uint32_t rows,
                                                const WatermarkTracker& clock, int64_t now_us, int64_t* row_watermark,
                                                std::vector<KeyMove>& moves) {
  WatermarkTracker::Judged judged;
  for (uint32_t i = 0; i < rows; ++i) {
    if (i + kPrefetchAhead < rows) __builtin_prefetch(&slots_[keys[i + kPrefetchAhead] & mask_]);
    if (validity && !(validity[i >> 6] >> (i & 63) & 1)) {
      row_watermark[i] = floor_;
      continue;
    }
    const uint64_t key = KeyMove::of_hash(keys[i]);
    int64_t& own = find(key);
    const int64_t before = std::max(own, floor_), time = times[i];
    row_watermark[i] = before;
    judged.any_behind |= time <= before;
    if (clock.is_future(time, now_us)) {
      ++judged.future_rows;
      continue;
    }
    if (marks && !(marks[i >> 6] >> (i & 63) & 1)) continue;
    const int64_t after = less(time, options_.delay_us);
    if (after <= before) continue;
    own = after;
    moves.push_back({key, before, after});
    if (after <= greatest_) continue;
    greatest_ = after;
    if (floor_us_ >= 0) floor_ = std::max(floor_, less(after, floor_us_));
  }
  return judged;
}

KeyWatermarks::Range KeyWatermarks::range() const {
  Range range{kWatermarkEnded, kWatermarkNone};
  for (const Slot& slot : slots_) {
    if (slot.key == 0) continue;
    const int64_t watermark = std::max(slot.watermark, floor_);
    range.least = std::min(range.least, watermark);
    range.greatest = std::max(range.greatest, watermark);
  }
  if (size_ == 0) range.least = range.greatest = floor_;
  return range;
}

bool KeyWatermarks::load(ByteReader& in) {
  floor_ = in.get<int64_t>();
  greatest_ = in.get<int64_t>();
  return in.ok();
}

bool KeyWatermarks::load_keys(ByteReader& in) {
  while (!in.at_end()) {
    const uint64_t key = in.get<uint64_t>();
    const int64_t watermark = in.get<int64_t>();
    if (!in.ok() || key == 0) return false;
    find(key) = watermark;
  }
  return true;
}

}  // namespace laminar::stream
