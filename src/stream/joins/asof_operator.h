// Joins each left row with at most one right row of its key, chosen by time: ASOF joins, versions that were valid at a
// time, or the current row.
//
// A tick is settled at its end, when all its rows are there. ON UPDATE a left row is answered at once; a right row that
// comes later and fits better takes the answer back and gives the new one. With on_final a left row comes out once, when
// no right row can change its answer any more. So neither what comes out in the end nor, at any point of the input, what
// is out so far depends on the order of arrival within the watermark or on how rows fall into ticks.
//
// Final:    left rows of time t (the probe), once the right watermark is above t looking backward; above the match
//           looking forward; above t + its distance to the match for the nearest; without a match, above t + tolerance.
//           Versions by the time of change have the clock as their watermark.
// Waiting:  looking backward, a left row is final by its own time alone: rows that wait for nothing else stand in one
//           queue by time, and come out of it in that order. All others stand with their key.
// Versions: see plan::AsofNode. A tick's changes of the right side count as one; a key without rows after them has a
//           version that is nothing. What the right side holds when the view begins is valid from the beginning; left
//           rows wait until it has begun, that is, has rows or a watermark.
// Late:     a row behind the watermark that earlier rows of its own partition made is reported and takes no part.
//
// State:    left rows until they are final; right rows until the watermarks have passed what follows them (backward,
//           nearest), them (forward), or them + tolerance. Without watermarks all rows. Of rows that only come, the columns
//           that somebody reads.
// Content:  none.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "base/status.h"
#include "plan/node.h"
#include "stream/joins/due_queue.h"
#include "stream/joins/pair_output.h"
#include "stream/joins/time_queue.h"
#include "stream/joins/time_ring.h"
#include "stream/operators/operator.h"
#include "stream/state/group_table.h"
#include "stream/state/row_order.h"
#include "stream/state/row_selector.h"
#include "stream/state/row_store.h"
#include "stream/state/view_store.h"

namespace laminar::stream {

class AsofOperator final : public Operator {
 public:
  static Result<std::unique_ptr<AsofOperator>> make(const plan::AsofNode& node);

  void push(uint32_t port, const data::Batch& batch) override;
  bool can_correct(int64_t) const override { return false; }
  void finish(const TickInfo& tick) override;
  uint64_t state_bytes() const override;
  uint64_t state_rows() const override { return left_->rows() + right_->rows(); }
  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;
  // The columns of the output that somebody reads; the others are the same in every row. Before the first tick.
  void need_only(const std::vector<bool>& needed);

 private:
  static constexpr uint32_t kNone = RowStore::kNone;
  static constexpr uint32_t kNoRow = kNone - 1;  // the slot of a version that is nothing

  struct Input {
    std::vector<data::Type> types;
    std::vector<uint32_t> keys;
    uint32_t time = 0;              // judged against the watermark
    int64_t time_offset_us = 0;     // of the watermark
    bool unique = false;            // rows only come
    int64_t last_watermark = data::kWatermarkNone;  // at the end of the last tick
    std::vector<uint32_t> stored;   // the columns that are kept
  };
  // What the row of a key holds.
  struct Group {
    TimeRing left, right;
    int64_t left_due, right_due;  // the earliest item in the queues, kNever
    uint32_t items;               // in the queues
    int32_t current;              // rows of the right side now, of versions
    bool touched;
  };
  // A left row that stands with its key.
  struct LeftRow {
    char* group;
    int64_t time;  // the probe
    int64_t weight, emitted;
    uint32_t match;  // as emitted
    bool dirty;
  };
  // A left row that waits for its time.
  struct Waiting {
    int64_t time;
    char* group;
    uint32_t slot, weight;
  };
  struct FreshVersion {
    char* group;
    int64_t time;
    uint32_t slot;
  };

  explicit AsofOperator(const plan::AsofNode& node);

  Group& group_of(char* row) const { return *reinterpret_cast<Group*>(row + group_at_); }
  bool is_late(const Input& input, const data::Batch& batch, uint32_t row) const;
  void reject(const Input& input, const data::Batch& batch, uint32_t row, bool late);
  // Whether no row is late; a quick look at all of them.
  bool none_late(const Input& input, const data::Batch& batch) const;
  // Whether the row can match at all; what becomes of one that cannot is settled here.
  bool left_takes_part(const data::Batch& batch, uint32_t row);
  enum class Part { kNone, kLate, kFull };
  Part right_part(const data::Batch& batch, uint32_t row);
  // The rows of the batch that take part; false: all of them.
  bool select_left(const data::Batch& batch, uint32_t& count);
  bool select_right(const data::Batch& batch, uint32_t& count);
  // The groups of the rows, or of the first `count` where `rows` is null.
  void find_groups(const Input& input, const data::Batch& batch, const uint32_t* rows, uint32_t count);
  std::span<const data::Column> stored_columns(const Input& input, const data::Batch& batch);
  void push_left(const data::Batch& batch);
  void push_right(const data::Batch& batch);
  void push_versions(const data::Batch& batch);

  void wait_for_time(const int64_t* times, const data::Batch& batch, const uint32_t* rows, uint32_t count);
  void insert_left(uint32_t slot, int64_t time, int64_t weight, char* group) {
    if (slot >= left_rows_.size()) left_rows_.resize(std::max<size_t>(2 * left_rows_.size(), left_->slot_end()));
    left_rows_[slot] = {group, time, weight, 0, kNone, false};
  }
  void insert_right(Group& group, int64_t time, uint64_t order, uint32_t slot);
  // Where the right row with these columns stands, or null.
  TimeRing::Entry* find_right(Group& group, const data::Batch& batch, uint32_t row, int64_t time);
  void change_right(Group& group, const data::Batch& batch, uint32_t row, int64_t time);
  void mark_dirty(uint32_t slot);
  // The left rows whose answer the right row at `at` may be or have been.
  void mark_around(Group& group, const TimeRing::Entry* at);

  const TimeRing::Entry* find_match(const TimeRing& right, int64_t time) const;
  bool counts(const TimeRing::Entry& entry) const { return right_unique_ || right_weights_[entry.slot] > 0; }
  uint32_t match_slot(const TimeRing& right, int64_t time) const;
  // The right watermark above which the answer is final; kNever where none makes it so.
  int64_t deadline(const TimeRing& right, int64_t time) const;
  void schedule_left(char* row);
  void schedule_right(char* row);
  int64_t next_release(const Group& group) const;

  void begin_versions(const TickInfo& tick);
  void settle();
  void settle_current();
  void release_waiting(int64_t limit);
  void answer_waiting();
  void release_left(int64_t limit);
  void release_right(int64_t limit);
  void trim_right(Group& group, int64_t limit);
  void out(uint32_t left_slot, uint32_t right_slot, int64_t weight);
  void flush();
  void note_maybe_empty(char* row);
  void note_unsaved(char* row);
  void save_group(char* row, StateSink& sink, ByteWriter& key, ByteWriter& value);
  void save_waiting(StateSink& sink);
  Status load_group(char* row, ByteReader& in, data::BatchBuffer& left, data::BatchBuffer& right);
  Status load_waiting(ByteReader& in, data::BatchBuffer& row, StateSource& source);
  bool owns_key(ByteReader key, StateSource& source) const;
  void erase_if_empty(char* row);

  const plan::AsofNode::Match match_;
  const plan::AsofNode::Versions versions_;
  const bool strict_, left_join_, timed_, on_final_;
  const bool rows_;          // right rows are what they are, not changes that make versions
  const bool right_unique_;  // and only come
  const bool right_ordered_; // and have a total order
  const bool queued_;        // left rows wait for their time alone
  const std::optional<int64_t> tolerance_us_;
  const std::optional<uint32_t> left_condition_;
  const uint32_t left_probe_;
  const int64_t probe_min_us_;
  const int64_t release_slack_us_;  // what follows a right row may lie at the very watermark and not do yet
  std::vector<bool> null_equal_;
  Input inputs_[2];
  GroupShape shape_;
  uint32_t group_at_;
  StatePool pool_;
  GroupTable groups_;
  std::optional<RowStore> left_, right_;
  RowOrder right_order_;
  std::vector<LeftRow> left_rows_;       // by slot
  std::vector<int64_t> right_weights_;   // by slot, where rows leave
  TimeQueue<Waiting> waiting_;
  DueQueue<char*> left_due_, right_due_;
  int64_t right_limit_ = data::kWatermarkNone;
  bool begun_ = false;
  uint64_t versions_made_ = 0;
  bool noting_ = false;             // what changes is noted for the next save
  std::vector<char*> unsaved_;      // groups that changed since the last one
  ByteWriter erased_;               // keys of groups that went

  // Of the running tick.
  std::vector<uint32_t> dirty_;                            // left rows to answer
  std::vector<std::pair<uint32_t, int64_t>> alone_;        // left rows that match nothing, and their weights
  std::vector<uint32_t> left_free_, right_free_;           // when the output is out
  std::optional<WeightedRows> right_changes_;              // of versions
  std::vector<FreshVersion> fresh_versions_;
  std::vector<char*> touched_;      // groups that versions left
  std::vector<char*> maybe_empty_;

  // Scratch.
  std::vector<data::Column> key_columns_, stored_columns_;
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> taking_part_, slots_;
  std::vector<char*> row_groups_;
  std::vector<Waiting> arriving_, final_;
  std::optional<RowSelector> selector_;
  std::optional<PairOutput> output_;
};

}  // namespace laminar::stream
