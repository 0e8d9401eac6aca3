#include "engine/table_store.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/check.h"
#include "data/codec.h"

namespace laminar::engine {

using data::Batch;
using data::BatchBuffer;
using data::Column;
using data::kBatchRowsMax;
using data::Physical;
using data::StringRef;

namespace {

// Copies one row into a slot of `to`, strings into its arena.
void copy_row(const Batch& from, uint32_t row, BatchBuffer& to, uint32_t slot) {
  for (uint32_t c = 0; c < to.column_count(); ++c) {
    const Column& source = from.columns[c];
    Column& target = to.column(c);
    const bool null = source.is_null(row);
    null ? data::set_null(target.validity, slot) : data::set_valid(target.validity, slot);
    if (target.physical == Physical::kString) {
      target.values<StringRef>()[slot] = null ? StringRef() : to.strings().copy(source.values<StringRef>()[row]);
    } else {
      const uint32_t size = data::physical_size(target.physical);
      std::memcpy(static_cast<char*>(target.data) + size_t{slot} * size,
                  static_cast<const char*>(source.data) + size_t{row} * size, size);
    }
  }
}

uint64_t long_string_bytes(const Batch& batch, uint32_t row) {
  uint64_t bytes = 0;
  for (const Column& column : batch.columns) {
    if (column.physical != Physical::kString || column.is_null(row)) continue;
    const StringRef& value = column.values<StringRef>()[row];
    if (!value.is_inline()) bytes += value.size();
  }
  return bytes;
}

}  // namespace

void ChangeList::add(const Batch& from, uint32_t row, int64_t weight, uint64_t row_id) {
  if (batches_.empty() || batches_.back()->full()) batches_.push_back(std::make_unique<BatchBuffer>(types_));
  BatchBuffer& buffer = *batches_.back();
  buffer.append_row(from, row, weight);
  buffer.sequence()[buffer.rows - 1] = row_id;
  buffer.has_sequence = true;
}

std::unique_ptr<ChangeList> ChangeList::without(const std::unordered_set<uint64_t>& row_ids) const {
  auto left = std::make_unique<ChangeList>(types_);
  for (const auto& buffer : batches_) {
    const Batch batch = buffer->view();
    for (uint32_t row = 0; row < batch.rows; ++row) {
      if (!row_ids.contains(batch.sequence_of(row))) left->add(batch, row, batch.weight(row), batch.sequence_of(row));
    }
  }
  return left;
}

TableStore::TableStore(data::Schema schema, std::vector<uint32_t> primary_key)
    : Operator(data::types_of(schema)), schema_(std::move(schema)), primary_key_(std::move(primary_key)) {
  label = "table";
}

void TableStore::push(uint32_t, const Batch& batch) {
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  emit(batch);
}

std::string TableStore::key_of(const Batch& batch, uint32_t row) const {
  std::string key;
  for (uint32_t c : primary_key_) {
    const Column& column = batch.columns[c];
    if (column.physical == Physical::kString) {
      const StringRef& value = column.values<StringRef>()[row];
      const uint32_t size = value.size();
      key.append(reinterpret_cast<const char*>(&size), 4).append(value.view());
      continue;
    }
    char bytes[16];
    const uint32_t size = data::physical_size(column.physical);
    std::memcpy(bytes, static_cast<const char*>(column.data) + size_t{row} * size, size);
    if (column.physical == Physical::kF64) {  // -0.0 is 0.0 and every NaN is one NaN
      double value = column.values<double>()[row];
      value = std::isnan(value) ? std::nan("") : value == 0 ? 0.0 : value;
      std::memcpy(bytes, &value, 8);
    } else if (column.physical == Physical::kF32) {
      float value = column.values<float>()[row];
      value = std::isnan(value) ? std::nanf("") : value == 0 ? 0.0f : value;
      std::memcpy(bytes, &value, 4);
    }
    key.append(bytes, size);
  }
  return key;
}

Status TableStore::check_not_null(const Batch& batch, uint32_t row) const {
  for (size_t c = 0; c < schema_.size(); ++c) {
    const bool key = std::find(primary_key_.begin(), primary_key_.end(), c) != primary_key_.end();
    if ((schema_[c].not_null || key) && batch.columns[c].is_null(row)) {
      return Status(ErrorCode::kConstraintViolated, "NOT NULL constraint violated: " + label + "." + schema_[c].name);
    }
  }
  return {};
}

Error TableStore::duplicate_key(const Batch& batch, uint32_t row) const {
  std::string columns;
  for (uint32_t c : primary_key_) columns += (columns.empty() ? "" : ", ") + schema_[c].name;
  return Error{ErrorCode::kConstraintViolated,
               "duplicate key in " + label + " (" + columns + "), row " + std::to_string(row + 1) +
                   " of the statement; use INSERT OR REPLACE or ON CONFLICT to change existing rows"};
}

std::vector<TableStore::Arrival>::iterator TableStore::arrival(uint64_t id) {
  return std::lower_bound(arrivals_.begin(), arrivals_.end(), id, [](const Arrival& a, uint64_t b) { return a.id < b; });
}

uint64_t TableStore::slot_of(uint64_t id) {
  const auto found = arrival(id);
  return found != arrivals_.end() && found->id == id ? found->slot : kGone;
}

Status TableStore::check_present(std::span<const uint64_t> row_ids) {
  for (uint64_t id : row_ids) {
    if (slot_of(id) == kGone) {
      return Status(ErrorCode::kConflict, "rows of " + label + " were changed by another statement meanwhile; run this one again");
    }
  }
  return {};
}

// Between statements only: revert() looks for the rows of a statement by their places.
void TableStore::forget_gone() {
  if (arrivals_.size() < 2 * live_rows_ + kBatchRowsMax) return;
  std::erase_if(arrivals_, [](const Arrival& a) { return a.slot == kGone; });
}

Result<uint64_t> TableStore::insert(std::span<const Batch> rows, OnConflict on_conflict, ChangeList& changes) {
  forget_gone();
  std::unordered_set<std::string> seen;
  uint32_t row_number = 0;
  for (const Batch& batch : rows) {
    for (uint32_t i = 0; i < batch.rows; ++i, ++row_number) {
      RETURN_IF_ERROR(check_not_null(batch, i));
      if (primary_key_.empty() || on_conflict != OnConflict::kError) continue;
      std::string key = key_of(batch, i);
      if (index_.contains(key) || !seen.insert(std::move(key)).second) return duplicate_key(batch, row_number);
    }
  }
  uint64_t affected = 0;
  for (const Batch& batch : rows) {
    for (uint32_t i = 0; i < batch.rows; ++i) {
      if (!primary_key_.empty()) {
        auto found = index_.find(key_of(batch, i));
        if (found != index_.end()) {
          if (on_conflict == OnConflict::kIgnore) continue;
          remove(found->second, &changes);
        }
      }
      const uint64_t id = next_id_++;
      place(batch, i, id);
      changes.add(batch, i, 1, id);
      ++affected;
    }
  }
  return affected;
}

Result<uint64_t> TableStore::update(std::span<const uint64_t> row_ids, std::span<const Batch> new_rows, ChangeList& changes) {
  forget_gone();
  RETURN_IF_ERROR(check_present(row_ids));
  // Keys may swap among the updated rows: judge the statement's result as a whole.
  std::unordered_set<std::string> freed, taken;
  size_t next = 0;
  for (uint64_t id : row_ids) {
    const uint64_t slot = slot_of(id);
    if (!primary_key_.empty())
      freed.insert(key_of(chunk_view(chunks_[slot / kBatchRowsMax]), static_cast<uint32_t>(slot % kBatchRowsMax)));
  }
  for (const Batch& batch : new_rows) {
    for (uint32_t i = 0; i < batch.rows; ++i, ++next) {
      RETURN_IF_ERROR(check_not_null(batch, i));
      if (primary_key_.empty()) continue;
      std::string key = key_of(batch, i);
      if ((index_.contains(key) && !freed.contains(key)) || !taken.insert(key).second) {
        return duplicate_key(batch, static_cast<uint32_t>(next));
      }
    }
  }
  CHECK(next == row_ids.size());
  for (uint64_t id : row_ids) remove(id, &changes);
  for (const Batch& batch : new_rows) {
    for (uint32_t i = 0; i < batch.rows; ++i) {
      const uint64_t id = next_id_++;
      place(batch, i, id);
      changes.add(batch, i, 1, id);
    }
  }
  return row_ids.size();
}

Result<uint64_t> TableStore::erase(std::span<const uint64_t> row_ids, ChangeList& changes) {
  forget_gone();
  RETURN_IF_ERROR(check_present(row_ids));
  for (uint64_t id : row_ids) remove(id, &changes);
  return row_ids.size();
}

void TableStore::revert(const ChangeList& changes) {
  for (size_t b = changes.batches_.size(); b-- > 0;) {
    const Batch batch = changes.batches_[b]->view();
    for (uint32_t i = batch.rows; i-- > 0;) {
      const uint64_t id = batch.sequence_of(i);
      if (batch.weight(i) < 0) {
        place(batch, i, id);
        continue;
      }
      remove(id, nullptr);
      // Nobody has seen the id: the next row gets it, as if nothing had been tried.
      if (id + 1 == next_id_ && arrivals_.back().id == id) {
        --next_id_;
        arrivals_.pop_back();
      }
    }
  }
}

void TableStore::place(const Batch& batch, uint32_t row, uint64_t id) {
  if (free_.empty()) {
    Chunk chunk{std::make_unique<BatchBuffer>(types()), std::vector<uint8_t>(kBatchRowsMax), 0};
    chunk.rows->rows = kBatchRowsMax;
    for (uint32_t c = 0; c < chunk.rows->column_count(); ++c) {
      Column& column = chunk.rows->column(c);
      std::memset(column.data, 0, size_t{kBatchRowsMax} * data::physical_size(column.physical));
    }
    const uint64_t base = chunks_.size() * uint64_t{kBatchRowsMax};
    chunks_.push_back(std::move(chunk));
    for (uint32_t i = kBatchRowsMax; i-- > 0;) free_.push_back(base + i);
  }
  const uint64_t slot = free_.back();
  free_.pop_back();
  if (follows_changes_) changed_ids_.insert(id);
  Chunk& chunk = chunks_[slot / kBatchRowsMax];
  copy_row(batch, row, *chunk.rows, static_cast<uint32_t>(slot % kBatchRowsMax));
  chunk.live[slot % kBatchRowsMax] = 1;
  if (arrivals_.empty() || arrivals_.back().id < id) {
    arrivals_.push_back({id, slot});
  } else if (const auto at = arrival(id); at->id == id) {
    at->slot = slot;
  } else {
    arrivals_.insert(at, {id, slot});
  }
  if (!primary_key_.empty()) index_[key_of(batch, row)] = id;
  ++live_rows_;
}

void TableStore::remove(uint64_t row_id, ChangeList* changes) {
  const auto at = arrival(row_id);
  CHECK(at != arrivals_.end() && at->id == row_id && at->slot != kGone);
  const uint64_t place = at->slot;
  at->slot = kGone;
  Chunk& chunk = chunks_[place / kBatchRowsMax];
  const uint32_t slot = static_cast<uint32_t>(place % kBatchRowsMax);
  CHECK(chunk.live[slot]);
  const Batch view = chunk_view(chunk);
  if (changes) changes->add(view, slot, -1, row_id);
  if (!primary_key_.empty()) index_.erase(key_of(view, slot));
  chunk.dead_string_bytes += long_string_bytes(view, slot);
  chunk.live[slot] = 0;
  if (follows_changes_) changed_ids_.insert(row_id);
  free_.push_back(place);
  --live_rows_;
  if (chunk.dead_string_bytes > data::StringArena::kBlockBytes &&
      chunk.dead_string_bytes * 2 > chunk.rows->strings().used_bytes()) {
    compact(chunk);
  }
}

// A view over all slots, dead ones included.
Batch TableStore::chunk_view(Chunk& chunk) const { return chunk.rows->view(); }

void TableStore::compact(Chunk& chunk) {
  auto fresh = std::make_unique<BatchBuffer>(types());
  fresh->rows = kBatchRowsMax;
  for (uint32_t c = 0; c < fresh->column_count(); ++c) {
    std::memset(fresh->column(c).data, 0, size_t{kBatchRowsMax} * data::physical_size(fresh->column(c).physical));
  }
  const Batch view = chunk.rows->view();
  for (uint32_t slot = 0; slot < kBatchRowsMax; ++slot) {
    if (chunk.live[slot]) copy_row(view, slot, *fresh, slot);
  }
  chunk.rows = std::move(fresh);
  chunk.dead_string_bytes = 0;
}

void TableStore::scan_content(const stream::BatchVisitor& visit) {
  BatchBuffer live(types());
  const auto pass = [&] {
    if (live.rows == 0) return;
    live.has_sequence = true;
    visit(live.view());
    live.clear();
  };
  uint64_t viewed = kGone;
  Batch view;
  for (const Arrival& arrival : arrivals_) {
    if (arrival.slot == kGone) continue;
    if (arrival.slot / kBatchRowsMax != viewed) {
      viewed = arrival.slot / kBatchRowsMax;
      view = chunk_view(chunks_[viewed]);
    }
    live.append_row(view, static_cast<uint32_t>(arrival.slot % kBatchRowsMax), 1);
    live.sequence()[live.rows - 1] = arrival.id;
    if (live.full()) pass();
  }
  pass();
}

void TableStore::save_state(stream::StateSink& sink, bool full) {
  ByteWriter key, value;
  const auto put = [&](uint64_t id, uint64_t slot) {
    key.clear();
    value.clear();
    stream::put_ordered(id, key);
    if (slot == kGone) return sink.erase(0, key.view());
    data::encode_row(chunk_view(chunks_[slot / kBatchRowsMax]), static_cast<uint32_t>(slot % kBatchRowsMax), value);
    sink.put(0, key.view(), value.view());
  };
  if (full) {
    for (const Arrival& arrival : arrivals_) {
      if (arrival.slot != kGone) put(arrival.id, arrival.slot);
    }
  } else {
    for (const uint64_t id : changed_ids_) put(id, slot_of(id));
  }
  changed_ids_.clear();
  follows_changes_ = true;
  value.clear();
  sink.put(1, "", value.put(next_id_).view());
}

Status TableStore::load_state(stream::StateSource& source) {
  RETURN_IF_ERROR(source.scan(1, [&](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    next_id_ = in.get<uint64_t>();
    return in.ok() ? Status() : stream::damaged_state(label);
  }));
  BatchBuffer row(types());
  return source.scan(0, [&](std::string_view key, std::string_view value) -> Status {
    ByteReader at_key(key), in(value);
    const uint64_t id = stream::get_ordered(at_key);
    row.clear();
    if (!at_key.ok() || id >= next_id_ || !data::decode_row(in, row).ok()) return stream::damaged_state(label);
    place(row.view(), 0, id);
    return {};
  });
}

uint64_t TableStore::state_bytes() const {
  uint64_t row_bytes = 0;
  for (const data::Field& field : schema_) row_bytes += data::physical_size(field.type.physical());
  uint64_t bytes = chunks_.size() * kBatchRowsMax * row_bytes + arrivals_.capacity() * sizeof(Arrival);
  for (const Chunk& chunk : chunks_) bytes += chunk.rows->strings().held_bytes();
  return bytes;
}

}  // namespace laminar::engine
