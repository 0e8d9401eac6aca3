#include "stream/lookup/lookup_index.h"

#include <cstring>

#include "data/string_ref.h"

namespace laminar::stream {

bool equal_values(const data::Column& a, uint32_t row_a, const data::Column& b, uint32_t row_b) {
  if (a.physical == data::Physical::kString) {
    return a.values<data::StringRef>()[row_a] == b.values<data::StringRef>()[row_b];
  }
  const uint32_t size = data::physical_size(a.physical);
  return std::memcmp(static_cast<const char*>(a.data) + size_t{row_a} * size, static_cast<const char*>(b.data) + size_t{row_b} * size,
                     size) == 0;
}

}  // namespace laminar::stream
