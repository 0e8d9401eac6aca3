// The rows of an object at one tick, for readers beside the ticks that follow: those that change are copied under the lock,
// those that stay are shared with the object.
//
// Threads: filled by one, under the engine's lock; then any number of readers.
// Owns:    copied rows, and a hold on the memory of shared ones.
#pragma once

#include <memory>
#include <vector>

#include "data/batch.h"
#include "sql/backend.h"

namespace laminar::engine {

class SnapshotRows {
 public:
  SnapshotRows(uint64_t tick, std::vector<data::Type> types) : tick_(tick), types_(std::move(types)) {}

  // Rows of weight above zero.
  void copy(const data::Batch& batch);
  // Columns that stay as they are while `memory` is held; weights +1.
  void share(const data::Batch& batch, const std::shared_ptr<const void>& memory);

  // No rows are added any more.
  void finish();

  uint64_t tick() const { return tick_; }
  uint64_t row_count() const { return row_count_; }
  // In the order they came in; after finish().
  const std::vector<data::Batch>& batches() const { return batches_; }

 private:
  struct Piece {
    std::unique_ptr<data::BatchBuffer> copied;
    std::vector<data::Column> shared;  // where nothing is copied
    uint32_t rows = 0;
  };
  uint64_t tick_, row_count_ = 0;
  std::vector<data::Type> types_;
  std::vector<Piece> pieces_;
  std::vector<data::Batch> batches_;
  std::vector<std::shared_ptr<const void>> memory_;
};

std::unique_ptr<sql::Snapshot> read_rows(std::shared_ptr<SnapshotRows> rows);

}  // namespace laminar::engine
