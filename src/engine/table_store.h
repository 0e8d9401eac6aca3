// A table's rows: changed by INSERT, UPDATE and DELETE, each of which becomes the changes of one tick.
//
// The store applies a statement whole or not at all; its changes are then pushed through it into the views.
//
// Threads: under the core's lock.
// Bounds:  the rows themselves; bytes of replaced strings are reclaimed when they outweigh the live ones.
// State:   rows by slot (the row id), an index over the primary key.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
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

 private:
  std::vector<data::Type> types_;
  std::vector<std::unique_ptr<data::BatchBuffer>> batches_;
  std::vector<uint64_t> row_ids_;  // of each change, in order
  friend class TableStore;
};

class TableStore final : public stream::Operator {
 public:
  TableStore(data::Schema schema, std::vector<uint32_t> primary_key);

  // Each changes the rows and appends to `changes`; on an error nothing has changed. Returns the rows affected.
  // A statement may name a row id once only.
  Result<uint64_t> insert(std::span<const data::Batch> rows, OnConflict on_conflict, ChangeList& changes);
  Result<uint64_t> update(std::span<const uint64_t> row_ids, std::span<const data::Batch> new_rows, ChangeList& changes);
  Result<uint64_t> erase(std::span<const uint64_t> row_ids, ChangeList& changes);

  // Undoes the changes, last first.
  void revert(const ChangeList& changes);

  // Operator: passes the changes of a statement on. A table has no event time: its watermark never holds others back.
  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const stream::TickInfo&) override { set_output_watermark(data::kWatermarkEnded); }
  bool holds_content() const override { return true; }
  // Batches carry the row ids as sequence.
  void scan_content(const stream::BatchVisitor& visit) override;
  uint64_t state_rows() const override { return live_rows_; }
  uint64_t state_bytes() const override;

 private:
  struct Chunk {
    std::unique_ptr<data::BatchBuffer> rows;
    std::vector<uint8_t> live;
    uint64_t dead_string_bytes = 0;
  };
  std::string key_of(const data::Batch& batch, uint32_t row) const;
  Status check_not_null(const data::Batch& batch, uint32_t row) const;
  Error duplicate_key(const data::Batch& batch, uint32_t row) const;
  uint64_t place(const data::Batch& batch, uint32_t row);
  void remove(uint64_t row_id, ChangeList* changes);
  data::Batch chunk_view(Chunk& chunk) const;
  void compact(Chunk& chunk);

  data::Schema schema_;
  std::vector<uint32_t> primary_key_;
  std::vector<Chunk> chunks_;
  std::vector<uint64_t> free_;
  std::unordered_map<std::string, uint64_t> index_;
  uint64_t live_rows_ = 0;
};

}  // namespace laminar::engine
