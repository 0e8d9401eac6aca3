// The content of a view that no operator of its plan holds.
//
// Append-only content is a log of columns; content that changes is a multiset of rows with weights.
// Threads: one core.
// Owns:    the rows, string bytes included.
// Bounds:  the view's content; bytes() says what is held.
// Errors:  faults() counts rows whose weight was below zero at the end of a tick: a fault of ours, never of a user.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/state/row_log.h"
#include "stream/state/row_selector.h"
#include "stream/state/row_store.h"
#include "stream/state/state_io.h"

namespace laminar::stream {

// Rows with weights, consolidated: a row is there once, and not at all when its weight is 0. Weights may be below zero
// while a tick runs.
class WeightedRows {
 public:
  explicit WeightedRows(std::vector<data::Type> types);

  void apply(const data::Batch& batch);
  // Slots whose rows stand here; a slot keeps its row until its weight is 0.
  int64_t weight(uint32_t slot) const { return weights_[slot]; }
  uint32_t slot_end() const { return store_.slot_end(); }
  const RowStore& store() const { return store_; }
  uint64_t distinct_rows() const { return store_.rows(); }
  uint64_t negative_rows() const { return negative_; }
  int64_t total_weight() const { return total_weight_; }
  // Rows of positive weight, in slot order, with weights where any is not 1.
  void scan(const std::function<void(const data::Batch&)>& visit);
  // Rows of negative weight, then those of positive weight, each in slot order, with weights; then takes all out. Slots
  // of an object that was only filled since the last drain are in the order of first change.
  void drain(const std::function<void(const data::Batch&)>& visit);
  uint64_t bytes() const { return store_.bytes() + index_.bytes() + weights_.capacity() * sizeof(int64_t); }

  // Records by slot: weight and row. From the first save on, changes are noted and the next one puts those alone.
  void save(StateSink& sink, uint8_t table, bool full);
  // A part of that; `begins` a round, of `all` rows or of those that have changed.
  bool save_ahead(StateSink& sink, uint8_t table, bool all, bool begins, uint64_t& records);
  Status load(StateSource& source, uint8_t table, const std::vector<data::Type>& types, const std::string& label);

 private:
  enum class Sign { kNegative, kPositive };
  void note(uint32_t slot) {
    if (!noting_) return;
    if (noted_.size() <= slot) noted_.resize(weights_.size());
    if (noted_[slot]) return;
    noted_[slot] = 1;
    unsaved_.push_back(slot);
  }
  void scan_signed(Sign sign, const std::function<void(const data::Batch&)>& visit);

  RowStore store_;
  SlotIndex index_;
  std::vector<int64_t> weights_;  // 0 for free slots
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> selection_;
  RowSelector selector_;
  uint64_t negative_ = 0;
  int64_t total_weight_ = 0;
  bool noting_ = false;            // a store of checkpoints has what was there but for unsaved_
  std::vector<uint32_t> unsaved_;  // slots
  std::vector<uint8_t> noted_;     // by slot: in unsaved_
  uint32_t ahead_slot_ = 0, ahead_slot_end_ = 0;  // a round of saving ahead: slots,
  size_t ahead_done_ = 0, ahead_end_ = 0;         // and places of unsaved_
  void put(StateSink& sink, uint8_t table, uint32_t slot);
};

class ViewStore {
 public:
  ViewStore(std::vector<data::Type> types, bool append_only);

  void apply(const data::Batch& batch);
  void end_tick();
  // The rows; batches carry weights where a row is there more than once.
  void scan(const std::function<void(const data::Batch&)>& visit);
  // The same, with what stays as it is told apart.
  void share(const FixedVisitor& fixed, const std::function<void(const data::Batch&)>& rest);

  bool append_only() const { return log_.has_value(); }
  uint64_t rows() const { return log_ ? log_->rows() : static_cast<uint64_t>(rows_->total_weight()); }
  uint64_t bytes() const { return log_ ? log_->bytes() : rows_->bytes(); }
  uint64_t faults() const { return faults_; }

  // Append-only content: table 0, batches by the number of their first row; later saves put the rows that came since.
  // Else: table 2, rows by slot. Table 1 is read only: rows with their weights, as they once were.
  void save(StateSink& sink, bool full);
  bool save_ahead(StateSink& sink, bool all, bool begins, uint64_t& records);
  Status load(StateSource& source, const std::vector<data::Type>& types, const std::string& label);

 private:
  std::vector<data::Type> types_;
  uint64_t saved_rows_ = 0;
  std::optional<RowLog> log_;
  std::optional<WeightedRows> rows_;
  uint64_t faults_ = 0;
};

}  // namespace laminar::stream
