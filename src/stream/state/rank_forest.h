// Many ordered multisets of rows over one pool: a tree for each partition of a ranking.
//
// Nodes are the slots of a RowStore; a tree is its root's slot, RowStore::kNone when empty. Rows are ordered by the
// keys, then by sequence where the input has a total order, then by content: equal rows share a node and its weight.
//
// Threads: one core.
// Bounds:  56 bytes a slot; operations take time logarithmic in the tree.
#pragma once

#include <cstdint>
#include <vector>

#include "stream/state/row_order.h"
#include "stream/state/row_store.h"
#include "stream/state/slot_array.h"

namespace laminar::stream {

class RankForest {
 public:
  static constexpr uint32_t kNone = RowStore::kNone;

  RankForest(const RowStore& rows, const RowOrder& order, bool by_sequence)
      : rows_(rows), order_(order), by_sequence_(by_sequence) {}

  struct Key {
    RowRef row;
    uint64_t prefix = 0;
    uint64_t sequence = 0;
  };
  uint64_t prefix(uint32_t slot) const { return nodes_[slot].prefix; }
  Key key_of(const RowRef& row, uint64_t sequence) const { return {row, order_.prefix(row), sequence}; }

  // The node of an equal row, or kNone.
  uint32_t find(uint32_t root, const Key& key) const;
  // Whether a row with the same ORDER BY keys is there.
  bool has_equal_keys(uint32_t root, const Key& key) const;
  // Each returns the new root. The row of `slot` stands in the store already and is not in the tree.
  uint32_t insert(uint32_t root, uint32_t slot, const Key& key, int64_t weight);
  uint32_t erase(uint32_t root, uint32_t slot);
  // For a tree of one node: its row in the store has become that of `key`.
  void replace(uint32_t slot, const Key& key) {
    nodes_[slot].prefix = key.prefix;
    nodes_[slot].sequence = key.sequence;
  }
  // Weight must not become 0.
  void add_weight(uint32_t root, uint32_t slot, int64_t change);

  int64_t weight(uint32_t slot) const { return nodes_[slot].weight; }
  uint64_t sequence(uint32_t slot) const { return nodes_[slot].sequence; }
  int64_t total(uint32_t root) const { return root == kNone ? 0 : nodes_[root].total; }
  uint32_t last(uint32_t root) const;
  // The node that holds position `position`, from 0, all weights being positive; kNone beyond the end.
  uint32_t at_position(uint32_t root, int64_t position) const;
  // Visits nodes in order until visit(slot) says false. Returns whether it came to the end.
  template <class Visit>
  bool walk(uint32_t root, Visit&& visit) const {
    if (root == kNone) return true;
    const Node& node = nodes_[root];
    return walk(node.left, visit) && visit(root) && walk(node.right, visit);
  }

  // By order: keys, then sequence, then content.
  int compare(const Key& key, uint32_t slot) const;
  int compare_keys(const Key& key, uint32_t slot) const;
  int compare_keys(uint32_t a, uint32_t b) const;

  uint64_t bytes() const { return nodes_.bytes(); }

 private:
  struct Node {
    uint64_t prefix = 0;
    uint64_t sequence = 0;
    int64_t weight = 0;
    int64_t total = 0;  // of the subtree
    uint32_t left = kNone, right = kNone;
    uint32_t priority = 0;
  };
  RowRef row_of(uint32_t slot) const { return {rows_.chunk_columns(slot), slot % RowStore::kChunkRows}; }
  Key key_at(uint32_t slot) const { return {row_of(slot), nodes_[slot].prefix, nodes_[slot].sequence}; }
  void sum(uint32_t slot);
  // Nodes below the key, and those above.
  void split(uint32_t root, const Key& key, uint32_t& below, uint32_t& above);
  uint32_t merge(uint32_t below, uint32_t above);
  uint32_t erase(uint32_t root, uint32_t slot, const Key& key);

  const RowStore& rows_;
  const RowOrder& order_;
  const bool by_sequence_;
  SlotArray<Node> nodes_;
  uint64_t inserted_ = 0;
};

}  // namespace laminar::stream
