// The DuckDB database inside ours, and readers that stream the result of a query into batches.
//
// Threads: Database: any. A Reader belongs to one thread; interrupt() may come from any.
// Owns:    the DuckDB instance; it lives until the last connection, reader and foreign function is gone.
// Errors:  exceptions of DuckDB end here, as Status.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"
#include "data/value.h"

namespace duckdb {
class Connection;
class DuckDB;
struct DBConfig;
}  // namespace duckdb

namespace laminar::duck {

class Database : public std::enable_shared_from_this<Database> {
 public:
  struct Options {
    uint32_t threads = 0;  // of ad-hoc queries; 0: DuckDB's choice
    // Sees the configuration before the database opens: parser, storage and callbacks are registered here.
    std::function<void(duckdb::DBConfig&)> configure;
  };
  // In memory.
  static Result<std::shared_ptr<Database>> open(const Options& options);
  // Over a database that somebody else opened.
  static std::shared_ptr<Database> adopt(std::shared_ptr<duckdb::DuckDB> duckdb);

  std::shared_ptr<duckdb::Connection> connect();
  duckdb::DuckDB& duckdb() { return *duckdb_; }

 private:
  std::shared_ptr<duckdb::DuckDB> duckdb_;
};

// Streams the result of one SELECT on a connection of its own.
class Reader {
 public:
  virtual ~Reader() = default;
  // `types`: what the columns shall be, cast where the query gives other types; empty: as the query gives them.
  static Result<std::unique_ptr<Reader>> open(const std::shared_ptr<Database>& database, const std::string& sql,
                                              std::vector<data::Type> types = {});
  virtual const data::Schema& schema() const = 0;
  // Clears `out` (made for schema()) and fills it with up to rows_max rows, in order; returns how many, 0 at the end.
  virtual Result<uint32_t> next(data::BatchBuffer& out) = 0;
  virtual void interrupt() = 0;
};

// The whole result.
struct Rows {
  data::Schema schema;
  std::vector<data::BatchBuffer> batches;
  uint64_t row_count() const {
    uint64_t n = 0;
    for (const data::BatchBuffer& batch : batches) n += batch.rows;
    return n;
  }
};
Result<Rows> query_to_batches(const std::shared_ptr<Database>& database, const std::string& sql,
                              std::vector<data::Type> types = {});
// Runs a statement for its effect.
Status execute(const std::shared_ptr<Database>& database, const std::string& sql);

}  // namespace laminar::duck
