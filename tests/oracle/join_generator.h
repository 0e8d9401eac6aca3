// Random views that join: all kinds, of tables, views and streams within a time bound, and subqueries in expressions.
#pragma once

#include <cstdint>
#include <vector>

#include "query_generator.h"

namespace oracle {

// The views of one history, the same for the same seed. The first ones are what the others join.
std::vector<View> make_join_views(uint64_t seed, size_t count);

}  // namespace oracle
