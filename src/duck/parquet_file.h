// Collects rows and writes them as one Parquet file.
//
// Threads: one at a time.
// Owns:    the rows, in a temporary table of a connection of its own, until it goes.
// Errors:  LDB-5003 when the file cannot be written; the rows stay, so that write() can be called again.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"
#include "duck/database.h"

namespace laminar::duck {

class ParquetFile {
 public:
  static Result<std::unique_ptr<ParquetFile>> open(const std::shared_ptr<Database>& database, const data::Schema& schema);
  virtual ~ParquetFile() = default;
  // Weights are not looked at: every row counts once.
  virtual Status append(const data::Batch& batch) = 0;
  // compression: "snappy", "zstd", "gzip", "lz4", "uncompressed". An existing file is replaced.
  virtual Status write(const std::string& path, const std::string& compression) = 0;
};

}  // namespace laminar::duck
