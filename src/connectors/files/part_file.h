// One file of a sink while it is written: rows in, bytes on disk after finish().
//
// Threads: one at a time.
// Errors:  LDB-5003; the file is then only good for removing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "connectors/files/file_list.h"
#include "data/batch.h"
#include "data/type.h"

namespace laminar::connectors {

struct PartOptions {
  FileFormat format = FileFormat::kCsv;
  bool changelog = false;  // adds the columns tick and weight
  bool header = true;      // csv
  char delimiter = ',';    // csv
  std::string compression = "snappy";  // parquet
};

class PartFile {
 public:
  // Creates the file.
  static Result<std::unique_ptr<PartFile>> create(const std::string& path, const data::Schema& schema, const PartOptions& options);
  virtual ~PartFile() = default;
  virtual Status add(const data::Batch& batch, uint32_t row, uint64_t tick, int64_t weight) = 0;
  // Writes what is left and makes the bytes durable.
  virtual Status finish() = 0;
  uint64_t rows() const { return rows_; }

 protected:
  uint64_t rows_ = 0;
};

}  // namespace laminar::connectors
