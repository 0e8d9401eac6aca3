// Joins each left row with the rows that a lookup table has for its key when the row is processed.
//
// A row whose key is not known waits for the answer, and all rows behind it wait too: rows leave in the order in which
// they came, in the tick that brings the answer. The output watermark stays behind the rows that wait, and each row keeps
// the watermark that it came with, so nothing downstream can see how long an answer took. A NULL key matches nothing.
//
// Where the left input takes rows back, the answer that a row got is kept while the row lives and is used again.
//
// State:   the waiting rows; with a left input that retracts, its rows with their answers.
// Bounds:  has_room() is false from waiting_max rows on; whoever feeds the sources asks before a tick.
// Content: none.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/status.h"
#include "expr/program.h"
#include "plan/node.h"
#include "stream/lookup/lookup_index.h"
#include "stream/operators/operator.h"
#include "stream/state/row_selector.h"

namespace laminar::stream {

class LookupOperator final : public Operator {
 public:
  static Result<std::unique_ptr<LookupOperator>> make(const plan::LookupJoinNode& node);
  ~LookupOperator() override;

  // Before the first push(). `now` says which tick runs. The index outlives the operator's last use; unbind() gives back what it holds of it.
  void bind(LookupIndex* index, const TickInfo* now, uint64_t waiting_max);
  void unbind();
  bool is_bound() const { return index_ != nullptr; }
  const std::string& object() const { return object_; }
  const std::vector<uint32_t>& key_columns() const { return lookup_keys_; }

  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const TickInfo& tick) override;
  uint64_t state_bytes() const override;
  uint64_t state_rows() const override { return waiting_ + held_rows_; }
  uint64_t waiting() const { return waiting_; }

  // Tables: 0 the rows that wait, with what they wait for, 1 the watermarks that wait with them, 2 held rows with their
  // answers. All are put each time.
  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;
  bool has_room() const { return waiting_ < waiting_max_; }

 private:
  // Rows that came together and wait, from `head` on.
  struct Segment {
    explicit Segment(std::span<const data::Type> types) : rows(types) { tickets.reserve(data::kBatchRowsMax); }
    data::BatchBuffer rows;
    std::vector<uint32_t> tickets;
    uint32_t head = 0;
  };
  struct Mark {
    uint64_t rows_before;  // rows that were to leave before this watermark holds
    int64_t watermark;
  };
  struct Held {
    int64_t weight = 0;
    uint32_t first = LookupIndex::kNone;  // in held_right_
  };
  LookupOperator(const plan::LookupJoinNode& node, std::unique_ptr<expr::Program> residual);

  void prepare(const data::Batch& batch);
  bool has_null_key(uint32_t row) const;
  // False when the row has to wait; then its ticket is in `ticket`.
  bool pass(const data::Batch& batch, uint32_t row, uint32_t& ticket);
  void wait(const data::Batch& batch, uint32_t row, uint32_t ticket);
  void drain();
  // The answered row's pairs.
  void add_pairs(const data::Batch& batch, uint32_t row, uint32_t first);
  void add_pair(const data::Batch& batch, uint32_t row, uint32_t slot, int64_t weight);
  void add_held_pairs(const data::Batch& batch, uint32_t row, uint32_t slot, int64_t weight);
  void add_retraction(const data::Batch& batch, uint32_t row);
  void hold(const data::Batch& batch, uint32_t row, uint32_t first);
  uint32_t add_held(const data::Batch& batch, int64_t weight, uint64_t hash, uint32_t row);
  void add_held_right(uint32_t slot, uint32_t& last, std::span<const data::Column> columns, uint32_t row);
  uint32_t find_held(const data::Batch& batch, uint32_t row, uint64_t hash, bool debt) const;
  void erase_held(uint32_t slot, uint64_t hash);
  // `going_on`: the left row whose further pairs follow in the next flush, or kNone.
  void flush(const data::Batch& batch, uint32_t going_on = LookupIndex::kNone);
  void settle_residual(const data::Batch& batch, uint32_t going_on);
  data::Batch joined(const data::Batch& batch, uint32_t count);
  const RowStore& right_rows() const { return append_only_ ? index_->rows() : held_right_; }

  const std::string object_;
  const bool left_join_, append_only_;
  const std::vector<data::Type> left_types_, right_types_, lookup_types_;
  const std::vector<uint32_t> left_keys_, lookup_keys_, right_columns_;
  std::unique_ptr<expr::Program> residual_;
  LookupIndex* index_ = nullptr;
  uint64_t waiting_max_ = 0;
  const TickInfo* now_ = nullptr;

  std::deque<std::unique_ptr<Segment>> segments_;
  std::vector<std::unique_ptr<Segment>> spare_;
  std::deque<Mark> marks_;
  uint64_t waiting_ = 0, queued_ = 0, left_queue_ = 0;
  int64_t last_mark_ = data::kWatermarkNone;

  // A left input that retracts.
  RowStore held_left_, held_right_;
  std::vector<Held> held_;           // by slot of held_left_
  std::vector<uint32_t> held_next_;  // by slot of held_right_
  SlotIndex held_index_;
  uint64_t held_rows_ = 0;
  std::vector<std::pair<uint32_t, uint64_t>> ended_;  // slot and hash of held rows that go after the flush

  // Scratch.
  std::vector<data::Column> key_columns_, columns_;
  std::vector<uint64_t> hashes_;
  // Pairs of a left row and a row of the table; the pairs of one left row have one group number.
  std::vector<uint32_t> pair_rows_, pair_slots_, pair_groups_, kept_rows_, kept_slots_, selection_, released_;
  std::vector<int64_t> pair_weights_, kept_weights_;
  uint32_t pairs_ = 0, group_ = 0;
  uint32_t open_group_ = LookupIndex::kNone;  // one that began in an earlier flush
  bool open_matched_ = false;
  RowSelector selector_;
  data::BatchBuffer right_;
  std::vector<data::Type> joined_types_;
  expr::RowErrors errors_;
};

}  // namespace laminar::stream
