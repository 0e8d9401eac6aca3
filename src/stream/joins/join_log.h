// Rows of one input of a join as they came, without an index: what leaves by time, and may leave without having been asked
// for, costs a copy of its columns.
//
// A batch that looks for partners here is made a small table, and the rows of the log are run past it; chunks whose times
// cannot match are passed over. What a chunk has cost that way is counted, and one that has cost as much as putting its
// rows under their keys is due for that (costly()): so neither a log that is asked seldom nor one that is asked row by row
// costs more than twice the better of both.
//
// Threads: one core.
// Owns:    the rows, string bytes included, in chunks that are used again.
// Bounds:  the rows appended, less those whose time is over: a chunk leaves as a whole, and of the oldest ones the rows at
//          the front leave before.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/string_arena.h"
#include "data/type.h"
#include "stream/state/group_table.h"
#include "stream/state/slab.h"

namespace laminar::stream {

// A time moved by a bound of a join; it stays within what a time can be.
inline int64_t time_plus(int64_t time, int64_t by) {
  int64_t sum;
  if (!__builtin_add_overflow(time, by, &sum)) return sum;
  return by < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

class JoinLog {
 public:
  static constexpr uint32_t kChunkRows = data::kBatchRowsMax;

  struct Chunk {
    uint32_t begin = 0, end = 0;  // its rows
    int64_t earliest = 0, latest = 0;
    uint64_t cost = 0;
    std::vector<data::Column> columns;  // validity null while a column has no NULL
    std::vector<uint64_t*> validity;    // the words set aside for it
    uint64_t* hashes = nullptr;
    data::StringArena strings;

    data::Batch batch() const {
      data::Batch all;
      all.rows = end;
      all.columns = columns;
      return all;
    }
  };

  // `keys`: the columns that rows are looked for by; their hashes are hash_keys() of the group table's shape.
  JoinLog(std::vector<data::Type> types, std::vector<uint32_t> keys, uint32_t time_column);

  bool empty() const { return chunks_.empty(); }
  uint64_t rows() const { return rows_; }
  uint64_t bytes() const { return slab_.bytes() + string_bytes(); }

  // Rows rows[0..count) of the batch; `hashes` is indexed by row.
  void append(const data::Batch& batch, const uint64_t* hashes, const uint32_t* rows, uint32_t count);
  // Goes on in a new chunk, as one that was saved: with so many rows gone, and what it had cost.
  void begin_chunk(uint32_t begin, uint64_t cost);

  // Rows of another input that look for partners here. Their order is that of `rows`.
  struct Probe {
    std::span<const data::Column> keys;
    const uint64_t* hashes;  // by row
    const uint32_t* rows;
    uint32_t count;
    const int64_t* times;    // by row
    int64_t after_us, before_us;  // a partner's time is in [time + after_us, time + before_us]
  };
  // Calls pair(position in Probe::rows, row of this log) for each pair that the keys and times make.
  template <class Pair>
  void find(const Probe& probe, const Pair& pair);
  // Rows as find() gives them: column `c` of rows[0..count) to `to`, valid from row 0 on; long strings by reference.
  void gather(uint32_t c, const uint32_t* rows, uint32_t count, data::Column& to) const;

  // Rows with times below `limit` may leave; those at the end of the times too, when all have ended.
  void release(int64_t limit);

  // Takes out up to `max` chunks that have been asked as often as pays, the oldest first, and gives each to `take`.
  template <class Take>
  void take_costly(uint32_t max, const Take& take) {
    if (!any_costly_) return;
    any_costly_ = false;
    size_t kept = 0;
    for (size_t i = 0; i < chunks_.size(); ++i) {
      Chunk* chunk = chunks_[i].chunk;
      if (chunk->cost < kCostPerRow * (chunk->end - chunk->begin)) {
        chunks_[kept++] = chunks_[i];
      } else if (max == 0) {
        any_costly_ = true;
        chunks_[kept++] = chunks_[i];
      } else {
        --max;
        take(*chunk);
        retire(chunk);
      }
    }
    chunks_.resize(kept);
  }

  // The chunks in order, for saving.
  template <class Visit>
  void each_chunk(const Visit& visit) const {
    for (const Entry& entry : chunks_) visit(*entry.chunk);
  }

 private:
  // In units of the time it takes to run one row past a table.
  static constexpr uint64_t kCostPerRow = 20;
  static constexpr uint64_t kCostPerProbe = 3;
  static constexpr uint64_t kCostPerCandidate = 4;
  static constexpr uint32_t kTableSize = 4096;
  static constexpr uint32_t kFilterBits = 32768;
  static constexpr uint16_t kNone = 0xffff;

  // A chunk with the times of its rows, side by side for find().
  struct Entry {
    int64_t earliest, latest;
    Chunk* chunk;
  };

  Chunk* new_chunk();
  void retire(Chunk* chunk);
  void copy_column(const data::Column& from, const uint32_t* rows, uint32_t count, uint32_t c, Chunk& to);
  uint64_t string_bytes() const;
  bool keys_equal(std::span<const data::Column> keys, uint32_t row, const Chunk& chunk, uint32_t at) const;
  void fill_table(const Probe& probe);
  void clear_table(const Probe& probe);
  // The rows of the chunk that may have a partner, by the filter, to candidates_.
  uint32_t candidates(const Chunk& chunk);

  std::vector<data::Physical> physical_;
  std::vector<uint32_t> keys_;
  const uint32_t time_column_;
  bool single_i64_ = false;
  std::vector<std::unique_ptr<Chunk>> all_;
  std::vector<Chunk*> free_;
  std::vector<Entry> chunks_;  // in order of arrival; the last takes rows
  bool any_costly_ = false;
  uint64_t rows_ = 0;
  Slab slab_;

  // The table of a batch that looks for partners.
  std::vector<uint64_t> filter_;
  std::vector<uint16_t> heads_, next_;
  std::vector<uint16_t> candidates_;
};

template <class Pair>
void JoinLog::find(const Probe& probe, const Pair& pair) {
  if (chunks_.empty() || probe.count == 0) return;
  int64_t least = probe.times[probe.rows[0]], greatest = least;
  for (uint32_t i = 1; i < probe.count; ++i) {
    const int64_t time = probe.times[probe.rows[i]];
    least = time < least ? time : least;
    greatest = time > greatest ? time : greatest;
  }
  least = time_plus(least, probe.after_us);
  greatest = time_plus(greatest, probe.before_us);
  bool filled = false;
  for (size_t at = 0; at < chunks_.size(); ++at) {
    const Entry& entry = chunks_[at];
    if (entry.latest < least || entry.earliest > greatest) continue;
    uint64_t cost = 0;
    if (!filled) {
      fill_table(probe);
      filled = true;
      cost = kCostPerProbe * probe.count;
    }
    Chunk& chunk = *entry.chunk;
    const uint32_t count = candidates(chunk);
    const int64_t* times = chunk.columns[time_column_].values<int64_t>();
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t row = candidates_[i];
      const uint64_t hash = chunk.hashes[row];
      for (uint16_t p = heads_[hash % kTableSize]; p != kNone; p = next_[p]) {
        cost += kCostPerCandidate;
        const uint32_t probing = probe.rows[p];
        if (probe.hashes[probing] != hash) continue;
        const int64_t time = probe.times[probing];
        if (times[row] < time_plus(time, probe.after_us) || times[row] > time_plus(time, probe.before_us)) continue;
        if (keys_equal(probe.keys, probing, chunk, row)) pair(p, static_cast<uint32_t>(at) * kChunkRows + row);
      }
    }
    chunk.cost += cost + (chunk.end - chunk.begin);
    any_costly_ |= chunk.cost >= kCostPerRow * (chunk.end - chunk.begin);
  }
  if (filled) clear_table(probe);
}

}  // namespace laminar::stream
