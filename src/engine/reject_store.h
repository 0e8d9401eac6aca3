// Keeps the rows that a view or source could not count, as relations: late_rows('v') and errors('v').
//
// Threads: under the core's lock.
// Bounds:  rows_max rows of each relation; the oldest are evicted, and counted.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "data/batch.h"
#include "stream/operators/operator.h"
#include "stream/operators/rejects.h"

namespace laminar::engine {

class RejectStore final : public stream::RejectedRows {
 public:
  // The rows that can be late, by port: the input of the view's window, both inputs of its join. Columns that two shapes
  // share by name and type are one. Of rows of another shape the reason is kept.
  RejectStore(const std::vector<data::Schema>& shapes, uint64_t rows_max);

  void reject(const std::vector<data::Type>& types, const data::Batch& batch, uint32_t row, const stream::Reject& reject) override;

  // reason, watermark, window_start, window_end, then the row's columns.
  const data::Schema& late_schema() const { return late_.schema; }
  // message, then the row as text.
  const data::Schema& error_schema() const { return errors_.schema; }
  void scan_late(const stream::BatchVisitor& visit) { late_.scan(visit); }
  // Takes out the late rows that `pick(batch, picked)` marks, in order; returns them in the layout of late_schema().
  std::vector<std::unique_ptr<data::BatchBuffer>> take_late(const std::function<void(const data::Batch&, std::vector<bool>&)>& pick);
  uint64_t reapplied() const { return reapplied_; }
  // Of late_schema(): the columns of a row of shape `port`; empty when there is no such shape.
  std::vector<uint32_t> row_columns(uint32_t port) const { return port < shapes_.size() ? shapes_[port].columns : std::vector<uint32_t>(); }
  void scan_errors(const stream::BatchVisitor& visit) { errors_.scan(visit); }
  uint64_t late_count() const { return late_.total; }
  uint64_t error_count() const { return errors_.total; }
  uint64_t evicted() const { return late_.evicted + errors_.evicted; }

  // Says more of a late row, by its place and watermark: what stands behind "late", or nothing.
  using LateCause = std::function<std::string_view(uint64_t sequence, int64_t watermark)>;
  void set_late_cause(LateCause cause) { late_cause_ = std::move(cause); }

  // As one value, whole each time. load() adds to what is there.
  void save(ByteWriter& out) const;
  Status load(ByteReader& in);

  // Where late rows also go, in the layout of late_schema(): LATE DATA TO. Called once a row.
  void set_late_listener(stream::BatchVisitor listener) { listener_ = std::move(listener); }

 private:
  struct Rows {
    data::Schema schema;
    std::deque<std::unique_ptr<data::BatchBuffer>> chunks;
    uint64_t total = 0, evicted = 0;
    // The buffer to append one row to.
    data::BatchBuffer& room(uint64_t rows_max);
    void scan(const stream::BatchVisitor& visit);
  };
  Rows late_, errors_;
  uint64_t reapplied_ = 0;
  uint64_t rows_max_;
  struct Shape {
    std::vector<data::Type> types;
    std::vector<uint32_t> columns;  // of late_
  };
  std::vector<Shape> shapes_;  // by port
  stream::BatchVisitor listener_;
  LateCause late_cause_;
  std::unique_ptr<data::BatchBuffer> one_row_;
};

}  // namespace laminar::engine
