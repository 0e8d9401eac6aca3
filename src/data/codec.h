// Rows as bytes: batches for the log, single rows and types for checkpoints and manifests.
//
// Layout of a batch: u32 rows, u8 flags (1: weights, 2: sequence), then for each column u8 (1: has NULLs), the validity
// words if so, and the values: as they lie in the column, or for strings u32 lengths and then the bytes; then weights,
// then sequence numbers. Of a row: for each column u8 (1: NULL), else the value, or u32 length and bytes.
// Errors:  decoding bytes that do not fit the types gives a Status and leaves the buffer in an unspecified state.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "data/batch.h"

namespace laminar::data {

// The first `columns` columns of the batch.
void encode_batch(const Batch& batch, size_t columns, ByteWriter& out);
// Appends the rows to `out`, whose first `columns` columns are filled; there must be room for the rows.
Status decode_batch(ByteReader& in, size_t columns, BatchBuffer& out);

void encode_row(const Batch& batch, uint32_t row, ByteWriter& out);
// Appends one row; the weight is 1, the sequence 0.
Status decode_row(ByteReader& in, BatchBuffer& out);

void encode_type(const Type& type, ByteWriter& out);
Type decode_type(ByteReader& in);
void encode_schema(const Schema& schema, ByteWriter& out);
Schema decode_schema(ByteReader& in);

}  // namespace laminar::data
