#include "stream/lookup/lookup_cache.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "data/codec.h"
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
  const bool noted = entry.noted;
  entry = Entry();
  entry.noted = noted;
  entry.hash = hash;
  entry.request = ++last_request_;
  entry.tick = tick.tick;
  entry.pins = 1;
  entry.indexed = true;
  index_.insert(hash, slot);
  requests_.insert(entry.request, slot);
  note(slot);
  ++index_entries_;
  ++waiting_;
  add_ask(slot);
  return {false, kNone, slot};
}

void LookupCache::add_ask(uint32_t slot) {
  if (asks_.empty() || asks_.back()->keys.full()) asks_.push_back(std::make_unique<LookupKeys>(key_types_, limits_.batch_keys));
  LookupKeys& ask = *asks_.back();
  data::Batch key;
  key.rows = slot % RowStore::kChunkRows + 1;
  key.columns = keys_.chunk_columns(slot);
  ask.keys.append_row(key, slot % RowStore::kChunkRows, 1);
  ask.requests.push_back(entries_[slot].request);
}

void LookupCache::ask_again() {
  std::vector<std::pair<uint64_t, uint32_t>> waiting;
  for (uint32_t slot = 0; slot < entries_.size(); ++slot) {
    if (entries_[slot].request != 0 && !entries_[slot].answered) waiting.emplace_back(entries_[slot].request, slot);
  }
  std::sort(waiting.begin(), waiting.end());
  asks_.clear();
  for (const auto& [request, slot] : waiting) add_ask(slot);
  send_asks();
}

void LookupCache::note(uint32_t slot) {
  if (!noting_ || entries_[slot].noted) return;
  entries_[slot].noted = true;
  unsaved_.push_back(slot);
}

void LookupCache::save(StateSink& sink, bool full) {
  ByteWriter key, value;
  const auto put = [&](uint32_t slot) {
    Entry& entry = entries_[slot];
    entry.noted = false;
    if (entry.request == 0) return;  // gone since
    key.clear();
    put_ordered(entry.request, key);
    value.clear();
    value.put(entry.tick).put(entry.expires_us).put(entry.answered).put(entry.indexed);
    data::Batch chunk;
    chunk.columns = keys_.chunk_columns(slot);
    data::encode_row(chunk, slot % RowStore::kChunkRows, value);
    uint32_t rows = 0;
    for (uint32_t row = entry.first; row != kNone; row = next_[row]) ++rows;
    value.put(rows);
    for (uint32_t row = entry.first; row != kNone; row = next_[row]) {
      chunk.columns = rows_.chunk_columns(row);
      data::encode_row(chunk, row % RowStore::kChunkRows, value);
    }
    sink.put(0, key.view(), value.view());
  };
  if (full || !noting_) {
    sink.erase_prefix(0, "");
    for (uint32_t slot = 0; slot < entries_.size(); ++slot) put(slot);
  } else {
    for (const uint64_t request : gone_) {
      key.clear();
      put_ordered(request, key);
      sink.erase(0, key.view());
    }
    for (const uint32_t slot : unsaved_) put(slot);
  }
  unsaved_.clear();
  gone_.clear();
  noting_ = true;
  value.clear();
  for (uint32_t slot = oldest_; slot != kNone; slot = entries_[slot].newer) value.put(entries_[slot].request);
  sink.put(1, "", value.view());
  value.clear();
  sink.put(2, "", value.put(last_request_).view());
}

Status LookupCache::load(StateSource& source) {
  data::BatchBuffer key_row(key_types_, 1), row(row_types_, 1);
  const auto damaged = [] { return damaged_state("lookup cache"); };
  RETURN_IF_ERROR(source.scan(0, [&](std::string_view key, std::string_view bytes) -> Status {
    ByteReader at_key(key), in(bytes);
    Entry loaded;
    loaded.request = get_ordered(at_key);
    loaded.tick = in.get<uint64_t>();
    loaded.expires_us = in.get<int64_t>();
    loaded.answered = in.get<bool>();
    loaded.indexed = in.get<bool>();
    key_row.clear();
    if (!data::decode_row(in, key_row).ok() || loaded.request == 0) return damaged();
    const data::Batch key_batch = key_row.view();
    const uint32_t slot = keys_.insert(key_batch.columns, 0);
    if (slot >= entries_.size()) entries_.resize(slot + 1);
    loaded.hash = hash_row(key_batch.columns, 0);
    entries_[slot] = loaded;
    Entry& entry = entries_[slot];
    for (uint32_t rows = in.get<uint32_t>(); rows > 0; --rows) {
      row.clear();
      if (!data::decode_row(in, row).ok()) return damaged();
      add_row(entry, row.view().columns, 0);
    }
    entry.missing = entry.answered && entry.first == kNone;
    if (entry.answered) entry.bytes += row_bytes(keys_, slot) + sizeof(Entry);
    else ++waiting_;
    requests_.insert(entry.request, slot);
    if (!entry.indexed) return {};
    index_.insert(entry.hash, slot);
    ++index_entries_;
    return {};
  }));
  RETURN_IF_ERROR(source.scan(1, [&](std::string_view, std::string_view bytes) -> Status {
    for (ByteReader in(bytes); !in.at_end();) {
      const uint32_t slot = find_request(in.get<uint64_t>());
      if (slot == kNone) return damaged();
      bytes_ += entries_[slot].bytes;
      link_newest(slot);
    }
    return {};
  }));
  return source.scan(2, [&](std::string_view, std::string_view bytes) -> Status {
    last_request_ = ByteReader(bytes).get<uint64_t>();
    return {};
  });
}

uint32_t LookupCache::restored_ticket(uint64_t saved) {
  const uint32_t slot = find_request(saved);
  if (slot != kNone) ++entries_[slot].pins;
  return slot;
}

void LookupCache::add_row(Entry& entry, std::span<const data::Column> columns, uint32_t from) {
  const uint32_t row = rows_.insert(columns, from);
  if (row >= next_.size()) next_.resize(row + 1);
  next_[row] = kNone;
  if (entry.first == kNone) entry.first = row;
  else next_[entry.last] = row;
  entry.last = row;
  entry.bytes += row_bytes(rows_, row) + sizeof(uint32_t);
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
    const uint32_t slot = find_request(request);
    if (slot == kNone || entries_[slot].answered) {
      ++counters_.unknown_answers;
      continue;
    }
    Entry& entry = entries_[slot];
    const auto kind = static_cast<LookupAnswerKind>(kinds[i]);
    if (kind == LookupAnswerKind::kRow) {
      add_row(entry, row_columns, i);
      note(slot);
      continue;
    }
    entry.answered = true;
    note(slot);
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
  note(slot);
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
  requests_.erase(entry.request, slot);
  if (noting_) gone_.push_back(entry.request);
  const bool noted = entry.noted;
  entry = Entry();
  entry.noted = noted;
  keys_.erase(slot);
}

}  // namespace laminar::stream
