// Entries of an ordered multiset as bytes in saved state: u32 entries, then of each i64 count, u32 nulls and the cells that
// are not NULL.
#pragma once

#include <vector>

#include "stream/state/cell_io.h"
#include "stream/state/ordered_multiset.h"

namespace laminar::stream {

inline void save_entries(const OrderedMultiset& set, const EntryOrder& order, ByteWriter& out) {
  uint32_t entries = 0;
  set.for_each([&](const OrderedMultiset::Node&) { ++entries; });
  out.put(entries);
  set.for_each([&](const OrderedMultiset::Node& node) {
    out.put(node.count).put(node.nulls);
    for (size_t p = 0; p < order.parts.size(); ++p)
      if (!(node.nulls >> p & 1)) put_cell(order.parts[p].physical, node.cells()[p], out);
  });
}

// `cells`: room for one entry.
inline void load_entries(OrderedMultiset& set, const EntryOrder& order, std::vector<Cell>& cells, ByteReader& in, StatePool& pool) {
  for (uint32_t n = in.get<uint32_t>(); n > 0 && in.ok(); --n) {
    const int64_t count = in.get<int64_t>();
    const uint32_t nulls = in.get<uint32_t>();
    for (size_t p = 0; p < order.parts.size(); ++p)
      if (!(nulls >> p & 1)) cells[p] = get_cell(order.parts[p].physical, in);
    set.add(order, cells.data(), nulls, count, pool);
  }
}

}  // namespace laminar::stream
