#include "duck/arrow.h"

#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb.hpp"
#include "duckdb/common/arrow/arrow_appender.hpp"
#include "duckdb/common/arrow/arrow_converter.hpp"
#include "duckdb/common/arrow/schema_metadata.hpp"
#include "duckdb/common/vector_operations/vector_operations.hpp"
#include "duckdb/function/table/arrow.hpp"
#include "duckdb/function/table/arrow/arrow_duck_schema.hpp"

namespace laminar::duck {

namespace {

using ExtensionTypes = std::unordered_map<duckdb::idx_t, const duckdb::shared_ptr<duckdb::ArrowTypeExtensionData>>;

Status failed(const std::exception& e) { return Status(ErrorCode::kTypeMismatch, duckdb::ErrorData(e).RawMessage()); }

}  // namespace

struct ArrowExporter::State {
  std::shared_ptr<Database> database;
  data::Schema schema;
  std::shared_ptr<duckdb::Connection> connection;
  std::vector<data::Type> types;
  duckdb::vector<duckdb::LogicalType> logical;
  duckdb::vector<std::string> names;
  ExtensionTypes extensions;
};

ArrowExporter::ArrowExporter(std::shared_ptr<Database> database, data::Schema schema)
    : state_(std::make_unique<State>()) {
  state_->database = std::move(database);
  state_->schema = std::move(schema);
  state_->connection = state_->database->connect();
  for (const data::Field& field : state_->schema) {
    state_->types.push_back(field.type);
    state_->logical.push_back(type_to_duckdb(field.type));
    state_->names.push_back(field.name);
  }
  state_->extensions = duckdb::ArrowTypeExtensionData::GetExtensionTypes(*state_->connection->context, state_->logical);
}
ArrowExporter::~ArrowExporter() = default;

Status ArrowExporter::export_schema(ArrowSchema* out) {
  try {
    duckdb::ClientProperties properties = state_->connection->context->GetClientProperties();
    duckdb::ArrowConverter::ToArrowSchema(out, state_->logical, state_->names, properties);
    return {};
  } catch (const std::exception& e) {
    return failed(e);
  }
}

Status ArrowExporter::export_rows(std::span<const data::Batch> batches, ArrowArray* out) {
  try {
    uint64_t rows = 0;
    for (const data::Batch& batch : batches) rows += batch.rows;
    duckdb::ArrowAppender appender(state_->logical, rows, state_->connection->context->GetClientProperties(),
                                   state_->extensions);
    std::vector<uint32_t> columns;
    for (uint32_t i = 0; i < state_->types.size(); ++i) columns.push_back(i);
    BatchScan scan(state_->types, columns);
    duckdb::DataChunk chunk;
    chunk.Initialize(duckdb::Allocator::DefaultAllocator(), state_->logical);
    for (const data::Batch& batch : batches) {
      scan.start(batch);
      chunk.Reset();
      while (scan.next(chunk)) {
        appender.Append(chunk, 0, chunk.size(), chunk.size());
        chunk.Reset();
      }
    }
    *out = appender.Finalize();
    return {};
  } catch (const std::exception& e) {
    return failed(e);
  }
}

namespace {

class Importer final : public ArrowImporter {
 public:
  Importer(std::shared_ptr<Database> database, const ArrowSchema& arrow, data::Schema schema)
      : database_(std::move(database)), connection_(database_->connect()), schema_(std::move(schema)) {
    duckdb::ArrowTableFunction::PopulateArrowTableSchema(*connection_->context, table_, arrow);
    for (const data::Field& field : schema_) types_.push_back(field.type);
  }

  Status check() {
    if (table_.GetTypes().size() == types_.size()) return {};
    return Status(ErrorCode::kTypeMismatch, "the Arrow data has " + std::to_string(table_.GetTypes().size()) +
                                                " columns where " + std::to_string(types_.size()) + " are expected");
  }

  Result<std::vector<data::BatchBuffer>> import_rows(ArrowArray* array) override {
    // Owned by the chunk's vectors as long as they refer to it.
    auto owner = duckdb::make_shared_ptr<duckdb::ArrowArrayWrapper>();
    owner->arrow_array = *array;
    array->release = nullptr;
    try {
      // One state per column for the whole array: DuckDB reads a dictionary at the array's first rows and keeps it
      // there.
      std::vector<std::unique_ptr<duckdb::ArrowArrayScanState>> states;
      for (size_t i = 0; i < types_.size(); ++i) {
        states.push_back(std::make_unique<duckdb::ArrowArrayScanState>(*connection_->context));
        states.back()->owned_data = owner;
      }
      std::vector<data::BatchBuffer> batches;
      const int64_t rows = owner->arrow_array.length;
      if (owner->arrow_array.n_children != static_cast<int64_t>(types_.size())) {
        return Status(ErrorCode::kTypeMismatch, "the Arrow array has other columns than its schema");
      }
      for (int64_t i = 0; i < owner->arrow_array.n_children; ++i) {
        if (owner->arrow_array.children[i]->length == rows) continue;
        return Status(ErrorCode::kTypeMismatch, "the columns of the Arrow array differ in length");
      }
      for (int64_t begin = 0; begin < rows; begin += data::kBatchRowsMax) {
        const uint32_t count = static_cast<uint32_t>(std::min<int64_t>(rows - begin, data::kBatchRowsMax));
        data::BatchBuffer batch(schema_);
        import_batch(owner->arrow_array, states, begin, count, batch);
        batches.push_back(std::move(batch));
      }
      return Result<std::vector<data::BatchBuffer>>(std::move(batches));
    } catch (const std::exception& e) {
      return failed(e);
    }
  }

 private:
  void import_batch(ArrowArray& parent, const std::vector<std::unique_ptr<duckdb::ArrowArrayScanState>>& states,
                    int64_t begin, uint32_t rows, data::BatchBuffer& out) {
    using Convert = duckdb::ArrowToDuckDBConversion;
    for (uint32_t i = 0; i < types_.size(); ++i) {
      ArrowArray& child = *parent.children[i];
      const duckdb::ArrowType& type = *table_.GetColumns().at(i);
      duckdb::ArrowArrayScanState& state = *states[i];
      duckdb::Vector vector(table_.GetTypes()[i], rows);
      const duckdb::idx_t chunk_offset = static_cast<duckdb::idx_t>(begin);
      switch (type.GetPhysicalType()) {
        case duckdb::ArrowArrayPhysicalType::DICTIONARY_ENCODED:
          Convert::ColumnArrowToDuckDBDictionary(vector, child, chunk_offset, state, rows, type);
          break;
        case duckdb::ArrowArrayPhysicalType::RUN_END_ENCODED:
          Convert::ColumnArrowToDuckDBRunEndEncoded(vector, child, chunk_offset, state, rows, type);
          break;
        default:
          Convert::SetValidityMask(vector, child, chunk_offset, rows, parent.offset, -1);
          Convert::ColumnArrowToDuckDB(vector, child, chunk_offset, state, rows, type);
      }
      const duckdb::LogicalType wanted = type_to_duckdb(types_[i]);
      if (type_from_duckdb(vector.GetType()) == types_[i]) {
        read_vector(vector, 0, rows, types_[i], out.column(i), 0, out.strings());
      } else {
        duckdb::Vector converted(wanted, rows);
        duckdb::VectorOperations::Cast(*connection_->context, vector, converted, rows);
        read_vector(converted, 0, rows, types_[i], out.column(i), 0, out.strings());
      }
    }
    for (uint32_t row = 0; row < rows; ++row) out.weights()[row] = 1;
    out.rows = rows;
  }

  std::shared_ptr<Database> database_;
  std::shared_ptr<duckdb::Connection> connection_;
  data::Schema schema_;
  std::vector<data::Type> types_;
  duckdb::ArrowTableSchema table_;
};

}  // namespace

Result<std::unique_ptr<ArrowImporter>> ArrowImporter::open(std::shared_ptr<Database> database, const ArrowSchema& arrow,
                                                           data::Schema schema) {
  try {
    auto importer = std::make_unique<Importer>(std::move(database), arrow, std::move(schema));
    RETURN_IF_ERROR(importer->check());
    return std::unique_ptr<ArrowImporter>(std::move(importer));
  } catch (const std::exception& e) {
    return failed(e);
  }
}

}  // namespace laminar::duck
