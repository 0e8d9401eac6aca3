// Sessions: SQL scripts in, results out, over one DuckDB instance whose catalog and statements are ours.
//
// Threads: an Engine is shared by all. A Session is used by one thread at a time, and its Rows and Prepared by the
//          same; only interrupt() may come from another.
// Owns:    an Engine owns the DuckDB instance and keeps the backend; a Session owns one connection and keeps the engine.
//          A backend that owns the engine closes it first: it lets go of the engine when no session is left.
// Bounds:  results stream: a session holds a few chunks of the running query, never the whole result.
// Errors:  laminar::Error with a byte offset into the text that was given; see position_of().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/value.h"
#include "sql/backend.h"

struct ArrowArray;
struct ArrowSchema;

namespace duckdb {
class DatabaseInstance;
}

namespace laminar::sql {

class Session;

struct EngineOptions {
  int threads = 0;  // DuckDB's own, for ad-hoc queries; 0: one per processor
  // DuckDB settings by name, such as {"memory_limit", "1GB"}; unknown names fail in open().
  std::vector<std::pair<std::string, std::string>> duckdb_settings;
};

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  static Result<std::shared_ptr<Engine>> open(std::shared_ptr<Backend> backend, EngineOptions options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::unique_ptr<Session> connect();
  duckdb::DatabaseInstance& database();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  Engine();
  std::unique_ptr<Impl> impl_;
};

struct ResultColumn {
  std::string name;
  std::string type_text;  // DuckDB's: "DECIMAL(18,3)", "INTEGER[]"
  data::Type type;
};

// Rows as text, cast by DuckDB: `2026-01-01 00:00:00`, `00:05:00`, `[1, 2]`.
struct TextRows {
  uint32_t rows = 0, columns = 0;
  std::vector<std::string> cells;  // row by row
  std::vector<char> nulls;         // parallel to cells; the text of a NULL is empty
  const std::string& cell(uint32_t row, uint32_t column) const { return cells[size_t{row} * columns + column]; }
  bool is_null(uint32_t row, uint32_t column) const { return nulls[size_t{row} * columns + column] != 0; }
};

// The result of one statement, read once from front to back in any one of three forms. It lives until the session runs
// the next statement; what is unread then is given up.
class Rows {
 public:
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  const std::vector<ResultColumn>& columns() const;
  // DDL, SET, INSERT without RETURNING: nothing to show.
  bool silent() const;
  // INSERT, UPDATE, DELETE, COPY: rows changed.
  std::optional<uint64_t> rows_changed() const;

  // Reads to the end.
  Status drain();
  // False at the end. What is filled lives until the next call.
  Result<bool> next(data::Batch& batch);
  Result<bool> next(TextRows& text);
  // The caller releases both. Types and values are DuckDB's for the result's columns.
  Status arrow_schema(ArrowSchema* schema);
  Result<bool> next_arrow(ArrowArray* array);

  struct Impl;
  explicit Rows(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// A statement with parameters, planned once, and anew after DDL.
class Prepared {
 public:
  ~Prepared();
  uint32_t parameter_count() const;
  // Values in order of $1, $2, ...; `?` count from the left.
  Result<std::unique_ptr<Rows>> execute(const std::vector<data::Value>& values);

  struct Impl;
  explicit Prepared(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

struct Completion {
  std::string text;     // replaces [begin, cursor)
  int64_t begin = 0;
};

class Session {
 public:
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs the statements of a script one after another and stops at the first that fails; what ran before stays done.
  // `on_result` sees each statement's result, silent ones too, and may end the script by an error of its own.
  using ResultCallback = std::function<Status(Rows& rows, std::string_view statement)>;
  Status execute(std::string_view script, const ResultCallback& on_result = {});
  // Runs a script and returns the last statement's rows, streaming. An empty script gives silent rows.
  Result<std::unique_ptr<Rows>> query(std::string_view script);
  // One statement.
  Result<std::unique_ptr<Prepared>> prepare(std::string_view statement);

  // From any thread: what runs now ends with LDB-6001. Nothing happens when nothing runs.
  void interrupt();
  bool in_transaction() const;

  // What may follow text[0, cursor), best first: keywords, names of objects, columns, functions, files.
  std::vector<Completion> complete(std::string_view text, size_t cursor);

  struct Impl;
  explicit Session(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

// Line and column of a byte offset, both from 1; columns count UTF-8 characters.
struct TextPosition {
  int64_t line = 0, column = 0;
};
TextPosition position_of(std::string_view script, int64_t offset);

}  // namespace laminar::sql
