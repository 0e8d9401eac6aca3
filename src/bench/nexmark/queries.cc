#include "bench/nexmark/queries.h"

namespace laminar::bench {
namespace {

constexpr NexmarkQuery kQueries[] = {
#define NEXMARK_QUERY(name, what, ours, batch, compared) {#name, what, ours, batch, compared},
#include "bench/nexmark/query_list.inc"
#undef NEXMARK_QUERY
};

}  // namespace

std::span<const NexmarkQuery> nexmark_queries() { return kQueries; }

}  // namespace laminar::bench
