#include "stream/state/view_store.h"

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
      continue;
    }
    const int64_t before = weights_[slot];
    const int64_t after = before + change;
    weights_[slot] = after;
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
}

ViewStore::ViewStore(std::vector<data::Type> types, bool append_only) {
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

}  // namespace laminar::stream
