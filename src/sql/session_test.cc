#include "sql/session.h"

#include <gtest/gtest.h>

#include <chrono>
#include <atomic>
#include <thread>

#include "duckdb/common/arrow/arrow.hpp"
#include "sql/catalog/fake_session.h"

namespace laminar::sql {
namespace {


TEST(Session, StatementsRunUntilTheFirstError) {
  FakeSession db;
  const std::string script =
      "CREATE TABLE t (a INTEGER);\n"
      "INSERT INTO t VALUES (1);\n"
      "SELECT a,\n"
      "       nonsense\n"
      "FROM t;\n"
      "INSERT INTO t VALUES (2);\n";
  EXPECT_MATCH(db.fail(script), StartsWith("LDB-1007 4:8 "));
  EXPECT_EQ(db.run("SELECT * FROM t"), "1\n");
  EXPECT_MATCH(db.fail("INSERT INTO t VALUES (3);\n-- a comment\n  SELEC 1;"), StartsWith("LDB-1001 3:3 "));
  EXPECT_MATCH(db.fail("INSERT INTO t VALUES (4);\n\n SELECT 'open;"), StartsWith("LDB-1001 3:9 "));
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a"), "1\n3\n4\n");
  EXPECT_EQ(db.run(""), "");
  EXPECT_EQ(db.run(" ; ;; -- nothing\n"), "");
}

TEST(Session, OurErrorsHavePlaces) {
  FakeSession db;
  EXPECT_MATCH(db.fail("SELECT 1;\nCREATE SOURCE s (\n  a INTEGR) WITH (connector = 'memory')"), StartsWith("LDB-"));
  EXPECT_MATCH(db.fail("SELECT 1;\nCREATE SOURCE s (\n  a INTEGR) WITH (connector = 'memory')"), HasSubstr(" 3:5 "));
  EXPECT_MATCH(db.fail("SELECT 1;\nCREATE SOURCE s (a INTEGER, A BIGINT) WITH (connector = 'memory')"),
              StartsWith("LDB-1007 2:29 column is given twice: A"));
  EXPECT_MATCH(db.fail("SELECT 1;\nCREATE SINK k FROM nowhere WITH (connector = 'memory')"),
              StartsWith("LDB-2002 2:20 there is no object of this name: nowhere"));
  db.run("CREATE TABLE t (a INTEGER)");
  EXPECT_MATCH(db.fail("SELECT 1;\n DROP MATERIALIZED VIEW t"), StartsWith("LDB-2004 2:25 "));
  EXPECT_MATCH(db.fail("SELECT 1;\nCREATE MATERIALIZED VIEW v AS\n SELECT b FROM t"), StartsWith("LDB-1007 3:9 "));
  EXPECT_MATCH(db.fail("CREATE MATERIALIZED VIEW other.v AS SELECT a FROM t"), StartsWith("LDB-2002"));
  EXPECT_MATCH(db.fail("SELECT 1; CHECKPOINT"), StartsWith("LDB-3005 1:11 "));
}

TEST(Session, ViewsStreamsAndSinks) {
  FakeSession db;
  db.run("CREATE SOURCE s (a INTEGER, b VARCHAR) WITH (connector = 'memory')");
  EXPECT_EQ(db.run("CREATE MATERIALIZED VIEW v AS SELECT a, b FROM s; CREATE STREAM st AS SELECT a, b FROM s"), "");
  EXPECT_EQ(db.run("INSERT INTO s VALUES (1, 'x'), (2, 'y'); SELECT * FROM v ORDER BY a"), "1|x\n2|y\n");
  EXPECT_MATCH(db.fail("SELECT * FROM st"), StartsWith("LDB-2004 1:15 a stream keeps no rows"));
  EXPECT_MATCH(db.fail("INSERT INTO v VALUES (3, 'z')"), StartsWith("LDB-2004 1:13 INSERT goes into tables"));
  EXPECT_MATCH(db.fail("DELETE FROM v"), StartsWith("LDB-2004 1:13 DELETE changes tables, not a materialized view"));
  EXPECT_MATCH(db.fail("UPDATE v SET a = 1"), StartsWith("LDB-2004 1:8 UPDATE changes tables, not a materialized view"));
  EXPECT_EQ(db.run("CREATE SINK k FROM v WITH (connector = 'files', path = 'x')"), "");
  EXPECT_MATCH(db.fail("SELECT * FROM k"), StartsWith("LDB-2002"));
  EXPECT_MATCH(db.fail("DROP SOURCE s"), StartsWith("LDB-2003 1:13 "));
  EXPECT_MATCH(db.fail("DROP TABLE v"), StartsWith("LDB-2004 1:12 v is a materialized view: write DROP MATERIALIZED VIEW v"));
  EXPECT_EQ(db.run("CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT 1 AS one"), "");
  EXPECT_EQ(db.run("DROP SOURCE s CASCADE"), "");
  EXPECT_TRUE(db.backend->list().empty());
}

TEST(Session, ViewsOfOneTransactionStartTogether) {
  FakeSession db;
  db.run("CREATE SOURCE s (a INTEGER) WITH (connector = 'memory')");
  EXPECT_EQ(db.run("BEGIN; CREATE MATERIALIZED VIEW v AS SELECT a FROM s; CREATE MATERIALIZED VIEW w AS SELECT a FROM v; COMMIT"), "");
  EXPECT_EQ(db.backend->log().groups, (std::vector<std::string>{"begin", "commit"}));
  EXPECT_EQ(db.run("BEGIN; CREATE MATERIALIZED VIEW x AS SELECT a FROM s; ROLLBACK"), "");
  EXPECT_EQ(db.backend->find("x"), nullptr);
}

TEST(Session, ShowExplainSetDrain) {
  FakeSession db;
  db.run("CREATE SOURCE s (a INTEGER) WITH (connector = 'memory'); CREATE MATERIALIZED VIEW v AS SELECT a FROM s");
  EXPECT_EQ(db.run("SHOW SOURCES; SHOW MATERIALIZED VIEWS"), "s\nv\n");
  EXPECT_EQ(db.run("EXPLAIN v; EXPLAIN ANALYZE v"), "plan of v\n  scan\nplan of v with counters\n  scan\n");
  EXPECT_MATCH(db.run("EXPLAIN CREATE MATERIALIZED VIEW w AS SELECT a FROM s WHERE a > 1"), HasSubstr("s"));
  EXPECT_EQ(db.backend->find("w"), nullptr);
  EXPECT_EQ(db.run("DRAIN"), "");
  db.backend->drain_blocks = true;
  std::thread other([&] {
    while (!db.backend->waiting) std::this_thread::yield();
    db.session->interrupt();
  });
  EXPECT_MATCH(db.fail("SELECT 1;\nDRAIN;\nSELECT 2"), StartsWith("LDB-6001 2:1 interrupted"));
  other.join();
  EXPECT_EQ(db.run("SELECT 3"), "3\n");
}

TEST(Session, Subscribe) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER, s VARCHAR); INSERT INTO t VALUES (1, 'x'), (2, NULL)");
  auto rows = db.session->query("SUBSCRIBE t WITH SNAPSHOT");
  ASSERT_TRUE(rows.ok()) << rows.status().text();
  ASSERT_EQ((*rows)->columns().size(), 4u);
  EXPECT_EQ((*rows)->columns()[0].name, "tick");
  EXPECT_EQ((*rows)->columns()[3].type_text, "VARCHAR");
  EXPECT_EQ(text_of(**rows), "1|1|1|x\n1|1|2|NULL\n");
  EXPECT_EQ(db.run("SUBSCRIBE t WHERE a > 1 AND s IS NULL"), "1|1|1|x\n1|1|2|NULL\n");  // the fake does not filter
  EXPECT_MATCH(db.fail("SELECT 1;\nSUBSCRIBE nothing"), StartsWith("LDB-2002 2:11 "));
  EXPECT_MATCH(db.fail("SELECT 1;\nSUBSCRIBE t WHERE\n wrong = 1"), HasSubstr(" 3:2 "));
  db.backend->subscription_ends = false;
  db.backend->waiting = false;
  std::thread other([&] {
    while (!db.backend->waiting) std::this_thread::yield();
    db.session->interrupt();
  });
  EXPECT_MATCH(db.fail("SUBSCRIBE t"), StartsWith("LDB-6001"));
  other.join();
}

TEST(Session, TextLooksLikeDuckDBs) {
  FakeSession db;
  EXPECT_EQ(db.run("SELECT TIMESTAMP '2026-01-01', INTERVAL 5 MINUTE, DATE '2026-01-02', 1.50::DECIMAL(5,2), 2.0::DOUBLE, true, "
                   "[1, NULL], {'a': 1}, NULL, 'x'::BLOB, '2026-01-01 00:00:00.5'::TIMESTAMP"),
            "2026-01-01 00:00:00|00:05:00|2026-01-02|1.50|2.0|true|[1, NULL]|{'a': 1}|NULL|x|2026-01-01 00:00:00.5\n");
}

TEST(Session, ResultForms) {
  FakeSession db;
  db.run("CREATE TABLE t (a BIGINT, s VARCHAR); INSERT INTO t SELECT range, 'row number ' || range FROM range(10000)");
  auto rows = db.session->query("SELECT a, s FROM t");
  ASSERT_TRUE(rows.ok());
  EXPECT_FALSE((*rows)->silent());
  EXPECT_EQ((*rows)->columns()[0].type, data::Type::of(data::TypeKind::kInt64));
  data::Batch batch;
  int64_t sum = 0;
  while (true) {
    auto more = (*rows)->next(batch);
    ASSERT_TRUE(more.ok());
    if (!*more) break;
    for (uint32_t row = 0; row < batch.rows; ++row) {
      const int64_t a = batch.columns[0].values<int64_t>()[row];
      EXPECT_EQ(batch.columns[1].values<data::StringRef>()[row].view(), "row number " + std::to_string(a));
      sum += a;
    }
  }
  EXPECT_EQ(sum, 49995000);

  auto arrow = db.session->query("SELECT a, s FROM t");
  ASSERT_TRUE(arrow.ok());
  ArrowSchema schema;
  ASSERT_TRUE((*arrow)->arrow_schema(&schema).ok());
  EXPECT_EQ(schema.n_children, 2);
  schema.release(&schema);
  int64_t count = 0;
  while (true) {
    ArrowArray array;
    auto more = (*arrow)->next_arrow(&array);
    ASSERT_TRUE(more.ok()) << more.status().text();
    if (!*more) break;
    count += array.length;
    array.release(&array);
  }
  EXPECT_EQ(count, 10000);

  auto insert = db.session->query("INSERT INTO t VALUES (1, 'x'), (2, 'y')");
  ASSERT_TRUE(insert.ok());
  EXPECT_TRUE((*insert)->silent());
  EXPECT_EQ((*insert)->rows_changed(), 2u);
  EXPECT_TRUE((*db.session->query("CREATE SOURCE s (a INTEGER) WITH (connector = 'memory')"))->silent());
}

TEST(Session, ErrorsWhileStreaming) {
  FakeSession db;
  auto rows = db.session->query("SELECT CASE WHEN range = 2900000 THEN 'x' ELSE '1' END::INTEGER FROM range(3000000)");
  ASSERT_TRUE(rows.ok());
  Status status = (*rows)->drain();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kTypeMismatch);
  EXPECT_EQ(db.run("SELECT 1"), "1\n");
}

TEST(Session, TheNextStatementGivesUpTheLastResult) {
  FakeSession db;
  auto first = db.session->query("SELECT * FROM range(1000000)");
  ASSERT_TRUE(first.ok());
  TextRows text;
  ASSERT_TRUE(*(*first)->next(text));
  EXPECT_EQ(db.run("SELECT 5"), "5\n");
  auto more = (*first)->next(text);
  ASSERT_TRUE(more.ok());
  EXPECT_FALSE(*more);
}

TEST(Session, Interrupt) {
  FakeSession db;
  std::atomic<bool> ended{false};
  std::thread other([&] {
    while (!ended) {
      db.session->interrupt();
      std::this_thread::yield();
    }
  });
  EXPECT_MATCH(db.fail("SELECT count(*) FROM range(1000000) a, range(1000000) b"), StartsWith("LDB-6001"));
  ended = true;
  other.join();
  EXPECT_EQ(db.run("SELECT 1"), "1\n");
}

TEST(Session, TwoConnections) {
  FakeSession db;
  auto other = db.engine->connect();
  EXPECT_EQ(db.run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)"), "");
  EXPECT_EQ(FakeSession::run_on(*other, "SELECT * FROM t; INSERT INTO t VALUES (2); CREATE TEMP TABLE own (b INTEGER)"), "1\n");
  EXPECT_EQ(db.run("SELECT count(*) FROM t"), "2\n");
  EXPECT_MATCH(db.run("SELECT * FROM own"), StartsWith("error: Table with name own does not exist"));
}

TEST(Session, WindowsInAdHocQueries) {
  FakeSession db;
  db.run("CREATE TABLE t (k INTEGER, ts TIMESTAMP); INSERT INTO t VALUES (1, '2026-01-01 00:00:01'), (1, '2026-01-01 00:00:04'), "
         "(2, '2026-01-01 00:00:06')");
  EXPECT_EQ(db.run("SELECT window_start, count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '5 seconds') ORDER BY 1"),
            "2026-01-01 00:00:00|2\n2026-01-01 00:00:05|1\n");
  EXPECT_EQ(db.run("CREATE TABLE w AS SELECT k, window_end AS e FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5 seconds'); "
                   "SELECT max(e) FROM w"),
            "2026-01-01 00:00:10\n");
  EXPECT_EQ(db.run("BEGIN"), "");
  EXPECT_MATCH(db.fail("SELECT count(*) FROM t GROUP BY\n TUMBLE(ts)"), HasSubstr("LDB-1006 2:2"));
  EXPECT_EQ(db.run("SELECT count(*) FROM t; COMMIT"), "3\n");
}

TEST(Session, Prepare) {
  FakeSession db;
  auto bad = db.session->prepare("SELECT\n wrong");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().offset, 8);
  EXPECT_FALSE(db.session->prepare("SELECT 1; SELECT 2").ok());
  auto two = db.session->prepare("SELECT ?::VARCHAR || ?::INTEGER");
  ASSERT_TRUE(two.ok()) << two.status().text();
  EXPECT_EQ((*two)->parameter_count(), 2u);
  EXPECT_FALSE((*two)->execute({}).ok());
  auto rows = (*two)->execute({data::Value::string("v"), data::Value::of(data::Type::of(data::TypeKind::kInt32), int32_t{7})});
  ASSERT_TRUE(rows.ok()) << rows.status().text();
  EXPECT_EQ(text_of(**rows), "v7\n");
}

std::vector<std::string> words(const std::vector<Completion>& completions) {
  std::vector<std::string> result;
  for (const Completion& one : completions) result.push_back(one.text);
  return result;
}

TEST(Session, Complete) {
  FakeSession db;
  db.run("CREATE TABLE trades (price INTEGER); CREATE MATERIALIZED VIEW totals AS SELECT price FROM trades");
  auto complete = [&](const std::string& text) { return words(db.session->complete(text, text.size())); };
  EXPECT_MATCH(complete("CREATE MAT"), Contains("MATERIALIZED"));
  EXPECT_MATCH(complete("SELECT 1; SUBS"), Contains("SUBSCRIBE"));
  EXPECT_MATCH(complete("SUBSCRIBE to"), Contains("totals"));
  EXPECT_EQ(complete("DROP MATERIALIZED VIEW t"), std::vector<std::string>{"totals"});
  EXPECT_MATCH(complete("SELECT * FROM tra"), Contains("trades"));
  EXPECT_FALSE(complete("SELECT pri").empty());
  EXPECT_MATCH(complete("CREATE MATERIALIZED VIEW v AS SELECT price FROM trades EMIT ON WIN"), Contains("WINDOW"));
  const auto found = db.session->complete("SELECT 1; DRA", 13);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].text, "DRAIN");
  EXPECT_EQ(found[0].begin, 10);
}

}  // namespace
}  // namespace laminar::sql
