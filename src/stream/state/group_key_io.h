// Keys of groups in saved state: the hash, most significant byte first, so that a range of keys is a key group, then which
// keys are NULL, then the values.
#pragma once

#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "stream/state/cell_io.h"
#include "stream/state/group_table.h"
#include "stream/state/state_io.h"

namespace laminar::stream {

inline void put_group_key(const GroupShape& shape, const char* group, ByteWriter& out) {
  const GroupHeader& header = group_header(group);
  put_ordered(header.hash, out);
  out.put(header.nulls);
  for (size_t k = 0; k < shape.keys.size(); ++k) {
    if (header.nulls >> k & 1) continue;
    const data::Physical physical = shape.keys[k].physical;
    Cell cell;
    std::memcpy(cell.words, group + shape.keys[k].offset, data::physical_size(physical));
    put_cell(physical, cell, out);
  }
}

// Into the header and keys of a row; long strings stay in the reader's bytes.
inline void get_group_key(const GroupShape& shape, ByteReader& key, char* row) {
  GroupHeader& header = group_header(row);
  header.hash = get_ordered(key);
  header.nulls = key.get<uint32_t>();
  for (size_t k = 0; k < shape.keys.size(); ++k) {
    if (header.nulls >> k & 1) continue;
    const Cell cell = get_cell(shape.keys[k].physical, key);
    std::memcpy(row + shape.keys[k].offset, cell.words, data::physical_size(shape.keys[k].physical));
  }
}

// Whether the group with the keys of this row, which came from `columns` of input 0, belongs to the instance that reads.
inline bool owns_group(const GroupShape& shape, const char* row, StateSource& source, const std::vector<uint32_t>& columns) {
  if (!source.shared()) return true;
  static uint64_t no_value = 0;
  std::vector<data::Column> input;
  for (size_t k = 0; k < shape.keys.size(); ++k) {
    if (columns[k] >= input.size()) input.resize(columns[k] + 1);
    input[columns[k]] = {const_cast<char*>(row) + shape.keys[k].offset, group_header(row).nulls >> k & 1 ? &no_value : nullptr, shape.keys[k].physical};
  }
  data::Batch batch;
  batch.rows = 1;
  batch.columns = input;
  return source.owns(0, batch);
}

// The group of a saved key.
inline char* find_saved_group(const GroupShape& shape, GroupTable& groups, ByteReader& key) {
  std::vector<char> row = shape.prototype;
  get_group_key(shape, key, row.data());
  char* from = row.data();
  char* group;
  groups.find_or_create_like(&from, 1, &group);
  return group;
}

}  // namespace laminar::stream
