// Holds the views of one history to the laws: oracle, changelog, cuts, time, conservation.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "query_generator.h"

namespace oracle {

struct Outcome {
  // By view: what is wrong, or why it could not be judged.
  std::map<size_t, std::string> failed, skipped;
  std::set<size_t> passed;
};

using MakeViews = std::vector<View> (*)(uint64_t seed, size_t count);

// Runs the views `wanted` of history `seed`, and those that they read.
Outcome check_history(uint64_t seed, const std::set<size_t>& wanted, size_t views_per_history, MakeViews make);

}  // namespace oracle
