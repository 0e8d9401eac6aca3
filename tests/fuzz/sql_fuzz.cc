// Fuzz target for the SQL parser: scripts of any bytes through tokens, statements and clauses.
//
// Held:    no crash; every offset inside the script; tokens begin where DuckDB's begin; the text for DuckDB differs
// only
//          by blanks; a statement's own text parses to the same statement again; pieces agree with the whole.
// Built by clang++ -fsanitize=fuzzer it is a libFuzzer target. Otherwise fuzz_main.cc replays files and mutates.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "duckdb/parser/parser.hpp"
#include "sql/parse/script.h"

namespace {

using namespace laminar;
using namespace laminar::sql;

void held(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

bool inside(int64_t offset, const std::string& text) {
  return offset >= 0 && offset <= static_cast<int64_t>(text.size());
}

void check_tokens(const std::string& text, const Script& script) {
  int64_t end = 0;
  for (const Token& token : script.tokens) {
    held(token.begin >= end && token.end > token.begin && inside(token.end, text), "tokens are in order and not empty");
    end = token.end;
  }
  // U& literals end DuckDB's tokenizer; a NUL byte ends its text.
  if (text.find('\0') != std::string::npos || text.find("U&") != std::string::npos ||
      text.find("u&") != std::string::npos) {
    return;
  }
  const auto theirs = duckdb::Parser::Tokenize(text);
  // It also ends at operators longer than 64 bytes and at numbers that end in rubbish, where ours goes on.
  held(theirs.size() <= script.tokens.size(), "no token of DuckDB's is missing");
  for (size_t i = 0; i < theirs.size(); ++i) {
    held(static_cast<int64_t>(theirs[i].start) == script.tokens[i].begin, "tokens begin where DuckDB's begin");
  }
}

void check_statement(const std::string& text, const ScriptStatement& statement) {
  held(inside(statement.begin, text) && inside(statement.end, text) && statement.begin < statement.end,
       "statement ends");
  if (!statement.ours) return;
  held(statement.ours->begin == statement.begin && statement.ours->end == statement.end, "ours has the same ends");
  const auto* view = std::get_if<CreateView>(&statement.ours->body);
  if (!view) return;
  held(statement.begin < view->query_begin && view->query_begin < view->query_end && view->query_end <= statement.end,
       "the query lies inside its statement");
  held(static_cast<int64_t>(view->query_text.size()) == view->query_end, "the query's text has the script's offsets");
  const Script again = parse_script(view->statement_text);
  held(!again.error && again.statements.size() == 1 && again.statements[0].ours, "the statement's text parses again");
  const auto& same = std::get<CreateView>(again.statements[0].ours->body);
  held(same.query_text.substr(same.query_begin) == view->query_text.substr(view->query_begin), "to the same query");
  held(same.emit.has_value() == view->emit.has_value() && same.lateness_us == view->lateness_us &&
           same.options.size() == view->options.size(),
       "with the same clauses");
}

void check_pieces(const std::string& text, const Script& script) {
  size_t at = 0, pieces = 0;
  while (const auto end = complete_statement_end(std::string_view(text).substr(at))) {
    held(*end > 0 && at + *end <= text.size() && text[at + *end - 1] == ';', "a piece ends behind its semicolon");
    at += *end;
    ++pieces;
  }
  if (!script.error) {
    held(pieces == script.statements.size() || pieces + 1 == script.statements.size(), "as many pieces as statements");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Script script = parse_script(text);
  check_tokens(text, script);
  held(script.stock_text.size() == text.size(), "DuckDB's text is as long");
  for (size_t i = 0; i < text.size(); ++i) {
    held(script.stock_text[i] == text[i] || script.stock_text[i] == ' ', "DuckDB's text differs by blanks");
  }
  for (const ScriptStatement& statement : script.statements) check_statement(text, statement);
  check_pieces(text, script);
  if (script.error) {
    held(inside(script.error->offset, text), "an error has a place");
    held(!script.error->message.empty(), "an error has a message");
    const LineColumn place = line_column(text, script.error->offset);
    held(place.line >= 1 && place.column >= 1, "lines and columns begin at 1");
  }
  return 0;
}

// Read by fuzz_main.cc: what mutations are made of.
extern const char* const kFuzzSeeds[] = {
    "CREATE OR REPLACE SOURCE bids (auction BIGINT NOT NULL, \"p x\" DECIMAL(18,2), p TIMESTAMP AS PROCTIME(), "
    "ts TIMESTAMP, PRIMARY KEY (auction), WATERMARK FOR ts AS ts - INTERVAL '5 seconds') WITH (connector = 'kafka', "
    "cache.ttl = INTERVAL 2 MINUTES, n = -5, t = TRUE);",
    "CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS emit FROM TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL 1 "
    "MINUTE)\n"
    "GROUP BY k EMIT ON WINDOW CLOSE ALLOW LATENESS INTERVAL '1 minute 30 seconds' LATE DATA TO l WITH (a = 'b');",
    "CREATE STREAM s AS FROM b EMIT EVERY INTERVAL '5' SECOND; CREATE SINK k FROM (SELECT ';') WITH (mode = upsert);",
    "DROP SOURCE IF EXISTS a, main.b CASCADE; SHOW MATERIALIZED VIEWS; SHOW CREATE SINK k; EXPLAIN ANALYZE v;",
    "SUBSCRIBE v WITH SNAPSHOT AS OF TICK 42 WHERE a > 1; DRAIN; CHECKPOINT; SET cores = 4; RESET cores;",
    "SELECT 'a''b', E'\\n\\x41', $$;$$, $t$ $ $t$, x'ff', b'01', U&'x', \"q\"\"r\" -- ;\n /* ; /* */ */ FROM t;",
    "SELECT * FROM a ASOF JOIN b ON a.ts >= b.ts TOLERANCE INTERVAL '1 s'; SELECT * FROM b FOR SYSTEM_TIME AS OF a.ts",
    "EMIT",
    "CHANGES",
    "FINAL",
    "ON UPDATE",
    "AFTER WATERMARK",
    "PERIODICALLY",
    "INTERVAL",
    "'5 minutes'",
    "'1.5'",
    "months",
    "HORIZON",
    "MATCH_CONDITION (",
    "ALTER SINK k",
    "EXPLAIN",
    "é",
    "日本",
    "\xc2\xa0",
    "\xff",
    "(",
    ")",
    ";",
    ",",
    "=",
    ".",
    "'",
    "\"",
    "$$",
    "/*",
    "*/",
    "--",
    "\n",
    "::",
    "->",
    "?",
    "$1",
    "#1",
    "1e",
    ".5",
    "1_000",
    "0x1F",
    "WITH (",
    "AS",
    "FROM",
    nullptr};
