// Our statements inside DuckDB's sessions: the parser override, and what the catalog implements to carry them out.
//
// One Connection::Query takes ours and DuckDB's mixed; the whole script is parsed before anything of it runs. Every
// statement keeps the whole script as its text, so all errors print LINE and caret of the script.
//
// Bounds:  where these copies would pass kScriptCopiesMax bytes, statements keep their own text only: LINE counts from
//          the statement then, and errors of DuckDB's binder have no offset. Run such scripts piece by piece with
//          complete_statement_end().
// Threads: parsing on the caller's thread, execute() and next() on a DuckDB worker, one at a time per execution.
// Errors:  thrown as DuckDB exceptions that carry our code and the position; to_error() reads both back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "duckdb/common/types.hpp"
#include "duckdb/common/types/value.hpp"
#include "sql/parse/statement.h"

namespace duckdb {
class ClientContext;
class DataChunk;
class ErrorData;
struct DBConfig;
}  // namespace duckdb

namespace laminar::sql {

constexpr size_t kScriptCopiesMax = 64 << 20;

// The rows of one execution.
class StatementRows {
 public:
  virtual ~StatementRows() = default;
  // Fills the empty chunk; left empty at the end. A call that waits must watch context.interrupted. DuckDB exceptions
  // may pass.
  virtual Status next(duckdb::ClientContext& context, duckdb::DataChunk& chunk) = 0;
};

// A bound statement. A prepared one is executed many times, so execution changes nothing in here.
class StatementResult {
 public:
  virtual ~StatementResult() = default;
  // The result's columns; none: the statement is silent, as DDL is, and shells print nothing.
  std::vector<std::string> names;
  std::vector<duckdb::LogicalType> types;
  // The databases that execution changes: their transactions are opened for writing.
  std::vector<std::string> written_databases;

  // The effects happen here. Null when silent. DuckDB exceptions may pass.
  virtual Result<std::unique_ptr<StatementRows>> execute(duckdb::ClientContext& context) = 0;
};

std::unique_ptr<StatementResult> silent_result(std::function<Status(duckdb::ClientContext&)> execute);
// Few rows, made at once.
using ValueRows = std::vector<std::vector<duckdb::Value>>;
std::unique_ptr<StatementResult> rows_result(std::vector<std::string> names, std::vector<duckdb::LogicalType> types,
                                             std::function<Result<ValueRows>(duckdb::ClientContext&)> execute);

class StatementHandler {
 public:
  virtual ~StatementHandler() = default;
  // Checks and binds, changes nothing: PREPARE comes here too. `script` is the text that all offsets count in. DuckDB
  // exceptions may pass: those from binding a blanked query point into the script already.
  virtual Result<std::unique_ptr<StatementResult>> bind(duckdb::ClientContext& context, const Statement& statement,
                                                        const std::string& script) = 0;
};

// Before the database opens: our override must stand before that of the autocomplete extension.
void register_parser(duckdb::DBConfig& config, std::shared_ptr<StatementHandler> handler);

// Throws the DuckDB exception that suits the code; to_error() gives the same Error back.
[[noreturn]] void throw_error(const Error& error);
// The same with another place for DuckDB's picture of the line.
[[noreturn]] void throw_error(const Error& error, int64_t drawn_offset);
void throw_if_error(const Status& status);
// Any DuckDB error, ours or its: our code, the message without the picture of the line, the byte offset in `script`.
// An empty `script` keeps the offset that the error carries, as an exception caught before the session saw it has it.
Error to_error(const duckdb::ErrorData& error, const std::string& script);

}  // namespace laminar::sql
