#include "stream/state/top_n_state.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "plan/properties.h"

namespace laminar::stream {

using Rank = plan::TopNNode::Rank;

namespace {

constexpr uint64_t kNoEnd = std::numeric_limits<int64_t>::max();

uint64_t rank_end(const plan::TopNNode& node) {
  uint64_t end;
  if (__builtin_add_overflow(node.limit, node.offset_rows, &end)) return kNoEnd;
  return std::min(end, kNoEnd);
}

std::vector<data::Type> partition_types(const plan::TopNNode& node) {
  const std::vector<data::Type> types = node.inputs[0]->types();
  std::vector<data::Type> result;
  for (const uint32_t column : node.partition) result.push_back(types[column]);
  return result;
}

}  // namespace

TopNState::TopNState(const plan::TopNNode& node, bool append_only)
    : rank_(node.rank), bounded_((append_only || node.inputs[0]->append_only) && rank_end(node) != kNoEnd), offset_(node.offset_rows),
      end_(rank_end(node)), rows_(node.inputs[0]->types()), order_(node.order_by, node.inputs[0]->types()),
      forest_(rows_, order_, plan::has_total_order(*node.inputs[0])), partition_keys_(partition_types(node)) {}

uint32_t TopNState::partition(std::span<const data::Column> columns, uint32_t row, uint64_t hash, bool create) {
  const uint32_t found =
      partition_index_.find(hash, [&](uint32_t slot) { return partition_keys_.equals(slot, columns, row); });
  if (found != kNone || !create) return found;
  const uint32_t slot = partition_keys_.insert(columns, row);
  partitions_.reach(slot);
  partition_index_.insert(hash, slot);
  partitions_[slot] = Partition();
  partitions_[slot].hash = hash;
  partitions_[slot].live = true;
  return slot;
}

bool TopNState::beyond_reach(const Partition& partition, const RankForest::Key& key) const {
  if (end_ == 0) return true;
  switch (rank_) {
    case Rank::kRowNumber:
      return static_cast<uint64_t>(forest_.total(partition.root)) >= end_ && forest_.compare(key, forest_.last(partition.root)) > 0;
    case Rank::kRank: {
      const uint32_t boundary = forest_.at_position(partition.root, static_cast<int64_t>(end_) - 1);
      return boundary != kNone && forest_.compare_keys(key, boundary) > 0;
    }
    case Rank::kDenseRank:
      return partition.distinct_keys >= end_ && forest_.compare_keys(key, forest_.last(partition.root)) > 0;
  }
  CHECK(false);
}

bool TopNState::apply(uint32_t partition_slot, const RowRef& row, uint64_t sequence, int64_t weight) {
  Partition& partition = partitions_[partition_slot];
  const RankForest::Key key = forest_.key_of(row, sequence);
  if (bounded_ && beyond_reach(partition, key)) return false;
  if (replace_only(partition, key, weight)) return true;
  if (const uint32_t same = forest_.find(partition.root, key); same != kNone) {
    if (forest_.weight(same) + weight == 0) {
      unlink(partition, same);
    } else {
      forest_.add_weight(partition.root, same, weight);
    }
  } else {
    if (rank_ == Rank::kDenseRank && bounded_ && !forest_.has_equal_keys(partition.root, key)) ++partition.distinct_keys;
    const uint32_t slot = rows_.insert(row.columns, row.row);
    if (slot >= in_tree_.size()) {
      in_tree_.reach(slot);
      published_.reach(slot);
      if (dead_.capacity() < in_tree_.size()) dead_.reserve(2 * in_tree_.size());
    }
    published_[slot] = Published();
    in_tree_[slot] = 1;
    partition.root = forest_.insert(partition.root, slot, key, weight);
  }
  if (bounded_) {
    evict(partition);
    partition.reach = reach_of(partition);
  }
  return true;
}

// One row for each partition and nobody was told of it: a better row takes its place.
bool TopNState::replace_only(Partition& partition, const RankForest::Key& key, int64_t weight) {
  if (!bounded_ || rank_ != Rank::kRowNumber || end_ != 1 || partition.root == kNone || weight != 1) return false;
  const uint32_t slot = partition.root;
  if (published_[slot].is.count != 0 || forest_.weight(slot) != 1) return false;
  rows_.replace(slot, key.row.columns, key.row.row);
  forest_.replace(slot, key);
  partition.reach = key.prefix;
  return true;
}

uint64_t TopNState::reach_of(const Partition& partition) const {
  uint32_t boundary = kNone;
  switch (rank_) {
    case Rank::kRowNumber:
      if (static_cast<uint64_t>(forest_.total(partition.root)) >= end_) boundary = forest_.last(partition.root);
      break;
    case Rank::kRank:
      if (end_ > 0) boundary = forest_.at_position(partition.root, static_cast<int64_t>(end_) - 1);
      break;
    case Rank::kDenseRank:
      if (partition.distinct_keys >= end_) boundary = forest_.last(partition.root);
      break;
  }
  return boundary == kNone ? ~uint64_t{0} : forest_.prefix(boundary);
}

// A node out of its tree; its row stays while the outputs know it.
void TopNState::unlink(Partition& partition, uint32_t slot) {
  partition.root = forest_.erase(partition.root, slot);
  in_tree_[slot] = 0;
  if (published_[slot].is.count == 0) dead_.push_back(slot);
}

void TopNState::evict(Partition& partition) {
  for (;;) {
    const uint32_t last = forest_.last(partition.root);
    if (last == kNone) return;
    switch (rank_) {
      case Rank::kRowNumber: {
        const int64_t excess = forest_.total(partition.root) - static_cast<int64_t>(end_);
        if (excess <= 0) return;
        if (forest_.weight(last) > excess) {
          forest_.add_weight(partition.root, last, -excess);
          return;
        }
        break;
      }
      case Rank::kRank: {
        const uint32_t boundary = forest_.at_position(partition.root, static_cast<int64_t>(end_) - 1);
        if (boundary == kNone || forest_.compare_keys(last, boundary) <= 0) return;
        break;
      }
      case Rank::kDenseRank: {
        if (partition.distinct_keys <= end_) return;
        unlink(partition, last);
        const uint32_t next = forest_.last(partition.root);
        if (next == kNone || forest_.compare_keys(last, next) != 0) --partition.distinct_keys;
        continue;
      }
    }
    unlink(partition, last);
  }
}

void TopNState::visible(uint32_t partition_slot, std::vector<Visible>& out) {
  out.clear();
  const int64_t begin = static_cast<int64_t>(std::min(offset_, kNoEnd)), end = static_cast<int64_t>(end_);
  int64_t rows = 0;  // before this node
  int64_t rank = 0;
  uint32_t before = kNone;
  forest_.walk(partitions_[partition_slot].root, [&](uint32_t slot) {
    const int64_t weight = forest_.weight(slot);
    if (weight <= 0) {
      ++faults_;
      return true;
    }
    if (rank_ == Rank::kRowNumber) {
      const int64_t first = std::max(rows, begin), last = std::min(rows + weight, end);
      if (first < last) out.push_back({slot, {first + 1, last - first}});
      rows += weight;
      return rows < end;
    }
    if (before == kNone || forest_.compare_keys(before, slot) != 0) rank = rank_ == Rank::kRank ? rows + 1 : rank + 1;
    before = slot;
    if (rank > end) return false;
    if (rank > begin) out.push_back({slot, {rank, weight}});
    rows += weight;
    return true;
  });
}

void TopNState::remove_partition(uint32_t partition_slot) {
  Partition& partition = partitions_[partition_slot];
  for (uint32_t slot = partition.published_head; slot != kNone; slot = published_[slot].next) {
    if (!in_tree_[slot]) dead_.push_back(slot);
    published_[slot].is = {};
  }
  forest_.walk(partition.root, [&](uint32_t slot) {
    in_tree_[slot] = 0;
    dead_.push_back(slot);
    return true;
  });
  partition_index_.erase(partition.hash, partition_slot);
  partition_keys_.erase(partition_slot);
  partition.live = false;
  partition.root = partition.published_head = kNone;
}

void TopNState::release() {
  for (const uint32_t slot : dead_) rows_.erase(slot);
  dead_.clear();
}

uint64_t TopNState::bytes() const {
  return rows_.bytes() + forest_.bytes() + partition_keys_.bytes() + partition_index_.bytes() +
         partitions_.bytes() + published_.bytes() + in_tree_.bytes();
}

}  // namespace laminar::stream
