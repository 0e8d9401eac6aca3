#include "connectors/files/part_file.h"

#include <cstring>

#include "connectors/duck_instance.h"
#include "connectors/render.h"
#include "duck/parquet_file.h"
#include "io/file.h"

namespace laminar::connectors {
namespace {

constexpr size_t kWriteBytes = size_t{256} << 10;

bool is_wide(const data::Type& type) { return type.kind == data::TypeKind::kInt128 || type.kind == data::TypeKind::kUInt128; }

bool fits_38_digits(const data::Type& type, const data::Column& column, uint32_t row) {
  constexpr auto kLimit = static_cast<unsigned __int128>(10'000'000'000'000'000'000ull) * 10'000'000'000'000'000'000ull;
  const auto bits = column.values<unsigned __int128>()[row];
  const bool negative = type.kind == data::TypeKind::kInt128 && bits >> 127;
  return (negative ? -bits : bits) < kLimit;
}

class TextPart final : public PartFile {
 public:
  TextPart(io::OutputFile file, const data::Schema& schema, const PartOptions& options)
      : file_(std::move(file)),
        renderer_(schema, options.format == FileFormat::kJson ? TextFormat::kJson : TextFormat::kCsv, options.changelog,
                  options.delimiter) {
    if (options.header) renderer_.header(pending_);
  }

  Status add(const data::Batch& batch, uint32_t row, uint64_t tick, int64_t weight) override {
    renderer_.row(batch, row, tick, weight, pending_);
    ++rows_;
    return pending_.size() >= kWriteBytes ? flush() : Status();
  }

  Status finish() override {
    RETURN_IF_ERROR(flush());
    RETURN_IF_ERROR(file_.sync());
    return file_.close();
  }

 private:
  Status flush() {
    size_t done = 0;
    const Status status = file_.write(pending_, done);
    pending_.erase(0, done);
    return status;
  }

  io::OutputFile file_;
  RowRenderer renderer_;
  std::string pending_;
};

// What the columns are in the file: DuckDB writes 128-bit integers as doubles, so they go as decimals of 38 digits.
data::Schema parquet_schema(data::Schema schema, bool changelog) {
  for (data::Field& field : schema) {
    if (is_wide(field.type)) field.type = data::Type::decimal(38, 0);
  }
  if (changelog) {
    schema.push_back({"tick", data::Type::of(data::TypeKind::kInt64), true});
    schema.push_back({"weight", data::Type::of(data::TypeKind::kInt64), true});
  }
  return schema;
}

class ParquetPart final : public PartFile {
 public:
  ParquetPart(std::string path, std::unique_ptr<duck::ParquetFile> file, const data::Schema& schema, const PartOptions& options)
      : path_(std::move(path)), file_(std::move(file)), options_(options), schema_(schema),
        staged_(parquet_schema(schema, options.changelog)) {}

  Status add(const data::Batch& batch, uint32_t row, uint64_t tick, int64_t weight) override {
    if (staged_.full()) RETURN_IF_ERROR(flush());
    const auto count = static_cast<uint32_t>(schema_.size());
    for (uint32_t c = 0; c < count; ++c) {
      const data::Column& from = batch.columns[c];
      data::Column& to = staged_.column(c);
      if (from.is_null(row)) {
        data::set_null(to.validity, staged_.rows);
        if (to.physical == data::Physical::kString) to.values<data::StringRef>()[staged_.rows] = data::StringRef();
      } else if (to.physical == data::Physical::kString) {
        to.values<data::StringRef>()[staged_.rows] = staged_.strings().copy(from.values<data::StringRef>()[row]);
      } else {
        if (is_wide(schema_[c].type) && !fits_38_digits(schema_[c].type, from, row)) {
          return Status(ErrorCode::kTypeMismatch, "a value of column " + schema_[c].name + " has more than 38 digits, which Parquet cannot hold");
        }
        const uint32_t size = data::physical_size(to.physical);
        std::memcpy(static_cast<char*>(to.data) + size_t{staged_.rows} * size,
                    static_cast<const char*>(from.data) + size_t{row} * size, size);
      }
    }
    if (options_.changelog) {
      staged_.column(count).values<int64_t>()[staged_.rows] = static_cast<int64_t>(tick);
      staged_.column(count + 1).values<int64_t>()[staged_.rows] = weight;
    }
    ++staged_.rows;
    ++rows_;
    return Status();
  }

  Status finish() override {
    RETURN_IF_ERROR(flush());
    RETURN_IF_ERROR(file_->write(path_, options_.compression));
    return io::sync_file(path_);
  }

 private:
  Status flush() {
    if (staged_.rows == 0) return Status();
    const Status status = file_->append(staged_.view());
    staged_.clear();
    return status;
  }

  const std::string path_;
  std::unique_ptr<duck::ParquetFile> file_;
  const PartOptions options_;
  const data::Schema schema_;
  data::BatchBuffer staged_;
};

}  // namespace

Result<std::unique_ptr<PartFile>> PartFile::create(const std::string& path, const data::Schema& schema, const PartOptions& options) {
  ASSIGN_OR_RETURN(io::OutputFile file, io::OutputFile::create(path));  // also shows early that one can write here
  if (options.format != FileFormat::kParquet) {
    return std::unique_ptr<PartFile>(std::make_unique<TextPart>(std::move(file), schema, options));
  }
  RETURN_IF_ERROR(file.close());
  ASSIGN_OR_RETURN(const auto database, connector_duckdb());
  ASSIGN_OR_RETURN(auto parquet, duck::ParquetFile::open(database, parquet_schema(schema, options.changelog)));
  return std::unique_ptr<PartFile>(std::make_unique<ParquetPart>(path, std::move(parquet), schema, options));
}

}  // namespace laminar::connectors
