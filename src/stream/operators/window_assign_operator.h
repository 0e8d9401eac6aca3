// The table form of TUMBLE, HOP and CUMULATE: each row once for every window that holds it, with window_start and
// window_end behind its columns.
//
// Time:   a row is late for a window iff the watermark before it >= window end + lateness; it then counts in the other
//         windows only. The output watermark is the least window_start (tumble, hop) or window_end (cumulate) that can
//         still come.
// State:  none.
// Errors: rows without a time are counted and reported, rows late for all their windows too.
#pragma once

#include <memory>

#include "base/status.h"
#include "plan/node.h"
#include "stream/operators/operator.h"
#include "stream/operators/window_grid.h"
#include "stream/state/row_selector.h"

namespace laminar::stream {

class WindowAssignOperator final : public Operator {
 public:
  static Result<std::unique_ptr<WindowAssignOperator>> make(const plan::WindowAssignNode& node);
  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const TickInfo& tick) override;
  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;

 private:
  explicit WindowAssignOperator(const plan::WindowAssignNode& node);
  int64_t first_open(int64_t row_watermark) const;
  int64_t first_open_at(int64_t watermark) const;
  void flush(const data::Batch& batch);
  void reject_late(const data::Batch& batch, uint32_t row, int64_t window);

  const WindowGrid grid_;
  const uint32_t time_column_;
  const int64_t lateness_us_;
  int64_t time_offset_us_ = 0;
  int64_t last_watermark_ = data::kWatermarkNone;
  std::vector<data::Type> input_types_;
  RowSelector selector_;
  std::vector<uint32_t> selection_;
  std::vector<int64_t> starts_, ends_;
  uint32_t count_ = 0;
  std::vector<data::Column> columns_;
};

}  // namespace laminar::stream
