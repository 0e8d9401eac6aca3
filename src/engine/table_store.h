// A table's rows: changed by INSERT, UPDATE and DELETE, each of which becomes the changes of one tick.
//
// The store applies a statement whole or not at all; its changes are then pushed through it into the views.
//
// Threads: under the core's lock.
// Bounds:  the rows themselves; bytes of replaced strings are reclaimed when they outweigh the live ones.
// State:   rows by slot, the slots in order of arrival, an index over the primary key.
//
// A row id is the row's place in the order of arrival. A new version of a row is a new arrival, and no id is used twice:
// an id that is gone means that somebody else has changed the row. Changes carry the id as their sequence, so a row that
// is taken back comes with the place that it came with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "stream/operators/operator.h"

namespace laminar::engine {

enum class OnConflict : uint8_t { kError, kIgnore, kReplace };

// Changes of one statement in order, as batches with weights.
class ChangeList {
 public:
  explicit ChangeList(std::vector<data::Type> types) : types_(std::move(types)) {}
  void add(const data::Batch& from, uint32_t row, int64_t weight, uint64_t row_id);
  std::vector<std::unique_ptr<data::BatchBuffer>>& batches() { return batches_; }
  bool empty() const { return batches_.empty(); }
  // Calls visit(row id, weight) for each change in order.
  template <class Visit>
  void each_row(Visit&& visit) const {
    for (const auto& buffer : batches_) {
      for (uint32_t row = 0; row < buffer->rows; ++row) visit(buffer->sequence()[row], buffer->weights()[row]);
    }
  }
  // The changes of other rows than these.
  std::unique_ptr<ChangeList> without(const std::unordered_set<uint64_t>& row_ids) const;

 private:
  std::vector<data::Type> types_;
  std::vector<std::unique_ptr<data::BatchBuffer>> batches_;
  friend class TableStore;
};

class TableStore final : public stream::Operator {
 public:
  TableStore(data::Schema schema, std::vector<uint32_t> primary_key);

  // Each changes the rows and appends to `changes`; on an error nothing has changed. Returns the rows affected.
  // A statement may name a row id once only; kConflict when a row is no longer there.
  Result<uint64_t> insert(std::span<const data::Batch> rows, OnConflict on_conflict, ChangeList& changes);
  Result<uint64_t> update(std::span<const uint64_t> row_ids, std::span<const data::Batch> new_rows, ChangeList& changes);
  Result<uint64_t> erase(std::span<const uint64_t> row_ids, ChangeList& changes);

  // Undoes the changes, last first.
  void revert(const ChangeList& changes);

  // Operator: passes the changes of a statement on. A table has no event time: its watermark never holds others back.
  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const stream::TickInfo&) override { set_output_watermark(data::kWatermarkEnded); }
  bool passes_at_once() const override { return true; }
  bool holds_content() const override { return true; }
  // In order of arrival; batches carry the row ids as sequence.
  void scan_content(const stream::BatchVisitor& visit) override;
  uint64_t state_rows() const override { return live_rows_; }
  uint64_t state_bytes() const override;

  // Table 0: rows by row id; later saves put and erase those that changed. Table 1: the next id.
  bool saves_state() const override { return true; }
  void save_state(stream::StateSink& sink, bool full) override;
  Status load_state(stream::StateSource& source) override;

 private:
  struct Chunk {
    std::unique_ptr<data::BatchBuffer> rows;
    std::vector<uint8_t> live;
    uint64_t dead_string_bytes = 0;
  };
  std::string key_of(const data::Batch& batch, uint32_t row) const;
  Status check_not_null(const data::Batch& batch, uint32_t row) const;
  Error duplicate_key(const data::Batch& batch, uint32_t row) const;
  static constexpr uint64_t kGone = ~uint64_t{0};
  struct Arrival {
    uint64_t id;
    uint64_t slot;  // kGone once the row is
  };
  // The place of an id in arrivals_, or where it would be.
  std::vector<Arrival>::iterator arrival(uint64_t id);
  // The slot of a row that is there, else kGone.
  uint64_t slot_of(uint64_t id);
  Status check_present(std::span<const uint64_t> row_ids);
  void forget_gone();
  void place(const data::Batch& batch, uint32_t row, uint64_t id);
  void remove(uint64_t row_id, ChangeList* changes);
  data::Batch chunk_view(Chunk& chunk) const;
  void compact(Chunk& chunk);

  data::Schema schema_;
  std::vector<uint32_t> primary_key_;
  std::vector<Chunk> chunks_;
  std::vector<uint64_t> free_;      // slots
  std::vector<Arrival> arrivals_;   // ids ascend
  uint64_t next_id_ = 0;
  std::unordered_map<std::string, uint64_t> index_;  // key to id
  uint64_t live_rows_ = 0;
  bool follows_changes_ = false;               // since the first save
  std::unordered_set<uint64_t> changed_ids_;
};

}  // namespace laminar::engine
