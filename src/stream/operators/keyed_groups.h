// The open groups of a windowed aggregate, by the key whose watermark closes them: a list for each key, through the groups.
//
// The key is one of some of the group's own keys, known by its hash as the source makes it (time/key_watermarks.h).
//
// Threads: one operator's core.
// Owns:    the table of lists; groups belong to their tables and are unlinked before they go.
// Memory:  16 bytes in each group; the table allocates when it grows.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/node.h"
#include "stream/state/group_table.h"
#include "stream/time/key_move.h"

namespace laminar::stream {

class KeyedGroups {
 public:
  struct Entry {
    char* group;
    void* owner;
  };

  // `node`: its groups and close_key say which of the keys count. `lists`: takes room in the groups' rows; without it only
  // key_of() is of use.
  KeyedGroups(const plan::AggregateNode& node, GroupShape& shape, bool lists = true);

  // The key of a group, as the source knows it.
  uint64_t key_of(const char* group) const {
    return KeyMove::of_hash(keys_.empty() ? group_header(group).hash : hash_group_keys(shape_, group, keys_));
  }

  bool linked(const char* group) const { return link(group).owner != nullptr; }
  void* owner(const char* group) const { return link(group).owner; }
  // `owner`: not null, what the group's window is.
  void insert(char* group, void* owner);
  void erase(char* group);
  // Takes the groups of a key for which `closes(group, owner)` holds out of its list, into `closing`.
  template <class Closes>
  void take(uint64_t key, const Closes& closes, std::vector<Entry>& closing) {
    const size_t at = find(key);
    if (slots_[at].key == 0) return;
    for (char** next = &slots_[at].first; *next;) {
      char* group = *next;
      Link& held = link(group);
      if (!closes(group, held.owner)) {
        next = &held.next;
        continue;
      }
      closing.push_back({group, held.owner});
      *next = held.next;
      held = {};
    }
    if (!slots_[at].first) free_slot(at);
  }
  // Calls with each group of a key and its owner.
  template <class Visit>
  void each(uint64_t key, const Visit& visit) const {
    const size_t at = find(key);
    if (slots_[at].key == 0) return;
    for (char* group = slots_[at].first; group; group = link(group).next) visit(group, link(group).owner);
  }
  void prefetch(uint64_t key) const { __builtin_prefetch(&slots_[key & mask_]); }
  void prefetch_first(uint64_t key) const {
    if (const char* group = slots_[key & mask_].first) {
      __builtin_prefetch(group);
      __builtin_prefetch(group + link_offset_);
    }
  }
  size_t held_bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Link {
    char* next;
    void* owner;
  };
  struct Slot {
    uint64_t key = 0;  // 0: free
    char* first = nullptr;
  };
  Link& link(char* group) const { return *reinterpret_cast<Link*>(group + link_offset_); }
  const Link& link(const char* group) const { return *reinterpret_cast<const Link*>(group + link_offset_); }
  // The slot of the key, or the free one where it would be.
  size_t find(uint64_t key) const {
    size_t at = key & mask_;
    while (slots_[at].key != 0 && slots_[at].key != key) at = (at + 1) & mask_;
    return at;
  }
  void free_slot(size_t at);
  void grow();

  const GroupShape& shape_;
  std::vector<uint32_t> keys_;  // of the shape; empty: all of them, in order
  uint32_t link_offset_;
  using Slots = std::vector<Slot, StateAllocator<Slot>>;
  Slots slots_;
  uint64_t mask_, size_ = 0;
};

}  // namespace laminar::stream
