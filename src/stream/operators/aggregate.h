// GROUP BY without a window: one output row per group, also DISTINCT (no aggregate calls) and the scalar aggregate (no
// keys, always one row).
//
// Time:    with an event time among the keys (time_group), groups below the watermark are final: rows for them are late,
//          and with EMIT ON WINDOW CLOSE each group comes out once, when it is final.
// State:   one row per group, which is the content; final groups of a time-keyed aggregate go when nobody reads them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plan/node.h"
#include "stream/operators/aggregate_changes.h"
#include "stream/operators/aggregate_layout.h"
#include "stream/state/column_store.h"

namespace laminar::stream {

// The operator of an AggregateNode: plain, windowed or session.
Result<std::unique_ptr<Operator>> make_aggregate(const plan::AggregateNode& node);

// What the three aggregate operators have in common: layout, rejects, the event time of the input.
class AggregateOperator : public Operator {
 public:
  bool holds_content() const override { return true; }
  void keep_content(bool keep) override { keep_content_ = keep; }
  void scan_content(const BatchVisitor& visit) final {
    closed_rows_.scan(visit);
    scan_open(visit);
  }
  void share_content(const FixedVisitor& fixed, const BatchVisitor& rest) final {
    closed_rows_.share(fixed, rest);
    scan_open(rest);
  }

  // REAPPLY LATE ROWS: whether the window is still there to be corrected, and rows of the operator's input for the windows
  // of these bounds, which must be there; before a tick that is a correction. Counted as rows in.
  virtual bool retains(int64_t start, int64_t end) const { (void)start; (void)end; return false; }
  virtual void reapply(const data::Batch& batch, const int64_t* starts, const int64_t* ends) { (void)batch; (void)starts; (void)ends; }

 protected:
  AggregateOperator(const plan::AggregateNode& node, std::unique_ptr<AggregateLayout> layout);

  // The part of the content that is not in closed_rows_.
  virtual void scan_open(const BatchVisitor& visit) = 0;

  // Watermarks are in stream time; window and key columns may lie an offset away. kNone and kEnded stay.
  int64_t column_time(int64_t watermark) const;
  int64_t stream_time(int64_t column_watermark) const;
  void report_faults();
  void reject_late(const data::Batch& batch, uint32_t row, int64_t start, int64_t end);
  // Emits groups as +1 rows (when `send`) and appends them to `visit` when given; groups without rows are left out.
  void emit_groups(char* const* groups, const int64_t* starts, const int64_t* ends, uint32_t count, const BatchVisitor& visit);

  std::unique_ptr<AggregateLayout> layout_;
  plan::EmitPolicy policy_;
  int64_t lateness_us_;
  int64_t time_offset_us_ = 0;
  bool keep_content_ = false;
  ColumnStore closed_rows_;  // content that is final
  BatchVisitor emit_;  // made once: calls emit()

 private:
  data::BatchBuffer out_;
  std::vector<char*> living_;
  std::vector<int64_t> living_starts_, living_ends_;
};

// a + b without wrapping; the two watermark sentinels stay themselves.
int64_t shift_time(int64_t time, int64_t by);
// Of count >= 1 values. Out of line: inlined next to other loops it is not vectorized.
void least_and_greatest(const int64_t* values, uint32_t count, int64_t* least, int64_t* greatest);

}  // namespace laminar::stream
