#include "sql/parse/session_parser.h"

#include <algorithm>
#include <deque>

#include "base/check.h"
#include "duckdb/catalog/catalog.hpp"
#include "duckdb/common/error_data.hpp"
#include "duckdb/common/exception/parser_exception.hpp"
#include "duckdb/function/table_function.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/parser_extension.hpp"
#include "duckdb/parser/statement/create_statement.hpp"
#include "duckdb/parser/statement/extension_statement.hpp"
#include "duckdb/parser/statement/multi_statement.hpp"
#include "sql/parse/query_clauses.h"
#include "sql/parse/script.h"
#include "sql/parse/stock_parser.h"

namespace laminar::sql {
namespace {

// What travels from the override to planning.
struct ParsedStatement : duckdb::ParserExtensionParseData {
  std::shared_ptr<const Statement> statement;
  std::shared_ptr<const std::string> script;

  duckdb::unique_ptr<duckdb::ParserExtensionParseData> Copy() const override {
    auto copy = duckdb::make_uniq<ParsedStatement>();
    copy->statement = statement;
    copy->script = script;
    return copy;
  }
  duckdb::string ToString() const override {
    return script->substr(statement->begin, statement->end - statement->begin);
  }
};

struct SessionParserInfo : duckdb::ParserExtensionInfo, duckdb::enable_shared_from_this<SessionParserInfo> {
  std::shared_ptr<StatementHandler> handler;
  duckdb::ParserExtension extension;  // ours, for the statements we make; without the info, which would be a cycle
};

// --- execution: a table function over the bound statement ---

struct BoundInfo : duckdb::TableFunctionInfo {
  std::shared_ptr<StatementResult> bound;
};

struct BoundData : duckdb::TableFunctionData {
  std::shared_ptr<StatementResult> bound;

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    auto copy = duckdb::make_uniq<BoundData>();
    copy->bound = bound;
    return copy;
  }
  bool Equals(const duckdb::FunctionData& other) const override { return bound == other.Cast<BoundData>().bound; }
};

struct ExecutionState : duckdb::GlobalTableFunctionState {
  bool started = false;
  std::unique_ptr<StatementRows> rows;
};

duckdb::unique_ptr<duckdb::FunctionData> bind_statement(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input,
                                                        duckdb::vector<duckdb::LogicalType>& types,
                                                        duckdb::vector<duckdb::string>& names) {
  auto data = duckdb::make_uniq<BoundData>();
  data->bound = input.info->Cast<BoundInfo>().bound;
  CHECK(data->bound->names.size() == data->bound->types.size());
  types.insert(types.end(), data->bound->types.begin(), data->bound->types.end());
  names.insert(names.end(), data->bound->names.begin(), data->bound->names.end());
  if (names.empty()) {  // a table function has at least one column; a silent one never fills it
    types.emplace_back(duckdb::LogicalType::BOOLEAN);
    names.emplace_back("ok");
  }
  return data;
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> start_statement(duckdb::ClientContext&,
                                                                     duckdb::TableFunctionInitInput&) {
  return duckdb::make_uniq<ExecutionState>();
}

void run_statement(duckdb::ClientContext& context, duckdb::TableFunctionInput& input, duckdb::DataChunk& chunk) {
  auto& state = input.global_state->Cast<ExecutionState>();
  if (!state.started) {
    state.started = true;
    Result<std::unique_ptr<StatementRows>> rows = input.bind_data->Cast<BoundData>().bound->execute(context);
    throw_if_error(rows.status());
    state.rows = rows.take();
  }
  if (state.rows) throw_if_error(state.rows->next(context, chunk));
}

duckdb::ParserExtensionPlanResult plan_statement(duckdb::ParserExtensionInfo* info, duckdb::ClientContext& context,
                                                 duckdb::unique_ptr<duckdb::ParserExtensionParseData> data) {
  const auto& parsed = static_cast<const ParsedStatement&>(*data);
  Result<std::unique_ptr<StatementResult>> bound =
      static_cast<SessionParserInfo*>(info)->handler->bind(context, *parsed.statement, *parsed.script);
  throw_if_error(bound.status());

  auto bound_info = duckdb::make_shared_ptr<BoundInfo>();
  bound_info->bound = bound.take();
  CHECK(bound_info->bound != nullptr);
  duckdb::ParserExtensionPlanResult plan;
  const bool silent = bound_info->bound->names.empty();
  plan.return_type = silent ? duckdb::StatementReturnType::NOTHING : duckdb::StatementReturnType::QUERY_RESULT;
  duckdb::StatementProperties properties;
  for (const std::string& database : bound_info->bound->written_databases) {
    properties.RegisterDBModify(duckdb::Catalog::GetCatalog(context, database), context,
                                duckdb::DatabaseModificationType::CREATE_CATALOG_ENTRY);
  }
  plan.modified_databases = std::move(properties.modified_databases);
  plan.function = duckdb::TableFunction("laminar_statement", {}, run_statement, bind_statement, start_statement);
  plan.function.function_info = std::move(bound_info);
  return plan;
}

// --- parsing ---

// DuckDB's statements of the script. `text` has the script's offsets; what is not DuckDB's is blank in it.
duckdb::vector<duckdb::unique_ptr<duckdb::SQLStatement>> parse_stock(const std::string& text,
                                                                     duckdb::ParserOptions options) {
  options.extensions = nullptr;
  duckdb::Parser parser(options);
  parser.ParseQuery(text);
  return std::move(parser.statements);
}

// Throws with a position that DuckDB can draw: at the end of the script, on its last byte.
[[noreturn]] void throw_in_script(const Error& error, const std::string& script) {
  throw_error(error, std::min(error.offset, static_cast<int64_t>(script.size()) - 1));
}

// A better error for a DuckDB statement that does not parse at `offset`: clauses that are ours.
Status explain_stock_error(const std::string& query, const Script& script, int64_t offset) {
  for (const ScriptStatement& statement : script.statements) {
    if (statement.ours || offset < statement.begin || offset > statement.end) continue;
    const auto tokens =
        std::span(script.tokens).subspan(statement.token_begin, statement.token_end - statement.token_begin);
    RETURN_IF_ERROR(find_unsupported_clause(query, tokens, offset));
    for (TokenCursor cursor(query, tokens); !cursor.at_end() && cursor.offset() <= offset; cursor.take()) {
      if (!cursor.is("EMIT") || (!cursor.is("CHANGES", 1) && !cursor.is("FINAL", 1) && !cursor.is("ON", 1))) continue;
      return Status(ErrorCode::kSyntaxError,
                    "EMIT belongs to CREATE MATERIALIZED VIEW and CREATE STREAM; SUBSCRIBE follows a view's changes",
                    cursor.offset());
    }
  }
  return {};
}

// Parses DuckDB's statements, or throws.
duckdb::vector<duckdb::unique_ptr<duckdb::SQLStatement>> parse_stock_or_throw(const std::string& query,
                                                                              const Script& script,
                                                                              const std::string& text,
                                                                              const duckdb::ParserOptions& options) {
  try {
    return parse_stock(text, options);
  } catch (const std::exception& exception) {
    const duckdb::ErrorData error(exception);
    if (error.Type() != duckdb::ExceptionType::PARSER) throw;
    const int64_t offset = parser_error_offset(error, text);
    const Status better = explain_stock_error(query, script, offset);
    if (!better.ok()) throw_in_script(better.error(), query);
    // "at end of input" points behind the blanks and comments that follow the statement.
    const int64_t last = script.statements.empty() ? 0 : script.statements.back().end;
    throw_in_script({ErrorCode::kSyntaxError, error.RawMessage(), std::min(offset, last)}, query);
  }
}

// What DuckDB's own ParseQuery does to statements behind parsing, with the whole script as their text.
void finish_stock(duckdb::SQLStatement& statement, const std::string& query, const std::string& text, int64_t begin,
                  int64_t end) {
  if (statement.type == duckdb::StatementType::MULTI_STATEMENT) {
    for (auto& part : statement.Cast<duckdb::MultiStatement>().statements) finish_stock(*part, query, text, begin, end);
  }
  statement.query = query;
  statement.stmt_location = static_cast<duckdb::idx_t>(begin);
  statement.stmt_length = static_cast<duckdb::idx_t>(end - begin);
  if (statement.type == duckdb::StatementType::CREATE_STATEMENT) {
    statement.Cast<duckdb::CreateStatement>().info->sql = text;
  }
}

duckdb::ParserOverrideResult parse_override(duckdb::ParserExtensionInfo* info, const std::string& query,
                                            duckdb::ParserOptions& options) {
  auto* session = static_cast<SessionParserInfo*>(info);
  const Script script = parse_script(query);
  const auto ours = std::count_if(script.statements.begin(), script.statements.end(),
                                  [](const ScriptStatement& statement) { return statement.ours.has_value(); });
  const size_t stock = script.statements.size() - static_cast<size_t>(ours);
  if (script.error) {
    // What stands before the wrong statement may be wrong too, and comes first.
    const int64_t until = script.statements.empty() ? 0 : script.statements.back().end;
    if (stock > 0) parse_stock_or_throw(query, script, script.stock_text.substr(0, until), options);
    throw_in_script(*script.error, query);
  }

  duckdb::vector<duckdb::unique_ptr<duckdb::SQLStatement>> parsed;
  if (stock > 0) parsed = parse_stock_or_throw(query, script, script.stock_text, options);
  const bool whole_script = script.statements.size() * query.size() <= kScriptCopiesMax;
  if (parsed.size() != stock) {
    throw duckdb::ParserException("cannot tell the statements of the script apart");
  }

  const auto shared_script = std::make_shared<const std::string>(query);
  duckdb::vector<duckdb::unique_ptr<duckdb::SQLStatement>> statements;
  size_t next_stock = 0;
  for (const ScriptStatement& statement : script.statements) {
    if (!statement.ours) {
      auto& theirs = parsed[next_stock++];
      const std::string text = query.substr(statement.begin, statement.end - statement.begin);
      if (whole_script) {
        finish_stock(*theirs, query, text, statement.begin, statement.end);
      } else {  // positions must count in the text that the statement keeps
        const std::string stock_text = script.stock_text.substr(statement.begin, statement.end - statement.begin);
        theirs = std::move(parse_stock(stock_text, options).at(0));
        finish_stock(*theirs, text, text, 0, statement.end - statement.begin);
      }
      statements.push_back(std::move(theirs));
      continue;
    }
    auto data = duckdb::make_uniq<ParsedStatement>();
    data->statement = std::make_shared<const Statement>(*statement.ours);
    data->script = shared_script;
    duckdb::ParserExtension extension = session->extension;
    extension.parser_info = duckdb::shared_ptr<duckdb::ParserExtensionInfo>(session->shared_from_this());
    auto made = duckdb::make_uniq<duckdb::ExtensionStatement>(std::move(extension), std::move(data));
    // Errors of ours carry offsets of the script: what stands before is kept unless that is most of the text.
    const bool from_begin = whole_script || statement.begin < statement.end - statement.begin;
    made->query = whole_script ? query
                  : from_begin ? query.substr(0, statement.end)
                               : query.substr(statement.begin, statement.end - statement.begin);
    made->stmt_location = from_begin ? static_cast<duckdb::idx_t>(statement.begin) : 0;
    made->stmt_length = static_cast<duckdb::idx_t>(statement.end - statement.begin);
    statements.push_back(std::move(made));
  }
  return duckdb::ParserOverrideResult(std::move(statements));
}

// --- results for handlers ---

class SilentResult final : public StatementResult {
 public:
  explicit SilentResult(std::function<Status(duckdb::ClientContext&)> execute) : execute_(std::move(execute)) {}
  Result<std::unique_ptr<StatementRows>> execute(duckdb::ClientContext& context) override {
    RETURN_IF_ERROR(execute_(context));
    return std::unique_ptr<StatementRows>();
  }

 private:
  std::function<Status(duckdb::ClientContext&)> execute_;
};

class ValueRowsReader final : public StatementRows {
 public:
  explicit ValueRowsReader(ValueRows rows) : rows_(std::move(rows)) {}
  Status next(duckdb::ClientContext&, duckdb::DataChunk& chunk) override {
    duckdb::idx_t n = 0;
    for (; n < STANDARD_VECTOR_SIZE && at_ < rows_.size(); ++n, ++at_) {
      CHECK(rows_[at_].size() == chunk.ColumnCount());
      for (size_t column = 0; column < rows_[at_].size(); ++column) chunk.SetValue(column, n, rows_[at_][column]);
    }
    chunk.SetCardinality(n);
    return {};
  }

 private:
  ValueRows rows_;
  size_t at_ = 0;
};

class RowsResult final : public StatementResult {
 public:
  explicit RowsResult(std::function<Result<ValueRows>(duckdb::ClientContext&)> execute)
      : execute_(std::move(execute)) {}
  Result<std::unique_ptr<StatementRows>> execute(duckdb::ClientContext& context) override {
    ASSIGN_OR_RETURN(ValueRows rows, execute_(context));
    return std::unique_ptr<StatementRows>(std::make_unique<ValueRowsReader>(std::move(rows)));
  }

 private:
  std::function<Result<ValueRows>(duckdb::ClientContext&)> execute_;
};

}  // namespace

std::unique_ptr<StatementResult> silent_result(std::function<Status(duckdb::ClientContext&)> execute) {
  return std::make_unique<SilentResult>(std::move(execute));
}

std::unique_ptr<StatementResult> rows_result(std::vector<std::string> names, std::vector<duckdb::LogicalType> types,
                                             std::function<Result<ValueRows>(duckdb::ClientContext&)> execute) {
  auto result = std::make_unique<RowsResult>(std::move(execute));
  result->names = std::move(names);
  result->types = std::move(types);
  return result;
}

void register_parser(duckdb::DBConfig& config, std::shared_ptr<StatementHandler> handler) {
  auto info = duckdb::make_shared_ptr<SessionParserInfo>();
  info->handler = std::move(handler);
  duckdb::ParserExtension extension;
  extension.plan_function = plan_statement;
  extension.parser_override = parse_override;
  info->extension = extension;
  extension.parser_info = std::move(info);
  duckdb::ParserExtension::Register(config, std::move(extension));
  config.SetOptionByName("allow_parser_override_extension", duckdb::Value("strict"));
}

}  // namespace laminar::sql
