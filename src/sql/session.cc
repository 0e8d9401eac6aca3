#include "sql/session.h"

#include "duck/types.h"
#include "duckdb/common/string_util.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/main/database.hpp"
#include "duckdb/main/materialized_query_result.hpp"
#include "duckdb/main/pending_query_result.hpp"
#include "duckdb/main/prepared_statement.hpp"
#include "duckdb/main/stream_query_result.hpp"
#include "sql/catalog/catalog.h"
#include "sql/catalog/transaction.h"
#include "sql/functions/window_functions.h"
#include "sql/parse/session_parser.h"
#include "sql/session_impl.h"
#include "sql/statements/handler.h"
#include "sql/statements/stock_statement.h"

namespace laminar::sql {
namespace {

// How often a statement is bound anew when DDL of other sessions overtakes it.
constexpr int kAttemptsMax = 10;

Error shifted(Error error, int64_t begin) {
  // Without a place of its own an error stands at its statement.
  error.offset = error.offset < 0 ? begin : error.offset + begin;
  return error;
}

// DuckDB gives no place for what is wrong with the object that a statement changes.
bool is_about_object(const Error& error) {
  const auto code = static_cast<unsigned>(error.code);
  return error.offset < 0 && ((code >= 2000 && code < 3000) || error.code == ErrorCode::kNotImplemented ||
                              error.code == ErrorCode::kConstraintViolated || error.code == ErrorCode::kUnknownOption ||
                              error.code == ErrorCode::kInvalidOption);
}

// Nor for an INSERT with too few or too many values.
bool is_about_values(const Error& error) {
  return error.offset < 0 && error.code == ErrorCode::kBindError && error.message.ends_with("values were supplied");
}

// Where a name first stands in a statement's text, -1 when it does not.
int64_t name_offset(const std::string& name, const std::string& text) {
  if (name.empty()) return -1;
  for (const Token& token : parse_script(text).tokens) {
    std::string word = text.substr(token.begin, token.end - token.begin);
    if (word.size() >= 2 && word.front() == '"' && word.back() == '"') word = word.substr(1, word.size() - 2);
    if (duckdb::StringUtil::CIEquals(word, name)) return token.begin;
  }
  return -1;
}

// The rows of a DuckDB result, streaming or not.
class QueryRows final : public RowSource {
 public:
  QueryRows(Session::Impl& session, duckdb::unique_ptr<duckdb::QueryResult> result, std::string text)
      : session_(session), result_(std::move(result)), text_(std::move(text)) {
    if (result_->properties.return_type == duckdb::StatementReturnType::QUERY_RESULT) return;
    silent = true;
  }

  Result<duckdb::DataChunk*> next() override {
    try {
      while (true) {
        chunk_ = result_->Fetch();
        if (result_->HasError()) return session_.error_of(result_->GetErrorObject(), text_);
        if (!chunk_) return static_cast<duckdb::DataChunk*>(nullptr);
        if (chunk_->size() > 0) return chunk_.get();
      }
    } catch (const std::exception& exception) {
      return session_.error_of(exception, text_);
    }
  }

  // Runs what shows nothing to its end, for its effect and its count.
  Status finish() {
    const bool counts = result_->properties.return_type == duckdb::StatementReturnType::CHANGED_ROWS;
    while (true) {
      ASSIGN_OR_RETURN(duckdb::DataChunk * chunk, next());
      if (!chunk) return {};
      if (counts && chunk->ColumnCount() > 0) {
        const duckdb::Value count = chunk->GetValue(0, 0);
        if (!count.IsNull() && count.type().IsIntegral()) rows_changed = count.GetValue<uint64_t>();
      }
    }
  }

 private:
  Session::Impl& session_;
  duckdb::unique_ptr<duckdb::QueryResult> result_;
  std::string text_;
  duckdb::unique_ptr<duckdb::DataChunk> chunk_;
};

// A statement that leaves nothing to read.
class NoRows final : public RowSource {
 public:
  NoRows() { silent = true; }
  Result<duckdb::DataChunk*> next() override { return static_cast<duckdb::DataChunk*>(nullptr); }
};

}  // namespace

// --- Engine ---

Engine::Engine() : impl_(std::make_unique<Impl>()) {}
Engine::~Engine() = default;

Result<std::shared_ptr<Engine>> Engine::open(std::shared_ptr<Backend> backend, EngineOptions options) {
  std::shared_ptr<Engine> engine(new Engine());
  engine->impl_->backend = backend;
  try {
    duckdb::DBConfig config;
    // Nothing is fetched from elsewhere unless the user says so.
    config.SetOptionByName("autoinstall_known_extensions", duckdb::Value::BOOLEAN(false));
    for (const auto& [name, value] : options.duckdb_settings) config.SetOptionByName(name, duckdb::Value(value));
    if (options.threads > 0) config.SetOptionByName("threads", duckdb::Value::BIGINT(options.threads));
    register_parser(config, make_statement_handler(backend));
    register_catalog(config, backend);
    engine->impl_->duckdb = std::make_unique<duckdb::DuckDB>(nullptr, &config);
    register_functions(*engine->impl_->duckdb->instance);
    RETURN_IF_ERROR(attach_catalog(*engine->impl_->duckdb->instance, *backend));
  } catch (const std::exception& exception) {
    return to_error(duckdb::ErrorData(exception), "");
  }
  return engine;
}

std::unique_ptr<Session> Engine::connect() {
  return std::make_unique<Session>(std::make_shared<Session::Impl>(shared_from_this()));
}

duckdb::DatabaseInstance& Engine::database() { return *impl_->duckdb->instance; }

// --- running statements ---

Session::Impl::Impl(std::shared_ptr<Engine> owner)
    : engine(std::move(owner)),
      backend(*engine->impl().backend),
      connection(std::make_unique<duckdb::Connection>(engine->database())) {}

void Session::Impl::close_rows() {
  if (open_rows) open_rows->close();
  open_rows = nullptr;
}

void Session::Impl::begin() {
  close_rows();
  interrupted_ = false;
}

void Session::Impl::interrupt() {
  interrupted_ = true;
  connection->Interrupt();
}

Error Session::Impl::error_of(const duckdb::ErrorData& data, const std::string& text) {
  Error error = to_error(data, text);
  ConnectionState& state = ConnectionState::get(*connection->context);
  std::lock_guard lock(state.mutex);
  if (state.commit_error) {
    error = *state.commit_error;
    error.offset = -1;  // of a statement before
    state.commit_error.reset();
  }
  if (error.code == ErrorCode::kInterrupted) error.message = "interrupted";
  return error;
}

Error Session::Impl::error_of(const std::exception& exception, const std::string& text) {
  return error_of(duckdb::ErrorData(exception), text);
}

std::unique_ptr<Rows> Session::Impl::make_rows(std::unique_ptr<RowSource> source, std::vector<std::string> names,
                                               duckdb::vector<duckdb::LogicalType> types) {
  auto impl = std::make_unique<Rows::Impl>();
  impl->session = shared_from_this();
  impl->silent = source->silent;
  impl->rows_changed = source->rows_changed;
  if (!impl->silent) {
    for (size_t i = 0; i < types.size(); ++i) {
      impl->columns.push_back({names[i], types[i].ToString(), duck::type_from_duckdb(types[i])});
    }
    impl->types = std::move(types);
  }
  impl->source = std::move(source);
  open_rows = impl.get();
  return std::make_unique<Rows>(std::move(impl));
}

Result<std::unique_ptr<Rows>> Session::Impl::rows_of(duckdb::unique_ptr<duckdb::PendingQueryResult> pending,
                                                     const std::string& text) {
  if (pending->HasError()) return error_of(pending->GetErrorObject(), text);
  auto result = pending->Execute();
  if (result->HasError()) return error_of(result->GetErrorObject(), text);
  std::vector<std::string> names(result->names.begin(), result->names.end());
  auto types = result->types;
  auto source = std::make_unique<QueryRows>(*this, std::move(result), text);
  if (source->silent) RETURN_IF_ERROR(source->finish());
  return make_rows(std::move(source), std::move(names), std::move(types));
}

Result<std::unique_ptr<Rows>> Session::Impl::run(std::string_view script, const ScriptStatement& statement) {
  close_rows();
  const std::string text(script.substr(statement.begin, statement.end - statement.begin));
  std::string subject;
  ConnectionState& state = ConnectionState::get(*connection->context);
  auto run_once = [&]() -> Result<std::unique_ptr<Rows>> {
    try {
      auto parsed = connection->ExtractStatements(text);
      Result<std::unique_ptr<Rows>> rows = make_rows(std::make_unique<NoRows>(), {}, {});
      for (auto& part : parsed) {
        close_rows();
        subject = subject_of(*part);
        connection->context->RunFunctionInTransaction([&] { adapt_stock_statement(*connection->context, *part); }, false);
        std::optional<ViewBindingScope> scope;
        if (only_describes(*part)) scope.emplace(*connection->context);
        rows = rows_of(connection->PendingQuery(std::move(part), duckdb::QueryResultOutputType::ALLOW_STREAMING), text);
        if (!rows.ok()) break;
      }
      return rows;
    } catch (const std::exception& exception) {
      return error_of(exception, text);
    }
  };
  auto run_text = [&]() -> Result<std::unique_ptr<Rows>> {
    for (int attempt = 1;; ++attempt) {
      state.object_changed = false;
      auto rows = run_once();
      // Nothing was done and nothing shown yet: bind it to what is there now.
      const bool again = !rows.ok() && state.object_changed && connection->IsAutoCommit() && attempt < kAttemptsMax;
      if (!again) return rows;
    }
  };
  Result<std::unique_ptr<Rows>> rows = [&]() -> Result<std::unique_ptr<Rows>> {
    if (!statement.ours) return run_text();
    const auto* subscription = std::get_if<SubscribeStatement>(&statement.ours->body);
    if (!subscription) return run_text();
    // Parsed again alone, so that its offsets are those of its own text.
    const Script alone = parse_script(text);
    if (alone.error) return *alone.error;
    return subscribe(std::get<SubscribeStatement>(alone.statements.at(0).ours->body));
  }();
  if (!rows.ok()) {
    Error error = rows.error();
    if (is_about_object(error)) error.offset = name_offset(subject, text);
    if (is_about_values(error)) {
      const int64_t values = name_offset("VALUES", text);
      error.offset = values >= 0 ? values : name_offset("SELECT", text);
    }
    return shifted(std::move(error), statement.begin);
  }
  (*rows)->impl().statement_begin = statement.begin;
  return rows;
}

// --- Session ---

Session::Session(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() { impl_->close_rows(); }

Status Session::execute(std::string_view script, const ResultCallback& on_result) {
  impl_->begin();
  const Script parsed = parse_script(script);
  for (const ScriptStatement& statement : parsed.statements) {
    if (impl_->interrupted()) return Status(ErrorCode::kInterrupted, "interrupted", statement.begin);
    ASSIGN_OR_RETURN(std::unique_ptr<Rows> rows, impl_->run(script, statement));
    if (on_result) {
      RETURN_IF_ERROR(on_result(*rows, script.substr(statement.begin, statement.end - statement.begin)));
    } else {
      RETURN_IF_ERROR(rows->drain());
    }
  }
  if (parsed.error) return *parsed.error;
  return {};
}

Result<std::unique_ptr<Rows>> Session::query(std::string_view script) {
  impl_->begin();
  const Script parsed = parse_script(script);
  std::unique_ptr<Rows> rows;
  for (const ScriptStatement& statement : parsed.statements) {
    if (rows) RETURN_IF_ERROR(rows->drain());
    if (impl_->interrupted()) return Status(ErrorCode::kInterrupted, "interrupted", statement.begin);
    ASSIGN_OR_RETURN(rows, impl_->run(script, statement));
  }
  if (parsed.error) {
    if (rows) RETURN_IF_ERROR(rows->drain());
    return *parsed.error;
  }
  if (!rows) rows = impl_->make_rows(std::make_unique<NoRows>(), {}, {});
  return rows;
}

void Session::interrupt() { impl_->interrupt(); }

bool Session::in_transaction() const { return !impl_->connection->IsAutoCommit(); }

TextPosition position_of(std::string_view script, int64_t offset) {
  const LineColumn place = line_column(script, offset);
  return {place.line, place.column};
}

// --- Prepared ---

struct Prepared::Impl {
  std::shared_ptr<Session::Impl> session;
  duckdb::unique_ptr<duckdb::PreparedStatement> statement;
  std::string text;
};

Prepared::Prepared(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Prepared::~Prepared() = default;

uint32_t Prepared::parameter_count() const { return static_cast<uint32_t>(impl_->statement->named_param_map.size()); }

Result<std::unique_ptr<Prepared>> Session::prepare(std::string_view statement) {
  impl_->begin();
  const Script parsed = parse_script(statement);
  if (parsed.error) return *parsed.error;
  if (parsed.statements.size() != 1) {
    return Status(ErrorCode::kSyntaxError, "one statement can be prepared at a time, there are " +
                                               std::to_string(parsed.statements.size()));
  }
  auto prepared = std::make_unique<Prepared::Impl>();
  prepared->session = impl_;
  prepared->text = std::string(statement);
  try {
    auto& connection = *impl_->connection;
    auto parts = connection.ExtractStatements(prepared->text);
    if (parts.size() != 1) return Status(ErrorCode::kNotImplemented, "this statement cannot be prepared", 0);
    connection.context->RunFunctionInTransaction([&] { adapt_stock_statement(*connection.context, *parts[0]); }, false);
    prepared->statement = connection.Prepare(std::move(parts[0]));
    if (prepared->statement->HasError()) {
      return shifted(impl_->error_of(prepared->statement->GetErrorObject(), prepared->text), 0);
    }
  } catch (const std::exception& exception) {
    return shifted(impl_->error_of(exception, prepared->text), 0);
  }
  return std::make_unique<Prepared>(std::move(prepared));
}

Result<std::unique_ptr<Rows>> Prepared::execute(const std::vector<data::Value>& values) {
  Session::Impl& session = *impl_->session;
  session.begin();
  if (values.size() != parameter_count()) {
    return Status(ErrorCode::kBindError, "the statement has " + std::to_string(parameter_count()) + " parameters, " +
                                             std::to_string(values.size()) + " values were given", 0);
  }
  try {
    duckdb::vector<duckdb::Value> parameters;
    for (const data::Value& value : values) parameters.push_back(duck::value_to_duckdb(value));
    auto rows = session.rows_of(impl_->statement->PendingQuery(parameters, true), impl_->text);
    if (!rows.ok()) return shifted(rows.error(), 0);
    return rows;
  } catch (const std::exception& exception) {
    return shifted(session.error_of(exception, impl_->text), 0);
  }
}

}  // namespace laminar::sql
