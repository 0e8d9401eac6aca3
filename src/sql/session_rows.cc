#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb/common/arrow/arrow.hpp"
#include "duckdb/common/arrow/arrow_converter.hpp"
#include "duckdb/common/arrow/arrow_type_extension.hpp"
#include "duckdb/common/vector_operations/vector_operations.hpp"
#include "duckdb/main/client_context.hpp"
#include "sql/parse/session_parser.h"
#include "sql/session_impl.h"

namespace laminar::sql {

Rows::Impl::~Impl() {
  if (session->open_rows == this) session->open_rows = nullptr;
}

Result<duckdb::DataChunk*> Rows::Impl::next_chunk() {
  if (!source) return static_cast<duckdb::DataChunk*>(nullptr);
  auto chunk = source->next();
  if (chunk.ok() && *chunk) return chunk;
  close();
  if (chunk.ok()) return chunk;
  Error error = chunk.error();
  error.offset = error.offset < 0 ? statement_begin : error.offset + statement_begin;
  return error;
}

Rows::Rows(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Rows::~Rows() = default;

const std::vector<ResultColumn>& Rows::columns() const { return impl_->columns; }
bool Rows::silent() const { return impl_->silent; }
std::optional<uint64_t> Rows::rows_changed() const { return impl_->rows_changed; }

Status Rows::drain() {
  while (true) {
    ASSIGN_OR_RETURN(duckdb::DataChunk * chunk, impl_->next_chunk());
    if (!chunk) return {};
  }
}

Result<bool> Rows::next(data::Batch& batch) {
  ASSIGN_OR_RETURN(duckdb::DataChunk * chunk, impl_->next_chunk());
  if (!chunk) return false;
  std::vector<data::Type> types;
  for (const ResultColumn& column : impl_->columns) types.push_back(column.type);
  if (!impl_->batch) impl_->batch = std::make_unique<data::BatchBuffer>(types);
  impl_->batch->clear();
  duck::append_chunk(*chunk, 0, static_cast<uint32_t>(chunk->size()), types, *impl_->batch);
  batch = impl_->batch->view();
  return true;
}

Result<bool> Rows::next(TextRows& text) {
  ASSIGN_OR_RETURN(duckdb::DataChunk * chunk, impl_->next_chunk());
  if (!chunk) return false;
  text.rows = static_cast<uint32_t>(chunk->size());
  text.columns = static_cast<uint32_t>(chunk->ColumnCount());
  text.cells.resize(size_t{text.rows} * text.columns);
  text.nulls.resize(text.cells.size());
  try {
    for (uint32_t column = 0; column < text.columns; ++column) {
      duckdb::Vector& values = chunk->data[column];
      duckdb::Vector strings(duckdb::LogicalType::VARCHAR);  // a fresh one: a cast leaves the validity of the last
      duckdb::Vector* source = &values;
      if (values.GetType().id() != duckdb::LogicalTypeId::VARCHAR) {
        duckdb::VectorOperations::Cast(*impl_->session->connection->context, values, strings, text.rows);
        source = &strings;
      }
      duckdb::UnifiedVectorFormat format;
      source->ToUnifiedFormat(text.rows, format);
      const auto* data = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(format);
      for (uint32_t row = 0; row < text.rows; ++row) {
        const auto at_ = format.sel->get_index(row);
        const size_t cell = size_t{row} * text.columns + column;
        text.nulls[cell] = !format.validity.RowIsValid(at_);
        text.cells[cell].clear();
        if (!text.nulls[cell]) text.cells[cell].assign(data[at_].GetData(), data[at_].GetSize());
      }
    }
  } catch (const std::exception& exception) {
    return impl_->session->error_of(exception, "");
  }
  return true;
}

Status Rows::arrow_schema(ArrowSchema* schema) {
  try {
    duckdb::vector<std::string> names;
    for (const ResultColumn& column : impl_->columns) names.push_back(column.name);
    auto properties = impl_->session->connection->context->GetClientProperties();
    duckdb::ArrowConverter::ToArrowSchema(schema, impl_->types, names, properties);
    return {};
  } catch (const std::exception& exception) {
    return impl_->session->error_of(exception, "");
  }
}

Result<bool> Rows::next_arrow(ArrowArray* array) {
  ASSIGN_OR_RETURN(duckdb::DataChunk * chunk, impl_->next_chunk());
  if (!chunk) return false;
  try {
    auto& context = *impl_->session->connection->context;
    duckdb::ArrowConverter::ToArrowArray(*chunk, array, context.GetClientProperties(),
                                         duckdb::ArrowTypeExtensionData::GetExtensionTypes(context, impl_->types));
    return true;
  } catch (const std::exception& exception) {
    return impl_->session->error_of(exception, "");
  }
}

}  // namespace laminar::sql
