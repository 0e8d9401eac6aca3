// Batches as Arrow C Data, and Arrow C Data as batches.
//
// Threads: one at a time.
// Owns:    what is exported is copied and belongs to the receiver until it calls release().
#pragma once

#include <memory>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"
#include "duck/database.h"

struct ArrowArray;
struct ArrowSchema;

namespace laminar::duck {

class ArrowExporter {
 public:
  ArrowExporter(std::shared_ptr<Database> database, data::Schema schema);
  ~ArrowExporter();
  Status export_schema(ArrowSchema* out);
  // The rows of one or more batches as one array; a row of weight w comes w times, rows of negative weight not at all.
  Status export_rows(std::span<const data::Batch> batches, ArrowArray* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class ArrowImporter {
 public:
  // `schema`: what the columns shall be; the Arrow columns must have these types or ones that DuckDB casts to them.
  static Result<std::unique_ptr<ArrowImporter>> open(std::shared_ptr<Database> database, const ArrowSchema& arrow,
                                                     data::Schema schema);
  virtual ~ArrowImporter() = default;
  // Takes the array over (released when done) and appends all its rows to new buffers of up to kBatchRowsMax rows.
  virtual Result<std::vector<data::BatchBuffer>> import_rows(ArrowArray* array) = 0;
};

}  // namespace laminar::duck
