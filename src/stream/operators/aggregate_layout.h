// How an aggregate's groups lie in rows and become output: keys, accumulators, and the order of the output columns.
//
// Threads: one operator's core; tables of the operator share one layout.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "plan/node.h"
#include "stream/operators/accumulator.h"
#include "stream/operators/operator.h"
#include "stream/state/group_table.h"
#include "stream/state/state_io.h"

namespace laminar::stream {

// A table of groups with the memory of their states.
struct StateTable {
  explicit StateTable(const GroupShape* shape) : groups(shape, &pool) {}
  StatePool pool;
  GroupTable groups;
  // What checkpoints have not seen yet: changed groups, and the keys of groups that went.
  std::vector<char*> unsaved;
  ByteWriter erased;
  // A round of saving ahead: of all groups, or the first so many of `unsaved`, those before `ahead_done` done.
  bool ahead_all = false;
  GroupTable::Cursor ahead_at;
  size_t ahead_done = 0, ahead_end = 0;
};

class AggregateLayout {
 public:
  static Result<std::unique_ptr<AggregateLayout>> make(const plan::AggregateNode& node);
  ~AggregateLayout();

  const GroupShape& shape() const { return shape_; }
  GroupShape& shape() { return shape_; }
  bool retracts() const { return retracts_; }
  bool mergeable() const { return mergeable_; }
  const std::vector<data::Type>& input_types() const { return input_types_; }
  // Where the net count of rows stands in a group's row; only where the input retracts.
  int64_t& weight(char* group) const { return *reinterpret_cast<int64_t*>(group + weight_offset_); }
  bool alive(char* group) const { return !retracts_ || weight(group) > 0; }

  // Per batch: key columns and hashes. The batch must stay until the calls below are done.
  void begin(const data::Batch& batch);
  // Groups of batch rows rows[0..count) (null: all), ready for update().
  char** find(StateTable& table, const uint32_t* rows, uint32_t count);
  // The group's marks have changed without a row.
  void note_changed(StateTable& table, char* group);
  // Adds the rows to groups(); rows that fail are appended to faults().
  void update(StatePool& pool, const uint32_t* rows, char* const* groups, uint32_t count);
  std::vector<RowFault>& faults() { return faults_; }
  const data::Batch& batch() const { return *batch_; }
  std::span<const data::Column> key_columns() const { return key_columns_; }
  const uint64_t* hashes() const { return hashes_.data(); }

  // Adds all groups of `from` to those of `into`.
  void merge(StateTable& into, const StateTable& from);
  // The same for single groups: accumulators alone, keys not looked at.
  void merge_states(char* const* into, const char* const* from, uint32_t count, StatePool& pool);
  void initialize_raw(char* const* groups, uint32_t count);
  // Frees what the states hold in the pool.
  void destroy(char* const* groups, uint32_t count, StatePool& pool);
  bool holds_memory() const { return holds_memory_; }
  // Forgets all groups and their memory.
  void clear(StateTable& table);
  // Takes a group out of its table with all it holds.
  void erase(StateTable& table, char* group);

  // Checkpoints. The key of a group: its hash, most significant byte first, so that a range of keys is a key group, then
  // the values; the record of a group stands under `prefix` and its key.
  bool saves_state() const;
  void save_key(const char* group, ByteWriter& out) const;
  void save_group(char* group, ByteWriter& out);
  // All groups, or what changed since the last save of the table. From the first call on, changes are noted.
  void save(StateTable& table, std::string_view prefix, uint8_t number, StateSink& sink, bool all);
  // A part of that; see Operator::save_ahead().
  bool save_ahead(StateTable& table, std::string_view prefix, uint8_t number, StateSink& sink, Operator::Ahead how, uint64_t& records);
  // A saved key into the header and keys of a row; long strings stay in the reader's bytes.
  void load_key(ByteReader& key, char* row) const;
  void load_group(char* group, ByteReader& in, StatePool& pool);
  // The group of a saved key and state; null when it belongs to another core.
  char* load(StateTable& table, ByteReader& key, ByteReader& state, StateSource& source);
  // Whether the group with this loaded key belongs to this core.
  bool owned(const char* row, StateSource& source);

  // Output rows at .. at + count of groups; window bounds by group, null where the node has none.
  void finalize(char* const* groups, const int64_t* starts, const int64_t* ends, uint32_t count, data::BatchBuffer& out, uint32_t at);

 private:
  void save_one(char* group, std::string_view prefix, uint8_t number, StateSink& sink);
  static void save_erased(StateTable& table, std::string_view prefix, uint8_t number, StateSink& sink);
  AggregateLayout(const plan::AggregateNode& node, std::span<const data::Type> key_types);

  std::vector<plan::AggregateNode::GroupOutput> outputs_;
  std::vector<uint32_t> key_of_output_;    // for kKey outputs: position among the keys
  std::vector<uint32_t> key_inputs_;       // input column of each key
  std::vector<data::Type> input_types_;
  GroupShape shape_;
  std::vector<AccumulatorPtr> accumulators_;
  bool retracts_ = false, mergeable_ = true, holds_memory_ = false, holds_foreign_memory_ = false, needs_initialize_ = false;
  uint32_t weight_offset_ = 0;
  bool noting_changes_ = false;
  ByteWriter save_key_, save_value_;

  const data::Batch* batch_ = nullptr;
  std::vector<data::Column> key_columns_;
  std::vector<uint64_t> hashes_;
  std::vector<char*> found_;
  std::vector<char*> merged_from_;
  std::vector<RowFault> faults_;
};

}  // namespace laminar::stream
