// The Nexmark queries: as views of ours and, for comparison, as batch queries of DuckDB.
#pragma once

#include <span>
#include <string_view>

namespace laminar::bench {

struct NexmarkQuery {
  std::string_view name, what, ours, batch;
  // What is compared where not all columns can be: a SELECT list, and a GROUP BY perhaps. Empty: all.
  std::string_view compared;
};

std::span<const NexmarkQuery> nexmark_queries();

}  // namespace laminar::bench
