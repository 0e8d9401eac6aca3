#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "bench/arguments.h"
#include "bench/commands.h"
#include "bench/comparison.h"
#include "bench/nexmark/queries.h"
#include "bench/nexmark/quotes.h"
#include "bench/nexmark/rows.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/sql_text.h"
#include "duck/batch_engine.h"

namespace laminar::bench {
namespace {

namespace nexmark = connectors::nexmark;

constexpr ArgumentSpec kArguments[] = {
    {"queries", "q0,q5,...", "which queries (all; --list shows them)"},
    {"events", "N", "events of all three kinds, 46 of 50 are bids (10M)"},
    {"rate", "N", "events per second of event time (10000)"},
    {"seed", "N", "other seeds give other rows (0)"},
    {"cores", "N", "cores for the views (1)"},
    {"repeat", "R", "runs of each side, in turn; times are medians (3)"},
    {"tick-rows", "N", "rows of a tick (16384)"},
    {"recompute", "", "also DuckDB running the query again after every 1 % of the rows"},
    {"json", "", "one JSON object per query instead of a table"},
    {"list", "", "show the queries and end"},
};

Result<std::vector<NexmarkQuery>> chosen_queries(const Arguments& arguments) {
  const std::span<const NexmarkQuery> all = nexmark_queries();
  if (!arguments.has("queries") || arguments.text("queries") == "all")
    return std::vector<NexmarkQuery>(all.begin(), all.end());
  std::vector<NexmarkQuery> chosen;
  for (const std::string& name : split(arguments.text("queries"), ',')) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const NexmarkQuery& q) { return q.name == name; });
    if (found == all.end()) {
      std::string names;
      for (const NexmarkQuery& q : all) names += " " + std::string(q.name);
      return Status(ErrorCode::kInvalidOption, "no such query: " + name + "; there are" + names);
    }
    chosen.push_back(*found);
  }
  return chosen;
}

struct Kind {
  const char* name;
  nexmark::Table table;
};
constexpr Kind kKinds[] = {{"bid", nexmark::Table::kBid}, {"auction", nexmark::Table::kAuction}, {"person", nexmark::Table::kPerson}};

bool reads(const NexmarkQuery& query, std::string_view name) {
  // As a table: columns have the same names.
  const std::vector<SqlToken> tokens = tokenize(query.ours);
  for (size_t i = 1; i < tokens.size(); ++i) {
    const std::string_view before = tokens[i - 1].text;
    if (tokens[i].text == name && (before == "from" || before == "join" || before == "table")) return true;
  }
  return false;
}

// Beside the benchmark's own tables: what the bids of ASOF joins look for.
constexpr const char* kQuotes = "quote";

// The rows of one kind, with those columns that the queries name.
NexmarkRows rows_for(const std::vector<NexmarkQuery>& queries, const nexmark::GeneratorOptions& options) {
  std::set<std::string> words = {"date_time"};
  for (const NexmarkQuery& query : queries) {
    for (const std::string_view text : {query.ours, query.batch}) {
      for (const SqlToken& token : tokenize(text)) words.insert(token.text);
    }
  }
  return NexmarkRows(options, [&](std::string_view column) { return words.contains(std::string(column)); });
}

// A query that names p_time gets a column of processing time, and windows by it.
std::string source_sql(const std::string& name, const data::Schema& schema, std::string_view query) {
  std::string sql = "CREATE SOURCE " + name + " (";
  for (const data::Field& field : schema) sql += field.name + " " + field.type.text() + " NOT NULL, ";
  if (query.find("p_time") != std::string_view::npos) {
    return sql + "p_time TIMESTAMP AS PROCTIME(), WATERMARK FOR p_time AS p_time) WITH (connector = 'memory');\n";
  }
  return sql + "WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds') WITH (connector = 'memory');\n";
}

std::string side_input_path() {
  return (std::filesystem::temp_directory_path() / ("laminar-side-input-" + std::to_string(getpid()) + ".csv")).string();
}

// The side input of q13, in full before the first bid.
std::string side_input_sql(std::string_view query) {
  if (query.find("side_input") == std::string_view::npos) return {};
  const std::string path = side_input_path();
  return "COPY (SELECT i AS id, 'value ' || i AS value FROM range(10000) r(i)) TO '" + path + "' (HEADER);\n" +
         "CREATE LOOKUP TABLE side_input (id BIGINT, value VARCHAR, PRIMARY KEY (id)) WITH (connector = 'files', path = '" + path + "');\n" +
         "SELECT count(*) FROM side_input;\n";
}

Status run_queries(const Arguments& arguments, Report& report) {
  RunOptions options;
  ASSIGN_OR_RETURN(options.cores, arguments.number("cores", 1, 1, 64));
  ASSIGN_OR_RETURN(options.repeats, arguments.number("repeat", 3, 1, 1000));
  ASSIGN_OR_RETURN(options.tick_rows, arguments.number("tick-rows", 16384, 1, 1'000'000'000));
  nexmark::GeneratorOptions generator;
  ASSIGN_OR_RETURN(generator.events, arguments.number("events", 10'000'000, 1, 2'000'000'000));
  ASSIGN_OR_RETURN(const uint64_t rate, arguments.number("rate", 10'000, 1, 1'000'000'000));
  ASSIGN_OR_RETURN(generator.seed, arguments.number("seed", 0, 0, 9'999'999'999'999));
  generator.rate = static_cast<int64_t>(rate);
  ASSIGN_OR_RETURN(const std::vector<NexmarkQuery> queries, chosen_queries(arguments));

  options.recompute = arguments.has("recompute");
  const auto wanted = [&](const char* name) {
    return std::any_of(queries.begin(), queries.end(), [&](const NexmarkQuery& query) { return reads(query, name); });
  };
  std::vector<Input> all;
  ASSIGN_OR_RETURN(const std::unique_ptr<duck::BatchEngine> engine, duck::BatchEngine::open());
  {
    Progress progress;
    for (const Kind& kind : kKinds) {
      if (!wanted(kind.name)) continue;
      progress.show("generating " + std::string(kind.name) + "s");
      generator.table = kind.table;
      all.push_back({kind.name, "date_time", rows_for(queries, generator).to_columns()});
    }
    if (wanted(kQuotes)) all.push_back({kQuotes, "date_time", make_quotes(generator)});
    for (const Input& input : all) {
      progress.show("loading " + input.source + "s into DuckDB");
      const ColumnStore& store = *input.store;
      RETURN_IF_ERROR(engine->create_table(input.source, store.schema()));
      RETURN_IF_ERROR(engine->append(input.source, store.columns(), store.rows()));
    }
  }
  for (const NexmarkQuery& query : queries) {
    Comparison comparison;
    comparison.name = query.name;
    comparison.view = '"' + std::string(query.name) + '"';
    std::vector<Input> inputs;
    for (const Input& input : all) {
      if (!reads(query, input.source)) continue;
      inputs.push_back(input);
      comparison.setup += source_sql(input.source, input.store->schema(), query.ours);
    }
    comparison.setup += side_input_sql(query.ours) + "CREATE MATERIALIZED VIEW " + comparison.view + " AS " + std::string(query.ours) + ";\n";
    comparison.batch_query = query.batch;
    comparison.compared = query.compared;
    const Result<Figures> figures = compare(comparison, inputs, *engine, options);
    std::error_code no_matter;
    std::filesystem::remove(side_input_path(), no_matter);
    if (figures.ok()) {
      report.add(*figures);
    } else {
      report.fail("nexmark " + std::string(query.name), figures.status());
    }
  }
  return {};
}

}  // namespace

int run_nexmark(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench nexmark: %s\n\n%s", arguments.error().message.c_str(),
                 describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf(
        "usage: laminar bench nexmark [options]\n\n"
        "Nexmark queries over generated rows in memory: pushed through a view of ours, and run by DuckDB as a batch\n"
        "on one thread with its result materialized.\n\n%s\n"
        "Exit code 1 when a result differs. ratio = DuckDB's CPU time / ours;\n"
        "with --cores of wall times.\n",
        describe(kArguments).c_str());
    return 0;
  }
  if (arguments->has("list")) {
    for (const NexmarkQuery& query : nexmark_queries()) {
      std::printf("%-8.*s %.*s\n", static_cast<int>(query.name.size()), query.name.data(),
                  static_cast<int>(query.what.size()), query.what.data());
    }
    return 0;
  }
  Report report(arguments->has("json"));
  if (const Status status = run_queries(*arguments, report); !status.ok()) report.fail("nexmark", status);
  return report.exit_code();
}

}  // namespace laminar::bench
