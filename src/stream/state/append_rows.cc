#include "stream/state/append_rows.h"

#include <algorithm>

#include "base/check.h"

namespace laminar::stream {

using data::Batch;
using data::BatchBuffer;
using data::Column;
using data::Physical;
using data::StringRef;

namespace {

template <class T>
void gather(const void* from, const uint32_t* rows, uint32_t count, void* to) {
  const T* source = static_cast<const T*>(from);
  T* target = static_cast<T*>(to);
  for (uint32_t i = 0; i < count; ++i) target[i] = source[rows[i]];
}

struct Bytes16 {
  uint64_t words[2];
};

void gather_values(uint32_t size, const void* from, const uint32_t* rows, uint32_t count, void* to) {
  switch (size) {
    case 1: return gather<uint8_t>(from, rows, count, to);
    case 2: return gather<uint16_t>(from, rows, count, to);
    case 4: return gather<uint32_t>(from, rows, count, to);
    case 8: return gather<uint64_t>(from, rows, count, to);
    default: DCHECK(size == 16); return gather<Bytes16>(from, rows, count, to);
  }
}

}  // namespace

void append_rows(BatchBuffer& to, const Batch& from, const uint32_t* selection, uint32_t count) {
  DCHECK(to.rows + count <= to.rows_max() && from.columns.size() >= to.column_count());
  if (count == 0) return;
  const uint32_t begin = to.rows;
  for (uint32_t c = 0; c < to.column_count(); ++c) {
    const Column& source = from.columns[c];
    Column& target = to.column(c);
    DCHECK(source.physical == target.physical);
    if (source.validity) {
      for (uint32_t i = 0; i < count; ++i) {
        if (source.is_null(selection[i])) data::set_null(target.validity, begin + i);
      }
    }
    if (target.physical == Physical::kString) {
      const StringRef* values = source.values<StringRef>();
      StringRef* out = target.values<StringRef>() + begin;
      for (uint32_t i = 0; i < count; ++i) {
        if (source.is_null(selection[i])) out[i] = StringRef();
        else out[i] = values[selection[i]].is_inline() ? values[selection[i]] : to.strings().copy(values[selection[i]]);
      }
      continue;
    }
    const uint32_t size = data::physical_size(target.physical);
    gather_values(size, source.data, selection, count, static_cast<char*>(target.data) + size_t{begin} * size);
  }
  if (from.weights) {
    gather<int64_t>(from.weights, selection, count, to.weights() + begin);
    to.has_weights = true;
  } else {
    std::fill_n(to.weights() + begin, count, int64_t{1});
  }
  if (from.sequence) {
    gather<uint64_t>(from.sequence, selection, count, to.sequence() + begin);
  } else {
    for (uint32_t i = 0; i < count; ++i) to.sequence()[begin + i] = from.sequence_base + selection[i];
  }
  to.has_sequence = true;
  if (from.row_watermark) {
    gather<int64_t>(from.row_watermark, selection, count, to.row_watermark() + begin);
    to.has_row_watermark = true;
  } else {
    std::fill_n(to.row_watermark() + begin, count, data::kWatermarkNone);
  }
  to.rows += count;
}

}  // namespace laminar::stream
