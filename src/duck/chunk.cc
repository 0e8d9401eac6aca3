#include "duck/chunk.h"

#include "base/check.h"
#include "duck/types.h"
#include "duckdb.hpp"
#include "duckdb/common/types/data_chunk.hpp"

namespace laminar::duck {

namespace {

using data::Column;
using data::StringRef;
using data::Type;
using data::TypeKind;

static_assert(sizeof(duckdb::string_t) == sizeof(StringRef));
static_assert(data::kBatchRowsMax <= STANDARD_VECTOR_SIZE);

// Makes `vector` refer to the rows of a column of a type that lies as DuckDB's.
void refer(duckdb::Vector& vector, const Column& column, uint32_t rows) {
  vector.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  duckdb::FlatVector::SetData(vector, reinterpret_cast<duckdb::data_ptr_t>(column.data));
  duckdb::ValidityMask& validity = duckdb::FlatVector::Validity(vector);
  if (column.validity)
    validity.Initialize(column.validity, std::max<uint32_t>(rows, 1));
  else
    validity.Reset(std::max<uint32_t>(rows, 1));
}

duckdb::Vector unpacked(const Column& column, uint32_t rows, const duckdb::LogicalType& type) {
  duckdb::Vector vector(type, std::max<duckdb::idx_t>(rows, 1));
  for (uint32_t row = 0; row < rows; ++row) {
    if (column.is_null(row))
      vector.SetValue(row, duckdb::Value(type));
    else
      vector.SetValue(row, unpack(column.values<StringRef>()[row].view(), type));
  }
  return vector;
}

template <class T>
void read_fixed(const duckdb::UnifiedVectorFormat& format, uint32_t begin, uint32_t rows, Column& out, uint32_t at) {
  const T* source = reinterpret_cast<const T*>(format.data);
  T* target = out.values<T>() + at;
  if (!format.sel->IsSet()) {
    std::memcpy(target, source + begin, size_t{rows} * sizeof(T));
  } else {
    for (uint32_t i = 0; i < rows; ++i) target[i] = source[format.sel->get_index(begin + i)];
  }
}

struct Bytes16 {
  uint64_t half[2];
};

}  // namespace

struct ChunkView::State {
  std::vector<Type> types;
  std::vector<duckdb::LogicalType> logical;
  duckdb::DataChunk chunk;
};

ChunkView::ChunkView(std::vector<Type> types) : state_(std::make_unique<State>()) {
  state_->types = std::move(types);
  state_->logical = types_to_duckdb(state_->types);
  if (!state_->types.empty()) {
    state_->chunk.InitializeEmpty(duckdb::vector<duckdb::LogicalType>(state_->logical.begin(), state_->logical.end()));
  }
}
ChunkView::~ChunkView() = default;
ChunkView::ChunkView(ChunkView&&) noexcept = default;
ChunkView& ChunkView::operator=(ChunkView&&) noexcept = default;

duckdb::DataChunk& ChunkView::wrap(std::span<const Column> columns, uint32_t rows) {
  CHECK(columns.size() >= state_->types.size());
  for (size_t i = 0; i < state_->types.size(); ++i) {
    duckdb::Vector& vector = state_->chunk.data[i];
    if (state_->types[i].kind == TypeKind::kBoxed) {
      duckdb::Vector values = unpacked(columns[i], rows, state_->logical[i]);
      vector.Reference(values);
    } else {
      refer(vector, columns[i], rows);
    }
  }
  state_->chunk.SetCardinality(rows);
  return state_->chunk;
}

BatchScan::BatchScan(std::vector<Type> types, std::vector<uint32_t> columns)
    : types_(std::move(types)), columns_(std::move(columns)) {}
BatchScan::~BatchScan() = default;

void BatchScan::start(const data::Batch& batch) {
  batch_ = batch;
  row_ = 0;
  repeated_ = 0;
  plain_ = true;
  if (batch.weights) {
    for (uint32_t i = 0; i < batch.rows; ++i) plain_ &= batch.weights[i] == 1;
  }
}

bool BatchScan::next(duckdb::DataChunk& out) {
  if (plain_) {
    if (row_ >= batch_.rows) return false;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Column& column = batch_.columns[columns_[i]];
      const Type& type = types_[columns_[i]];
      if (type.kind == TypeKind::kBoxed) {
        duckdb::Vector values = unpacked(column, batch_.rows, type_to_duckdb(type));
        out.data[i].Reference(values);
      } else {
        refer(out.data[i], column, batch_.rows);
      }
    }
    out.SetCardinality(batch_.rows);
    row_ = batch_.rows;
    return true;
  }
  // Row numbers, each as often as its weight says.
  uint32_t rows[STANDARD_VECTOR_SIZE];
  uint32_t count = 0;
  while (row_ < batch_.rows && count < STANDARD_VECTOR_SIZE) {
    if (repeated_ >= batch_.weights[row_]) {
      ++row_;
      repeated_ = 0;
      continue;
    }
    rows[count++] = row_;
    ++repeated_;
  }
  if (count == 0) return false;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Column& column = batch_.columns[columns_[i]];
    const Type& type = types_[columns_[i]];
    duckdb::Vector& vector = out.data[i];
    if (type.kind == TypeKind::kBoxed) {
      const duckdb::LogicalType logical = type_to_duckdb(type);
      for (uint32_t k = 0; k < count; ++k) {
        vector.SetValue(k, column.is_null(rows[k]) ? duckdb::Value(logical)
                                                   : unpack(column.values<StringRef>()[rows[k]].view(), logical));
      }
      continue;
    }
    vector.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    const uint32_t size = data::physical_size(type.physical());
    char* target = reinterpret_cast<char*>(duckdb::FlatVector::GetData(vector));
    for (uint32_t k = 0; k < count; ++k) {
      std::memcpy(target + size_t{k} * size, static_cast<const char*>(column.data) + size_t{rows[k]} * size, size);
      if (column.is_null(rows[k])) duckdb::FlatVector::SetNull(vector, k, true);
    }
  }
  out.SetCardinality(count);
  return true;
}

void read_vector(duckdb::Vector& vector, uint32_t begin, uint32_t rows, const Type& type, Column& out, uint32_t at,
                 data::StringArena& strings) {
  if (rows == 0) return;
  duckdb::UnifiedVectorFormat format;
  vector.ToUnifiedFormat(begin + rows, format);
  const bool may_be_null = !format.validity.AllValid();
  if (may_be_null) {
    for (uint32_t i = 0; i < rows; ++i) {
      if (!format.validity.RowIsValid(format.sel->get_index(begin + i))) data::set_null(out.validity, at + i);
    }
  }
  if (out.physical == data::Physical::kString) {
    StringRef* target = out.values<StringRef>() + at;
    if (type.kind == TypeKind::kBoxed) {
      for (uint32_t i = 0; i < rows; ++i) {
        target[i] = out.is_null(at + i) ? StringRef() : strings.copy(pack(vector.GetValue(begin + i)));
      }
      return;
    }
    const StringRef* source = reinterpret_cast<const StringRef*>(format.data);
    for (uint32_t i = 0; i < rows; ++i) {
      target[i] = out.is_null(at + i) ? StringRef() : strings.copy(source[format.sel->get_index(begin + i)]);
    }
    return;
  }
  switch (data::physical_size(out.physical)) {
    case 1:
      return read_fixed<uint8_t>(format, begin, rows, out, at);
    case 2:
      return read_fixed<uint16_t>(format, begin, rows, out, at);
    case 4:
      return read_fixed<uint32_t>(format, begin, rows, out, at);
    case 8:
      return read_fixed<uint64_t>(format, begin, rows, out, at);
    default:
      return read_fixed<Bytes16>(format, begin, rows, out, at);
  }
}

void append_chunk(duckdb::DataChunk& chunk, uint32_t begin, uint32_t rows, std::span<const Type> types,
                  data::BatchBuffer& out) {
  CHECK(out.rows + rows <= out.rows_max() && types.size() <= chunk.ColumnCount());
  for (size_t i = 0; i < types.size(); ++i) {
    read_vector(chunk.data[i], begin, rows, types[i], out.column(static_cast<uint32_t>(i)), out.rows, out.strings());
  }
  for (uint32_t row = out.rows; row < out.rows + rows; ++row) out.weights()[row] = 1;
  out.rows += rows;
}

}  // namespace laminar::duck
