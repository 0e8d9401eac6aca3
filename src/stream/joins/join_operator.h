// Joins two inputs by equal columns: inner, left, right, full, semi and anti, with further conditions on a match.
//
// A change of one side meets the rows that the other side has at that moment, weights multiplied, and then becomes part
// of its own side; in whatever order the inputs push, the sum over a tick is the change of the join. Rows of a side that
// outer, semi and anti joins keep count their matches; when a count begins or ceases to be positive, what follows
// from it comes out in the same tick. Where changes could cancel, the output of a tick is consolidated, as long as it is not
// large: what goes beyond kHeldRowsMax comes out in pieces, each a whole number of changes, so that one row that meets
// millions needs no memory for them. NULL keys never match.
//
// A change of a table that meets very many rows can be stopped between two batches of pairs (operators/change_run.h).
//
// With a time bound, left + lower <= right <= left + upper, a row leaves when no partner can come any more: a left row
// when the right watermark is above its time + upper, a right row when the left watermark is above its time - lower.
// Where rows without a match wait for that, they come out then, and only then. A row behind the watermark that earlier
// rows of its own partition made is late: it is reported and takes no part.
//
// With retention, rows of a side leave when they are older than its own watermark by more than that; what they have met
// stays in the output, and a row that they have met keeps its match.
//
// Rows that leave by time alone and count nothing come into a log first, and under their key only when they are asked for
// so often that it pays (join_log.h).
//
// State:   the rows of both sides, keys once.
// Content: none.
#pragma once

#include <memory>
#include <optional>

#include "base/status.h"
#include "expr/program.h"
#include "plan/node.h"
#include "stream/joins/join_log.h"
#include "stream/joins/join_side.h"
#include "stream/operators/operator.h"
#include "stream/state/group_table.h"
#include "stream/state/row_selector.h"
#include "stream/state/view_store.h"

namespace laminar::stream {

class JoinOperator final : public Operator {
 public:
  static Result<std::unique_ptr<JoinOperator>> make(const plan::JoinNode& node);

  void push(uint32_t port, const data::Batch& batch) override;
  bool can_correct(int64_t) const override { return !timed_; }
  void finish(const TickInfo& tick) override;
  uint64_t state_bytes() const override;
  uint64_t state_rows() const override { return rows_of(0) + rows_of(1); }
  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;
  // Columns that nobody reads are the same in every row. Before the first tick.
  void need_only(const std::vector<bool>& needed);

 private:
  static constexpr uint64_t kHeldRowsMax = 64 * 1024;
  // Chunks of a log that a push puts under their keys: a bound of its time.
  static constexpr uint32_t kChunksPerPush = 32;
  static constexpr uint64_t kUnlimited = ~uint64_t{0};

  struct Input {
    std::vector<data::Type> types;
    std::vector<uint32_t> keys;
    std::optional<uint32_t> time;
    int64_t time_offset_us = 0;   // of its watermark
    bool released = false;
    uint32_t released_by = 0;      // the port whose watermark releases its rows
    int64_t release_after_us = 0;  // a row goes when that is beyond its own time + this
    bool counts = false;          // rows know how many they match
    int64_t last_watermark = data::kWatermarkNone;  // at the end of the last tick
  };
  // A change of the running push whose partners are being found.
  struct Change {
    uint32_t row;  // of the batch
    uint32_t slot;
    int64_t weight;
    int64_t matches;
    bool fresh;
  };
  JoinOperator(const plan::JoinNode& node, std::unique_ptr<expr::Program> residual);

  bool is_late(const Input& input, const data::Batch& batch, uint32_t row) const;
  void push_repeated(uint32_t port, const data::Batch& batch);
  uint32_t select_rows(uint32_t port, const data::Batch& batch);
  bool takes_part(uint32_t port, const data::Batch& batch, uint32_t row);
  void meet_all(uint32_t port, const data::Batch& batch, uint32_t count);
  void take_back(uint32_t port, const data::Batch& batch, uint32_t count);
  void meet(uint32_t port, const data::Batch& batch, uint32_t change, const char* group);
  void meet_in_time(uint32_t port, const data::Batch& batch, uint32_t change, const char* group);
  void meet_log(uint32_t port, const data::Batch& batch, uint32_t count);
  // Rows of the log that have been asked for so often that it pays go under their keys.
  void index_log(uint32_t port);
  uint64_t rows_of(uint32_t port) const { return sides_[port]->rows().rows() + (logs_[port] ? logs_[port]->rows() : 0); }
  // False when no more are wanted.
  bool add_pair(uint32_t port, const data::Batch& batch, uint32_t change, uint32_t slot);
  void settle(uint32_t port, const data::Batch& batch, uint32_t complete);
  void settle_pairs(uint32_t port, const data::Batch& batch);
  void fill_pairs(uint32_t port, const data::Batch& batch);
  void release(uint32_t port);
  // A row of `port` alone: of a semi or anti join as it is, else with NULLs for the other side.
  void append_single(uint32_t port, std::span<const data::Column> columns, uint32_t row, int64_t weight);
  void append_single(uint32_t port, uint32_t slot, int64_t weight);
  template <class Copy>
  void append_single(uint32_t port, int64_t weight, const Copy& copy);
  void deliver(data::BatchBuffer& buffer);
  void deliver(const data::Batch& batch);
  void emit_held();
  void erase_empty_groups();

  const plan::JoinKind kind_;
  const bool pairs_out_;
  const bool timed_;
  const bool waits_;  // rows without a match come out at the release
  int64_t lower_us_ = 0, upper_us_ = 0;
  std::vector<bool> null_equal_;
  Input inputs_[2];
  GroupShape shape_;
  uint32_t heads_[2];
  StatePool pool_;
  GroupTable groups_;
  std::unique_ptr<JoinSide> sides_[2];
  std::unique_ptr<JoinLog> logs_[2];  // null where rows go under their keys at once
  std::unique_ptr<expr::Program> residual_;
  std::vector<data::Type> pair_types_;
  std::vector<bool> pair_needed_;  // by column of a pair
  std::optional<WeightedRows> tick_;  // the changes of a tick, where they can cancel
  uint64_t sequence_ = 0;

  // Scratch.
  std::vector<data::Column> key_columns_;
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> taking_part_, selection_, pair_slots_, pair_changes_, pair_rows_;
  std::vector<char*> row_groups_, maybe_empty_;
  std::vector<Change> changes_;
  data::BatchBuffer pairs_, single_;
  uint64_t settled_ = 0;  // pairs of the running push
  uint64_t settled_max_ = kUnlimited;
  bool stopped_ = false;  // no more pairs of the running push are wanted
  bool pairs_logged_ = false;  // pair_slots_ are rows of the other side's log
  RowSelector selector_;
  expr::RowErrors errors_;
};

}  // namespace laminar::stream
