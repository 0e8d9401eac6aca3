#include "stream/lookup/lookup_cache.h"

#include <limits>

#include "base/check.h"
#include "data/string_ref.h"

namespace laminar::stream {

namespace {

std::vector<data::Type> pick(const std::vector<data::Type>& types, const std::vector<uint32_t>& columns) {
  std::vector<data::Type> picked;
  for (const uint32_t column : columns) picked.push_back(types[column]);
  return picked;
}

int64_t after(int64_t now_us, int64_t ttl_us) {
  return now_us > std::numeric_limits<int64_t>::max() - ttl_us ? std::numeric_limits<int64_t>::max() : now_us + ttl_us;
}

}  // namespace

LookupCache::LookupCache(std::vector<uint32_t> key_columns, std::vector<data::Type> row_types, Limits limits)
    : LookupIndex(std::move(key_columns)), limits_(limits), key_types_(pick(row_types, this->key_columns())),
      row_types_(std::move(row_types)), keys_(key_types_), rows_(row_types_) {}

std::vector<data::Type> LookupCache::answer_types(const std::vector<data::Type>& row_types) {
  std::vector<data::Type> types = {data::Type::of(data::TypeKind::kInt64), data::Type::of(data::TypeKind::kInt8)};
  types.insert(types.end(), row_types.begin(), row_types.end());
  return types;
}

uint64_t LookupCache::row_bytes(const RowStore& store, uint32_t slot) const {
  uint64_t bytes = 0;
  for (const data::Column& column : store.chunk_columns(slot)) {
    bytes += data::physical_size(column.physical);
    if (column.physical != data::Physical::kString || column.is_null(slot % RowStore::kChunkRows)) continue;
    const data::StringRef& text = column.values<data::StringRef>()[slot % RowStore::kChunkRows];
    if (!text.is_inline()) bytes += text.size();
  }
  return bytes;
}

LookupIndex::Found LookupCache::find(std::span<const data::Column> keys, uint32_t row, uint64_t hash, const TickInfo& tick) {
  uint32_t slot = index_.find(hash, [&](uint32_t other) {
    for (size_t k = 0; k < keys.size(); ++k) {
      if (!equal_values(keys[k], row, keys_.column(other, static_cast<uint32_t>(k)), other % RowStore::kChunkRows)) return false;
    }
    return true;
  });
  if (slot != kNone) {
    Entry& entry = entries_[slot];
    if (!entry.answered) {
      if (limits_.ttl_us > 0 || entry.tick == tick.tick) {
        ++counters_.misses;
        ++entry.pins;
        return {false, kNone, slot};
      }
      leave_index(slot);  // this tick asks for itself
    } else if (tick.now_us < entry.expires_us) {
      ++(entry.missing ? counters_.hits_missing : counters_.hits);
      if (newest_ != slot) {
        unlink(slot);
        link_newest(slot);
      }
      return {true, entry.first, kNone};
    } else {
      ++counters_.expired;
      leave_index(slot);
    }
  }
  ++counters_.misses;
  slot = keys_.insert(keys, row);
  if (slot >= entries_.size()) entries_.resize(slot + 1);
  Entry& entry = entries_[slot];
  entry = Entry();
  entry.hash = hash;
  entry.request = uint64_t{++generation_} << 32 | slot;
  entry.tick = tick.tick;
  entry.pins = 1;
  entry.indexed = true;
  index_.insert(hash, slot);
  ++index_entries_;
  ++waiting_;
  if (asks_.empty() || asks_.back()->keys.full()) asks_.push_back(std::make_unique<LookupKeys>(key_types_, limits_.batch_keys));
  LookupKeys& ask = *asks_.back();
  data::Batch key;
  key.rows = row + 1;
  key.columns = keys;
  ask.keys.append_row(key, row, 1);
  ask.requests.push_back(entry.request);
  return {false, kNone, slot};
}

LookupIndex::Found LookupCache::peek(uint32_t ticket) {
  const Entry& entry = entries_[ticket];
  if (!entry.answered) return {false, kNone, ticket};
  return {true, entry.first, ticket};
}

void LookupCache::release(uint32_t ticket) {
  Entry& entry = entries_[ticket];
  DCHECK(entry.pins > 0);
  // A request that is still out is forgotten by the entry's new request number once the slot is used again.
  if (--entry.pins == 0 && !entry.indexed && entry.answered) free_entry(ticket);
}

void LookupCache::apply(const data::Batch& answers, const TickInfo& tick) {
  const int64_t* requests = answers.columns[0].values<int64_t>();
  const int8_t* kinds = answers.columns[1].values<int8_t>();
  const std::span<const data::Column> row_columns = answers.columns.subspan(2);
  for (uint32_t i = 0; i < answers.rows; ++i) {
    const uint64_t request = static_cast<uint64_t>(requests[i]);
    const uint32_t slot = static_cast<uint32_t>(request);
    if (slot >= entries_.size() || entries_[slot].request != request || entries_[slot].answered) {
      ++counters_.unknown_answers;
      continue;
    }
    Entry& entry = entries_[slot];
    const auto kind = static_cast<LookupAnswerKind>(kinds[i]);
    if (kind == LookupAnswerKind::kRow) {
      const uint32_t row = rows_.insert(row_columns, i);
      if (row >= next_.size()) next_.resize(row + 1);
      next_[row] = kNone;
      if (entry.first == kNone) entry.first = row;
      else next_[entry.last] = row;
      entry.last = row;
      entry.bytes += row_bytes(rows_, row) + sizeof(uint32_t);
      continue;
    }
    entry.answered = true;
    --waiting_;
    entry.missing = entry.first == kNone;
    const int64_t ttl_us = kind == LookupAnswerKind::kAway ? 0 : entry.missing ? limits_.missing_ttl_us : limits_.ttl_us;
    entry.expires_us = after(tick.now_us, ttl_us);
    entry.bytes += row_bytes(keys_, slot) + sizeof(Entry);
    if (entry.indexed && ttl_us > 0) {
      bytes_ += entry.bytes;
      link_newest(slot);
    } else if (entry.indexed) {
      leave_index(slot);
    } else if (entry.pins == 0) {
      free_entry(slot);
    }
  }
  while (bytes_ > limits_.bytes_max && oldest_ != kNone) {
    ++counters_.evicted;
    leave_index(oldest_);
  }
}

void LookupCache::unlink(uint32_t slot) {
  Entry& entry = entries_[slot];
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
  entry.newer = entry.older = kNone;
}

void LookupCache::link_newest(uint32_t slot) {
  Entry& entry = entries_[slot];
  entry.older = newest_;
  (newest_ == kNone ? oldest_ : entries_[newest_].newer) = slot;
  newest_ = slot;
}

// Rows that hold a ticket keep the entry; new rows don't find it.
void LookupCache::leave_index(uint32_t slot) {
  Entry& entry = entries_[slot];
  DCHECK(entry.indexed);
  const bool linked = entry.newer != kNone || entry.older != kNone || newest_ == slot;
  if (linked) {
    unlink(slot);
    bytes_ -= entry.bytes;
  }
  entry.indexed = false;
  --index_entries_;
  index_.erase(entry.hash, slot);
  if (entry.pins == 0 && entry.answered) free_entry(slot);
}

void LookupCache::free_entry(uint32_t slot) {
  Entry& entry = entries_[slot];
  for (uint32_t row = entry.first; row != kNone;) {
    const uint32_t following = next_[row];
    rows_.erase(row);
    row = following;
  }
  entry = Entry();
  keys_.erase(slot);
}

}  // namespace laminar::stream
