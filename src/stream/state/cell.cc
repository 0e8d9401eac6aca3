#include "stream/state/cell.h"

namespace laminar::stream {

int compare_cells(data::Physical physical, const Cell& a, const Cell& b) {
  return with_physical(physical, [&]<class T>() { return compare_values(a.as<T>(), b.as<T>()); });
}

uint64_t hash_cell(data::Physical physical, const Cell& cell) {
  return with_physical(physical, [&]<class T>() { return hash_value(cell.as<T>()); });
}

void store_cell(const Cell& cell, data::Column& column, uint32_t row, data::StringArena& strings) {
  if (column.physical == data::Physical::kString) {
    column.values<data::StringRef>()[row] = strings.copy(cell.as<data::StringRef>());
    return;
  }
  const uint32_t size = data::physical_size(column.physical);
  std::memcpy(static_cast<char*>(column.data) + size_t{row} * size, cell.words, size);
}

}  // namespace laminar::stream
