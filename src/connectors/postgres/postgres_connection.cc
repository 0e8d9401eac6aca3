#include "connectors/postgres/postgres_connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/clock.h"

namespace laminar::connectors {

namespace {

constexpr int kPollMs = 100;

std::string one_line(const char* message) {
  std::string text = message ? message : "";
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

void ignore_notice(void*, const PGresult*) {}

struct Texts {
  std::vector<const char*> values;
  explicit Texts(PostgresParameters parameters) {
    for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
  }
  int count() const { return static_cast<int>(values.size()); }
};

}  // namespace

std::span<const OptionSpec> postgres_address_options() {
  static constexpr OptionSpec kOptions[] = {
      {.name = "connection", .kind = OptionKind::kString,
       .doc = "a libpq connection string or URI, such as 'postgresql://user@host:5432/shop'; the options below go before it"},
      {.name = "host", .kind = OptionKind::kString, .doc = "a host's name or address, or the folder of a Unix socket"},
      {.name = "port", .kind = OptionKind::kInteger, .min = 1, .max = 65535, .doc = "5432 by default"},
      {.name = "database", .kind = OptionKind::kString, .doc = "by default the one named as the user"},
      {.name = "user", .kind = OptionKind::kString, .doc = "by default what libpq takes: PGUSER, else the system's user"},
      {.name = "password", .kind = OptionKind::kString,
       .doc = "stands in SHOW CREATE; without it libpq takes PGPASSWORD or the password file"},
      {.name = "sslmode", .kind = OptionKind::kChoice, .choices = "disable|allow|prefer|require|verify-ca|verify-full",
       .doc = "as in libpq; prefer by default"},
      {.name = "connect_timeout", .kind = OptionKind::kInterval, .default_text = "10 seconds", .min = 10'000,
       .doc = "how long one try to connect may take"},
  };
  return kOptions;
}

PostgresAddress postgres_address(const OptionValues& options) {
  PostgresAddress address;
  address.connection = options.text("connection");
  address.host = options.text("host");
  if (options.has("port")) address.port = std::to_string(options.integer("port"));
  address.database = options.text("database");
  address.user = options.text("user");
  address.password = options.text("password");
  address.sslmode = options.text("sslmode");
  address.connect_timeout_us = options.integer("connect_timeout");
  return address;
}

PostgresResult::~PostgresResult() {
  if (result_) PQclear(result_);
}
int PostgresResult::rows() const { return result_ ? PQntuples(result_) : 0; }
int PostgresResult::columns() const { return result_ ? PQnfields(result_) : 0; }
std::string PostgresResult::column_name(int column) const { return PQfname(result_, column); }
uint32_t PostgresResult::column_type(int column) const { return PQftype(result_, column); }
bool PostgresResult::is_null(int row, int column) const { return PQgetisnull(result_, row, column) != 0; }
std::string_view PostgresResult::text(int row, int column) const {
  return {PQgetvalue(result_, row, column), static_cast<size_t>(PQgetlength(result_, row, column))};
}
uint64_t PostgresResult::rows_affected() const {
  if (!result_) return 0;
  const std::string_view text = PQcmdTuples(result_);
  uint64_t rows = 0;
  std::from_chars(text.data(), text.data() + text.size(), rows);
  return rows;
}

std::string PostgresConnection::quoted_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string PostgresConnection::quoted_qualified(std::string_view name) {
  std::string out;
  for (;;) {
    const size_t dot = name.find('.');
    out += quoted_name(name.substr(0, dot));
    if (dot == std::string_view::npos) return out;
    out += '.';
    name.remove_prefix(dot + 1);
  }
}

Status PostgresConnection::lost(const std::string& doing) {
  const std::string message = connection_ ? one_line(PQerrorMessage(connection_)) : "";
  close();
  // A server that says no by itself writes FATAL; the rest is the network's.
  const bool said_no = message.find("FATAL:") != std::string::npos && message.find("starting up") == std::string::npos &&
                       message.find("shutting down") == std::string::npos && message.find("terminating connection") == std::string::npos;
  return Status(said_no ? ErrorCode::kServerRefused : ErrorCode::kServerUnavailable,
                "PostgreSQL: " + doing + (message.empty() ? "" : ": " + message));
}

Status PostgresConnection::refused(pg_result* raw) {
  const char* state = PQresultErrorField(raw, PG_DIAG_SQLSTATE);
  const std::string message = one_line(PQresultErrorMessage(raw));
  const std::string_view code = state ? state : "";
  // 57P..: the server goes down; 08...: the connection is gone.
  const bool away = code.empty() || code.starts_with("57P") || code.starts_with("08");
  return Status(away ? ErrorCode::kServerUnavailable : ErrorCode::kServerRefused, "PostgreSQL: " + message);
}

Status PostgresConnection::open(const PostgresAddress& address) {
  close();
  std::vector<const char*> names, values;
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  };
  // The later of two wins, and a connection string stands in dbname.
  add("dbname", address.connection);
  add("host", address.host);
  add("port", address.port);
  const std::string database = address.database;
  if (address.connection.empty()) add("dbname", database);
  add("user", address.user);
  add("password", address.password);
  add("sslmode", address.sslmode);
  const std::string options = "-c datestyle=ISO -c timezone=UTC -c extra_float_digits=3 -c bytea_output=hex -c intervalstyle=postgres";
  add("options", options);
  const std::string encoding = "UTF8", application = "laminar";  // add() keeps pointers
  add("client_encoding", encoding);
  add("fallback_application_name", application);
  names.push_back(nullptr);
  values.push_back(nullptr);
  const int64_t deadline_ns = monotonic_ns() + address.connect_timeout_us * 1000;
  connection_ = PQconnectStartParams(names.data(), values.data(), 1);
  CHECK(connection_);
  PQsetNoticeReceiver(connection_, ignore_notice, nullptr);
  PostgresPollingStatusType polled = PGRES_POLLING_WRITING;
  while (PQstatus(connection_) != CONNECTION_BAD) {
    const int descriptor = PQsocket(connection_);
    if (descriptor < 0) break;
    pollfd item{descriptor, static_cast<short>(polled == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (::poll(&item, 1, kPollMs) > 0) {
      polled = PQconnectPoll(connection_);
      if (polled == PGRES_POLLING_OK) {
        if (PQsetnonblocking(connection_, 1) != 0) break;
        return {};
      }
      if (polled == PGRES_POLLING_FAILED) break;
    }
    if (cancelled_.load()) return lost("cancelled");
    if (monotonic_ns() > deadline_ns) return lost("no connection in time");
  }
  return lost("no connection");
}

void PostgresConnection::close() {
  if (connection_) PQfinish(connection_);
  connection_ = nullptr;
  wants_write_ = false;
}

int PostgresConnection::descriptor() const { return connection_ ? PQsocket(connection_) : -1; }

Status PostgresConnection::flush() {
  const int left = PQflush(connection_);
  if (left < 0) return lost("the connection broke");
  wants_write_ = left > 0;
  return {};
}

Status PostgresConnection::wait(int64_t deadline_ns, const char* doing) {
  pollfd item{descriptor(), static_cast<short>(POLLIN | (wants_write_ ? POLLOUT : 0)), 0};
  (void)::poll(&item, 1, kPollMs);
  if (cancelled_.load()) return lost("cancelled");
  if (monotonic_ns() > deadline_ns) return lost(std::string("no answer in time to ") + doing);
  if (item.revents && !PQconsumeInput(connection_)) return lost("the connection broke");
  return flush();
}

// The next result of the running query, an empty one at its end.
Result<PostgresResult> PostgresConnection::next_result(int64_t deadline_ns) {
  while (PQisBusy(connection_)) RETURN_IF_ERROR(wait(deadline_ns, "a query"));
  pg_result* raw = PQgetResult(connection_);
  PostgresResult result(raw);
  if (!raw) return result;
  switch (PQresultStatus(raw)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_EMPTY_QUERY:
    case PGRES_PIPELINE_SYNC:
    case PGRES_COPY_IN:
      return result;
    default:
      return refused(raw);
  }
}

// The last result of the running query.
Result<PostgresResult> PostgresConnection::last_result(int64_t deadline_ns) {
  PostgresResult last;
  Status failure;
  for (;;) {
    Result<PostgresResult> result = next_result(deadline_ns);
    if (!connection_) return result.status();
    if (!result.ok()) {
      if (failure.ok()) failure = result.status();
      continue;
    }
    PostgresResult got = result.take();
    if (!got.is_something()) break;
    last = std::move(got);
  }
  if (!failure.ok()) return failure;
  return last;
}

Result<PostgresResult> PostgresConnection::execute(const std::string& sql, PostgresParameters parameters, int64_t timeout_us) {
  if (!connection_) return lost("there is no connection");
  const int64_t deadline_ns = monotonic_ns() + timeout_us * 1000;
  const Texts texts(parameters);
  // Several statements in one text go without parameters only.
  const int sent = parameters.empty() ? PQsendQuery(connection_, sql.c_str())
                                      : PQsendQueryParams(connection_, sql.c_str(), texts.count(), nullptr, texts.values.data(), nullptr, nullptr, 0);
  if (!sent) return lost("a query cannot be sent");
  RETURN_IF_ERROR(flush());
  return last_result(deadline_ns);
}

Status PostgresConnection::begin_copy(const std::string& sql, int64_t timeout_us) {
  if (!connection_) return lost("there is no connection");
  const int64_t deadline_ns = monotonic_ns() + timeout_us * 1000;
  if (!PQsendQuery(connection_, sql.c_str())) return lost("a query cannot be sent");
  RETURN_IF_ERROR(flush());
  Result<PostgresResult> first = next_result(deadline_ns);
  if (first.ok()) return {};
  if (connection_) (void)last_result(deadline_ns);
  return first.status();
}

Status PostgresConnection::copy(std::string_view bytes, int64_t timeout_us) {
  if (!connection_) return lost("there is no connection");
  const int64_t deadline_ns = monotonic_ns() + timeout_us * 1000;
  for (;;) {
    const int put = PQputCopyData(connection_, bytes.data(), static_cast<int>(bytes.size()));
    if (put == 1) return flush();
    if (put < 0) return copy_failed(deadline_ns);
    wants_write_ = true;
    RETURN_IF_ERROR(wait(deadline_ns, "a COPY"));
  }
}

// The server may have said no in the middle.
Status PostgresConnection::copy_failed(int64_t deadline_ns) {
  if (PQstatus(connection_) != CONNECTION_OK) return lost("the connection broke");
  const Status status = last_result(deadline_ns).status();
  return status.ok() ? lost("the server ended a COPY") : status;
}

Result<uint64_t> PostgresConnection::end_copy(int64_t timeout_us) {
  if (!connection_) return lost("there is no connection");
  const int64_t deadline_ns = monotonic_ns() + timeout_us * 1000;
  for (;;) {
    const int put = PQputCopyEnd(connection_, nullptr);
    if (put == 1) break;
    if (put < 0) return copy_failed(deadline_ns);
    wants_write_ = true;
    RETURN_IF_ERROR(wait(deadline_ns, "a COPY"));
  }
  RETURN_IF_ERROR(flush());
  ASSIGN_OR_RETURN(const PostgresResult last, last_result(deadline_ns));
  return last.rows_affected();
}

Status PostgresConnection::prepare(const std::string& name, const std::string& sql, int64_t timeout_us) {
  if (!connection_) return lost("there is no connection");
  const int64_t deadline_ns = monotonic_ns() + timeout_us * 1000;
  if (!PQsendPrepare(connection_, name.c_str(), sql.c_str(), 0, nullptr)) return lost("a query cannot be sent");
  RETURN_IF_ERROR(flush());
  Status failure;
  for (;;) {
    Result<PostgresResult> result = next_result(deadline_ns);
    if (!connection_) return result.status();
    if (!result.ok()) failure = result.status();
    else if (!result->is_something()) return failure;
  }
}

Status PostgresConnection::stream(const std::string& sql, const std::function<Status(const PostgresResult&)>& take, int64_t timeout_us) {
  if (!connection_) return lost("there is no connection");
  if (!PQsendQuery(connection_, sql.c_str()) || !PQsetSingleRowMode(connection_)) return lost("a query cannot be sent");
  RETURN_IF_ERROR(flush());
  Status failure;
  for (;;) {
    Result<PostgresResult> result = next_result(monotonic_ns() + timeout_us * 1000);
    if (!connection_) return result.status();
    if (!result.ok()) {
      failure = result.status();
      continue;
    }
    if (!result->is_something()) return failure;
    if (failure.ok() && result->rows() > 0) {
      failure = take(*result);
      // What is left of it is read and dropped with the connection.
      if (!failure.ok()) {
        close();
        return failure;
      }
    }
  }
}

Status PostgresConnection::enter_pipeline() {
  if (!connection_) return lost("there is no connection");
  if (!PQenterPipelineMode(connection_)) return lost("no pipeline");
  return {};
}

Status PostgresConnection::send_prepared(const std::string& name, PostgresParameters parameters) {
  if (!connection_) return lost("there is no connection");
  const Texts texts(parameters);
  if (!PQsendQueryPrepared(connection_, name.c_str(), texts.count(), texts.values.data(), nullptr, nullptr, 0) ||
      !PQpipelineSync(connection_)) {
    return lost("a query cannot be sent");
  }
  return flush();
}

Result<std::optional<PostgresResult>> PostgresConnection::receive() {
  if (!connection_) return lost("there is no connection");
  if (!PQconsumeInput(connection_)) return lost("the connection broke");
  RETURN_IF_ERROR(flush());
  while (!PQisBusy(connection_)) {
    pg_result* raw = PQgetResult(connection_);
    PostgresResult result(raw);
    if (!raw) {
      // Between the results of two queries; when nothing is under way there is nothing behind it either.
      if (ended_query_) return std::optional<PostgresResult>();
      ended_query_ = true;
      continue;
    }
    ended_query_ = false;
    switch (PQresultStatus(raw)) {
      case PGRES_PIPELINE_SYNC: continue;
      case PGRES_TUPLES_OK:
      case PGRES_COMMAND_OK: return std::optional<PostgresResult>(std::move(result));
      default: return refused(raw);
    }
  }
  return std::optional<PostgresResult>();
}

}  // namespace laminar::connectors
