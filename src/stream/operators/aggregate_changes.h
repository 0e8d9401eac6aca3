// The groups that a tick touched, with their output rows from before it: turned into -old and +new at the end of it.
//
// Threads: one operator's core.
// Owns:    copies of the old rows; groups belong to their tables and must stay until flush().
// Bounds:  one old row per touched group; buffers are kept for the next tick.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "stream/operators/aggregate_layout.h"

namespace laminar::stream {

// More marks of groups: gone (a session merged into another); there, but not to be seen yet (before its first result).
inline constexpr uint32_t kGroupDead = 8, kGroupHidden = 16;

class GroupChanges {
 public:
  struct Entry {
    char* group;
    void* owner;  // what touch() was given: the window
  };
  // Window bounds of entries as they are now; empty function: no windows.
  using Bounds = std::function<void(const Entry*, uint32_t count, int64_t* starts, int64_t* ends)>;

  GroupChanges(AggregateLayout* layout, const std::vector<data::Type>& types, Bounds bounds = {});

  // A group without rows still has an output row: the scalar aggregate.
  void set_always_alive() { always_alive_ = true; }
  // Before the groups of one owner are updated. With `keep_old` off only the list is kept.
  void touch(char* const* groups, uint32_t count, void* owner, bool keep_old);
  void touch_one(char* group, void* owner, bool keep_old) { touch(&group, 1, owner, keep_old); }

  // Emits the changes (when `form`), unmarks the groups and hands each one that has no rows left to `erase`.
  void flush(bool form, const BatchVisitor& emit, const std::function<void(const Entry&)>& erase);
  const std::vector<Entry>& entries() const { return entries_; }
  size_t held_bytes() const;

 private:
  bool alive(char* group) const {
    return always_alive_ || (!(group_header(group).mark & kGroupDead) && layout_->alive(group));
  }
  bool shown(char* group) const { return alive(group) && !(group_header(group).mark & kGroupHidden); }
  void keep(uint32_t begin);
  void form_chunk(uint32_t begin, uint32_t count, data::BatchBuffer& old, const BatchVisitor& emit);

  AggregateLayout* layout_;
  std::vector<data::Type> types_;
  Bounds bounds_;
  bool always_alive_ = false;
  std::vector<Entry> entries_;
  std::vector<std::unique_ptr<data::BatchBuffer>> old_;  // chunk k: entries [2048 k, 2048 (k + 1))
  std::unique_ptr<data::BatchBuffer> new_;
  std::vector<char*> groups_;
  std::vector<int64_t> starts_, ends_;
  std::vector<uint8_t> differs_;
  std::vector<uint32_t> selected_;
  uint64_t sequence_ = 0;
};

// Keeps the selected rows of a buffer, in order. `selected` is ascending.
void keep_rows(data::BatchBuffer& buffer, const uint32_t* selected, uint32_t count);

}  // namespace laminar::stream
