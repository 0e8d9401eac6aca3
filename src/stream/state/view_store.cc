#include "stream/state/view_store.h"

#include <algorithm>

#include "data/codec.h"

#include <algorithm>

namespace laminar::stream {

using data::Batch;

WeightedRows::WeightedRows(std::vector<data::Type> types)
    : store_(types), hashes_(data::kBatchRowsMax), selection_(RowStore::kChunkRows), selector_(std::move(types)) {}

void WeightedRows::apply(const Batch& batch) {
  hash_rows(batch.columns, batch.rows, hashes_.data());
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (row + 8 < batch.rows) index_.prefetch(hashes_[row + 8]);
    const int64_t change = batch.weight(row);
    if (change == 0) continue;
    total_weight_ += change;
    const uint64_t hash = hashes_[row];
    uint32_t slot = index_.find(hash, [&](uint32_t candidate) { return store_.equals(candidate, batch.columns, row); });
    if (slot == RowStore::kNone) {
      slot = store_.insert(batch.columns, row);
      if (slot >= weights_.size()) weights_.resize(std::max<size_t>(2 * weights_.size(), RowStore::kChunkRows));
      index_.insert(hash, slot);
      weights_[slot] = change;
      negative_ += change < 0;
      note(slot);
      continue;
    }
    const int64_t before = weights_[slot];
    const int64_t after = before + change;
    weights_[slot] = after;
    note(slot);
    negative_ += static_cast<uint64_t>(after < 0) - static_cast<uint64_t>(before < 0);
    if (after == 0) {
      index_.erase(hash, slot);
      store_.erase(slot);
    }
  }
}

void WeightedRows::scan(const std::function<void(const Batch&)>& visit) { scan_signed(Sign::kPositive, visit); }

void WeightedRows::scan_signed(Sign sign, const std::function<void(const Batch&)>& visit) {
  for (uint32_t begin = 0; begin < store_.slot_end(); begin += RowStore::kChunkRows) {
    const uint32_t end = std::min(store_.slot_end(), begin + RowStore::kChunkRows);
    uint32_t count = 0;
    bool plain = true;
    for (uint32_t slot = begin; slot < end; ++slot) {
      if (sign == Sign::kPositive ? weights_[slot] <= 0 : weights_[slot] >= 0) continue;
      plain &= weights_[slot] == 1;
      selection_[count++] = slot - begin;
    }
    if (count == 0) continue;
    Batch chunk;
    chunk.rows = end - begin;
    chunk.columns = store_.chunk_columns(begin);
    chunk.weights = plain ? nullptr : weights_.data() + begin;
    visit(selector_.select(chunk, selection_.data(), count));
  }
}

void WeightedRows::drain(const std::function<void(const Batch&)>& visit) {
  if (negative_ > 0) scan_signed(Sign::kNegative, visit);
  scan_signed(Sign::kPositive, visit);
  std::fill_n(weights_.begin(), store_.slot_end(), 0);
  store_.reset();
  index_.reset();
  negative_ = 0;
  total_weight_ = 0;
  noting_ = false;  // nothing is left of what a store has
  ahead_slot_ = ahead_slot_end_ = 0;
}

void WeightedRows::put(StateSink& sink, uint8_t table, uint32_t slot) {
  ByteWriter key, value;
  put_ordered(slot, key);
  if (weights_[slot] == 0) return sink.erase(table, key.view());
  value.put(weights_[slot]);
  Batch chunk;
  chunk.columns = store_.chunk_columns(slot);
  data::encode_row(chunk, slot % RowStore::kChunkRows, value);
  sink.put(table, key.view(), value.view());
}

void WeightedRows::save(StateSink& sink, uint8_t table, bool full) {
  if (full || !noting_) {
    sink.erase_prefix(table, "");
    ahead_slot_ = 0;
    ahead_slot_end_ = store_.slot_end();
  }
  for (; ahead_slot_ < ahead_slot_end_; ++ahead_slot_) {
    if (weights_[ahead_slot_] != 0) put(sink, table, ahead_slot_);
  }
  if (!full && noting_) {
    for (size_t i = ahead_done_; i < unsaved_.size(); ++i) put(sink, table, unsaved_[i]);
  }
  for (const uint32_t slot : unsaved_) noted_[slot] = 0;
  unsaved_.clear();
  ahead_done_ = ahead_end_ = 0;
  noting_ = true;
}

bool WeightedRows::save_ahead(StateSink& sink, uint8_t table, bool all, bool begins, uint64_t& records) {
  if (begins) {
    if (all) {
      ahead_slot_ = 0;
      ahead_slot_end_ = store_.slot_end();
      noting_ = true;
    }
    if (!noting_) return false;  // all rows are others: save() does it
    unsaved_.erase(unsaved_.begin(), unsaved_.begin() + static_cast<ptrdiff_t>(ahead_done_));
    ahead_done_ = 0;
    ahead_end_ = unsaved_.size();
  }
  if (!noting_) return false;
  for (; records > 0 && ahead_slot_ < ahead_slot_end_; ++ahead_slot_) {
    if (weights_[ahead_slot_] == 0) continue;
    put(sink, table, ahead_slot_);
    --records;
  }
  for (; records > 0 && ahead_done_ < ahead_end_; --records) {
    const uint32_t slot = unsaved_[ahead_done_++];
    noted_[slot] = 0;
    put(sink, table, slot);
  }
  return ahead_slot_ < ahead_slot_end_ || ahead_done_ < ahead_end_;
}

Status WeightedRows::load(StateSource& source, uint8_t table, const std::vector<data::Type>& types, const std::string& label) {
  data::BatchBuffer row(types, 1);
  row.has_weights = true;
  return source.scan(table, [&](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    const int64_t weight = in.get<int64_t>();
    row.clear();
    if (!data::decode_row(in, row).ok() || weight == 0) return damaged_state(label);
    row.weights()[0] = weight;
    row.has_weights = true;
    const Batch batch = row.view();
    if (source.owns(0, batch)) apply(batch);
    return {};
  });
}

ViewStore::ViewStore(std::vector<data::Type> types, bool append_only) : types_(types) {
  if (append_only) {
    log_.emplace(types);
  } else {
    rows_.emplace(std::move(types));
  }
}

void ViewStore::apply(const Batch& batch) {
  if (rows_) return rows_->apply(batch);
  if (!batch.weights) return log_->append(batch);
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (batch.weights[row] < 0) ++faults_;  // the planner proved that there are none
    for (int64_t i = 0; i < batch.weights[row]; ++i) log_->append_row(batch, row);
  }
}

void ViewStore::end_tick() {
  if (rows_ && rows_->negative_rows() > 0) ++faults_;
}

void ViewStore::scan(const std::function<void(const Batch&)>& visit) {
  if (log_) {
    log_->scan(visit);
  } else {
    rows_->scan(visit);
  }
}

void ViewStore::share(const FixedVisitor& fixed, const std::function<void(const Batch&)>& rest) {
  if (log_) log_->share(fixed, rest);
  else rows_->scan(rest);
}

void ViewStore::save(StateSink& sink, bool full) {
  ByteWriter key, value;
  if (!log_) return rows_->save(sink, 2, full);
  if (full) saved_rows_ = 0;
  uint64_t row = 0;
  data::BatchBuffer rest(types_);
  log_->scan([&](const data::Batch& batch) {
    const uint64_t begin = std::max(row, saved_rows_), end = row + batch.rows;
    if (begin < end) {
      rest.clear();
      for (uint64_t r = begin; r < end; ++r) rest.append_row(batch, static_cast<uint32_t>(r - row), 1);
      key.clear();
      value.clear();
      put_ordered(begin, key);
      data::encode_batch(rest.view(), types_.size(), value);
      sink.put(0, key.view(), value.view());
    }
    row = end;
  });
  saved_rows_ = row;
}

bool ViewStore::save_ahead(StateSink& sink, bool all, bool begins, uint64_t& records) {
  if (rows_) return rows_->save_ahead(sink, 2, all, begins, records);
  if (all) saved_rows_ = 0;
  bool more = false;
  uint64_t row = 0;
  ByteWriter key, value;
  data::BatchBuffer rest(types_);
  log_->scan([&](const data::Batch& batch) {
    const uint64_t begin = row;
    row += batch.rows;
    // Full chunks alone: they stay as they are.
    if (row <= saved_rows_ || batch.rows < data::kBatchRowsMax) return;
    more |= records == 0;
    if (records == 0) return;
    rest.clear();
    for (uint64_t r = std::max(begin, saved_rows_); r < row; ++r) rest.append_row(batch, static_cast<uint32_t>(r - begin), 1);
    key.clear();
    value.clear();
    put_ordered(std::max(begin, saved_rows_), key);
    data::encode_batch(rest.view(), types_.size(), value);
    sink.put(0, key.view(), value.view());
    records -= std::min<uint64_t>(records, batch.rows);
    saved_rows_ = row;
  });
  return more;
}

Status ViewStore::load(StateSource& source, const std::vector<data::Type>& types, const std::string& label) {
  data::BatchBuffer rows(types, log_ ? data::kBatchRowsMax : 1);
  if (log_) {
    return source.scan(0, [&](std::string_view, std::string_view value) -> Status {
      if (!source.takes()) return {};
      ByteReader in(value);
      rows.clear();
      if (!data::decode_batch(in, types.size(), rows).ok()) return damaged_state(label);
      log_->append(rows.view());
      return {};
    });
  }
  RETURN_IF_ERROR(rows_->load(source, 2, types, label));
  return source.scan(1, [&](std::string_view key, std::string_view value) -> Status {
    ByteReader in(key), weight(value);
    rows.clear();
    if (!data::decode_row(in, rows).ok()) return damaged_state(label);
    rows.weights()[0] = weight.get<int64_t>();
    rows.has_weights = true;
    if (!source.owns(0, rows.view())) return {};
    rows_->apply(rows.view());
    return {};
  });
}

}  // namespace laminar::stream
