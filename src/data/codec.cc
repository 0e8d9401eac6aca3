#include "data/codec.h"

#include <cstring>

namespace laminar::data {

namespace {

constexpr uint8_t kHasWeights = 1, kHasSequence = 2;

Status damaged() { return Status(ErrorCode::kInternal, "encoded rows do not fit their types"); }

bool any_null(const Column& column, uint32_t rows) {
  if (!column.validity) return false;
  for (uint32_t w = 0; w < rows / 64; ++w) {
    if (~column.validity[w] != 0) return true;
  }
  return rows % 64 && (~column.validity[rows / 64] & ((uint64_t{1} << rows % 64) - 1)) != 0;
}

}  // namespace

void encode_batch(const Batch& batch, size_t columns, ByteWriter& out) {
  const uint32_t rows = batch.rows;
  out.put(rows).put(static_cast<uint8_t>((batch.weights ? kHasWeights : 0) | (batch.sequence ? kHasSequence : 0)));
  for (size_t c = 0; c < columns; ++c) {
    const Column& column = batch.columns[c];
    const bool nulls = any_null(column, rows);
    out.put(static_cast<uint8_t>(nulls));
    if (nulls) out.raw(column.validity, validity_words(rows) * 8);
    if (column.physical != Physical::kString) {
      out.raw(column.data, size_t{rows} * physical_size(column.physical));
      continue;
    }
    const StringRef* values = column.values<StringRef>();
    for (uint32_t i = 0; i < rows; ++i) out.put(nulls && column.is_null(i) ? 0u : values[i].size());
    for (uint32_t i = 0; i < rows; ++i) {
      if (!(nulls && column.is_null(i))) out.raw(values[i].data(), values[i].size());
    }
  }
  if (batch.weights) out.raw(batch.weights, size_t{rows} * 8);
  if (batch.sequence) out.raw(batch.sequence, size_t{rows} * 8);
}

Status decode_batch(ByteReader& in, size_t columns, BatchBuffer& out) {
  const uint32_t rows = in.get<uint32_t>();
  const uint8_t flags = in.get<uint8_t>();
  const uint32_t first = out.rows;
  if (!in.ok() || rows > out.rows_max() - first || columns > out.column_count()) return damaged();
  for (size_t c = 0; c < columns; ++c) {
    Column& column = out.column(static_cast<uint32_t>(c));
    const bool nulls = in.get<uint8_t>() != 0;
    std::string_view validity;
    if (nulls) validity = in.raw(validity_words(rows) * 8);
    if (!in.ok()) return damaged();
    const auto is_null = [&](uint32_t i) { return nulls && !(static_cast<uint8_t>(validity[i / 8]) >> (i % 8) & 1); };
    if (nulls) {
      for (uint32_t i = 0; i < rows; ++i) {
        if (is_null(i)) set_null(column.validity, first + i);
      }
    }
    if (column.physical != Physical::kString) {
      const uint32_t size = physical_size(column.physical);
      const std::string_view values = in.raw(size_t{rows} * size);
      if (!in.ok()) return damaged();
      std::memcpy(static_cast<char*>(column.data) + size_t{first} * size, values.data(), values.size());
      continue;
    }
    ByteReader lengths(in.raw(size_t{rows} * 4));
    if (!in.ok()) return damaged();
    StringRef* values = column.values<StringRef>();
    for (uint32_t i = 0; i < rows; ++i) {
      const std::string_view bytes = in.raw(lengths.get<uint32_t>());
      if (!in.ok()) return damaged();
      values[first + i] = is_null(i) ? StringRef() : out.strings().copy(bytes);
    }
  }
  const std::string_view weights = flags & kHasWeights ? in.raw(size_t{rows} * 8) : std::string_view();
  const std::string_view sequence = flags & kHasSequence ? in.raw(size_t{rows} * 8) : std::string_view();
  if (!in.ok()) return damaged();
  for (uint32_t i = 0; i < rows; ++i) {
    out.weights()[first + i] = 1;
    out.sequence()[first + i] = 0;
    out.row_watermark()[first + i] = kWatermarkNone;
  }
  if (!weights.empty()) {
    std::memcpy(out.weights() + first, weights.data(), weights.size());
    out.has_weights = true;
  }
  if (!sequence.empty()) {
    std::memcpy(out.sequence() + first, sequence.data(), sequence.size());
    out.has_sequence = true;
  }
  out.rows += rows;
  return {};
}

void encode_row(const Batch& batch, uint32_t row, ByteWriter& out) {
  for (const Column& column : batch.columns) {
    const bool null = column.is_null(row);
    out.put(static_cast<uint8_t>(null));
    if (null) continue;
    if (column.physical == Physical::kString) {
      out.text(column.values<StringRef>()[row].view());
    } else {
      const uint32_t size = physical_size(column.physical);
      out.raw(static_cast<const char*>(column.data) + size_t{row} * size, size);
    }
  }
}

Status decode_row(ByteReader& in, BatchBuffer& out) {
  if (out.full()) return damaged();
  const uint32_t to = out.rows;
  for (uint32_t c = 0; c < out.column_count(); ++c) {
    Column& column = out.column(c);
    const bool null = in.get<uint8_t>() != 0;
    if (null) set_null(column.validity, to);
    if (column.physical == Physical::kString) {
      column.values<StringRef>()[to] = null ? StringRef() : out.strings().copy(in.text());
    } else if (!null) {
      const uint32_t size = physical_size(column.physical);
      const std::string_view value = in.raw(size);
      if (!in.ok()) return damaged();
      std::memcpy(static_cast<char*>(column.data) + size_t{to} * size, value.data(), size);
    }
  }
  if (!in.ok()) return damaged();
  out.weights()[to] = 1;
  out.sequence()[to] = 0;
  out.row_watermark()[to] = kWatermarkNone;
  ++out.rows;
  return {};
}

void encode_type(const Type& type, ByteWriter& out) { out.put(type.kind).put(type.width).put(type.scale).text(type.foreign); }

Type decode_type(ByteReader& in) {
  Type type;
  type.kind = in.get<TypeKind>();
  type.width = in.get<uint8_t>();
  type.scale = in.get<uint8_t>();
  type.foreign = in.text();
  return type;
}

void encode_schema(const Schema& schema, ByteWriter& out) {
  out.put(static_cast<uint32_t>(schema.size()));
  for (const Field& field : schema) {
    out.text(field.name).put(static_cast<uint8_t>(field.not_null));
    encode_type(field.type, out);
  }
}

Schema decode_schema(ByteReader& in) {
  Schema schema;
  const uint32_t n = in.get<uint32_t>();
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    Field field;
    field.name = in.text();
    field.not_null = in.get<uint8_t>() != 0;
    field.type = decode_type(in);
    schema.push_back(std::move(field));
  }
  return schema;
}

}  // namespace laminar::data
