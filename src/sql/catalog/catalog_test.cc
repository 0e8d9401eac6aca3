#include "sql/catalog/catalog.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "sql/catalog/fake_session.h"

namespace laminar::sql {
namespace {


TEST(Catalog, PlainTableIsOurs) {
  FakeSession db;
  EXPECT_EQ(db.run("CREATE TABLE t (a INTEGER, b VARCHAR)"), "");
  ASSERT_NE(db.backend->find("t"), nullptr);
  EXPECT_EQ(db.backend->find("t")->kind, ObjectKind::kTable);
  EXPECT_EQ(db.run("INSERT INTO t VALUES (1, 'one'), (2, 'a string longer than twelve bytes'), (NULL, NULL)"), "");
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a NULLS LAST"), "1|one\n2|a string longer than twelve bytes\nNULL|NULL\n");
  EXPECT_EQ(db.run("SELECT count(*), count(a), max(b) FROM laminar.main.t WHERE a > 0 OR a IS NULL"), "3|2|one\n");
  EXPECT_EQ(db.backend->log().ticks, 1u);
}

TEST(Catalog, DuckTablesStayDuckDBs) {
  FakeSession db;
  EXPECT_EQ(db.run("CREATE TABLE memory.m (a INTEGER); INSERT INTO m VALUES (7); SELECT * FROM m"), "7\n");
  EXPECT_EQ(db.run("CREATE TEMP TABLE tmp AS SELECT 8 AS a; SELECT * FROM tmp"), "8\n");
  EXPECT_TRUE(db.backend->list().empty());
  EXPECT_EQ(db.run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (7), (8), (9)"), "");
  EXPECT_EQ(db.run("SELECT t.a FROM t JOIN m USING (a)"), "7\n");
  EXPECT_EQ(db.run("SELECT t.a FROM t JOIN tmp USING (a)"), "8\n");
}

TEST(Catalog, JoinWithParquet) {
  FakeSession db;
  const auto path = (std::filesystem::temp_directory_path() / ("catalog_test_" + std::to_string(getpid()) + ".parquet")).string();
  EXPECT_EQ(db.run("CREATE TABLE t (a BIGINT); INSERT INTO t SELECT range FROM range(5000)"), "");
  EXPECT_EQ(db.run("COPY (SELECT a, a * 2 AS twice FROM t WHERE a < 3) TO '" + path + "'"), "");
  EXPECT_EQ(db.run("SELECT t.a, p.twice FROM t JOIN '" + path + "' p ON t.a = p.a ORDER BY 1"), "0|0\n1|2\n2|4\n");
  EXPECT_EQ(db.run("COPY t FROM '" + path + "' (FORMAT parquet)").substr(0, 5), "error");  // two columns into one
  EXPECT_EQ(db.run("SELECT count(*), sum(a) FROM t"), "5000|12497500\n");
  std::filesystem::remove(path);
}

TEST(Catalog, OneTickPerQuery) {
  FakeSession db;
  db.run("CREATE TABLE a (x INTEGER); CREATE TABLE b (x INTEGER); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)");
  EXPECT_EQ(db.run("SELECT count(*) FROM a, b, a a2"), "1\n");
  auto log = db.backend->log();
  ASSERT_EQ(log.snapshots.size(), 1u);
  std::sort(log.snapshots[0].begin(), log.snapshots[0].end());
  EXPECT_EQ(log.snapshots[0], (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(log.reopened, 3u);
  // A CTE that is copied, and one that is read again and again.
  EXPECT_EQ(db.run("WITH c AS (SELECT x + 1 AS y FROM a) SELECT c1.y, c2.y FROM c c1, c c2"), "2|2\n");
  EXPECT_EQ(db.run("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT r.n + a.x FROM r, a WHERE n < 5) SELECT max(n) FROM r"), "5\n");
  EXPECT_EQ(db.backend->log().snapshots.size(), 3u);
}

TEST(Catalog, SnapshotsReadOnceAreCopied) {
  FakeSession db;
  db.backend->can_reopen = false;
  db.run("CREATE TABLE a (x INTEGER, s VARCHAR); INSERT INTO a SELECT range, 'text that is long enough ' || range FROM range(5000)");
  EXPECT_EQ(db.run("SELECT count(*), max(l.s) FROM a l JOIN a r ON l.x = r.x AND l.s = r.s"), "5000|text that is long enough 999\n");
  EXPECT_EQ(db.backend->log().snapshots.size(), 1u);
}

TEST(Catalog, WeightsAreRepeatedRows) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (10), (20)");
  db.backend->set_weight("t", 1, 3);
  EXPECT_EQ(db.run("SELECT a FROM t ORDER BY a"), "10\n10\n10\n20\n");
  EXPECT_EQ(db.run("SELECT count(*) FROM t"), "4\n");
}

TEST(Catalog, DefaultsAndConstraints) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR DEFAULT 'x' || 'y', c INTEGER NOT NULL DEFAULT 5, CHECK (c < 100 AND a <> c))");
  EXPECT_EQ(db.run("INSERT INTO t (a) VALUES (1); INSERT INTO t VALUES (2, DEFAULT, 7); INSERT INTO t (c, a) SELECT 8, 3"), "");
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a"), "1|xy|5\n2|xy|7\n3|xy|8\n");
  EXPECT_MATCH(db.fail("INSERT INTO t VALUES (4, 'z', NULL)"), StartsWith("LDB-4002 1:13 NOT NULL constraint failed: t.c"));
  EXPECT_MATCH(db.fail("INSERT INTO t VALUES (NULL, 'z', 1)"), StartsWith("LDB-4002 1:13 NOT NULL constraint failed: t.a"));
  EXPECT_MATCH(db.fail("INSERT INTO t VALUES (4, 'z', 100)"), StartsWith("LDB-4002 1:13 CHECK constraint failed: t, CHECK("));
  EXPECT_MATCH(db.fail("INSERT INTO t VALUES (1, 'z', 50)"), StartsWith("LDB-4002 1:13 duplicate key"));
  EXPECT_MATCH(db.fail("UPDATE t SET c = 200 WHERE a = 1"), StartsWith("LDB-4002 1:8 CHECK constraint failed"));
  EXPECT_MATCH(db.fail("UPDATE t SET c = NULL WHERE a = 1"), StartsWith("LDB-4002 1:8 NOT NULL constraint failed: t.c"));
  EXPECT_EQ(db.run("SELECT count(*) FROM t"), "3\n");
  EXPECT_MATCH(db.fail("INSERT INTO t VALUES (1, 'z')"), HasSubstr("3 columns but 2 values"));
  EXPECT_MATCH(db.fail("CREATE TABLE u (a INTEGER UNIQUE)"), StartsWith("LDB-3005 1:14 UNIQUE is not implemented: u"));
  EXPECT_MATCH(db.fail("CREATE TABLE u (a INTEGER, b INTEGER AS (a + 1))"), StartsWith("LDB-3005"));
  EXPECT_MATCH(db.fail("CREATE TABLE u (a INTEGER REFERENCES t (a))"), StartsWith("LDB-3005"));
  EXPECT_EQ(db.backend->find("u"), nullptr);
}

TEST(Catalog, UpdateAndDelete) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER, b VARCHAR); INSERT INTO t SELECT range, 'v' || range FROM range(4)");
  EXPECT_EQ(db.run("UPDATE t SET b = b || '!' WHERE a >= 2"), "");
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a"), "0|v0\n1|v1\n2|v2!\n3|v3!\n");
  EXPECT_EQ(db.run("UPDATE t SET a = a + 10 WHERE a = 0 RETURNING *"), "10|v0\n");
  EXPECT_EQ(db.run("DELETE FROM t WHERE a IN (1, 2)"), "");
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a"), "3|v3!\n10|v0\n");
  EXPECT_EQ(db.run("DELETE FROM t WHERE a = 3 RETURNING b, a"), "v3!|3\n");
  EXPECT_EQ(db.run("UPDATE t SET b = o.s FROM (VALUES (10, 'joined'), (10, 'joined')) o(k, s) WHERE a = o.k"), "");
  EXPECT_EQ(db.run("SELECT * FROM t"), "10|joined\n");
  EXPECT_EQ(db.backend->log().ticks, 6u);
  EXPECT_EQ(db.run("DELETE FROM t"), "");
  EXPECT_EQ(db.run("SELECT count(*) FROM t"), "0\n");
  EXPECT_EQ(db.run("INSERT INTO t VALUES (5, 'r') RETURNING a + 1, b"), "6|r\n");
}

TEST(Catalog, OnConflict) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR, c INTEGER DEFAULT 0); INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)");
  EXPECT_EQ(db.run("INSERT OR IGNORE INTO t VALUES (1, 'no', 9), (3, 'three', 3)"), "");
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a"), "1|one|1\n2|two|2\n3|three|3\n");
  EXPECT_EQ(db.run("INSERT OR REPLACE INTO t VALUES (2, 'zwei', 22), (4, 'vier', 44)"), "");
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a"), "1|one|1\n2|zwei|22\n3|three|3\n4|vier|44\n");
  EXPECT_EQ(db.run("INSERT INTO t (a, b) VALUES (1, 'eins') ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = c + 1"), "");
  EXPECT_EQ(db.run("INSERT INTO t VALUES (1, 'x', 7) ON CONFLICT DO NOTHING"), "");
  EXPECT_EQ(db.run("SELECT * FROM t WHERE a = 1"), "1|eins|2\n");
  EXPECT_EQ(db.backend->log().ticks, 4u);  // DO NOTHING with nothing to do makes none
  EXPECT_EQ(db.run("MERGE INTO t USING (VALUES (1, 'm'), (9, 'n')) s(k, v) ON t.a = s.k "
                   "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.k, s.v)"),
            "");
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a"), "2|zwei|22\n3|three|3\n4|vier|44\n9|n|0\n");
  EXPECT_EQ(db.backend->log().ticks, 5u);
  EXPECT_EQ(db.run("INSERT OR REPLACE INTO t VALUES (9, 'r', 1) RETURNING *"), "9|r|1\n");
  EXPECT_MATCH(db.fail("CREATE TABLE k (a INTEGER); INSERT OR REPLACE INTO k VALUES (1)"), HasSubstr("UNIQUE/PRIMARY KEY"));
}

TEST(Catalog, Sources) {
  FakeSession db;
  EXPECT_EQ(db.run("CREATE SOURCE s (a INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 seconds') WITH (connector = 'memory')"), "");
  EXPECT_EQ(db.run("INSERT INTO s VALUES (1, '2026-01-01 00:00:00'); INSERT INTO s (a) VALUES (2)"), "");
  EXPECT_EQ(db.backend->log().ticks, 2u);
  EXPECT_MATCH(db.fail("SELECT 1;\nSELECT *\n  FROM s"), StartsWith("LDB-2004 3:8 a source keeps no rows: s;"));
  EXPECT_MATCH(db.fail("UPDATE s SET a = 1"), StartsWith("LDB-2004 1:8 a source keeps no rows"));
  EXPECT_EQ(db.run("DROP SOURCE s"), "");
  EXPECT_EQ(db.backend->find("s"), nullptr);
}

TEST(Catalog, CreateTableForms) {
  FakeSession db;
  EXPECT_EQ(db.run("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y'; SELECT * FROM t ORDER BY a"), "1|x\n2|y\n");
  EXPECT_EQ(db.run("CREATE TABLE IF NOT EXISTS t (z INTEGER); CREATE TABLE IF NOT EXISTS t AS SELECT 5; SELECT count(*) FROM t"), "2\n");
  EXPECT_MATCH(db.fail("CREATE TABLE t (z INTEGER)"), StartsWith("LDB-2001"));
  EXPECT_EQ(db.run("CREATE OR REPLACE TABLE t AS SELECT 3 AS c; SELECT * FROM t"), "3\n");
  EXPECT_MATCH(db.fail("CREATE TABLE bad AS SELECT CAST('x' AS INTEGER) AS a"), StartsWith("LDB-4004"));
  EXPECT_EQ(db.backend->find("bad"), nullptr);
  EXPECT_EQ(db.run("DROP TABLE t"), "");
  EXPECT_EQ(db.run("DROP TABLE IF EXISTS t"), "");
  EXPECT_MATCH(db.fail("DROP TABLE t"), StartsWith("LDB-2002"));
}

TEST(Catalog, Refusals) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER PRIMARY KEY)");
  EXPECT_MATCH(db.fail("ALTER TABLE t ADD COLUMN b INTEGER"), StartsWith("LDB-3005 1:13 ALTER is not implemented: t"));
  EXPECT_MATCH(db.fail("CREATE INDEX i ON t (a)"), StartsWith("LDB-3005 1:14 CREATE INDEX is not implemented: t"));
  EXPECT_MATCH(db.fail("CREATE SCHEMA s"), StartsWith("LDB-3005 1:15 the database laminar has one schema"));
  EXPECT_MATCH(db.fail("DROP VIEW t"), StartsWith("LDB-2004 1:11 t is a table: write DROP TABLE t"));
  EXPECT_MATCH(db.fail("SELECT * FROM tt"), StartsWith("LDB-2002 1:15 Table with name tt does not exist!\nDid you mean \"t\"?"));
  EXPECT_MATCH(db.fail("SELECT b FROM t"), StartsWith("LDB-1007 1:8 Referenced column \"b\" not found"));
}

TEST(Catalog, OtherEntriesGoToDuckDB) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (41)");
  EXPECT_EQ(db.run("CREATE MACRO plus(x) AS x + 1; SELECT plus(a) FROM t"), "42\n");
  EXPECT_EQ(db.run("CREATE VIEW dv AS SELECT a + 2 AS b FROM t; SELECT * FROM dv"), "43\n");
  EXPECT_EQ(db.run("DROP VIEW dv; DROP MACRO plus"), "");
  EXPECT_EQ(db.run("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE p (m mood); INSERT INTO p VALUES ('ok'); SELECT * FROM p"), "ok\n");
  EXPECT_EQ(db.run("CREATE SEQUENCE seq; SELECT nextval('seq')"), "1\n");
  EXPECT_EQ(db.run("CREATE SCHEMA memory.s; CREATE TABLE memory.s.u (a INTEGER); SELECT count(*) FROM memory.s.u"), "0\n");
}

TEST(Catalog, Listings) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR NOT NULL DEFAULT 'q'); CREATE SOURCE s (x BIGINT) WITH (connector = 'memory'); "
         "CREATE TABLE memory.m (z INTEGER)");
  EXPECT_EQ(db.run("SHOW TABLES"), "m\ns\nt\n");
  EXPECT_EQ(db.run("DESCRIBE t"), "a|INTEGER|NO|PRI|NULL|NULL\nb|VARCHAR|NO|NULL|'q'|NULL\n");
  EXPECT_EQ(db.run("DESCRIBE s"), "x|BIGINT|YES|NULL|NULL|NULL\n");
  EXPECT_EQ(db.run("SELECT table_name FROM information_schema.tables WHERE table_catalog = 'laminar' ORDER BY 1"), "s\nt\n");
  EXPECT_EQ(db.run("SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position"),
            "a|INTEGER|NO\nb|VARCHAR|NO\n");
  EXPECT_MATCH(db.run("SELECT table_name, has_primary_key, sql FROM duckdb_tables() WHERE database_name = 'laminar' AND table_name = 't'"),
              StartsWith("t|true|CREATE TABLE t(a INTEGER"));
  db.run("INSERT INTO t VALUES (1, 'r'), (2, 'w')");
  EXPECT_MATCH(db.run("SELECT column_name, min, max, count FROM (SUMMARIZE t)"), StartsWith("a|1|2|2\nb|r|w|2\n"));
  EXPECT_MATCH(db.run("EXPLAIN SELECT a FROM t WHERE b = 'r'"), HasSubstr("LAMINAR_SCAN"));
  EXPECT_EQ(db.run("SELECT a FROM t WHERE rowid = (SELECT max(rowid) FROM t)"), "2\n");
}

TEST(Catalog, TableFunctions) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (3), (4)");
  EXPECT_EQ(db.run("SELECT a, weight FROM changes('t') ORDER BY a"), "3|1\n4|1\n");
  EXPECT_EQ(db.run("SELECT count(*) FROM changes('t')"), "2\n");
  EXPECT_EQ(db.run("FROM laminar_objects()"), "t\n");
  EXPECT_MATCH(db.fail("SELECT 1;\nSELECT * FROM\n  changes('nothing')"), StartsWith("LDB-2002 3:3 there is no object of this name: nothing"));
}

TEST(Catalog, PreparedStatementsAfterDdl) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER)");
  auto insert = db.session->prepare("INSERT INTO t VALUES (?)");
  ASSERT_TRUE(insert.ok()) << insert.status().text();
  auto select = db.session->prepare("SELECT sum(a) FROM t WHERE a >= $1");
  ASSERT_TRUE(select.ok()) << select.status().text();
  auto value = [](int32_t v) { return data::Value::of(data::Type::of(data::TypeKind::kInt32), v); };
  for (int32_t i = 1; i <= 3; ++i) {
    auto rows = (*insert)->execute({value(i)});
    ASSERT_TRUE(rows.ok()) << rows.status().text();
    EXPECT_EQ((*rows)->rows_changed(), 1u);
    EXPECT_TRUE((*rows)->silent());
  }
  EXPECT_EQ(text_of(**(*select)->execute({value(2)})), "5\n");
  EXPECT_EQ(text_of(**(*select)->execute({value(3)})), "3\n");
  db.run("CREATE OR REPLACE TABLE t (a BIGINT, b VARCHAR DEFAULT 'd'); INSERT INTO t (a) VALUES (100)");
  EXPECT_EQ(text_of(**(*select)->execute({value(2)})), "100\n");
  db.run("DROP TABLE t");
  auto rows = (*select)->execute({value(2)});
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code, ErrorCode::kUnknownObject);
}

TEST(Catalog, Transactions) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER PRIMARY KEY)");
  EXPECT_EQ(db.run("BEGIN; INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); SELECT count(*) FROM t; COMMIT; SELECT count(*) FROM t"), "2\n2\n");
  EXPECT_EQ(db.backend->log().ticks, 1u);
  EXPECT_EQ(db.run("BEGIN; DELETE FROM t WHERE a = 1; INSERT INTO t VALUES (3); ROLLBACK; SELECT * FROM t ORDER BY a"), "1\n2\n");
  EXPECT_EQ(db.run("BEGIN; DELETE FROM t WHERE a = 1; INSERT INTO t VALUES (3); COMMIT; SELECT * FROM t ORDER BY a"), "2\n3\n");
  EXPECT_EQ(db.backend->log().ticks, 2u);
  EXPECT_MATCH(db.fail("BEGIN; INSERT INTO t VALUES (3); COMMIT"), StartsWith("LDB-4002 1:34 duplicate key: t"));
  EXPECT_FALSE(db.session->in_transaction());
  EXPECT_EQ(db.run("SELECT * FROM t ORDER BY a"), "2\n3\n");

  EXPECT_EQ(db.run("BEGIN; CREATE TABLE u (a INTEGER); CREATE TABLE w (a INTEGER); INSERT INTO u VALUES (5); COMMIT; SELECT * FROM u"), "5\n");
  EXPECT_EQ(db.backend->log().groups, (std::vector<std::string>{"begin", "commit"}));
  EXPECT_EQ(db.run("BEGIN; DROP TABLE u; CREATE TABLE x (a INTEGER); ROLLBACK; SELECT * FROM u"), "5\n");
  EXPECT_EQ(db.backend->find("x"), nullptr);

  auto other = db.engine->connect();
  EXPECT_EQ(db.run("BEGIN; CREATE TABLE y (a INTEGER)"), "");
  EXPECT_MATCH(FakeSession::run_on(*other, "CREATE TABLE z (a INTEGER)"), HasSubstr("another session is changing the catalog"));
  EXPECT_EQ(FakeSession::run_on(*other, "SELECT count(*) FROM t"), "2\n");
  EXPECT_EQ(db.run("COMMIT"), "");
  EXPECT_EQ(FakeSession::run_on(*other, "CREATE TABLE z (a INTEGER); SELECT count(*) FROM y"), "0\n");
}

TEST(Catalog, DroppedEntriesOutliveReaders) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER); INSERT INTO t SELECT * FROM range(20000)");
  auto other = db.engine->connect();
  auto rows = other->query("SELECT * FROM t");
  ASSERT_TRUE(rows.ok());
  TextRows text;
  ASSERT_TRUE(*(*rows)->next(text));
  db.run("DROP TABLE t; CREATE TABLE t (b VARCHAR)");
  uint64_t count = text.rows;
  while (*(*rows)->next(text)) count += text.rows;
  EXPECT_EQ(count, 20000u);
  EXPECT_EQ(FakeSession::run_on(*other, "SELECT * FROM t"), "");
}

TEST(Catalog, ReadersBesideDdl) {
  FakeSession db;
  db.run("CREATE TABLE t (a INTEGER); INSERT INTO t SELECT * FROM range(3000)");
  std::atomic<bool> done{false};
  std::thread reader([&] {
    auto session = db.engine->connect();
    while (!done) {
      const std::string text = FakeSession::run_on(*session, "SELECT count(*) FROM t, (SELECT 1) one");
      EXPECT_TRUE(text == "3000\n" || text == "2\n" || text == "0\n" || text.starts_with("error: Table with name t") ||
                  text.starts_with("error: the object was changed"))
          << text;
    }
  });
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(db.run("DROP TABLE t; CREATE TABLE t (a INTEGER, b VARCHAR); INSERT INTO t VALUES (1, 'x'), (2, 'y')"), "");
    EXPECT_EQ(db.run("CREATE OR REPLACE TABLE t AS SELECT range AS a FROM range(3000)"), "");
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace laminar::sql
