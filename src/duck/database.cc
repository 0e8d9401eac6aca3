#include "duck/database.h"

#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb.hpp"
#include "duckdb/common/vector_operations/vector_operations.hpp"
#include "duckdb/main/config.hpp"

namespace laminar::duck {

namespace {

Status failed(ErrorCode code, const duckdb::ErrorData& error) { return Status(code, error.RawMessage()); }

class QueryReader final : public Reader {
 public:
  explicit QueryReader(std::shared_ptr<Database> database)
      : database_(std::move(database)), connection_(database_->connect()) {}

  Status start(const std::string& sql, std::vector<data::Type> types) {
    try {
      result_ = connection_->SendQuery(sql);
      if (result_->HasError()) return failed(ErrorCode::kBadRecord, result_->GetErrorObject());
      if (!types.empty() && types.size() != result_->types.size()) {
        return Status(ErrorCode::kTypeMismatch, "the query gives " + std::to_string(result_->types.size()) +
                                                    " columns where " + std::to_string(types.size()) + " are expected");
      }
      for (size_t i = 0; i < result_->types.size(); ++i) {
        types_.push_back(types.empty() ? type_from_duckdb(result_->types[i]) : types[i]);
        schema_.push_back({result_->names[i], types_.back()});
        const bool same = type_from_duckdb(result_->types[i]) == types_.back();
        wanted_.push_back(same ? result_->types[i] : type_to_duckdb(types_.back()));
        casts_.push_back(!same);
        needs_cast_ |= !same;
      }
      return {};
    } catch (const std::exception& e) {
      return failed(ErrorCode::kBadRecord, duckdb::ErrorData(e));
    }
  }

  const data::Schema& schema() const override { return schema_; }

  Result<uint32_t> next(data::BatchBuffer& out) override {
    out.clear();
    try {
      while (!out.full()) {
        if (!chunk_ || row_ == chunk_->size()) {
          if (ended_) break;
          chunk_ = result_->Fetch();
          row_ = 0;
          if (result_->HasError()) return failed(ErrorCode::kBadRecord, result_->GetErrorObject());
          if (!chunk_ || chunk_->size() == 0) {
            ended_ = true;
            chunk_ = nullptr;
            break;
          }
          cast_chunk();
        }
        const uint32_t rows = std::min(static_cast<uint32_t>(chunk_->size()) - row_, out.rows_max() - out.rows);
        append_chunk(*chunk_, row_, rows, types_, out);
        row_ += rows;
      }
      return out.rows;
    } catch (const std::exception& e) {
      return failed(ErrorCode::kBadRecord, duckdb::ErrorData(e));
    }
  }

  void interrupt() override { connection_->Interrupt(); }

 private:
  void cast_chunk() {
    if (!needs_cast_) return;
    auto converted = duckdb::make_uniq<duckdb::DataChunk>();
    converted->InitializeEmpty(wanted_);
    for (size_t i = 0; i < wanted_.size(); ++i) {
      if (!casts_[i]) {
        converted->data[i].Reference(chunk_->data[i]);
        continue;
      }
      duckdb::Vector values(wanted_[i], chunk_->size());
      duckdb::VectorOperations::Cast(*connection_->context, chunk_->data[i], values, chunk_->size());
      converted->data[i].Reference(values);
    }
    converted->SetCardinality(chunk_->size());
    // What is not cast still refers to the chunk that DuckDB gave.
    fetched_ = std::move(chunk_);
    chunk_ = std::move(converted);
  }

  std::shared_ptr<Database> database_;
  std::shared_ptr<duckdb::Connection> connection_;
  duckdb::unique_ptr<duckdb::QueryResult> result_;
  std::vector<data::Type> types_;
  duckdb::vector<duckdb::LogicalType> wanted_;
  std::vector<bool> casts_;  // where the query gives another type
  bool needs_cast_ = false;
  data::Schema schema_;
  duckdb::unique_ptr<duckdb::DataChunk> chunk_, fetched_;
  uint32_t row_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<std::shared_ptr<Database>> Database::open(const Options& options) {
  try {
    duckdb::DBConfig config;
    if (options.threads > 0) config.SetOptionByName("threads", duckdb::Value::UBIGINT(options.threads));
    if (options.configure) options.configure(config);
    return adopt(std::make_shared<duckdb::DuckDB>(nullptr, &config));
  } catch (const std::exception& e) {
    return failed(ErrorCode::kInternal, duckdb::ErrorData(e));
  }
}

std::shared_ptr<Database> Database::adopt(std::shared_ptr<duckdb::DuckDB> duckdb) {
  auto database = std::make_shared<Database>();
  database->duckdb_ = std::move(duckdb);
  return database;
}

std::shared_ptr<duckdb::Connection> Database::connect() { return std::make_shared<duckdb::Connection>(*duckdb_); }

Result<std::unique_ptr<Reader>> Reader::open(const std::shared_ptr<Database>& database, const std::string& sql,
                                             std::vector<data::Type> types) {
  auto reader = std::make_unique<QueryReader>(database);
  RETURN_IF_ERROR(reader->start(sql, std::move(types)));
  return std::unique_ptr<Reader>(std::move(reader));
}

Result<Rows> query_to_batches(const std::shared_ptr<Database>& database, const std::string& sql,
                              std::vector<data::Type> types) {
  ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader, Reader::open(database, sql, std::move(types)));
  Rows rows;
  rows.schema = reader->schema();
  while (true) {
    data::BatchBuffer batch(rows.schema);
    ASSIGN_OR_RETURN(const uint32_t count, reader->next(batch));
    if (count == 0) return Result<Rows>(std::move(rows));
    rows.batches.push_back(std::move(batch));
  }
}

Status execute(const std::shared_ptr<Database>& database, const std::string& sql) {
  try {
    auto result = database->connect()->Query(sql);
    if (result->HasError()) return failed(ErrorCode::kBindError, result->GetErrorObject());
    return {};
  } catch (const std::exception& e) {
    return failed(ErrorCode::kBindError, duckdb::ErrorData(e));
  }
}

}  // namespace laminar::duck
