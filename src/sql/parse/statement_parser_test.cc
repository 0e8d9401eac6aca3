#include "sql/parse/statement_parser.h"

#include <gtest/gtest.h>

#include "base/options.h"
#include "sql/parse/script.h"

namespace laminar::sql {
namespace {

// The one statement of the script, which must be ours.
template <class T>
T parsed(const std::string& text) {
  Script script = parse_script(text);
  EXPECT_FALSE(script.error) << text << "\n" << script.error->message << " at " << script.error->offset;
  if (script.statements.size() != 1 || !script.statements[0].ours) {
    ADD_FAILURE() << "not one of ours: " << text;
    return T{};
  }
  const auto* body = std::get_if<T>(&script.statements[0].ours->body);
  EXPECT_NE(body, nullptr) << text;
  return body ? *body : T{};
}

bool is_stock(const std::string& text) {
  const Script script = parse_script(text);
  EXPECT_FALSE(script.error) << text << "\n" << script.error->message;
  return script.statements.size() == 1 && !script.statements[0].ours;
}

// The query without the blanks before it.
std::string query_of(const CreateView& view) { return view.query_text.substr(view.query_begin); }

TEST(CreateSource, AllFields) {
  const std::string text =
      "create or replace Source main.Bids (\n"
      "  auction BIGINT NOT NULL, \"Pri ce\" DECIMAL(18, 2), source VARCHAR[], m MAP(VARCHAR, STRUCT(a INTEGER, b "
      "TIMESTAMP)),\n"
      "  p TIMESTAMP AS PROCTIME(), q AS PROCTIME(), ts TIMESTAMP WITH TIME ZONE NULL, watermark INT,\n"
      "  PRIMARY KEY (auction, TS), WATERMARK FOR ts AS ts - INTERVAL '5 seconds'\n"
      ") WITH (connector = 'kafka', \"Quoted\" = word, cache.ttl = INTERVAL 2 MINUTES, 'str.key' = -5, servers.0.host "
      "= TRUE, r = 1.5)";
  const CreateSource source = parsed<CreateSource>(text + " ;");
  EXPECT_TRUE(source.or_replace);
  EXPECT_FALSE(source.if_not_exists);
  EXPECT_EQ(source.name.schema, "main");
  EXPECT_EQ(source.name.name, "Bids");
  EXPECT_EQ(source.name.offset, static_cast<int64_t>(text.find("main.")));
  EXPECT_EQ(source.statement_text, text);
  ASSERT_EQ(source.columns.size(), 8u);
  EXPECT_EQ(source.columns[0].name, "auction");
  EXPECT_EQ(source.columns[0].type_text, "BIGINT");
  EXPECT_TRUE(source.columns[0].not_null);
  EXPECT_EQ(source.columns[1].name, "Pri ce");
  EXPECT_EQ(source.columns[1].type_text, "DECIMAL(18, 2)");
  EXPECT_EQ(source.columns[1].type_offset, static_cast<int64_t>(text.find("DECIMAL")));
  EXPECT_EQ(source.columns[2].type_text, "VARCHAR[]");
  EXPECT_EQ(source.columns[3].type_text, "MAP(VARCHAR, STRUCT(a INTEGER, b TIMESTAMP))");
  EXPECT_TRUE(source.columns[4].is_processing_time);
  EXPECT_TRUE(source.columns[5].is_processing_time);
  EXPECT_EQ(source.columns[5].type_text, "TIMESTAMP");
  EXPECT_EQ(source.columns[6].type_text, "TIMESTAMP WITH TIME ZONE");
  EXPECT_FALSE(source.columns[6].not_null);
  EXPECT_EQ(source.columns[7].name, "watermark");
  EXPECT_EQ(source.primary_key, (std::vector<std::string>{"auction", "TS"}));
  ASSERT_TRUE(source.watermark);
  EXPECT_EQ(source.watermark->column, "ts");
  EXPECT_EQ(source.watermark->delay_us, 5'000'000);
  EXPECT_EQ(source.watermark->offset, static_cast<int64_t>(text.find("WATERMARK FOR")));
  ASSERT_EQ(source.options.size(), 6u);
  const auto option = [&](size_t i) { return source.options[i].key + "=" + source.options[i].value; };
  EXPECT_EQ(option(0), "connector=kafka");
  EXPECT_EQ(option(1), "quoted=word");
  EXPECT_EQ(option(2), "cache.ttl=2 minutes");
  EXPECT_EQ(source.options[2].interval_us, 120'000'000);
  EXPECT_EQ(option(3), "str.key=-5");
  EXPECT_EQ(option(4), "servers.0.host=true");
  EXPECT_EQ(option(5), "r=1.5");
  using Kind = OptionText::Kind;
  const Kind kinds[] = {Kind::kString, Kind::kWord, Kind::kInterval, Kind::kNumber, Kind::kBoolean, Kind::kNumber};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(source.options[i].kind, kinds[i]) << i;
  EXPECT_EQ(source.options[0].key_offset, static_cast<int64_t>(text.find("connector")));
  EXPECT_EQ(source.options[0].value_offset, static_cast<int64_t>(text.find("'kafka'")));
}

TEST(CreateSource, ShortForms) {
  const CreateSource source =
      parsed<CreateSource>("CREATE SOURCE IF NOT EXISTS s (id INT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts AS ts)");
  EXPECT_TRUE(source.if_not_exists);
  EXPECT_EQ(source.primary_key, std::vector<std::string>{"id"});
  EXPECT_EQ(source.watermark->delay_us, 0);
  EXPECT_TRUE(source.options.empty());
  EXPECT_EQ(parsed<CreateSource>("CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS TS - INTERVAL '0 seconds')")
                .watermark->delay_us,
            0);
}

TEST(CreateView, ClausesInAnyOrder) {
  const std::string text =
      "CREATE MATERIALIZED VIEW v AS\n SELECT k, count(*) AS emit FROM s -- EMIT CHANGES ;\n GROUP BY k, TUMBLE(ts, "
      "INTERVAL '1 minute')\n"
      " WITH (retain_history = '64 MB') LATE DATA TO main.late ALLOW LATENESS INTERVAL '1 minute 30 seconds' EMIT ON "
      "WINDOW CLOSE";
  const CreateView view = parsed<CreateView>(text);
  EXPECT_FALSE(view.is_stream);
  EXPECT_EQ(view.name.name, "v");
  EXPECT_EQ(view.query_begin, static_cast<int64_t>(text.find("SELECT")));
  EXPECT_EQ(view.query_end, static_cast<int64_t>(text.find("\n WITH")));
  EXPECT_EQ(view.query_text,
            std::string(view.query_begin, ' ') + text.substr(view.query_begin, view.query_end - view.query_begin));
  ASSERT_TRUE(view.emit);
  EXPECT_EQ(view.emit->mode, EmitMode::kOnWindowClose);
  EXPECT_EQ(view.emit->offset, static_cast<int64_t>(text.find("EMIT ON")));
  EXPECT_EQ(view.lateness_us, 90'000'000);
  EXPECT_EQ(view.lateness_offset, static_cast<int64_t>(text.find("ALLOW")));
  ASSERT_TRUE(view.late_data_to);
  EXPECT_EQ(view.late_data_to->schema, "main");
  EXPECT_EQ(view.late_data_to->name, "late");
  ASSERT_EQ(view.options.size(), 1u);
  EXPECT_EQ(view.options[0].key, "retain_history");
  EXPECT_EQ(view.statement_text, text);
}

TEST(CreateView, EmitModes) {
  struct Case {
    const char* text;
    EmitMode mode;
    int64_t every_us;
  };
  for (const Case& c : {Case{"EMIT ON UPDATE", EmitMode::kOnUpdate, 0},
                        {"EMIT ON WINDOW CLOSE", EmitMode::kOnWindowClose, 0},
                        {"EMIT AFTER WATERMARK", EmitMode::kAfterWatermark, 0},
                        {"EMIT ON WATERMARK", EmitMode::kAfterWatermark, 0},
                        {"EMIT EVERY INTERVAL 5 SECOND", EmitMode::kEvery, 5'000'000},
                        {"EMIT PERIODICALLY INTERVAL '250 ms'", EmitMode::kEvery, 250'000},
                        {"emit changes", EmitMode::kChanges, 0},
                        {"EMIT FINAL", EmitMode::kFinal, 0}}) {
    const CreateView view = parsed<CreateView>(std::string("CREATE STREAM s AS FROM b ") + c.text);
    EXPECT_TRUE(view.is_stream);
    EXPECT_EQ(query_of(view), "FROM b");
    ASSERT_TRUE(view.emit) << c.text;
    EXPECT_EQ(view.emit->mode, c.mode) << c.text;
    EXPECT_EQ(view.emit->every_us, c.every_us) << c.text;
  }
}

TEST(CreateView, OurWordsAreOrdinaryNames) {
  for (const char* query :
       {"SELECT emit, late, source, stream, watermark, allow, sink, horizon, tolerance FROM s", "SELECT emit FROM emit",
        "SELECT emit final FROM t", "SELECT a emit, b late FROM late emit", "FROM a JOIN emit ON emit.k = a.k",
        "SELECT k AS emit FROM t GROUP BY emit", "SELECT * FROM t ORDER BY emit",
        "SELECT 'EMIT CHANGES' AS x, \"EMIT\" FROM t /* EMIT FINAL */", "WITH emit AS (SELECT 1) SELECT * FROM emit",
        "SELECT * FROM (SELECT emit FROM t) late", "SELECT CASE WHEN emit THEN late END emit FROM t"}) {
    const CreateView plain = parsed<CreateView>(std::string("CREATE MATERIALIZED VIEW v AS ") + query);
    EXPECT_EQ(query_of(plain), std::string(query).substr(0, std::string(query).find(" /*")));
    EXPECT_FALSE(plain.emit) << query;
    const CreateView with_clause =
        parsed<CreateView>(std::string("CREATE MATERIALIZED VIEW v AS ") + query + "\nEMIT CHANGES");
    EXPECT_EQ(query_of(with_clause), query_of(plain));
    EXPECT_TRUE(with_clause.emit) << query;
  }
  const CreateView view =
      parsed<CreateView>("CREATE MATERIALIZED VIEW emit AS FROM emit EMIT CHANGES WITH (emit = emit)");
  EXPECT_EQ(query_of(view), "FROM emit");
}

TEST(CreateView, WindowTableFunctions) {
  const CreateView view = parsed<CreateView>(
      "CREATE MATERIALIZED VIEW v AS SELECT * FROM TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10 seconds') "
      "JOIN hop ( TABLE \"a b\".c, DESCRIPTOR(ts), INTERVAL 1 SECOND, INTERVAL 2 SECOND) USING (k) "
      "CROSS JOIN SESSION(DATA => TABLE (SELECT 1), GAP => INTERVAL 1 DAY)");
  EXPECT_EQ(query_of(view),
            "SELECT * FROM TUMBLE(      bids, DESCRIPTOR(ts), INTERVAL '10 seconds') "
            "JOIN hop (       \"a b\".c, DESCRIPTOR(ts), INTERVAL 1 SECOND, INTERVAL 2 SECOND) USING (k) "
            "CROSS JOIN SESSION(DATA =>       (SELECT 1), GAP => INTERVAL 1 DAY)");
}

TEST(CreateSink, Forms) {
  CreateSink sink =
      parsed<CreateSink>("CREATE SINK IF NOT EXISTS k FROM lake.main.v WITH (connector = 'files', mode = upsert)");
  EXPECT_EQ(sink.from.catalog, "lake");
  EXPECT_EQ(sink.from.schema, "main");
  EXPECT_EQ(sink.from.name, "v");
  EXPECT_TRUE(sink.if_not_exists);
  EXPECT_TRUE(sink.query_text.empty());
  EXPECT_EQ(sink.options.size(), 2u);
  const std::string text = "CREATE OR REPLACE SINK k FROM (SELECT (a) FROM v WHERE b = ')')";
  sink = parsed<CreateSink>(text);
  EXPECT_TRUE(sink.from.name.empty());
  EXPECT_EQ(sink.query_text, std::string(text.find("SELECT"), ' ') + "SELECT (a) FROM v WHERE b = ')'");
  EXPECT_TRUE(sink.options.empty());
}

TEST(Statements, DropShowExplainAndTheRest) {
  DropObjects drop = parsed<DropObjects>("DROP MATERIALIZED VIEW IF EXISTS a, main.b CASCADE");
  EXPECT_EQ(drop.kind, ObjectKind::kView);
  EXPECT_TRUE(drop.if_exists && drop.cascade);
  ASSERT_EQ(drop.names.size(), 2u);
  EXPECT_EQ(drop.names[1].schema, "main");
  EXPECT_EQ(parsed<DropObjects>("DROP SOURCE s RESTRICT").kind, ObjectKind::kSource);
  EXPECT_EQ(parsed<DropObjects>("DROP STREAM s").kind, ObjectKind::kStream);
  EXPECT_EQ(parsed<DropObjects>("DROP SINK s").kind, ObjectKind::kSink);

  EXPECT_EQ(parsed<ShowStatement>("show materialized views").what, "MATERIALIZED VIEWS");
  EXPECT_EQ(parsed<ShowStatement>("SHOW SOURCES").what, "SOURCES");
  ShowStatement show = parsed<ShowStatement>("SHOW DEPENDENCIES FOR main.v");
  EXPECT_EQ(show.what, "DEPENDENCIES");
  EXPECT_EQ(show.object->schema, "main");
  EXPECT_FALSE(parsed<ShowStatement>("SHOW WATERMARKS").object);
  show = parsed<ShowStatement>("SHOW CREATE MATERIALIZED VIEW v");
  EXPECT_EQ(show.what, "CREATE MATERIALIZED VIEW");
  EXPECT_EQ(show.object->name, "v");
  show = parsed<ShowStatement>("SHOW CREATE source");
  EXPECT_EQ(show.what, "CREATE");
  EXPECT_EQ(show.object->name, "source");

  ExplainStatement explain = parsed<ExplainStatement>("EXPLAIN ANALYZE main.v");
  EXPECT_TRUE(explain.analyze);
  EXPECT_EQ(explain.object->name, "v");
  explain = parsed<ExplainStatement>("EXPLAIN CREATE OR REPLACE STREAM s AS FROM b EMIT CHANGES");
  ASSERT_TRUE(explain.create);
  EXPECT_TRUE(explain.create->is_stream && explain.create->or_replace && explain.create->emit);
  EXPECT_EQ(explain.create->statement_text, "CREATE OR REPLACE STREAM s AS FROM b EMIT CHANGES");
  EXPECT_EQ(explain.create->query_begin, 38);

  SubscribeStatement subscribe =
      parsed<SubscribeStatement>("SUBSCRIBE v WITH SNAPSHOT AS OF TICK 42 WHERE a > 1 AND b = ';'");
  EXPECT_TRUE(subscribe.with_snapshot);
  EXPECT_EQ(subscribe.as_of_tick, 42u);
  EXPECT_EQ(subscribe.where_begin, 46);
  EXPECT_EQ(subscribe.where_text, std::string(46, ' ') + "a > 1 AND b = ';'");
  subscribe = parsed<SubscribeStatement>("SUBSCRIBE v");
  EXPECT_FALSE(subscribe.with_snapshot || subscribe.as_of_tick || !subscribe.where_text.empty());

  parsed<DrainStatement>("DRAIN");
  parsed<CheckpointStatement>("checkpoint;");
  SetStatement set = parsed<SetStatement>("SET GLOBAL cores = 4");
  EXPECT_EQ(set.option.key, "cores");
  EXPECT_EQ(set.option.value, "4");
  EXPECT_EQ(parsed<SetStatement>("SET future_skew TO INTERVAL '1 minute'").option.interval_us, 60'000'000);
  EXPECT_EQ(parsed<SetStatement>("SET idle_timeout = '10 seconds'").option.interval_us, 10'000'000);
  EXPECT_TRUE(parsed<SetStatement>("RESET cores").reset);
}

TEST(Statements, StockStaysStock) {
  for (const char* text : {"SELECT 1",
                           "CREATE TABLE t (a INT)",
                           "CREATE VIEW v AS SELECT 1",
                           "DROP TABLE t",
                           "DROP VIEW v",
                           "SHOW TABLES",
                           "SHOW ALL TABLES",
                           "SHOW threads",
                           "SHOW sources.t",
                           "CHECKPOINT memory",
                           "FORCE CHECKPOINT",
                           "EXPLAIN SELECT 1",
                           "EXPLAIN ANALYZE SELECT 1",
                           "EXPLAIN (FORMAT json) SELECT 1",
                           "EXPLAIN CHECKPOINT",
                           "SET threads = 2",
                           "SET VARIABLE cores2 = 1",
                           "RESET threads",
                           "DESCRIBE v",
                           "INSERT INTO source VALUES (1)",
                           "ALTER TABLE t ADD COLUMN a INT",
                           "FROM v",
                           "PRAGMA version",
                           "nonsense"}) {
    EXPECT_TRUE(is_stock(text)) << text;
  }
}

TEST(Script, SplitsMixedStatements) {
  const std::string text =
      ";; SELECT ';' ; CREATE SINK k FROM v; -- DRAIN;\n DRAIN ;SELECT * FROM HOP(TABLE b, DESCRIPTOR(ts))";
  const Script script = parse_script(text);
  ASSERT_FALSE(script.error);
  ASSERT_EQ(script.statements.size(), 4u);
  EXPECT_FALSE(script.statements[0].ours);
  EXPECT_TRUE(script.statements[1].ours && script.statements[2].ours);
  EXPECT_EQ(script.stock_text.size(), text.size());
  EXPECT_EQ(script.stock_text,
            ";; SELECT ';' ;                     ; -- DRAIN;\n       ;SELECT * FROM HOP(      b, DESCRIPTOR(ts))");
}

struct BadCase {
  const char* text;  // | stands before the wrong token
  ErrorCode code;
  const char* message;  // a part of it
};

class BadStatements : public testing::TestWithParam<BadCase> {};

TEST_P(BadStatements, CodeAndPlace) {
  std::string text = GetParam().text;
  const size_t offset = text.find('|');
  ASSERT_NE(offset, std::string::npos);
  text.erase(offset, 1);
  const Script script = parse_script(text);
  ASSERT_TRUE(script.error) << text;
  EXPECT_EQ(script.error->code, GetParam().code) << text << "\n" << script.error->message;
  EXPECT_EQ(script.error->offset, static_cast<int64_t>(offset)) << text << "\n" << script.error->message;
  EXPECT_NE(script.error->message.find(GetParam().message), std::string::npos) << script.error->message;
}

constexpr ErrorCode kSyntax = ErrorCode::kSyntaxError, kPlanned = ErrorCode::kNotImplemented,
                    kInterval = ErrorCode::kInvalidInterval;

INSTANTIATE_TEST_SUITE_P(
    Syntax, BadStatements,
    testing::Values(
        BadCase{"CREATE SOURCE| ", kSyntax, "expected the source's name, found the end"},
        BadCase{"CREATE SOURCE |select (a INT)", kSyntax, "reserved word select"},
        BadCase{"CREATE SOURCE s| ", kSyntax, "expected ( and the columns"},
        BadCase{"CREATE SOURCE s (|)", kSyntax, "expected a column"},
        BadCase{"CREATE SOURCE s (a INT,|)", kSyntax, "expected a column"},
        BadCase{"CREATE SOURCE s (a |NUMERIC(1 2))", kSyntax, "cannot read the column type: NUMERIC(1 2)"},
        BadCase{"CREATE SOURCE s (a |)", kSyntax, "expected the type of column a"},
        BadCase{"CREATE SOURCE s (a INT NOT |b)", kSyntax, "expected"},
        BadCase{"CREATE SOURCE s (a INT, |A INT)", ErrorCode::kBindError, "twice"},
        BadCase{"CREATE SOURCE s (a INT |DEFAULT 1)", kPlanned, "DEFAULT"},
        BadCase{"CREATE SOURCE s (a INT, b INT |AS (a + 1))", kPlanned, "computed column"},
        BadCase{"CREATE SOURCE s (a INT, |UNIQUE (a))", kPlanned, "UNIQUE"},
        BadCase{"CREATE SOURCE s (a INT, |PRIMARY KEY (b))", ErrorCode::kBindError, "b"},
        BadCase{"CREATE SOURCE s (a INT PRIMARY KEY, |PRIMARY KEY (a))", kSyntax, "twice"},
        BadCase{"CREATE SOURCE s (a INT) |garbage", kSyntax, "expected WITH (options) or the end"},
        BadCase{"CREATE SOURCE s (a INT) WITH (a = 1) |x", kSyntax, "expected the end"},
        BadCase{"CREATE SOURCE s (a INT) WITH (|)", kSyntax, "an option's name"},
        BadCase{"CREATE SOURCE s (a INT) WITH (a |1)", kSyntax, "expected ="},
        BadCase{"CREATE SOURCE s (a INT) WITH (a = |)", kSyntax, "expected a value"},
        BadCase{"CREATE SOURCE s (a INT) WITH (a = 1 |b = 2)", kSyntax, "expected , or )"},
        BadCase{"CREATE SOURCE s (a INT) WITH (a = 1, |A = 2)", ErrorCode::kInvalidOption, "twice"},
        BadCase{"CREATE SOURCE s (a INT) WITH (a = |x'ff')", kSyntax, "plain string"},
        BadCase{"CREATE OR REPLACE SOURCE |IF NOT EXISTS s (a INT)", kSyntax, "exclude"},
        BadCase{"CREATE SOURCE s (a INT|", kSyntax, "expected"},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts |BY ts)", kSyntax, "expected AS"},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, a INT, WATERMARK FOR ts AS |a)", ErrorCode::kInvalidWatermark,
                "expected ts"},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR |tss AS tss)", ErrorCode::kInvalidWatermark,
                "did you mean ts?"},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts |+ INTERVAL '1 s')", kSyntax,
                "expected - INTERVAL"},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts - |5)", kSyntax, "INTERVAL"},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts - |INTERVAL '-5 s')", kInterval, "negative"},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts - |INTERVAL '1 month')", kInterval, "month"},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 s' PER KEY|)", kSyntax, "("},
        BadCase{"CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts, |WATERMARK FOR ts AS ts)", kSyntax, "twice"},
        BadCase{"CREATE MATERIALIZED |VEIW v AS SELECT 1", kSyntax, "expected VIEW"},
        BadCase{"CREATE MATERIALIZED VIEW v |SELECT 1", kSyntax, "expected AS"},
        BadCase{"CREATE MATERIALIZED VIEW v |(a) AS SELECT 1", kPlanned, "column names"},
        BadCase{"CREATE MATERIALIZED VIEW v AS|", kSyntax, "expected a query"},
        BadCase{"CREATE MATERIALIZED VIEW v AS |INSERT INTO t VALUES (1)", kSyntax, "expected a query"},
        BadCase{"CREATE MATERIALIZED VIEW v AS SELECT a FROM b WHER |c EMIT CHANGES", kSyntax, "near \"c\""},
        BadCase{"CREATE MATERIALIZED VIEW v AS SELECT a FROM b WHERE| EMIT CHANGES", kSyntax, "end of input"},
        BadCase{"CREATE MATERIALIZED VIEW v AS SELECT a FROM b WHERE|", kSyntax, "end of input"},
        BadCase{"CREATE MATERIALIZED VIEW v AS |SELEC a FROM b", kSyntax, "SELEC"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b EMIT |SOMETIMES", kSyntax, "expected ON UPDATE"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b EMIT ON |CLOSE", kSyntax, "expected UPDATE, WINDOW CLOSE"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b EMIT CHANGES |EMIT CHANGES", kSyntax, "EMIT is given twice"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b EMIT CHANGES |WHERE a", kSyntax, "expected EMIT, ALLOW"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b EMIT EVERY |5", kSyntax, "INTERVAL"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b EMIT EVERY |INTERVAL '0 seconds'", kInterval, "longer than zero"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b ALLOW |LATNESS INTERVAL '1 s'", kSyntax, "expected LATENESS"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b ALLOW LATENESS |INTERVAL '5'", kInterval, "no unit"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b ALLOW LATENESS INTERVAL '5 s' |MINUTE", kInterval, "already"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b ALLOW LATENESS |INTERVAL '5 parsecs'", kInterval,
                "unknown unit parsecs"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b LATE DATA |INTO x", kSyntax, "expected TO"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM b |HORIZON INTERVAL '1 day'", kSyntax, "behind the condition of an ASOF"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM a JOIN b ON a.k = b.k |TOLERANCE INTERVAL '1 s'", kSyntax, "ASOF JOIN"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM a ASOF JOIN b ON a.ts > b.ts TOLERANCE INTERVAL '1 s' |TOLERANCE "
                "INTERVAL '2 s'",
                kSyntax, "twice"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM a ASOF JOIN b ON a.ts > b.ts TOLERANCE |INTERVAL '1 month'", kInterval, "TOLERANCE"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM a ASOF JOIN b ON a.ts > b.ts HORIZON |INTERVAL '1 s'", kSyntax, "expected ("},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM a JOIN b FOR SYSTEM_TIME |FROM a.ts ON a.k = b.k", kSyntax, "expected AS"},
        BadCase{"CREATE MATERIALIZED VIEW v AS FROM a JOIN b FOR SYSTEM_TIME AS OF |a.ts - INTERVAL '1 s' ON a.k = b.k", kSyntax,
                "a time column"},
        BadCase{
            "CREATE MATERIALIZED VIEW v AS SELECT * FROM a ASOF JOIN b |MATCH_CONDITION (a.ts >= b.ts) ON a.k = b.k",
            kPlanned, "MATCH_CONDITION"},
        BadCase{"CREATE STREAM s |(a INT) WITH (x = 1)", kPlanned, "column names"},
        BadCase{"CREATE SINK k |AS SELECT 1", kSyntax, "expected FROM"},
        BadCase{"CREATE SINK k FROM |'x'", kSyntax, "a view's name or (query)"},
        BadCase{"CREATE SINK k FROM (SELECT 1|", kSyntax, "expected )"},
        BadCase{"CREATE SINK k FROM (|)", kSyntax, "expected a query"},
        BadCase{"CREATE SINK k FROM (SELECT 1 FROM v |EMIT CHANGES)", kSyntax, "EMIT cannot stand here"},
        BadCase{"CREATE SINK k FROM v |FROM w", kSyntax, "expected WITH"}));

INSTANTIATE_TEST_SUITE_P(
    Others, BadStatements,
    testing::Values(BadCase{"CREATE LOOKUP TABLE p (id INT)|", kSyntax, "expected WITH"},
                    BadCase{"CREATE WATERMARK GROUP g |a, b", kSyntax, "( and the sources"},
                    BadCase{"CREATE WATERMARK GROUP g (a, |)", kSyntax, "a source's name"},
                    BadCase{"CREATE WATERMARK GROUP g (a, b) |FOR", kSyntax, "WITH (options)"},
                    BadCase{"|ALTER SOURCE s SET (a = 1)", kPlanned, "ALTER SOURCE"},
                    BadCase{"|ALTER MATERIALIZED VIEW v RENAME TO w", kPlanned, "ALTER MATERIALIZED VIEW"},
                    BadCase{"|ALTER SINK k PAUSE", kPlanned, "ALTER SINK"},
                    BadCase{"ADVANCE WATERMARK s TO |5", kSyntax, "TIMESTAMP"},
                    BadCase{"REAPPLY LATE ROWS |v", kSyntax, "OF"},
                    BadCase{"SET |memory_budget = '1 GB'", kPlanned, "memory_budget"},
                    BadCase{"SET cores = |0", ErrorCode::kInvalidOption, "from 1 to"},
                    BadCase{"SET cores = |many", ErrorCode::kInvalidOption, "whole number"},
                    BadCase{"SET cores |4", kSyntax, "expected = or TO"},
                    BadCase{"SET cores = 4 |5", kSyntax, "expected the end"},
                    BadCase{"SET idle_timeout = |'5 months'", ErrorCode::kInvalidOption, "a duration"},
                    BadCase{"DROP MATERIALIZED |v", kSyntax, "expected VIEW"},
                    BadCase{"DROP SOURCE a |b", kSyntax, "expected , CASCADE"},
                    BadCase{"DROP SINK a CASCADE |x", kSyntax, "expected the end"},
                    BadCase{"SHOW SOURCES |x", kSyntax, "expected the end"},
                    BadCase{"SHOW WATERMARKS |v", kSyntax, "expected FOR name"},
                    BadCase{"SHOW CREATE MATERIALIZED VIEW|", kSyntax, "expected an object's name"},
                    BadCase{"EXPLAIN CREATE |SOURCE s (a INT)", kSyntax, "expected MATERIALIZED VIEW or STREAM"},
                    BadCase{"SUBSCRIBE|", kSyntax, "a view's name"},
                    BadCase{"SUBSCRIBE v WITH |SNAP", kSyntax, "expected SNAPSHOT"},
                    BadCase{"SUBSCRIBE v AS OF TICK |-1", kSyntax, "the tick's number"},
                    BadCase{"SUBSCRIBE v WHERE|", kSyntax, "a condition"},
                    BadCase{"SUBSCRIBE v WHERE a >|", kSyntax, "end of input"},
                    BadCase{"SUBSCRIBE v WHERE |a ORDER BY b", kSyntax, "nothing behind"},
                    BadCase{"SUBSCRIBE v WHERE a|) + (1", kSyntax, ""},
                    BadCase{"SUBSCRIBE v |LIMIT 5", kSyntax, "WITH SNAPSHOT, AS OF TICK n, WHERE"},
                    BadCase{"DRAIN |s", kSyntax, "expected the end"},
                    BadCase{"SELECT 1; DRAIN; SELECT |'abc", kSyntax, "unterminated string"},
                    BadCase{"DRAIN |x; SELECT 'abc", kSyntax, "expected the end"}));

TEST(Intervals, FormsAreEqual) {
  struct Case {
    const char* text;
    int64_t us;
  };
  for (const Case& c : {Case{"INTERVAL '5 minutes'", 300'000'000},
                        {"INTERVAL '5' MINUTE", 300'000'000},
                        {"interval 5 minutes", 300'000'000},
                        {"INTERVAL (5) MINUTE", 300'000'000},
                        {"INTERVAL '1 minute 30 seconds'", 90'000'000},
                        {"INTERVAL '1.5' SECOND", 1'500'000},
                        {"INTERVAL 250 ms", 250'000},
                        {"INTERVAL '7 us'", 7},
                        {"INTERVAL '2 weeks'", 1'209'600'000'000},
                        {"INTERVAL 1 DAY", 86'400'000'000},
                        {"INTERVAL '00:00:10'", 10'000'000},
                        {"INTERVAL $$3 hours$$", 10'800'000'000},
                        {"INTERVAL E'1 s'", 1'000'000},
                        {"INTERVAL +2 SECOND", 2'000'000}}) {
    const CreateView view = parsed<CreateView>(std::string("CREATE STREAM s AS FROM b EMIT CHANGES ALLOW LATENESS ") +
                                               c.text + " WITH (a = " + c.text + ")");
    EXPECT_EQ(view.lateness_us, c.us) << c.text;
    ASSERT_EQ(view.options.size(), 1u);
    EXPECT_EQ(view.options[0].interval_us, c.us) << c.text;
    EXPECT_EQ(parse_duration_us(view.options[0].value), c.us) << c.text;
  }
}

}  // namespace
}  // namespace laminar::sql
