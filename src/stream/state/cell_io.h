// Cells as bytes in saved state: 16 bytes, or for strings u32 length and the bytes.
#pragma once

#include "base/bytes.h"
#include "stream/state/cell.h"

namespace laminar::stream {

inline void put_cell(data::Physical physical, const Cell& cell, ByteWriter& out) {
  if (physical == data::Physical::kString) {
    const auto text = cell.as<data::StringRef>();
    out.text(text.view());
  } else {
    out.put(cell.words[0]).put(cell.words[1]);
  }
}

// A string lies in the reader's bytes: copy it where the cell stays.
inline Cell get_cell(data::Physical physical, ByteReader& in) {
  if (physical == data::Physical::kString) {
    const std::string_view text = in.text();
    return Cell::of(data::StringRef(text.data(), static_cast<uint32_t>(text.size())));
  }
  Cell cell;
  cell.words[0] = in.get<uint64_t>();
  cell.words[1] = in.get<uint64_t>();
  return cell;
}

}  // namespace laminar::stream
