#include "sql/parse/session_parser.h"

#include <gtest/gtest.h>

#include "duckdb.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/parser/parser.hpp"
#include "sql/parse/script.h"

namespace laminar::sql {
namespace {

// Carries nothing out, remembers everything.
class FakeHandler : public StatementHandler {
 public:
  std::vector<std::string> executed;

  Result<std::unique_ptr<StatementResult>> bind(duckdb::ClientContext&, const Statement& statement,
                                                const std::string& script) override {
    const std::string text = script.substr(statement.begin, statement.end - statement.begin);
    if (const auto* view = std::get_if<CreateView>(&statement.body)) {
      if (view->name.name == "refused") {
        return Status(ErrorCode::kNotIncremental, "cannot run incrementally: LIMIT", view->query_begin);
      }
      if (view->name.name == "bad_binding") {  // as the binder of an embedded query would say it
        duckdb::Parser parser;
        parser.ParseQuery(view->query_text);
        throw duckdb::BinderException(duckdb::optional_idx(view->query_begin + 7), "no such column");
      }
    }
    if (const auto* show = std::get_if<ShowStatement>(&statement.body)) {
      const int rows = show->what == "SINKS" ? 5000 : 1;
      return rows_result({"name", "n"}, {duckdb::LogicalType::VARCHAR, duckdb::LogicalType::INTEGER},
                         [what = show->what, rows](duckdb::ClientContext&) -> Result<ValueRows> {
                           ValueRows out;
                           for (int i = 0; i < rows; ++i)
                             out.push_back({duckdb::Value(what), duckdb::Value::INTEGER(i)});
                           return out;
                         });
    }
    return silent_result([this, text](duckdb::ClientContext&) -> Status {
      if (text == "DRAIN") return Status(ErrorCode::kInternal, "cannot drain");
      executed.push_back(text);
      return {};
    });
  }
};

class SessionParser : public testing::Test {
 protected:
  SessionParser() : handler(std::make_shared<FakeHandler>()) {
    duckdb::DBConfig config;
    register_parser(config, handler);
    database = std::make_unique<duckdb::DuckDB>(nullptr, &config);
    connection = std::make_unique<duckdb::Connection>(*database);
  }

  duckdb::unique_ptr<duckdb::QueryResult> run(const std::string& script) { return connection->Query(script); }
  // The error with code and place, as "2002@3:5 message", and the line drawn by DuckDB.
  std::string failure(const std::string& script) {
    auto result = run(script);
    EXPECT_TRUE(result->HasError()) << script;
    if (!result->HasError()) return "";
    drawn = result->GetError();
    error = to_error(result->GetErrorObject(), script);
    const LineColumn place = line_column(script, error.offset);
    return std::to_string(static_cast<int>(error.code)) + "@" +
           (error.offset < 0 ? "-" : std::to_string(place.line) + ":" + std::to_string(place.column)) + " " +
           error.message;
  }

  std::shared_ptr<FakeHandler> handler;
  std::unique_ptr<duckdb::DuckDB> database;
  std::unique_ptr<duckdb::Connection> connection;
  std::string drawn;
  Error error;
};

TEST_F(SessionParser, MixedScript) {
  auto result =
      run("CREATE TABLE t AS SELECT 1 AS emit; CREATE SINK k FROM t; INSERT INTO t VALUES (2); CHECKPOINT; SELECT "
          "sum(emit)::INT AS s FROM t");
  ASSERT_FALSE(result->HasError()) << result->GetError();
  EXPECT_EQ(handler->executed, (std::vector<std::string>{"CREATE SINK k FROM t", "CHECKPOINT"}));
  EXPECT_EQ(result->names, std::vector<std::string>{"s"});
  EXPECT_EQ(result->Fetch()->GetValue(0, 0).GetValue<int>(), 3);
  EXPECT_FALSE(run("")->HasError());
  EXPECT_FALSE(run(" ; -- x\n ; ")->HasError());
}

TEST_F(SessionParser, SilentAndVisibleResults) {
  auto result = run("CREATE SINK k FROM t");
  ASSERT_FALSE(result->HasError()) << result->GetError();
  EXPECT_EQ(result->properties.return_type, duckdb::StatementReturnType::NOTHING);
  EXPECT_EQ(result->Cast<duckdb::MaterializedQueryResult>().RowCount(), 0u);
  result = run("SHOW SINKS");
  ASSERT_FALSE(result->HasError()) << result->GetError();
  EXPECT_EQ(result->properties.return_type, duckdb::StatementReturnType::QUERY_RESULT);
  EXPECT_EQ(result->Cast<duckdb::MaterializedQueryResult>().RowCount(), 5000u);
  EXPECT_EQ(result->names, (std::vector<std::string>{"name", "n"}));
  // A silent statement behind a SELECT does not hide its result.
  result = run("SELECT 7 AS a; CREATE SINK k FROM t");
  EXPECT_EQ(result->names, std::vector<std::string>{"a"});
}

TEST_F(SessionParser, StreamedAndPrepared) {
  auto streamed = connection->SendQuery("CREATE SINK k FROM t");
  ASSERT_FALSE(streamed->HasError()) << streamed->GetError();
  streamed->Fetch();
  EXPECT_EQ(handler->executed.size(), 1u);
  auto prepared = connection->Prepare("CREATE SINK p FROM t");
  ASSERT_FALSE(prepared->HasError()) << prepared->GetError();
  EXPECT_EQ(handler->executed.size(), 1u);
  for (int i = 0; i < 3; ++i) {
    auto result = prepared->Execute();
    ASSERT_FALSE(result->HasError()) << result->GetError();
    result->Fetch();
  }
  EXPECT_EQ(handler->executed.size(), 4u);
  prepared = connection->Prepare("SHOW SOURCES");
  for (int i = 0; i < 3; ++i) {
    auto result = prepared->Execute();
    ASSERT_FALSE(result->HasError()) << result->GetError();
    EXPECT_EQ(result->Fetch()->size(), 1u);
  }
}

TEST_F(SessionParser, ErrorsPointIntoTheWholeScript) {
  const std::string before = "SELECT 1;\nCREATE SINK k FROM t; -- é ;\n";
  // Ours, at parsing, binding and executing.
  EXPECT_EQ(failure(before + "CREATE SINK k FORM t"), "1001@3:15 expected FROM, found FORM");
  EXPECT_NE(drawn.find("LINE 3: CREATE SINK k FORM t\n                      ^"), std::string::npos) << drawn;
  EXPECT_TRUE(handler->executed.empty());  // nothing runs before all is parsed
  EXPECT_EQ(failure(before + "CREATE MATERIALIZED VIEW refused AS SELECT 1"),
            "3001@3:37 cannot run incrementally: LIMIT");
  EXPECT_NE(drawn.find("LINE 3: CREATE"), std::string::npos) << drawn;
  EXPECT_EQ(failure(before + "CREATE MATERIALIZED VIEW bad_binding AS SELECT x"), "1007@3:48 no such column");
  EXPECT_EQ(failure(before + "DRAIN"), "9001@- cannot drain");
  EXPECT_EQ(failure(before + "CREATE WATERMARK GROUP x a, b").substr(0, 10), "1001@3:26 ");
  EXPECT_EQ(failure(before + "CREATE SINK k"), "1001@3:14 expected FROM, found the end of the statement");
  EXPECT_EQ(failure(before + "SELECT 'abc"), "1001@3:8 unterminated string");
  // DuckDB's, at parsing, binding and executing.
  EXPECT_EQ(failure(before + "SELEC 1"), "1001@3:1 syntax error at or near \"SELEC\"");
  EXPECT_EQ(failure(before + "SELECT 'é', nope FROM range(3)").substr(0, 10), "1007@3:13 ");
  EXPECT_NE(drawn.find("LINE 3:"), std::string::npos) << drawn;
  EXPECT_EQ(failure(before + "SELECT * FROM\n nope").substr(0, 9), "2002@4:2 ");
  EXPECT_EQ(failure(before + "SELECT nofunction(1)").substr(0, 9), "1009@3:8 ");
  EXPECT_EQ(failure(before + "SELECT 'x'::INTEGER").substr(0, 5), "4004@");
  EXPECT_EQ(failure("CREATE TABLE u (a INT); CREATE TABLE u (a INT)").substr(0, 5), "2001@");
  EXPECT_EQ(failure("FROM read_csv('/nonexistent/x.csv')").substr(0, 5), "5001@");
  EXPECT_EQ(failure("CREATE TABLE w (a INT PRIMARY KEY); INSERT INTO w VALUES (1), (1)").substr(0, 5), "4002@");
  EXPECT_EQ(failure(before + "SELECT 1 +"), "1001@3:11 syntax error at end of input");
  EXPECT_NE(drawn.find("LINE 3: SELECT 1 +\n                 ^"), std::string::npos) << drawn;
  EXPECT_EQ(failure("CREATE MATERIALIZED VIEW v AS SELECT 'é' FORM x").substr(0, 10), "1001@1:47 ");
  // Clauses of ours in DuckDB's statements.
  EXPECT_EQ(failure(before + "SELECT * FROM a JOIN b FOR SYSTEM_TIME AS OF a.ts ON a.k = b.k"),
            "3005@3:24 FOR SYSTEM_TIME AS OF runs in materialized views and streams: create one and select from it");
  EXPECT_EQ(failure("SELECT * FROM a GROUP BY k EMIT CHANGES").substr(0, 10), "1001@1:28 ");
}

TEST_F(SessionParser, TheFirstErrorWins) {
  EXPECT_EQ(failure("SELEC 1; CREATE SINK k FORM t").substr(0, 9), "1001@1:1 ");
  EXPECT_EQ(failure("CREATE SINK k FORM t; SELEC 1").substr(0, 10), "1001@1:15 ");
  EXPECT_EQ(failure("SELEC 1; SELECT 'abc").substr(0, 9), "1001@1:1 ");
  EXPECT_EQ(failure("SELEC 1; DRAIN").substr(0, 9), "1001@1:1 ");
}

TEST_F(SessionParser, WideAndLongLines) {
  const std::string wide =
      "SELECT '" + std::string(200, 'x') + "', '日本語', nope, '" + std::string(200, 'y') + "' FROM range(3)";
  EXPECT_EQ(failure(wide).substr(0, 5), "1007@");
  EXPECT_EQ(error.offset, static_cast<int64_t>(wide.find("nope")));
  const std::string with_nbsp = "SELECT\xc2\xa0 1,\xe2\x80\x83nope FROM range(3)";
  EXPECT_EQ(failure(with_nbsp).substr(0, 5), "1007@");
  EXPECT_EQ(error.offset, static_cast<int64_t>(with_nbsp.find("nope")));
  EXPECT_EQ(failure("CREATE\xc2\xa0SINK k FORM t").substr(0, 10), "1001@1:15 ");
}

TEST_F(SessionParser, WindowTableFunctionReachesTheBinder) {
  EXPECT_EQ(failure("SELECT 1; SELECT * FROM nosuchfunction(TABLE x)").substr(0, 5), "1001@");
  // Known to no one here, but parsed.
  EXPECT_EQ(failure("SELECT * FROM TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10 seconds')").substr(0, 5), "1009@");
}

TEST_F(SessionParser, StockStatementsOfAllSorts) {
  for (const char* script :
       {"PRAGMA version", "CREATE TABLE pv AS SELECT 1 AS a, 2 AS b; PIVOT pv ON a USING sum(b)", "SHOW TABLES",
        "CREATE VIEW vw AS SELECT 1; SELECT * FROM vw", "BEGIN; CREATE TABLE x (a INT); COMMIT",
        "SELECT * FROM query('SELECT 1')", "SET threads = 2", "PREPARE p AS SELECT $1; EXECUTE p(3)",
        "EXPLAIN SELECT 1", "DESCRIBE SELECT 1", "SELECT * FROM duckdb_views()",
        "CREATE MACRO f(a) AS a + 1; SELECT f(2)"}) {
    auto result = run(script);
    EXPECT_FALSE(result->HasError()) << script << "\n" << result->GetError();
  }
  auto result = run("SELECT sql FROM duckdb_views() WHERE view_name = 'vw'");
  EXPECT_EQ(result->Fetch()->GetValue(0, 0).ToString(), "CREATE VIEW vw AS SELECT 1;");
}

TEST_F(SessionParser, LongScripts) {
  std::string script;
  for (int i = 0; i < 3000; ++i) script += i % 2 ? "CREATE SINK k FROM t;\n" : "SELECT 1;\n";
  auto result = run(script);
  ASSERT_FALSE(result->HasError()) << result->GetError();
  EXPECT_EQ(handler->executed.size(), 1500u);
  // Parsed as a whole, so syntax errors have their place; DuckDB's binder counts from the statement.
  EXPECT_EQ(failure(script + "SELEC 1").substr(0, 12), "1001@3001:1 ");
  EXPECT_EQ(failure(script + "SELECT a_name_that_is_nowhere").substr(0, 6), "1007@-");
  EXPECT_NE(drawn.find("LINE 1: SELECT a_name_that_is_nowhere\n               ^"), std::string::npos) << drawn;
  EXPECT_EQ(failure(script + "CREATE MATERIALIZED VIEW refused AS SELECT 1").substr(0, 13), "3001@3001:37 ");
}

TEST(ThrowError, GoesThereAndBack) {
  for (const ErrorCode code : {
#define LAMINAR_ERROR(number, name, title, advice) ErrorCode::k##name,
#include "laminar/error_codes.inc"
#undef LAMINAR_ERROR
       }) {
    try {
      throw_error({code, "what\n\nLINE of its own", 5});
    } catch (const std::exception& exception) {
      const Error error = to_error(duckdb::ErrorData(exception), "0123456789");
      EXPECT_EQ(error.code, code);
      EXPECT_EQ(error.offset, 5);
      EXPECT_EQ(error.message, "what\n\nLINE of its own");
      EXPECT_EQ(to_error(duckdb::ErrorData(exception), "").offset, 5);
    }
  }
}

}  // namespace
}  // namespace laminar::sql
