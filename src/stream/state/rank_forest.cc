#include "stream/state/rank_forest.h"

#include "base/check.h"
#include "base/hash.h"

namespace laminar::stream {

int RankForest::compare_keys(const Key& key, uint32_t slot) const {
  const Node& node = nodes_[slot];
  if (key.prefix != node.prefix) return key.prefix < node.prefix ? -1 : 1;
  return order_.compare_keys(key.row, row_of(slot));
}

int RankForest::compare_keys(uint32_t a, uint32_t b) const { return compare_keys(key_at(a), b); }

int RankForest::compare(const Key& key, uint32_t slot) const {
  if (const int order = compare_keys(key, slot)) return order;
  const Node& node = nodes_[slot];
  if (by_sequence_ && key.sequence != node.sequence) return key.sequence < node.sequence ? -1 : 1;
  return order_.compare_content(key.row, row_of(slot));
}

uint32_t RankForest::find(uint32_t root, const Key& key) const {
  while (root != kNone) {
    const int order = compare(key, root);
    if (order == 0) return root;
    root = order < 0 ? nodes_[root].left : nodes_[root].right;
  }
  return kNone;
}

bool RankForest::has_equal_keys(uint32_t root, const Key& key) const {
  while (root != kNone) {
    const int order = compare_keys(key, root);
    if (order == 0) return true;
    root = order < 0 ? nodes_[root].left : nodes_[root].right;
  }
  return false;
}

void RankForest::sum(uint32_t slot) {
  Node& node = nodes_[slot];
  node.total = node.weight + total(node.left) + total(node.right);
}

void RankForest::split(uint32_t root, const Key& key, uint32_t& below, uint32_t& above) {
  if (root == kNone) {
    below = above = kNone;
    return;
  }
  if (compare(key, root) < 0) {
    above = root;
    uint32_t left;
    split(nodes_[root].left, key, below, left);
    nodes_[root].left = left;
  } else {
    below = root;
    uint32_t right;
    split(nodes_[root].right, key, right, above);
    nodes_[root].right = right;
  }
  sum(root);
}

uint32_t RankForest::merge(uint32_t below, uint32_t above) {
  if (below == kNone) return above;
  if (above == kNone) return below;
  if (nodes_[below].priority >= nodes_[above].priority) {
    const uint32_t right = merge(nodes_[below].right, above);
    nodes_[below].right = right;
    sum(below);
    return below;
  }
  const uint32_t left = merge(below, nodes_[above].left);
  nodes_[above].left = left;
  sum(above);
  return above;
}

uint32_t RankForest::insert(uint32_t root, uint32_t slot, const Key& key, int64_t weight) {
  nodes_.reach(slot);
  Node& node = nodes_[slot];
  node.prefix = key.prefix;
  node.sequence = key.sequence;
  node.weight = node.total = weight;
  node.left = node.right = kNone;
  node.priority = static_cast<uint32_t>(hash_u64(++inserted_));
  // Down to the place of its priority, then split what is below.
  uint32_t* link = &root;
  while (*link != kNone && nodes_[*link].priority >= node.priority) {
    Node& parent = nodes_[*link];
    parent.total += weight;
    link = compare(key, *link) < 0 ? &parent.left : &parent.right;
  }
  uint32_t left, right;
  split(*link, key, left, right);
  node.left = left;
  node.right = right;
  *link = slot;
  sum(slot);
  return root;
}

uint32_t RankForest::erase(uint32_t root, uint32_t slot, const Key& key) {
  CHECK(root != kNone);
  if (root == slot) return merge(nodes_[slot].left, nodes_[slot].right);
  Node& node = nodes_[root];
  if (compare(key, root) < 0) {
    const uint32_t left = erase(node.left, slot, key);
    node.left = left;
  } else {
    const uint32_t right = erase(node.right, slot, key);
    node.right = right;
  }
  sum(root);
  return root;
}

uint32_t RankForest::erase(uint32_t root, uint32_t slot) { return erase(root, slot, key_at(slot)); }

void RankForest::add_weight(uint32_t root, uint32_t slot, int64_t change) {
  const Key key = key_at(slot);
  while (root != slot) {
    CHECK(root != kNone);
    nodes_[root].total += change;
    root = compare(key, root) < 0 ? nodes_[root].left : nodes_[root].right;
  }
  nodes_[slot].weight += change;
  nodes_[slot].total += change;
}

uint32_t RankForest::last(uint32_t root) const {
  if (root == kNone) return kNone;
  while (nodes_[root].right != kNone) root = nodes_[root].right;
  return root;
}

uint32_t RankForest::at_position(uint32_t root, int64_t position) const {
  while (root != kNone) {
    const Node& node = nodes_[root];
    const int64_t before = total(node.left);
    if (position < before) {
      root = node.left;
    } else if (position < before + node.weight) {
      return root;
    } else {
      position -= before + node.weight;
      root = node.right;
    }
  }
  return kNone;
}

}  // namespace laminar::stream
