#include "stream/state/ordered_multiset.h"

namespace laminar::stream {

using data::Physical;
using data::StringRef;

int EntryOrder::compare(const Cell* a, uint32_t a_nulls, const Cell* b, uint32_t b_nulls) const {
  for (size_t p = 0; p < parts.size(); ++p) {
    const bool a_null = a_nulls >> p & 1, b_null = b_nulls >> p & 1;
    if (a_null || b_null) {
      if (a_null && b_null) continue;
      return a_null == parts[p].nulls_first ? -1 : 1;
    }
    const int c = parts[p].physical == Physical::kI64 ? compare_values(a[p].as<int64_t>(), b[p].as<int64_t>())
                                                      : compare_cells(parts[p].physical, a[p], b[p]);
    if (c) return parts[p].descending ? -c : c;
  }
  return 0;
}

struct OrderedMultiset::Change {
  const EntryOrder& order;
  const Cell* cells;
  uint32_t nulls;
  int64_t by;
  StatePool& pool;
  uint32_t priority;
};

namespace {

size_t node_bytes(const EntryOrder& order) { return sizeof(OrderedMultiset::Node) + order.parts.size() * sizeof(Cell); }

void free_node(OrderedMultiset::Node* node, const EntryOrder& order, StatePool& pool) {
  for (size_t p = 0; p < order.parts.size(); ++p)
    if (order.parts[p].physical == Physical::kString && !(node->nulls >> p & 1)) pool.free_string(node->cells()[p].as<StringRef>());
  pool.free(node, node_bytes(order));
}

}  // namespace

void OrderedMultiset::add(const EntryOrder& order, const Cell* cells, uint32_t nulls, int64_t by, StatePool& pool) {
  Change change{order, cells, nulls, by, pool, static_cast<uint32_t>(hash_u64(++made_))};
  insert(root_, change);
}

void OrderedMultiset::insert(Node*& node, Change& change) {
  if (!node) {
    node = static_cast<Node*>(change.pool.allocate(node_bytes(change.order)));
    *node = Node{nullptr, nullptr, change.by, change.by, change.priority, change.nulls};
    for (size_t p = 0; p < change.order.parts.size(); ++p) {
      if (change.nulls >> p & 1) continue;
      const bool string = change.order.parts[p].physical == Physical::kString;
      node->cells()[p] = string ? Cell::of(change.pool.copy_string(change.cells[p].as<StringRef>())) : change.cells[p];
    }
    return;
  }
  const int c = change.order.compare(change.cells, change.nulls, node->cells(), node->nulls);
  if (c == 0) {
    node->count += change.by;
    if (node->count == 0) {
      Node* gone = node;
      node = join(gone->left, gone->right);
      free_node(gone, change.order, change.pool);
      return;
    }
    refresh(node);
    return;
  }
  Node*& child = c < 0 ? node->left : node->right;
  insert(child, change);
  if (child && child->priority > node->priority) {
    Node* up = child;
    if (c < 0) {
      node->left = up->right;
      up->right = node;
    } else {
      node->right = up->left;
      up->left = node;
    }
    refresh(node);
    node = up;
  }
  refresh(node);
}

OrderedMultiset::Node* OrderedMultiset::join(Node* left, Node* right) {
  if (!left) return right;
  if (!right) return left;
  if (left->priority > right->priority) {
    left->right = join(left->right, right);
    refresh(left);
    return left;
  }
  right->left = join(left, right->left);
  refresh(right);
  return right;
}

const OrderedMultiset::Node* OrderedMultiset::edge(const Node* node, bool left) {
  if (!node) return nullptr;
  if (const Node* found = edge(left ? node->left : node->right, left)) return found;
  if (node->count > 0) return node;
  return edge(left ? node->right : node->left, left);
}

const OrderedMultiset::Node* OrderedMultiset::at(int64_t rank) const {
  const Node* node = root_;
  while (node) {
    const int64_t before = node->left ? node->left->total : 0;
    if (rank < before) {
      node = node->left;
    } else if (rank < before + node->count) {
      return node;
    } else {
      rank -= before + node->count;
      node = node->right;
    }
  }
  return nullptr;
}

void OrderedMultiset::free_tree(Node* node, const EntryOrder& order, StatePool& pool) {
  while (node) {
    free_tree(node->left, order, pool);
    Node* right = node->right;
    free_node(node, order, pool);
    node = right;
  }
}

void OrderedMultiset::free(const EntryOrder& order, StatePool& pool) {
  free_tree(root_, order, pool);
  root_ = nullptr;
}

}  // namespace laminar::stream
