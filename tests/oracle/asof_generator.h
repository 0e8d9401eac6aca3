// Random ASOF and temporal joins: every direction, tolerance, nearest, horizons, at once and when final; of streams, of
// windows that are taken back, and with the versions of a table.
#pragma once

#include <cstdint>
#include <vector>

#include "query_generator.h"

namespace oracle {

// The views of one history, the same for the same seed.
std::vector<View> make_asof_views(uint64_t seed, size_t count);

}  // namespace oracle
