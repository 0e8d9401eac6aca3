// DuckDB as a batch engine beside ours: a database in memory on one thread, to compare results and times with.
//
// Threads: one at a time; queries run on the calling thread, so its CPU time is theirs.
// Errors:  what DuckDB says, as kBindError; its exceptions end here.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"
#include "duck/database.h"

namespace laminar::duck {

class BatchEngine {
 public:
  static Result<std::unique_ptr<BatchEngine>> open();
  virtual ~BatchEngine() = default;

  virtual const std::shared_ptr<Database>& database() = 0;
  virtual Status execute(const std::string& sql) = 0;
  virtual Status create_table(const std::string& name, const data::Schema& schema) = 0;
  // Appends rows, given as flat columns of the table's types.
  virtual Status append(const std::string& table, std::span<const data::Column> columns, uint64_t rows) = 0;
  // Runs a query until its whole result stands in memory, drops that and returns its number of rows.
  virtual Result<uint64_t> run(const std::string& sql) = 0;
  // Names and types of a query's columns.
  virtual Result<data::Schema> describe(const std::string& sql) = 0;
  // A small result as text, NULL as an empty one.
  virtual Result<std::vector<std::vector<std::string>>> text_rows(const std::string& sql) = 0;
};

}  // namespace laminar::duck
