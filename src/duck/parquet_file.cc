#include "duck/parquet_file.h"

#include <duckdb.hpp>
#include <duckdb/main/appender.hpp>

#include "duck/chunk.h"
#include "duck/types.h"

namespace laminar::duck {

namespace {

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) out.append(c == quote ? 2 : 1, c);
  return out + quote;
}

class TableOfRows final : public ParquetFile {
 public:
  TableOfRows(const std::shared_ptr<Database>& database, const data::Schema& schema)
      : connection_(database->connect()), view_(types_of(schema)) {
    std::string columns;
    for (const data::Field& field : schema) {
      columns += (columns.empty() ? "" : ", ") + quoted(field.name, '"') + " " + type_to_duckdb(field.type).ToString();
    }
    run("CREATE TEMPORARY TABLE file_rows (" + columns + ")");
    appender_ = std::make_unique<duckdb::Appender>(*connection_, "temp", "main", "file_rows");
  }

  Status append(const data::Batch& batch) override try {
    appender_->AppendDataChunk(view_.wrap(batch));
    return Status();
  } catch (const std::exception& error) {
    return Status(ErrorCode::kOutOfMemory, std::string("rows for a Parquet file cannot be kept: ") + duckdb::ErrorData(error).RawMessage());
  }

  Status write(const std::string& path, const std::string& compression) override try {
    appender_->Flush();
    run("COPY temp.main.file_rows TO " + quoted(path, '\'') + " (FORMAT parquet, COMPRESSION " + quoted(compression, '\'') + ")");
    return Status();
  } catch (const std::exception& error) {
    return Status(ErrorCode::kFileWrite, "file cannot be written: " + path + " (" + duckdb::ErrorData(error).RawMessage() + ")");
  }

 private:
  void run(const std::string& sql) {
    const auto result = connection_->Query(sql);
    if (result->HasError()) result->ThrowError();
  }

  std::shared_ptr<duckdb::Connection> connection_;
  ChunkView view_;
  std::unique_ptr<duckdb::Appender> appender_;
};

}  // namespace

Result<std::unique_ptr<ParquetFile>> ParquetFile::open(const std::shared_ptr<Database>& database, const data::Schema& schema) try {
  return std::unique_ptr<ParquetFile>(std::make_unique<TableOfRows>(database, schema));
} catch (const std::exception& error) {
  return Status(ErrorCode::kFileWrite,
                std::string("rows cannot be written as Parquet: ") + duckdb::ErrorData(error).RawMessage());
}

}  // namespace laminar::duck
