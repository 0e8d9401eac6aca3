#include "duck/batch_engine.h"

#include <algorithm>

#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb.hpp"
#include "duckdb/main/appender.hpp"

namespace laminar::duck {
namespace {

Status failed(const std::string& what, const std::string& reason) {
  return Status(ErrorCode::kBindError, "DuckDB " + what + ": " + reason);
}

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

class OneThreadEngine final : public BatchEngine {
 public:
  explicit OneThreadEngine(std::shared_ptr<Database> database)
      : database_(std::move(database)), connection_(database_->connect()) {}

  const std::shared_ptr<Database>& database() override { return database_; }

  Status execute(const std::string& sql) override {
    const Result<uint64_t> rows = run(sql);
    return rows.ok() ? Status() : rows.status();
  }

  Status create_table(const std::string& name, const data::Schema& schema) override {
    std::string sql = "CREATE TABLE " + quoted(name) + " (";
    for (size_t i = 0; i < schema.size(); ++i) {
      sql += (i > 0 ? ", " : "") + quoted(schema[i].name) + " " + schema[i].type.text();
    }
    return execute(sql + ")");
  }

  Status append(const std::string& table, std::span<const data::Column> columns, uint64_t rows) override {
    try {
      duckdb::Appender appender(*connection_, table);
      std::vector<data::Type> types;
      for (const duckdb::LogicalType& type : appender.GetActiveTypes()) types.push_back(type_from_duckdb(type));
      ChunkView view(types);
      std::vector<data::Column> slice(columns.begin(), columns.end());
      for (uint64_t row = 0; row < rows; row += data::kBatchRowsMax) {
        const auto count = static_cast<uint32_t>(std::min<uint64_t>(data::kBatchRowsMax, rows - row));
        for (size_t i = 0; i < slice.size(); ++i) {
          slice[i].data = static_cast<char*>(columns[i].data) + row * data::physical_size(columns[i].physical);
          slice[i].validity = columns[i].validity ? columns[i].validity + row / 64 : nullptr;
        }
        appender.AppendDataChunk(view.wrap(slice, count));
      }
      appender.Close();
    } catch (const std::exception& e) {
      return failed("cannot load table " + table, duckdb::ErrorData(e).RawMessage());
    }
    return {};
  }

  Result<uint64_t> run(const std::string& sql) override {
    try {
      const duckdb::unique_ptr<duckdb::MaterializedQueryResult> result = connection_->Query(sql);
      if (result->HasError()) return failed("fails on " + first_line(sql), result->GetErrorObject().RawMessage());
      return static_cast<uint64_t>(result->RowCount());
    } catch (const std::exception& e) {
      return failed("fails on " + first_line(sql), duckdb::ErrorData(e).RawMessage());
    }
  }

  Result<data::Schema> describe(const std::string& sql) override {
    try {
      const duckdb::unique_ptr<duckdb::PreparedStatement> statement = connection_->Prepare(sql);
      if (statement->HasError()) return failed("fails on " + first_line(sql), statement->GetErrorObject().RawMessage());
      data::Schema schema;
      for (size_t i = 0; i < statement->GetTypes().size(); ++i) {
        schema.push_back({statement->GetNames()[i], type_from_duckdb(statement->GetTypes()[i]), false});
      }
      return schema;
    } catch (const std::exception& e) {
      return failed("fails on " + first_line(sql), duckdb::ErrorData(e).RawMessage());
    }
  }

  Result<std::vector<std::vector<std::string>>> text_rows(const std::string& sql) override {
    try {
      const duckdb::unique_ptr<duckdb::MaterializedQueryResult> result = connection_->Query(sql);
      if (result->HasError()) return failed("fails on " + first_line(sql), result->GetErrorObject().RawMessage());
      std::vector<std::vector<std::string>> rows;
      for (size_t r = 0; r < result->RowCount(); ++r) {
        std::vector<std::string>& row = rows.emplace_back();
        for (size_t c = 0; c < result->ColumnCount(); ++c) {
          const duckdb::Value value = result->GetValue(c, r);
          row.push_back(value.IsNull() ? std::string() : value.ToString());
        }
      }
      return rows;
    } catch (const std::exception& e) {
      return failed("fails on " + first_line(sql), duckdb::ErrorData(e).RawMessage());
    }
  }

 private:
  static std::string first_line(const std::string& sql) {
    const size_t begin = std::min(sql.find_first_not_of(" \n\t"), sql.size());
    std::string line = sql.substr(begin, std::min(sql.find('\n', begin), begin + 80) - begin);
    return "\"" + line + (begin + line.size() < sql.size() ? " …\"" : "\"");
  }

  std::shared_ptr<Database> database_;
  std::shared_ptr<duckdb::Connection> connection_;
};

}  // namespace

Result<std::unique_ptr<BatchEngine>> BatchEngine::open() {
  Database::Options options;
  options.threads = 1;
  ASSIGN_OR_RETURN(std::shared_ptr<Database> database, Database::open(options));
  return std::unique_ptr<BatchEngine>(std::make_unique<OneThreadEngine>(std::move(database)));
}

}  // namespace laminar::duck
