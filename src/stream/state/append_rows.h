// Copies chosen rows of a batch to the end of a buffer, column by column.
#pragma once

#include <cstdint>

#include "data/batch.h"

namespace laminar::stream {

// Rows selection[0..count) of `from`, strings included; there must be room. Weights, sequences and row watermarks go along.
void append_rows(data::BatchBuffer& to, const data::Batch& from, const uint32_t* selection, uint32_t count);

}  // namespace laminar::stream
