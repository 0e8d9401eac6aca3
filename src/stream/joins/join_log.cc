#include "stream/joins/join_log.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "stream/state/cell.h"

namespace laminar::stream {

using data::Column;
using data::Physical;
using data::StringRef;

JoinLog::JoinLog(std::vector<data::Type> types, std::vector<uint32_t> keys, uint32_t time_column)
    : keys_(std::move(keys)), time_column_(time_column), filter_(kFilterBits / 64), heads_(kTableSize, kNone), next_(data::kBatchRowsMax),
      candidates_(data::kBatchRowsMax) {
  for (const data::Type& type : types) physical_.push_back(type.physical());
  single_i64_ = keys_.size() == 1 && physical_[keys_[0]] == Physical::kI64;
}

JoinLog::Chunk* JoinLog::new_chunk() {
  if (free_.empty()) {
    auto chunk = std::make_unique<Chunk>();
    for (const Physical physical : physical_) {
      Column column;
      column.physical = physical;
      column.data = slab_.allocate(size_t{kChunkRows} * data::physical_size(physical));
      chunk->columns.push_back(column);
      chunk->validity.push_back(reinterpret_cast<uint64_t*>(slab_.allocate(kChunkRows / 8)));
    }
    chunk->hashes = reinterpret_cast<uint64_t*>(slab_.allocate(kChunkRows * sizeof(uint64_t)));
    free_.push_back(chunk.get());
    all_.push_back(std::move(chunk));
    free_.reserve(all_.size());
    chunks_.reserve(all_.size());
  }
  Chunk* chunk = free_.back();
  free_.pop_back();
  return chunk;
}

void JoinLog::retire(Chunk* chunk) {
  rows_ -= chunk->end - chunk->begin;
  chunk->begin = chunk->end = 0;
  chunk->cost = 0;
  for (Column& column : chunk->columns) column.validity = nullptr;
  chunk->strings.reset();
  free_.push_back(chunk);
}

uint64_t JoinLog::string_bytes() const {
  uint64_t bytes = 0;
  for (const auto& chunk : all_) bytes += chunk->strings.held_bytes();
  return bytes;
}

namespace {

template <class T>
void copy_values(const void* from, const uint32_t* rows, uint32_t count, void* to) {
  const T* source = static_cast<const T*>(from);
  T* target = static_cast<T*>(to);
  // All rows of a batch are the common case.
  if (rows[count - 1] == rows[0] + count - 1) {
    std::memcpy(target, source + rows[0], count * sizeof(T));
    return;
  }
  for (uint32_t i = 0; i < count; ++i) target[i] = source[rows[i]];
}

struct Wide {
  uint64_t words[2];
};

}  // namespace

// Rows are in ascending order.
void JoinLog::copy_column(const Column& from, const uint32_t* rows, uint32_t count, uint32_t c, Chunk& to) {
  Column& target = to.columns[c];
  const uint32_t size = data::physical_size(target.physical);
  char* values = static_cast<char*>(target.data) + size_t{to.end} * size;
  switch (size) {
    case 1: copy_values<uint8_t>(from.data, rows, count, values); break;
    case 2: copy_values<uint16_t>(from.data, rows, count, values); break;
    case 4: copy_values<uint32_t>(from.data, rows, count, values); break;
    case 8: copy_values<uint64_t>(from.data, rows, count, values); break;
    default: copy_values<Wide>(from.data, rows, count, values);
  }
  if (from.validity) {
    for (uint32_t i = 0; i < count; ++i) {
      if (!from.is_null(rows[i])) continue;
      if (!target.validity) {
        target.validity = to.validity[c];
        std::memset(target.validity, 0xff, kChunkRows / 8);
      }
      data::set_null(target.validity, to.end + i);
      std::memset(values + size_t{i} * size, 0, size);
    }
  } else if (target.validity) {
    for (uint32_t i = 0; i < count; ++i) data::set_valid(target.validity, to.end + i);
  }
  if (target.physical != Physical::kString) return;
  StringRef* texts = reinterpret_cast<StringRef*>(values);
  for (uint32_t i = 0; i < count; ++i) {
    if (!texts[i].is_inline()) texts[i] = to.strings.copy(texts[i]);
  }
}

void JoinLog::begin_chunk(uint32_t begin, uint64_t cost) {
  Chunk* chunk = new_chunk();
  chunk->begin = chunk->end = begin;
  chunk->cost = cost;
  chunks_.push_back({std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min(), chunk});
  any_costly_ |= cost > 0;
}

void JoinLog::append(const data::Batch& batch, const uint64_t* hashes, const uint32_t* rows, uint32_t count) {
  const int64_t* times = batch.columns[time_column_].values<int64_t>();
  while (count > 0) {
    if (chunks_.empty() || chunks_.back().chunk->end == kChunkRows) begin_chunk(0, 0);
    Entry& entry = chunks_.back();
    Chunk& chunk = *entry.chunk;
    const uint32_t taken = std::min(count, kChunkRows - chunk.end);
    for (uint32_t c = 0; c < physical_.size(); ++c) copy_column(batch.columns[c], rows, taken, c, chunk);
    for (uint32_t i = 0; i < taken; ++i) {
      chunk.hashes[chunk.end + i] = hashes[rows[i]];
      entry.earliest = std::min(entry.earliest, times[rows[i]]);
      entry.latest = std::max(entry.latest, times[rows[i]]);
    }
    chunk.end += taken;
    rows_ += taken;
    rows += taken;
    count -= taken;
  }
}

void JoinLog::gather(uint32_t c, const uint32_t* rows, uint32_t count, Column& to) const {
  const uint32_t size = data::physical_size(physical_[c]);
  const auto copy = [&]<uint32_t kSize>() {
    char* target = static_cast<char*>(to.data);
    for (uint32_t i = 0; i < count; ++i, target += kSize) {
      const Column& column = chunks_[rows[i] / kChunkRows].chunk->columns[c];
      const uint32_t row = rows[i] % kChunkRows;
      std::memcpy(target, static_cast<const char*>(column.data) + size_t{row} * kSize, kSize);
      if (column.is_null(row)) data::set_null(to.validity, i);
    }
  };
  switch (size) {
    case 1: return copy.operator()<1>();
    case 2: return copy.operator()<2>();
    case 4: return copy.operator()<4>();
    case 8: return copy.operator()<8>();
    default: return copy.operator()<16>();
  }
}

void JoinLog::release(int64_t limit) {
  const bool all = limit == data::kWatermarkEnded;
  size_t kept = 0;
  for (size_t i = 0; i < chunks_.size(); ++i) {
    if (all || chunks_[i].latest < limit) {
      retire(chunks_[i].chunk);
    } else {
      if (kept != i) chunks_[kept] = chunks_[i];
      ++kept;
    }
  }
  chunks_.resize(kept);
  // What comes in order leaves in order, to the row.
  for (size_t i = 0; i < chunks_.size() && i < 2 && chunks_[i].earliest < limit; ++i) {
    Chunk& chunk = *chunks_[i].chunk;
    const int64_t* times = chunk.columns[time_column_].values<int64_t>();
    for (; chunk.begin < chunk.end && times[chunk.begin] < limit; ++chunk.begin) --rows_;
  }
}

bool JoinLog::keys_equal(std::span<const Column> keys, uint32_t row, const Chunk& chunk, uint32_t at) const {
  if (single_i64_ && !keys[0].validity) {
    return keys[0].values<int64_t>()[row] == chunk.columns[keys_[0]].values<int64_t>()[at] && !chunk.columns[keys_[0]].is_null(at);
  }
  for (size_t k = 0; k < keys_.size(); ++k) {
    const Column& column = chunk.columns[keys_[k]];
    const bool null = column.is_null(at);
    if (null != keys[k].is_null(row)) return false;
    if (null) continue;
    const bool same = with_physical(column.physical, [&]<class T>() { return equal_values(keys[k].values<T>()[row], column.values<T>()[at]); });
    if (!same) return false;
  }
  return true;
}

void JoinLog::fill_table(const Probe& probe) {
  // From the last to the first: a list is in the order of the rows.
  for (uint32_t i = probe.count; i-- > 0;) {
    const uint64_t hash = probe.hashes[probe.rows[i]];
    const uint64_t bit = hash >> 32 & (kFilterBits - 1);
    filter_[bit / 64] |= uint64_t{1} << bit % 64;
    next_[i] = heads_[hash % kTableSize];
    heads_[hash % kTableSize] = static_cast<uint16_t>(i);
  }
}

void JoinLog::clear_table(const Probe& probe) {
  if (probe.count > 256) {
    std::fill(filter_.begin(), filter_.end(), 0);
    std::fill(heads_.begin(), heads_.end(), kNone);
    return;
  }
  for (uint32_t i = 0; i < probe.count; ++i) {
    const uint64_t hash = probe.hashes[probe.rows[i]];
    filter_[(hash >> 32 & (kFilterBits - 1)) / 64] = 0;
    heads_[hash % kTableSize] = kNone;
  }
}

uint32_t JoinLog::candidates(const Chunk& chunk) {
  const uint64_t* hashes = chunk.hashes;
  const uint64_t* filter = filter_.data();
  uint16_t* out = candidates_.data();
  uint32_t count = 0;
  for (uint32_t i = chunk.begin; i < chunk.end; ++i) {
    const uint64_t bit = hashes[i] >> 32 & (kFilterBits - 1);
    out[count] = static_cast<uint16_t>(i);
    count += filter[bit / 64] >> bit % 64 & 1;
  }
  return count;
}

}  // namespace laminar::stream
