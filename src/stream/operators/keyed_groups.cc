#include "stream/operators/keyed_groups.h"

#include <algorithm>

#include "base/check.h"

namespace laminar::stream {

namespace {
constexpr size_t kSlotsMin = 64;
}

KeyedGroups::KeyedGroups(const plan::AggregateNode& node, GroupShape& shape, bool lists)
    : shape_(shape), link_offset_(lists ? shape.append(sizeof(Link)) : 0), slots_(kSlotsMin), mask_(kSlotsMin - 1) {
  std::vector<uint32_t> columns;  // of the input, by key of the shape
  for (const plan::AggregateNode::GroupOutput& group : node.groups)
    if (group.kind == plan::AggregateNode::GroupOutput::Kind::kKey) columns.push_back(group.column);
  for (const uint32_t column : node.close_key) {
    const auto found = std::find(columns.begin(), columns.end(), column);
    CHECK(found != columns.end());
    keys_.push_back(static_cast<uint32_t>(found - columns.begin()));
  }
  bool all = keys_.size() == columns.size();
  for (uint32_t k = 0; all && k < keys_.size(); ++k) all = keys_[k] == k;
  if (all) keys_.clear();
}

void KeyedGroups::insert(char* group, void* owner) {
  const uint64_t key = key_of(group);
  size_t at = find(key);
  if (slots_[at].key == 0) {
    if (2 * (size_ + 1) > slots_.size()) {
      grow();
      at = find(key);
    }
    ++size_;
    slots_[at] = {key, nullptr};
  }
  link(group) = {slots_[at].first, owner};
  slots_[at].first = group;
}

void KeyedGroups::erase(char* group) {
  const size_t at = find(key_of(group));
  CHECK(slots_[at].key != 0);
  char** next = &slots_[at].first;
  while (*next != group) next = &link(*next).next;
  *next = link(group).next;
  link(group) = {};
  if (!slots_[at].first) free_slot(at);
}

void KeyedGroups::free_slot(size_t hole) {
  --size_;
  // Close the gap: a later entry of the run moves back when its home is not behind the hole.
  for (size_t at = (hole + 1) & mask_; slots_[at].key != 0; at = (at + 1) & mask_) {
    const size_t home = slots_[at].key & mask_;
    if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
}

void KeyedGroups::grow() {
  Slots old(2 * slots_.size());
  old.swap(slots_);
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old)
    if (slot.key != 0) slots_[find(slot.key)] = slot;
}

}  // namespace laminar::stream
