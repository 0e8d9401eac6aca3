// The rows of a ranking, per partition in order, and which of them are in the result.
//
// Append-only input keeps no more rows than can ever be in the result: the first limit + offset for row_number, all
// rows of the first ranks for the others. Input that retracts keeps all rows.
//
// Threads: one core.
// Owns:    the rows; freed slots stay readable until release().
#pragma once

#include <cstdint>
#include <vector>

#include "plan/node.h"
#include "stream/state/rank_forest.h"
#include "stream/state/row_order.h"
#include "stream/state/row_store.h"
#include "stream/state/slot_array.h"

namespace laminar::stream {

class TopNState {
 public:
  static constexpr uint32_t kNone = RowStore::kNone;

  // `count` copies of a row in the result: at ranks first, first + 1, ... for row_number, all at `first` for the others.
  struct Ranks {
    int64_t first = 0;
    int64_t count = 0;
  };
  struct Visible {
    uint32_t slot;
    Ranks ranks;
  };

  // `append_only`: rows are only added, whatever the node says of its input.
  TopNState(const plan::TopNNode& node, bool append_only);

  // The partition of a row, kNone when it is new and `create` is off. `columns`: the partition columns alone.
  uint32_t partition(std::span<const data::Column> columns, uint32_t row, uint64_t hash, bool create);
  void prefetch(uint64_t hash) const { partition_index_.prefetch(hash); }
  // Rows whose prefix lies above reach() cannot come into the partition's result, now or later.
  void prefixes(std::span<const data::Column> columns, uint32_t rows, uint64_t* out) const { order_.prefixes(columns, rows, out); }
  uint64_t reach(uint32_t partition) const { return partitions_[partition].reach; }
  // Whether the row changed anything that may show.
  bool apply(uint32_t partition, const RowRef& row, uint64_t sequence, int64_t weight);
  // The partition's part of the result in order of rank. Counts nodes of negative weight as faults.
  void visible(uint32_t partition, std::vector<Visible>& out);

  // What was last told to the outputs, per node.
  struct Published {
    Ranks is, was;  // `was` while a difference is formed
    uint32_t next = kNone;
  };
  Published& published(uint32_t slot) { return published_[slot]; }
  uint32_t& published_head(uint32_t partition) { return partitions_[partition].published_head; }
  bool in_tree(uint32_t slot) const { return in_tree_[slot]; }
  // Frees a node that is neither in its tree nor published.
  void drop(uint32_t slot) { dead_.push_back(slot); }
  // The partition with all its rows, told or not.
  void remove_partition(uint32_t partition);
  bool empty(uint32_t partition) const { return partitions_[partition].root == kNone; }
  bool live(uint32_t partition) const { return partitions_[partition].live; }
  uint32_t partition_end() const { return partition_keys_.slot_end(); }
  // Slots freed since the last call may be used again from here on.
  void release();

  // f(slot, sequence, weight) for every row of every partition.
  template <class F>
  void each_row(F&& f) const {
    for (uint32_t slot = 0; slot < rows_.slot_end(); ++slot)
      if (in_tree_[slot]) f(slot, forest_.sequence(slot), forest_.weight(slot));
  }

  // Marks of the operator.
  bool& touched(uint32_t partition) { return partitions_[partition].touched; }
  bool& has_timer(uint32_t partition) { return partitions_[partition].has_timer; }
  const RowStore& rows() const { return rows_; }
  uint64_t bytes() const;
  uint64_t faults() const { return faults_; }

 private:
  struct Partition {
    uint32_t root = kNone;
    uint32_t published_head = kNone;
    uint64_t distinct_keys = 0;  // dense_rank over append-only input
    uint64_t hash = 0;
    uint64_t reach = ~uint64_t{0};
    bool live = false;
    bool touched = false;
    bool has_timer = false;
  };
  bool beyond_reach(const Partition& partition, const RankForest::Key& key) const;
  bool replace_only(Partition& partition, const RankForest::Key& key, int64_t weight);
  void evict(Partition& partition);
  uint64_t reach_of(const Partition& partition) const;
  void unlink(Partition& partition, uint32_t slot);

  const plan::TopNNode::Rank rank_;
  const bool bounded_;           // append-only input and a limit
  const uint64_t offset_, end_;  // ranks offset_ < rank <= end_ are the result
  RowStore rows_;
  RowOrder order_;
  RankForest forest_;
  RowStore partition_keys_;
  SlotIndex partition_index_;
  SlotArray<Partition> partitions_;  // by slot of partition_keys_
  SlotArray<Published> published_;
  SlotArray<uint8_t> in_tree_;
  std::vector<uint32_t> dead_;
  uint64_t faults_ = 0;
};

}  // namespace laminar::stream
