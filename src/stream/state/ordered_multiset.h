// The rows of one group in order, each with a count: a treap whose nodes come from a StatePool.
//
// An entry is a few cells and a bit per cell that is NULL. Counts may be below zero inside a tick, when a row is taken
// back before it has come; an entry whose count is zero leaves.
//
// Owns:    nodes and the bytes of long strings, in the pool given with every call.
// Bounds:  O(log n) expected for add() and at(); 40 bytes and 16 for each cell an entry.
#pragma once

#include <cstdint>
#include <vector>

#include "stream/state/cell.h"

namespace laminar::stream {

struct EntryOrder {
  struct Part {
    data::Physical physical;
    bool descending = false;
    bool nulls_first = false;
  };
  std::vector<Part> parts;

  int compare(const Cell* a, uint32_t a_nulls, const Cell* b, uint32_t b_nulls) const;
};

class OrderedMultiset {
 public:
  struct Node {
    Node* left;
    Node* right;
    int64_t count;
    int64_t total;  // of the subtree
    uint32_t priority;
    uint32_t nulls;
    const Cell* cells() const { return reinterpret_cast<const Cell*>(this + 1); }
    Cell* cells() { return reinterpret_cast<Cell*>(this + 1); }
  };

  void add(const EntryOrder& order, const Cell* cells, uint32_t nulls, int64_t by, StatePool& pool);
  void free(const EntryOrder& order, StatePool& pool);

  // The first and the last entry that is there, null when none is.
  const Node* first() const { return edge(root_, true); }
  const Node* last() const { return edge(root_, false); }
  // The entry at a rank, counting repeats; 0 <= rank < total().
  const Node* at(int64_t rank) const;
  int64_t total() const { return root_ ? root_->total : 0; }
  // f(node) in order.
  template <class F>
  void for_each(F&& f) const {
    visit(root_, f);
  }

 private:
  struct Change;
  static const Node* edge(const Node* node, bool left);
  static void insert(Node*& node, Change& change);
  static Node* join(Node* left, Node* right);
  static void refresh(Node* node) {
    node->total = node->count + (node->left ? node->left->total : 0) + (node->right ? node->right->total : 0);
  }
  template <class F>
  static void visit(const Node* node, F& f) {
    for (; node; node = node->right) {
      visit(node->left, f);
      f(*node);
    }
  }
  static void free_tree(Node* node, const EntryOrder& order, StatePool& pool);

  Node* root_ = nullptr;
  uint64_t made_ = 0;  // gives priorities, so that equal histories make equal trees
};

}  // namespace laminar::stream
