// The changes of an epoch by key: what a table with that key has to be told to follow the view.
//
// Within a tick the order of changes means nothing: their weights are added up, and one row of a key may remain. Over ticks the
// last one of a key wins.
//
// Threads: one at a time.
// Bounds:  one line per key that changes in the epoch.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"

namespace laminar::connectors {

class UpsertChanges {
 public:
  struct Change {
    std::string line;   // of the row that is there now, or of the one that is gone
    bool gone = false;
  };
  // A change of the running tick.
  void add(const std::string& key, std::string line, int64_t weight);
  // Ends the tick. LDB-4002 when two rows of one key remain.
  Status end_tick();
  const std::unordered_map<std::string, Change>& changes() const { return changes_; }
  void clear();

 private:
  using Lines = std::vector<std::pair<std::string, int64_t>>;
  std::unordered_map<std::string, Lines> tick_;
  std::unordered_map<std::string, Change> changes_;
};

}  // namespace laminar::connectors
