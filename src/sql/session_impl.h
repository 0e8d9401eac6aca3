// What the parts of a session share. Include in session*.cc only.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "duckdb/common/types/data_chunk.hpp"
#include "duckdb/main/connection.hpp"
#include "duckdb/main/query_result.hpp"
#include "sql/parse/script.h"
#include "sql/session.h"

namespace laminar::sql {

struct Engine::Impl {
  std::shared_ptr<Backend> backend;
  std::unique_ptr<duckdb::DuckDB> duckdb;
};

// Where the rows of a result come from.
class RowSource {
 public:
  virtual ~RowSource() = default;
  // Null at the end. The chunk lives until the next call.
  virtual Result<duckdb::DataChunk*> next() = 0;
  // The result's rows changed, where it is a count and not rows.
  std::optional<uint64_t> rows_changed;
  bool silent = false;
};

struct Rows::Impl {
  std::shared_ptr<Session::Impl> session;
  std::unique_ptr<RowSource> source;  // null once closed
  std::vector<ResultColumn> columns;
  duckdb::vector<duckdb::LogicalType> types;
  bool silent = false;
  std::optional<uint64_t> rows_changed;
  int64_t statement_begin = 0;  // in the script
  // The last chunk in the form that was asked for.
  std::unique_ptr<data::BatchBuffer> batch;

  ~Impl();
  // False at the end, and after it.
  Result<duckdb::DataChunk*> next_chunk();
  void close() { source.reset(); }
};

struct Session::Impl : std::enable_shared_from_this<Session::Impl> {
  explicit Impl(std::shared_ptr<Engine> engine);

  // Runs the statement script[begin, end); errors point into the script.
  Result<std::unique_ptr<Rows>> run(std::string_view script, const ScriptStatement& statement);
  Result<std::unique_ptr<Rows>> subscribe(const SubscribeStatement& subscribe);
  // Gives up what is unread of the last result.
  void close_rows();
  void begin();
  bool interrupted() const { return interrupted_.load(); }
  void interrupt();
  // The Error of what DuckDB reports; a failed COMMIT has left the real one aside.
  Error error_of(const duckdb::ErrorData& data, const std::string& text);
  Error error_of(const std::exception& exception, const std::string& text);
  Result<std::unique_ptr<Rows>> rows_of(duckdb::unique_ptr<duckdb::PendingQueryResult> pending, const std::string& text);
  std::unique_ptr<Rows> make_rows(std::unique_ptr<RowSource> source, std::vector<std::string> names,
                                  duckdb::vector<duckdb::LogicalType> types);

  std::shared_ptr<Engine> engine;
  Backend& backend;
  std::unique_ptr<duckdb::Connection> connection;
  Rows::Impl* open_rows = nullptr;

 private:
  std::atomic<bool> interrupted_{false};
};

}  // namespace laminar::sql
