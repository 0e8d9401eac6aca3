#include "connectors/files/format_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "connectors/duck_instance.h"
#include "duck/database.h"

namespace laminar::connectors {

namespace {

using data::BatchBuffer;
using data::Schema;
using data::Type;
using data::TypeKind;

std::string list_of_names(const Schema& schema) {
  std::string names;
  for (const data::Field& field : schema) names += (names.empty() ? "" : ", ") + field.name;
  return names;
}

enum class TypeFamily : uint8_t { kNumber, kTime, kText, kOther };
TypeFamily family_of(const Type& type) {
  if (type.kind >= TypeKind::kInt8 && type.kind <= TypeKind::kDecimal) return TypeFamily::kNumber;
  if (type.kind == TypeKind::kDate || type.is_timestamp()) return TypeFamily::kTime;
  return type.kind == TypeKind::kVarchar ? TypeFamily::kText : TypeFamily::kOther;
}

// What a Parquet column may be read as without meaning something else.
bool reads_as(const Type& from, const Type& to) {
  if (from == to || to.kind == TypeKind::kVarchar) return true;
  const TypeFamily family = family_of(from);
  return (family == TypeFamily::kNumber || family == TypeFamily::kTime) && family == family_of(to);
}

Status in_file(ErrorCode code, const std::string& path, const Status& status) {
  return Status(code, "file cannot be read: " + path + " (" + status.text() + ")");
}

class ParquetReader final : public FormatReader {
 public:
  explicit ParquetReader(const Schema& schema) : schema_(schema) {
    for (const data::Field& field : schema) types_.push_back(field.type);
  }

  Status open(const ListedFile& file) override {
    path_ = file.path;
    ASSIGN_OR_RETURN(const io::FileInfo info, io::file_info(file.path));
    if (info.kind == io::FileInfo::Kind::kNone) return Status(ErrorCode::kFileNotFound, "file not found: " + file.path);
    if (!info.same_as(file.info)) {
      return Status(ErrorCode::kFileUnreadable, "file has changed since it was listed: " + file.path +
                                                    "; write new files instead, or create the source again");
    }
    ASSIGN_OR_RETURN(const auto database, connector_duckdb());
    const std::string from = " FROM read_parquet(" + sql_string(file.path) + ")";
    {
      const auto probe = duck::Reader::open(database, "SELECT *" + from + " LIMIT 0");
      if (!probe.ok()) return in_file(ErrorCode::kFileUnreadable, file.path, probe.status());
      RETURN_IF_ERROR(check_columns((*probe)->schema()));
    }
    std::string columns;
    for (const data::Field& field : schema_) columns += (columns.empty() ? "" : ", ") + sql_name(field.name);
    auto reader = duck::Reader::open(database, "SELECT " + columns + from, types_);
    if (!reader.ok()) return in_file(ErrorCode::kFileUnreadable, file.path, reader.status());
    reader_ = reader.take();
    return Status();
  }

  Result<bool> read(BatchBuffer& out) override {
    if (out.rows == 0 && out.column_count() == schema_.size()) return read_into(out);
    if (copied_ == copy_.rows) {
      ASSIGN_OR_RETURN(const bool more, read_into(copy_));
      copied_ = 0;
      if (!more) return false;
    }
    const data::Batch batch = copy_.view();
    while (copied_ < batch.rows && !out.full()) {
      for (uint32_t c = 0; c < schema_.size(); ++c) {
        data::Value::from_column(types_[c], batch.columns[c], copied_).to_column(out.column(c), out.rows, out.strings());
      }
      ++out.rows;
      ++copied_;
    }
    return true;
  }

  void close() override {
    reader_.reset();
    copy_.clear();
    copied_ = 0;
  }

 private:
  Status check_columns(const Schema& found) const {
    for (const data::Field& field : schema_) {
      const data::Field* match = nullptr;
      for (const data::Field& candidate : found) {
        if (equal_ignoring_case(candidate.name, field.name)) match = &candidate;
      }
      if (!match) {
        return Status(ErrorCode::kTypeMismatch, "no column of that name in the file: " + field.name + " in " + path_ +
                                                    ", which has " + list_of_names(found));
      }
      if (!reads_as(match->type, field.type)) {
        return Status(ErrorCode::kTypeMismatch, "types do not match: column " + field.name + " is " + match->type.text() +
                                                    " in " + path_ + ", declared as " + field.type.text());
      }
    }
    return Status();
  }

  Result<bool> read_into(BatchBuffer& out) {
    const Result<uint32_t> rows = reader_->next(out);
    if (!rows.ok()) return in_file(ErrorCode::kBadRecord, path_, rows.status());
    for (uint32_t c = 0; c < schema_.size(); ++c) {
      if (!schema_[c].not_null) continue;
      for (uint32_t i = 0; i < out.rows; ++i) {
        if (!out.column(c).is_null(i)) continue;
        return Status(ErrorCode::kBadRecord, "column " + schema_[c].name + " has a NULL and was declared NOT NULL: " + path_);
      }
    }
    return *rows > 0;
  }

  const Schema schema_;
  std::vector<Type> types_;
  std::string path_;
  std::unique_ptr<duck::Reader> reader_;
  BatchBuffer copy_{schema_};  // when rows cannot go to `out` directly
  uint32_t copied_ = 0;
};

bool is_date_or_time(const Type& type) {
  return type.kind == TypeKind::kDate || type.kind == TypeKind::kTime || type.is_timestamp();
}

// Reads the head of the file with the schema; a column of dates or times that does not decode becomes VARCHAR.
Status prove_schema(FileFormat format, const ListedFile& file, const ReadOptions& options, Schema& schema) {
  ReadOptions trial = options;
  trial.inferred = true;
  trial.skip_bad_records = false;
  for (size_t round = 0; round <= schema.size(); ++round) {
    const std::unique_ptr<FormatReader> reader = make_reader(format, schema, trial, nullptr);
    RETURN_IF_ERROR(reader->open(file));
    BatchBuffer rows(schema);
    const Result<bool> read = reader->read(rows);
    if (read.ok()) return Status();
    const uint32_t bad = reader->bad_column();
    if (bad == FormatReader::kNoColumn || !is_date_or_time(schema[bad].type)) return Status();  // the reader says it in time
    schema[bad].type = Type::of(TypeKind::kVarchar);
  }
  return Status();
}

}  // namespace

std::unique_ptr<FormatReader> make_parquet_reader(const Schema& schema) { return std::make_unique<ParquetReader>(schema); }

std::unique_ptr<FormatReader> make_reader(FileFormat format, const Schema& schema, const ReadOptions& options,
                                          stream::DeadLetters dead_letters) {
  switch (format) {
    case FileFormat::kCsv: return make_csv_reader(schema, options, std::move(dead_letters));
    case FileFormat::kJson: return make_json_reader(schema, options, std::move(dead_letters));
    case FileFormat::kParquet: return make_parquet_reader(schema);
  }
  return nullptr;
}

Result<Schema> infer_schema(FileFormat format, const ListedFile& file, const ReadOptions& options) {
  ASSIGN_OR_RETURN(const auto database, connector_duckdb());
  std::string call;
  switch (format) {
    case FileFormat::kCsv:
      call = "read_csv(" + sql_string(file.path) + ", delim = " + sql_string(std::string_view(&options.delimiter, 1)) +
             ", header = " + (options.header ? "true" : "false") + R"(, quote = '"', escape = '"', ignore_errors = true))";
      break;
    case FileFormat::kJson: call = "read_json(" + sql_string(file.path) + ", format = 'newline_delimited', ignore_errors = true)"; break;
    case FileFormat::kParquet: call = "read_parquet(" + sql_string(file.path) + ")"; break;
  }
  const auto reader = duck::Reader::open(database, "SELECT * FROM " + call + " LIMIT 0");
  if (!reader.ok()) {
    return Status(ErrorCode::kFileUnreadable, "columns cannot be inferred from " + file.path + "; declare them (" +
                                                  reader.status().text() + ")");
  }
  Schema schema = (*reader)->schema();
  for (data::Field& field : schema) {
    field.not_null = false;
    if (field.type.text() == "JSON") field.type = Type::of(TypeKind::kVarchar);
  }
  if (schema.empty()) return Status(ErrorCode::kFileUnreadable, "columns cannot be inferred from " + file.path + "; declare them");
  if (format != FileFormat::kParquet) RETURN_IF_ERROR(prove_schema(format, file, options, schema));
  return schema;
}

Result<uint64_t> parquet_row_count(FileList& files) {
  ASSIGN_OR_RETURN(const auto database, connector_duckdb());
  std::string paths;
  for (size_t i = 0; i < files.size(); ++i) paths += (i == 0 ? "" : ", ") + sql_string(files.file(i)->path);
  ASSIGN_OR_RETURN(duck::Rows rows,
                   duck::query_to_batches(database, "SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata([" + paths + "])"));
  if (rows.row_count() != 1 || rows.batches[0].column(0).is_null(0)) return uint64_t{0};
  return static_cast<uint64_t>(rows.batches[0].column(0).values<int64_t>()[0]);
}

std::string sql_string(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

std::string sql_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + "\"";
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace laminar::connectors
