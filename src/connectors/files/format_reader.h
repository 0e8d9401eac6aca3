// Reads the rows of one file after another, one reader per format.
//
// Threads: one at a time; cancel() from any.
// Order:   rows come as they stand in the file; every record is either a row or a bad record, exactly once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "connectors/files/file_list.h"
#include "data/batch.h"
#include "data/type.h"
#include "stream/edge/source.h"

namespace laminar::connectors {

struct ReadOptions {
  char delimiter = ',';      // csv
  bool header = true;        // csv: columns are found by the names in the first line, else by position
  bool quoted_nulls = true;  // csv: a quoted empty field is NULL, as an unquoted one is
  // csv: the columns were inferred; where the header does not have their names, positions count.
  bool inferred = false;
  bool skip_bad_records = false;
};

class FormatReader {
 public:
  static constexpr uint32_t kNoColumn = UINT32_MAX;

  virtual ~FormatReader() = default;
  // Checks that the file has the columns: LDB-4004 else.
  virtual Status open(const ListedFile& file) = 0;
  // Appends rows to the first columns of `out` until it is full or the file ends; false when it has ended.
  virtual Result<bool> read(data::BatchBuffer& out) = 0;
  virtual void close() = 0;
  virtual void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // The column of the latest bad record, kNoColumn when the record as a whole is bad.
  uint32_t bad_column() const { return bad_column_; }

 protected:
  std::atomic<bool> cancelled_{false};
  uint32_t bad_column_ = kNoColumn;
};

std::unique_ptr<FormatReader> make_reader(FileFormat format, const data::Schema& schema, const ReadOptions& options,
                                          stream::DeadLetters dead_letters);
std::unique_ptr<FormatReader> make_csv_reader(const data::Schema& schema, const ReadOptions& options,
                                              stream::DeadLetters dead_letters);
std::unique_ptr<FormatReader> make_json_reader(const data::Schema& schema, const ReadOptions& options,
                                               stream::DeadLetters dead_letters);
std::unique_ptr<FormatReader> make_parquet_reader(const data::Schema& schema);

// The columns of a file as DuckDB's sniffers see them; a date in a form that CAST does not read is VARCHAR.
Result<data::Schema> infer_schema(FileFormat format, const ListedFile& file, const ReadOptions& options);
Result<uint64_t> parquet_row_count(FileList& files);

// A text as an SQL string literal, a name as a quoted identifier.
std::string sql_string(std::string_view text);
std::string sql_name(std::string_view name);
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace laminar::connectors
