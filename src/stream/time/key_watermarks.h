// Watermarks of the keys of a source (PER KEY): one for each key, made row by row.
//
// A key's watermark is the largest event time of its rows so far, less the delay. Nothing is combined over keys; the
// floor alone is common: the greatest watermark of all less `floor_us`, where that is given, and what the user says. No
// key's watermark counts as less. A key whose own is at or below the floor need not be remembered, so the floor bounds the memory.
//
// A key is known by its 64-bit hash: keys that share one share a watermark. The table is open addressing over 16-byte
// slots, probed ahead of use, so a row costs the same with ten keys and with millions.
//
// Threads: one core.
// Time:    us since 1970. Nothing here depends on where ticks end, but for keys that fall idle by the clock.
// Bounds:  16 to 64 bytes per key; with a floor, the keys above it at the last growth; without, all that ever came.
// Memory:  allocates when the table grows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "data/batch.h"
#include "stream/state/state_bytes.h"
#include "stream/time/key_move.h"
#include "stream/time/watermark_tracker.h"

namespace laminar::stream {

class KeyWatermarks {
 public:
  // floor_us < 0: none.
  KeyWatermarks(const WatermarkOptions& options, int64_t floor_us);

  // As WatermarkTracker::advance(), for rows of the keys with these hashes. `marks`: bits of the rows that move watermarks;
  // null: all do. Moves are added to `moves`.
  WatermarkTracker::Judged advance(const uint64_t* keys, const int64_t* times, const uint64_t* validity, const uint64_t* marks, uint32_t rows,
                                   const WatermarkTracker& clock, int64_t now_us, int64_t* row_watermark, std::vector<KeyMove>& moves);
  // No row of any key is earlier from now on.
  void raise_floor(int64_t watermark) { floor_ = std::max(floor_, watermark); }

  // Of one key, by KeyMove::of_hash().
  int64_t of(uint64_t key) const {
    uint64_t at = key & mask_;
    while (slots_[at].key != 0) {
      if (slots_[at].key == key) return std::max(slots_[at].watermark, floor_);
      at = (at + 1) & mask_;
    }
    return floor_;
  }
  void prefetch(uint64_t key) const { __builtin_prefetch(&slots_[key & mask_]); }
  // What no key's watermark lies below; kWatermarkNone without any.
  int64_t floor() const { return floor_; }
  // The greatest watermark of all keys so far.
  int64_t greatest() const { return std::max(greatest_, floor_); }
  uint64_t key_count() const { return size_; }
  struct Range {
    int64_t least, greatest;
  };
  // Over all keys that are remembered, none below the floor. A walk over all of them: to be shown, not to be used.
  Range range() const;
  size_t held_bytes() const { return slots_.capacity() * sizeof(Slot); }

  // For checkpoints: the floor, and the keys in pieces.
  void save(ByteWriter& out) const { out.put(floor_).put(greatest_); }
  bool load(ByteReader& in);
  static constexpr size_t kPieceKeys = 4096;
  // Calls with the bytes of one piece after the other.
  template <class Visit>
  void save_keys(Visit&& visit) const {
    ByteWriter piece;
    size_t count = 0;
    for (const Slot& slot : slots_) {
      if (slot.key == 0) continue;
      piece.put(slot.key).put(slot.watermark);
      if (++count % kPieceKeys != 0) continue;
      visit(piece.view());
      piece.clear();
    }
    if (count % kPieceKeys != 0) visit(piece.view());
  }
  bool load_keys(ByteReader& in);

 private:
  struct Slot {
    uint64_t key = 0;  // 0: free
    int64_t watermark = data::kWatermarkNone;
  };
  int64_t& find(uint64_t key);
  void make_room();

  WatermarkOptions options_;
  int64_t floor_us_;
  using Slots = std::vector<Slot, StateAllocator<Slot>>;
  Slots slots_;
  uint64_t mask_ = 0, size_ = 0;
  int64_t greatest_ = data::kWatermarkNone;
  int64_t floor_ = data::kWatermarkNone;
};

}  // namespace laminar::stream
