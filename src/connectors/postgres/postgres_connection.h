// One connection to a PostgreSQL server: queries that wait with a limit of time, and pipelines that do not wait.
//
// Threads: one at a time; cancel() from any.
// Errors:  LDB-5005 when the server cannot be reached or does not answer in time, LDB-5006 when it said no: its message.
//          After LDB-5005 the connection is closed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/status.h"

struct pg_conn;
struct pg_result;

namespace laminar::connectors {

// Where a server is and who asks; what is not given here libpq takes from its own environment.
struct PostgresAddress {
  std::string connection;  // "postgresql://..." or "host=... dbname=..."; the others go before it
  std::string host, port, database, user, password, sslmode;
  int64_t connect_timeout_us = 10'000'000;
};

// The options that name a server, the same for lookup tables and sinks: put them into the connector's table.
std::span<const OptionSpec> postgres_address_options();
PostgresAddress postgres_address(const OptionValues& options);

// Rows of a query, as text.
class PostgresResult {
 public:
  PostgresResult() = default;
  explicit PostgresResult(pg_result* result) : result_(result) {}
  PostgresResult(PostgresResult&& other) noexcept : result_(other.result_) { other.result_ = nullptr; }
  PostgresResult& operator=(PostgresResult&& other) noexcept {
    std::swap(result_, other.result_);
    return *this;
  }
  ~PostgresResult();

  // Not so: the end of a query's results.
  bool is_something() const { return result_ != nullptr; }
  int rows() const;
  int columns() const;
  std::string column_name(int column) const;
  uint32_t column_type(int column) const;  // the type's OID
  bool is_null(int row, int column) const;
  // Lives as long as the result.
  std::string_view text(int row, int column) const;
  // Of INSERT, UPDATE, DELETE.
  uint64_t rows_affected() const;

 private:
  pg_result* result_ = nullptr;
};

using PostgresParameters = std::span<const std::optional<std::string>>;

class PostgresConnection {
 public:
  PostgresConnection() = default;
  ~PostgresConnection() { close(); }
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  // Times come as ISO text in UTC, floating point exact.
  Status open(const PostgresAddress& address);
  void close();
  bool is_open() const { return connection_ != nullptr; }
  // What waits ends soon, now and ever after.
  void cancel() { cancelled_.store(true); }

  // Waits for the result.
  Result<PostgresResult> execute(const std::string& sql, PostgresParameters parameters = {}, int64_t timeout_us = 30'000'000);
  Status prepare(const std::string& name, const std::string& sql, int64_t timeout_us = 30'000'000);
  // Rows one by one as they come, each a result of one row.
  Status stream(const std::string& sql, const std::function<Status(const PostgresResult&)>& take, int64_t timeout_us = 30'000'000);

  // COPY ... FROM STDIN: begin_copy(), copy() of pieces that end anywhere, end_copy(), which gives the number of rows. What the
  // server has against a row it may say late.
  Status begin_copy(const std::string& sql, int64_t timeout_us = 30'000'000);
  Status copy(std::string_view bytes, int64_t timeout_us = 30'000'000);
  Result<uint64_t> end_copy(int64_t timeout_us = 30'000'000);

  // Pipeline: prepared statements are sent without waiting, results come in their order.
  Status enter_pipeline();
  Status send_prepared(const std::string& name, PostgresParameters parameters);
  // Moves bytes without waiting; the next result when it is complete.
  Result<std::optional<PostgresResult>> receive();
  // For poll(2).
  int descriptor() const;
  bool wants_write() const { return wants_write_; }

  static std::string quoted_name(std::string_view name);        // "na""me"
  static std::string quoted_qualified(std::string_view name);   // "schema"."table"; dots part

 private:
  Status lost(const std::string& doing);
  Status refused(pg_result* raw);
  Status flush();
  // Waits until bytes can be read, or written where there are some.
  Status wait(int64_t deadline_ns, const char* doing);
  Result<PostgresResult> next_result(int64_t deadline_ns);
  Result<PostgresResult> last_result(int64_t deadline_ns);
  Status copy_failed(int64_t deadline_ns);

  pg_conn* connection_ = nullptr;
  bool wants_write_ = false;
  bool ended_query_ = false;
  std::atomic<bool> cancelled_{false};
};

}  // namespace laminar::connectors
