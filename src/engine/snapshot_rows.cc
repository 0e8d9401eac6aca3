#include "engine/snapshot_rows.h"

#include <algorithm>

#include "stream/state/append_rows.h"

namespace laminar::engine {

using data::Batch;
using data::BatchBuffer;

void SnapshotRows::copy(const Batch& batch) {
  uint32_t rows[data::kBatchRowsMax], count = 0;
  for (uint32_t i = 0; i < batch.rows; ++i) {
    const int64_t weight = batch.weight(i);
    if (weight <= 0) continue;
    rows[count++] = i;
    row_count_ += static_cast<uint64_t>(weight);
  }
  for (uint32_t done = 0; done < count;) {
    if (pieces_.empty() || !pieces_.back().copied || pieces_.back().copied->full()) {
      pieces_.emplace_back().copied = std::make_unique<BatchBuffer>(types_);
    }
    BatchBuffer& buffer = *pieces_.back().copied;
    const uint32_t n = std::min(count - done, buffer.rows_max() - buffer.rows);
    stream::append_rows(buffer, batch, rows + done, n);
    done += n;
  }
}

void SnapshotRows::share(const Batch& batch, const std::shared_ptr<const void>& memory) {
  if (memory_.empty() || memory_.back() != memory) memory_.push_back(memory);
  Piece& piece = pieces_.emplace_back();
  piece.shared.assign(batch.columns.begin(), batch.columns.end());
  piece.rows = batch.rows;
  row_count_ += batch.rows;
}

void SnapshotRows::finish() {
  for (Piece& piece : pieces_) {
    Batch& batch = batches_.emplace_back();
    if (piece.copied) {
      batch = piece.copied->view();
    } else {
      batch.rows = piece.rows;
      batch.columns = piece.shared;
    }
  }
}

namespace {

class RowsSnapshot final : public sql::Snapshot {
 public:
  explicit RowsSnapshot(std::shared_ptr<const SnapshotRows> rows) : rows_(std::move(rows)) {}
  uint64_t tick() const override { return rows_->tick(); }
  uint64_t row_count() const override { return rows_->row_count(); }
  bool next(Batch& batch) override {
    if (next_ == rows_->batches().size()) return false;
    batch = rows_->batches()[next_++];
    return true;
  }
  std::unique_ptr<Snapshot> again() override { return std::make_unique<RowsSnapshot>(rows_); }

 private:
  std::shared_ptr<const SnapshotRows> rows_;
  size_t next_ = 0;
};

}  // namespace

std::unique_ptr<sql::Snapshot> read_rows(std::shared_ptr<SnapshotRows> rows) {
  rows->finish();
  return std::make_unique<RowsSnapshot>(std::move(rows));
}

}  // namespace laminar::engine
