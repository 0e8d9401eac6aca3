#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "bench/arguments.h"
#include "bench/commands.h"
#include "bench/comparison.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/sql_text.h"
#include "duck/batch_engine.h"
#include "duck/types.h"
#include "laminar/laminar.h"

namespace laminar::bench {
namespace {

constexpr ArgumentSpec kArguments[] = {
    {"setup", "FILE.sql", "declares sources (connector = 'memory') and views; required"},
    {"input", "SOURCE=FILE", "rows of a source, from a Parquet, CSV or JSON file with its columns by name; one or more",
     true},
    {"view", "NAME", "the view or stream to bring up to date; required"},
    {"batch", "FILE.sql", "the query DuckDB runs; without it the view's own, TUMBLE as epoch_us(ts) // n"},
    {"name", "TEXT", "name in the report (the view's)"},
    {"cores", "N", "cores for the views (1)"},
    {"repeat", "R", "runs of each side, in turn; times are medians (3)"},
    {"tick-rows", "N", "rows of a tick (16384)"},
    {"json", "", "one JSON object instead of a table"},
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file) return Status(ErrorCode::kFileNotFound, "file cannot be opened: " + path);
  text << file.rdbuf();
  if (file.bad()) return Status(ErrorCode::kFileUnreadable, "file cannot be read: " + path);
  return text.str();
}

std::string quoted(const std::string& text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += c;
    out += c;
  }
  return out + quote;
}

bool same_name(const std::string& a, const std::string& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Status positioned(const Status& status, const std::string& script, const std::string& file) {
  Error error = status.error();
  if (error.offset >= 0) {
    const TextPosition at_ = text_position(script, error.offset);
    error.message = file + ":" + std::to_string(at_.line) + ":" + std::to_string(at_.column) + ": " + error.message;
  }
  return Status(std::move(error));
}

// The rows of the file, as columns of our source and as a table of DuckDB's.
Result<Input> load(const std::string& source, const std::string& file, const std::vector<ColumnInfo>& columns,
                   const SetupStatement& statement, duck::BatchEngine& engine) {
  std::string select;
  Input input;
  input.source = source;
  data::Schema schema;
  std::vector<data::Type> types;
  for (const ColumnInfo& column : columns) {
    ASSIGN_OR_RETURN(const data::Type type, duck::parse_type(column.type));
    select += (select.empty() ? "" : ", ") + quoted(column.name, '"') + "::" + column.type + " AS " +
              quoted(column.name, '"');
    schema.push_back({column.name, type, false});
    types.push_back(type);
    const bool declared = same_name(column.name, statement.watermark_column);
    if (declared || (statement.watermark_column.empty() && input.time_column.empty() && type.is_timestamp())) {
      input.time_column = column.name;
    }
  }
  const std::string table = quoted(source, '"');
  RETURN_IF_ERROR(engine.execute("CREATE TABLE " + table + " AS SELECT " + select + " FROM " + quoted(file, '\'')));
  ASSIGN_OR_RETURN(const auto count, engine.text_rows("SELECT count(*) FROM " + table));
  input.store = std::make_unique<ColumnStore>(schema, std::stoull(count.at(0).at(0)));
  ASSIGN_OR_RETURN(const std::unique_ptr<duck::Reader> reader,
                   duck::Reader::open(engine.database(), "SELECT * FROM " + table, types));
  data::BatchBuffer buffer(reader->schema());
  while (true) {
    ASSIGN_OR_RETURN(const uint32_t rows, reader->next(buffer));
    if (rows == 0) return input;
    input.store->append(buffer);
  }
}

Result<Figures> run_comparison(const Arguments& arguments) {
  for (const std::string_view name : {"setup", "view", "input"}) {
    if (!arguments.has(name)) return Status(ErrorCode::kMissingOption, "--" + std::string(name) + " is missing");
  }
  RunOptions options;
  ASSIGN_OR_RETURN(options.cores, arguments.number("cores", 1, 1, 64));
  ASSIGN_OR_RETURN(options.repeats, arguments.number("repeat", 3, 1, 1000));
  ASSIGN_OR_RETURN(options.tick_rows, arguments.number("tick-rows", 16384, 1, 1'000'000'000));

  Comparison comparison;
  comparison.view = arguments.text("view");
  comparison.name = arguments.text("name", comparison.view);
  const std::string setup_file = arguments.text("setup");
  ASSIGN_OR_RETURN(comparison.setup, read_file(setup_file));
  const std::vector<SetupStatement> statements = read_setup(comparison.setup);

  Progress progress;
  progress.show("declaring " + setup_file);
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::open());
  if (const Status status = database->execute(comparison.setup); !status.ok()) {
    return positioned(status, comparison.setup, setup_file);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<duck::BatchEngine> engine, duck::BatchEngine::open());
  std::vector<Input> inputs;
  for (const std::string& given : arguments.all("input")) {
    const size_t equals = given.find('=');
    if (equals == std::string::npos) return Status(ErrorCode::kInvalidOption, "--input takes SOURCE=FILE: " + given);
    const std::string source = given.substr(0, equals), file = given.substr(equals + 1);
    progress.show("loading " + file);
    const auto statement = std::find_if(statements.begin(), statements.end(), [&](const SetupStatement& s) {
      return s.kind == SetupStatement::Kind::kSource && same_name(s.name, source);
    });
    if (statement == statements.end()) {
      return Status(ErrorCode::kUnknownObject, "no CREATE SOURCE " + source + " in " + setup_file);
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<Appender> appender, database->appender(source));
    ASSIGN_OR_RETURN(Input input, load(source, file, appender->columns(), *statement, *engine));
    inputs.push_back(std::move(input));
  }
  database.reset();

  const IntervalReader interval_us = [&](const std::string& interval) -> Result<int64_t> {
    ASSIGN_OR_RETURN(const auto rows, engine->text_rows("SELECT CAST(epoch(" + interval + ") * 1000000 AS BIGINT)"));
    return std::stoll(rows.at(0).at(0));
  };
  // What the view reads besides its sources stands in DuckDB too: tables with their rows, views as views.
  bool found = false;
  for (const SetupStatement& statement : statements) {
    using Kind = SetupStatement::Kind;
    if (statement.kind == Kind::kTable || statement.kind == Kind::kInsert) {
      RETURN_IF_ERROR(engine->execute(statement.text));
    }
    if (statement.kind != Kind::kView && statement.kind != Kind::kStream) continue;
    const bool wanted = same_name(statement.name, comparison.view);
    if (wanted) {
      comparison.is_stream = statement.kind == Kind::kStream;
      found = true;
      if (arguments.has("batch")) break;
    }
    const Result<std::string> batch = batch_form(statement.query, interval_us);
    if (wanted) {
      if (!batch.ok()) return batch.status();
      comparison.batch_query = *batch;
      break;
    }
    if (batch.ok()) (void)engine->execute("CREATE VIEW " + quoted(statement.name, '"') + " AS " + *batch).ok();
  }
  if (!found)
    return Status(ErrorCode::kUnknownObject,
                  "no CREATE MATERIALIZED VIEW or STREAM " + comparison.view + " in " + setup_file);
  if (arguments.has("batch")) {
    ASSIGN_OR_RETURN(comparison.batch_query, read_file(arguments.text("batch")));
    const size_t end = comparison.batch_query.find_last_not_of("; \t\r\n");
    comparison.batch_query.resize(end == std::string::npos ? 0 : end + 1);
  }
  progress.show("");
  return compare(comparison, inputs, *engine, options);
}

}  // namespace

int run_sql(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench sql: %s\n\n%s", arguments.error().message.c_str(),
                 describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf(
        "usage: laminar bench sql --setup FILE.sql --input SOURCE=FILE.parquet... --view NAME [options]\n\n"
        "Loads the files into memory, pushes their rows into the sources in file order (several inputs side by\n"
        "side in event time), and times pushing until the view shows them all. DuckDB runs the query on the same\n"
        "rows in memory with one thread, its result materialized.\n\n%s\n"
        "Exit code 1 when the results differ. ratio = DuckDB's CPU time / ours;\n"
        "with --cores of wall times.\n",
        describe(kArguments).c_str());
    return 0;
  }
  Report report(arguments->has("json"));
  const Result<Figures> figures = run_comparison(*arguments);
  if (!figures.ok()) {
    report.fail("sql", figures.status());
  } else {
    report.add(*figures);
  }
  return report.exit_code();
}

}  // namespace laminar::bench
