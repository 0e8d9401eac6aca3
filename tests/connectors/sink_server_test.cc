// Sinks into a real PostgreSQL server: what its tables hold is the view, once, whatever server and program go through.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "loopback_proxy.h"
#include "postgres_server.h"
#include "test_engine.h"

namespace laminar {
namespace {

using testing::Engine;
using testing::LoopbackProxy;
using testing::PostgresServer;

class PostgresSink : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!PostgresServer::is_installed()) return;
    server_ = new PostgresServer();
    ASSERT_TRUE(server_->start()) << server_->log();
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    if (!server_) GTEST_SKIP() << PostgresServer::kInstall;
    ASSERT_EQ(server_->sql("SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public"), "");
  }
  static std::string address(int port = 0) {
    if (port == 0) return server_->options();
    return "host = '127.0.0.1', port = " + std::to_string(port) + ", database = 'postgres', user = 'postgres', sslmode = 'disable'";
  }
  // Sink to_<name> into table <name>.
  static std::string sink(const std::string& name, const std::string& from, const std::string& more = {}, int port = 0) {
    return "CREATE SINK to_" + name + " FROM " + from + " WITH (connector = 'postgres', " + address(port) + (more.find("table = 'public") == std::string::npos ? ", table = '" + name + "'" : "") +
           (more.empty() ? "" : ", " + more) + ")";
  }
  static std::string sql(const std::string& text) { return server_->sql(text); }
  static PostgresServer* server_;
};
PostgresServer* PostgresSink::server_ = nullptr;

TEST_F(PostgresSink, AppendsRows) {
  Engine engine;
  engine.ok("CREATE STREAM v AS SELECT n, k FROM s WHERE n % 2 = 0");
  EXPECT_EQ(sql("CREATE TABLE even (k BIGINT, n NUMERIC, at TIMESTAMPTZ DEFAULT now())"), "");
  engine.ok(sink("even", "v", "commit_interval = '1 day'"));
  engine.feed(1, 10'000, 7);
  engine.drain();
  EXPECT_EQ(sql("SELECT count(*), sum(n), sum(k) FROM even"), "5000|25005000|15000;");
  engine.feed(10'001, 10'010, 7);
  engine.drain();
  EXPECT_EQ(sql("SELECT count(*) FROM even"), "5005;");
  EXPECT_EQ(engine.rows("SELECT connector, guarantee, state, epoch, rows, failures, error FROM laminar_sinks()"),
            "postgres|at-least-once|running|2|5005|0|NULL;");
  EXPECT_EQ(sql("SELECT sink, epoch, rows FROM laminar_epochs"), "to_even|2|5005;");
  // Nobody would ask for the place of a database that was in memory.
  engine.ok("DROP SINK to_even");
  EXPECT_EQ(sql("SELECT count(*) FROM laminar_epochs"), "0;");
}

TEST_F(PostgresSink, CommitsByItself) {
  Engine engine;
  engine.ok("CREATE STREAM v AS SELECT k, n FROM s");
  engine.ok(sink("v_rows", "v", "create_table = true, commit_interval = '1 ms'"));
  engine.feed(1, 10, 7);
  EXPECT_TRUE(engine.until([] { return sql("SELECT count(*) FROM v_rows") == "10;"; }));
  EXPECT_EQ(engine.code(sink("x", "v", "commit_interval = '0 ms'")), "LDB-1003");
}

TEST_F(PostgresSink, UpsertsTheViewsContent) {
  Engine engine;
  engine.ok("CREATE TABLE t (id BIGINT PRIMARY KEY, g VARCHAR, v BIGINT)");
  engine.ok("CREATE MATERIALIZED VIEW sums AS SELECT g, sum(v) AS total, count(*) AS rows FROM t GROUP BY g");
  engine.ok("INSERT INTO t VALUES (1, 'a', 10), (2, 'b', 20), (3, 'a', 5)");
  engine.ok(sink("sums", "sums", "mode = 'upsert', create_table = true"));
  engine.drain();
  EXPECT_EQ(sql("SELECT * FROM sums ORDER BY 1"), "a|15|2;b|20|1;");
  engine.ok("UPDATE t SET v = v + 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (4, 'c\tc\\n', 1)");
  engine.drain();
  EXPECT_EQ(sql("SELECT * FROM sums ORDER BY 1"), "a|17|2;c\tc\\n|1|1;");
  engine.ok("DELETE FROM t");
  engine.drain();
  EXPECT_EQ(sql("SELECT count(*) FROM sums"), "0;");
  EXPECT_EQ(sql("SELECT string_agg(attname, ',') FROM pg_index, pg_attribute WHERE indrelid = 'sums'::regclass AND attrelid = indrelid AND attnum = ANY (indkey)"),
            "g;");
  // A row whose key goes and comes back, in one epoch and in one tick.
  for (int round = 0; round < 20; ++round) {
    engine.ok("INSERT OR REPLACE INTO t VALUES (1, 'x', " + std::to_string(round) + "); DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 'y', 1)");
    if (round % 3 == 0) engine.ok("DELETE FROM t WHERE id = 1");
    if (round % 4 == 0) engine.drain();
  }
  engine.drain();
  EXPECT_EQ(sql("SELECT * FROM sums ORDER BY 1"), engine.rows("SELECT * FROM sums ORDER BY 1"));
  EXPECT_EQ(engine.rows("SELECT * FROM sums ORDER BY 1"), "x|19|1;y|1|1;");
}

TEST_F(PostgresSink, UpsertsFollowRandomChanges) {
  uint64_t seed = std::random_device{}();
  if (const char* given = std::getenv("LAMINAR_SEED")) seed = std::strtoull(given, nullptr, 10);
  SCOPED_TRACE("LAMINAR_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  Engine engine;
  engine.ok("CREATE TABLE t (id BIGINT PRIMARY KEY, g BIGINT, v BIGINT)");
  engine.ok("CREATE MATERIALIZED VIEW big AS SELECT id, v FROM t WHERE v > 50");
  engine.ok("CREATE MATERIALIZED VIEW top AS SELECT g, v, id FROM (SELECT *, row_number() OVER (PARTITION BY g ORDER BY v DESC, id) AS r FROM t) WHERE r = 1");
  engine.ok(sink("big", "big", "mode = 'upsert', create_table = true"));
  engine.ok(sink("top", "top", "mode = 'upsert', create_table = true, primary_key = 'G'"));
  for (int i = 0; i < 300; ++i) {
    const std::string id = std::to_string(random() % 12), g = std::to_string(random() % 3), v = std::to_string(random() % 100);
    switch (random() % 4) {
      case 0: engine.ok("DELETE FROM t WHERE id = " + id); break;
      case 1: engine.ok("UPDATE t SET v = (v + 17) % 100, g = " + g + " WHERE id % 4 = " + g); break;
      default: engine.ok("INSERT OR REPLACE INTO t VALUES (" + id + ", " + g + ", " + v + ")"); break;
    }
    if (random() % 10 != 0) continue;
    engine.drain();
    ASSERT_EQ(sql("SELECT * FROM big ORDER BY 1"), engine.rows("SELECT * FROM big ORDER BY 1"));
    ASSERT_EQ(sql("SELECT * FROM top ORDER BY 1"), engine.rows("SELECT * FROM top ORDER BY 1"));
  }
}

TEST_F(PostgresSink, ChangelogsCarryTickAndWeight) {
  Engine engine;
  engine.ok("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT)");
  engine.ok("CREATE MATERIALIZED VIEW total AS SELECT sum(v) AS v FROM t");
  engine.ok(sink("changes", "total", "mode = 'changelog', create_table = true, table = 'public.total_changes'"));
  engine.ok("INSERT INTO t VALUES (1, 10)");
  engine.ok("INSERT INTO t VALUES (2, 20)");
  engine.drain();
  EXPECT_EQ(sql("SELECT v, weight FROM total_changes ORDER BY tick, weight"), "|1;|-1;10|1;10|-1;30|1;");
  EXPECT_EQ(sql("SELECT count(DISTINCT tick) FROM total_changes"), "3;");
}

TEST_F(PostgresSink, TypesComeOver) {
  Engine engine;
  engine.ok("CREATE TABLE t (id BIGINT PRIMARY KEY, b BOOLEAN, i1 TINYINT, i2 SMALLINT, i4 INTEGER, u4 UINTEGER, u8 UBIGINT, h HUGEINT, f FLOAT, d DOUBLE, "
            "dec DECIMAL(18,3), s VARCHAR, dt DATE, tm TIME, ts TIMESTAMP, tz TIMESTAMPTZ, iv INTERVAL, u UUID, bl BLOB, l INTEGER[], st STRUCT(a INTEGER, b VARCHAR))");
  engine.ok("CREATE MATERIALIZED VIEW v AS SELECT * FROM t");
  engine.ok(sink("types", "v", "mode = 'upsert', create_table = true"));
  engine.ok("INSERT INTO t VALUES (1, true, -128, 32767, -2147483648, 4294967295, 18446744073709551615, '-170141183460469231731687303715884105728', 1.5, "
            "'-inf', -12345.678, 'tab\tquote''back\\slash\nnew line ü', '2024-02-29', '12:34:56.789', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56+00', "
            "INTERVAL '1 year 2 days 3 hours', '123e4567-e89b-12d3-a456-426614174000', '\\x00\\xFFa'::BLOB, [1, NULL, 3], {'a': 1, 'b': 'x\"y'})");
  engine.ok("INSERT INTO t VALUES (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'nan', NULL, '', '0044-03-15 (BC)', NULL, 'infinity', NULL, NULL, NULL, NULL, NULL, NULL)");
  engine.drain();
  EXPECT_EQ(sql("SELECT b, i1, i2, i4, u4, u8, h, f, d, dec, s = E'tab\\tquote''back\\\\slash\\nnew line ü', dt, tm, ts, tz AT TIME ZONE 'UTC', iv, u, bl, l, st->>'b' "
                "FROM types WHERE id = 1"),
            "t|-128|32767|-2147483648|4294967295|18446744073709551615|-170141183460469231731687303715884105728|1.5|-Infinity|-12345.678|t|2024-02-29|12:34:56.789|"
            "2024-02-29 12:34:56.789|2024-02-29 12:34:56|1 year 2 days 03:00:00|123e4567-e89b-12d3-a456-426614174000|\\x00ff61|[1, null, 3]|x\"y;");
  EXPECT_EQ(sql("SELECT num_nulls(b, i1, i2, i4, u4, u8, h, f, dec, tm, tz, iv, u, bl, l, st), d, s, dt, ts FROM types WHERE id = 2"), "16|NaN||0044-03-15 BC|infinity;");
}

TEST_F(PostgresSink, Refusals) {
  Engine engine;
  engine.ok("CREATE MATERIALIZED VIEW sums AS SELECT k, sum(n) AS total FROM s GROUP BY k");
  engine.ok("CREATE STREAM all_rows AS SELECT k, n FROM s");
  const auto refused = [&](const std::string& name, const std::string& from, const std::string& options, const std::string& code, const std::string& says) {
    EXPECT_EQ(engine.code(sink(name, from, options)), code) << options;
    EXPECT_NE(engine.message(sink(name, from, options)).find(says), std::string::npos) << engine.message(sink(name, from, options));
  };
  refused("a", "all_rows", "", "LDB-5006", "has no table a");
  refused("a", "sums", "", "LDB-3004", "mode = 'append' cannot take them back");
  refused("a", "all_rows", "mode = 'upsert'", "LDB-1003", "none is known");
  refused("a", "sums", "mode = 'upsert', primary_key = 'total'", "LDB-1003", "lacks k");
  refused("a", "sums", "mode = 'upsert', primary_key = 'nothing'", "LDB-1003", "names a column that the view lacks");
  refused("a", "all_rows", "primary_key = 'k'", "LDB-1003", "option without effect");
  refused("a", "all_rows", "create_table = true, check = false", "LDB-1003", "do not go together");
  refused("a", "all_rows", "tabel = 'b'", "LDB-1002", "table");
  EXPECT_EQ(sql("CREATE TABLE lacks (k BIGINT); CREATE TABLE types (k BIGINT, n DATE); CREATE TABLE more (k BIGINT, n BIGINT, z BIGINT NOT NULL);"
                "CREATE TABLE made (k BIGINT, n BIGINT GENERATED ALWAYS AS (k + 1) STORED); CREATE TABLE keyless (k BIGINT, total NUMERIC)"), "");
  refused("lacks", "all_rows", "", "LDB-4004", "has no column n");
  refused("types", "all_rows", "", "LDB-4004", "n of sink to_types is a BIGINT, and in PostgreSQL's types it is date");
  refused("more", "all_rows", "", "LDB-4004", "column z");
  refused("made", "all_rows", "", "LDB-4004", "generated");
  refused("keyless", "sums", "mode = 'upsert'", "LDB-4004", "no primary key or unique index on (\"k\")");
  EXPECT_EQ(engine.code("CREATE SINK away FROM all_rows WITH (connector = 'postgres', host = '127.0.0.1', port = 1)"), "LDB-5005");
  EXPECT_EQ(engine.rows("SELECT count(*) FROM laminar_sinks()"), "0;");
  // What was not made at CREATE is said while the sink runs, and mended there.
  engine.ok(sink("late", "all_rows", "check = false"));
  engine.feed(1, 3, 2);
  EXPECT_EQ(engine.code("DRAIN"), "LDB-5006");
  EXPECT_EQ(engine.rows("SELECT state, epoch, failures > 0, error LIKE '%laminar_epochs%' FROM laminar_sinks()"), "retrying|0|true|true;");
  EXPECT_EQ(sql("CREATE TABLE late (k BIGINT, n BIGINT CHECK (n < 4));"
                "CREATE TABLE laminar_epochs (database text, sink text, created bigint, epoch bigint, tick bigint, rows bigint, committed timestamptz, "
                "PRIMARY KEY (database, sink))"), "");
  engine.drain();
  EXPECT_EQ(sql("SELECT sum(n) FROM late"), "6;");
  engine.feed(4, 4, 2);
  EXPECT_EQ(engine.code("DRAIN"), "LDB-5006");
  EXPECT_NE(engine.rows("SELECT error FROM laminar_sinks()").find("violates check constraint"), std::string::npos);
  EXPECT_EQ(sql("ALTER TABLE late DROP CONSTRAINT late_n_check"), "");
  engine.drain();
  EXPECT_EQ(sql("SELECT sum(n), count(*) FROM late"), "10|4;");
}

TEST_F(PostgresSink, SinksOfOneServerCommitTogether) {
  Engine engine;
  engine.ok("CREATE STREAM a AS SELECT k, n FROM s");
  engine.ok("CREATE MATERIALIZED VIEW b AS SELECT k, sum(n) AS total FROM s GROUP BY k");
  engine.ok(sink("a", "a", "create_table = true"));
  engine.ok(sink("b", "b", "create_table = true, mode = 'upsert'"));
  std::atomic<bool> done{false};
  std::atomic<int> looks{0}, differences{0};
  std::thread reader([&] {
    while (!done.load()) {
      const std::string both = sql("SELECT coalesce((SELECT sum(n) FROM a), 0) = coalesce((SELECT sum(total) FROM b), 0)");
      ++looks;
      if (both != "t;") ++differences;
    }
  });
  for (int i = 0; i < 40; ++i) {
    engine.feed(i * 50, i * 50 + 49, 7);
    if (i % 4 == 0) engine.drain();
  }
  engine.drain();
  done = true;
  reader.join();
  EXPECT_GT(looks.load(), 0);
  EXPECT_EQ(differences.load(), 0) << "of " << looks.load();
  EXPECT_EQ(sql("SELECT count(DISTINCT xmin::text), count(*), count(DISTINCT tick) FROM laminar_epochs"), "1|2|1;");
  engine.ok("DROP SINK to_a");
  engine.feed(2000, 2009, 7);
  engine.drain();
  EXPECT_EQ(sql("SELECT (SELECT count(*) FROM a), (SELECT sum(total) FROM b)"), "2000|2019045;");
}

TEST_F(PostgresSink, AServerThatIsAwayHoldsItsEpoch) {
  Engine engine;
  engine.ok("CREATE STREAM a AS SELECT k, n FROM s");
  engine.ok(sink("a", "a", "create_table = true"));
  int next = 0;
  for (int round = 0; round < 3; ++round) {
    engine.feed(next, next + 99, 7);
    next += 100;
    if (round % 2 == 0) server_->kill();
    else server_->stop();
    engine.feed(next, next + 99, 7);
    next += 100;
    EXPECT_EQ(engine.code("DRAIN"), "LDB-5005");
    EXPECT_EQ(engine.rows("SELECT state, error IS NOT NULL FROM laminar_sinks()"), "retrying|true;");
    ASSERT_TRUE(server_->start()) << server_->log();
    engine.feed(next, next + 99, 7);
    next += 100;
    EXPECT_TRUE(engine.until([&] { return engine.code("DRAIN") == "ok"; }));
    ASSERT_EQ(sql("SELECT count(*), count(DISTINCT n), sum(n) FROM a"),
              std::to_string(next) + "|" + std::to_string(next) + "|" + std::to_string(int64_t{next} * (next - 1) / 2) + ";");
  }
  EXPECT_EQ(engine.rows("SELECT state, error FROM laminar_sinks()"), "running|NULL;");
}

// The answer to a COMMIT gets lost now and then: whether it was done is asked of the server.
TEST_F(PostgresSink, ConnectionsBreakAnywhere) {
  LoopbackProxy proxy(server_->port());
  Engine engine;
  engine.ok("CREATE STREAM a AS SELECT k, n FROM s");
  engine.ok("CREATE MATERIALIZED VIEW b AS SELECT k, sum(n) AS total FROM s GROUP BY k");
  engine.ok(sink("a", "a", "create_table = true", proxy.port()));
  engine.ok(sink("b", "b", "create_table = true, mode = 'upsert'", proxy.port()));
  std::atomic<bool> done{false};
  std::thread breaker([&] {
    for (int i = 0; !done.load(); ++i) {
      for (int pause = 0; pause < 1 + i % 9; ++pause) testing::pause();
      proxy.cut();
    }
  });
  int next = 0;
  for (int i = 0; i < 60; ++i, next += 100) {
    engine.feed(next, next + 99, 7);
    if (i % 10 == 0) (void)engine.code("DRAIN");
  }
  done = true;
  breaker.join();
  EXPECT_TRUE(engine.until([&] { return engine.code("DRAIN") == "ok"; }));
  const std::string sum = std::to_string(int64_t{next} * (next - 1) / 2);
  EXPECT_EQ(sql("SELECT count(*), count(DISTINCT n), sum(n) FROM a"), "6000|6000|" + sum + ";");
  EXPECT_EQ(sql("SELECT count(*), sum(total) FROM b"), "7|" + sum + ";");
  EXPECT_NE(engine.rows("SELECT sum(failures) FROM laminar_sinks()"), "0;");
}

TEST_F(PostgresSink, GoesOnAfterARestart) {
  const std::string folder = testing::make_folder();
  {
    Engine engine(folder + "/db");
    engine.ok("CREATE SOURCE s (k BIGINT, n BIGINT) WITH (connector = 'memory'); CREATE STREAM a AS SELECT k, n FROM s");
    engine.ok(sink("a", "a", "create_table = true"));
    EXPECT_EQ(engine.rows("SELECT guarantee FROM laminar_sinks()"), "exactly-once;");
    engine.feed(0, 99, 7);
    engine.drain();
    engine.reopen();
    engine.feed(100, 199, 7);
    // Away at the end, and at the start after it.
    server_->stop();
    engine.feed(200, 299, 7);
    engine.reopen();
    engine.feed(300, 399, 7);
    EXPECT_EQ(engine.code("DRAIN"), "LDB-5005");
    ASSERT_TRUE(server_->start());
    EXPECT_TRUE(engine.until([&] { return engine.code("DRAIN") == "ok"; }));
    EXPECT_EQ(sql("SELECT count(*), count(DISTINCT n), sum(n) FROM a"), "400|400|79800;");
    engine.ok("CHECKPOINT");
    engine.feed(400, 409, 7);
    engine.drain();
  }
  std::filesystem::copy(folder + "/db", folder + "/copy", std::filesystem::copy_options::recursive);
  {
    Engine engine(folder + "/db");
    engine.feed(410, 419, 7);
    engine.drain();
    EXPECT_EQ(sql("SELECT count(*), sum(n) FROM a"), "420|87990;");
  }
  {
    // An older copy of the database must not write what the server has, nor leave out what it lacks.
    Engine engine(folder + "/copy");
    engine.feed(500, 500, 7);
    EXPECT_EQ(engine.code("DRAIN"), "LDB-5006");
    EXPECT_NE(engine.rows("SELECT error FROM laminar_sinks()").find("older copy"), std::string::npos) << engine.rows("SELECT error FROM laminar_sinks()");
  }
  {
    Engine engine(folder + "/db");
    engine.ok("DROP SINK to_a");
    engine.ok(sink("a", "a"));
    engine.feed(600, 600, 7);
    engine.drain();
    EXPECT_EQ(sql("SELECT count(*), sum(n) FROM a"), "421|88590;");
    // A server that has lost what it committed.
    EXPECT_EQ(sql("UPDATE laminar_epochs SET epoch = 0"), "");
    engine.feed(601, 601, 7);
    EXPECT_EQ(engine.code("DRAIN"), "LDB-5006");
    EXPECT_NE(engine.rows("SELECT error FROM laminar_sinks()").find("lost"), std::string::npos);
  }
  testing::remove_folder(folder);
}

// The program of a run that is killed now and then: rows by INSERT and from files, windows and a join, into PostgreSQL and files.
class Kills : public PostgresSink {
 protected:
  void SetUp() override {
    PostgresSink::SetUp();
    if (IsSkipped()) return;
    folder_ = testing::make_folder();
    std::ofstream prices(folder_ + "/prices.csv");
    prices << "k,price,ts\n";
    for (int i = 0; i < 700; ++i) prices << i % 7 << ',' << i * 3 % 100 << ",2026-01-01 00:" << i / 60 << ':' << i % 60 << '\n';
    std::ofstream clicks(folder_ + "/clicks.csv");
    clicks << "id,v\n";
    for (int i = 0; i < kClicks; ++i) clicks << i << ',' << i * 7 % 1000 << '\n';
  }
  void TearDown() override {
    if (!folder_.empty()) testing::remove_folder(folder_);
  }

  // A run has a database, tables and folders of its own, by its name.
  std::string setup(const std::string& run) const {
    const std::string csv = "connector = 'files', header = false, format = 'csv', path = '" + folder_ + "/" + run + "_";
    const auto to_table = [&](const std::string& table, const std::string& mode) {
      return " WITH (connector = 'postgres', " + address() + ", create_table = true, commit_interval = '30 ms', table = '" + run + "_" + table + "', mode = '" + mode + "');";
    };
    return "SET durability = 'sync';"
           "CREATE SOURCE orders (n BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2 seconds') WITH (connector = 'memory');"
           "CREATE SOURCE prices (k BIGINT, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'files', path = '" + folder_ + "/prices.csv');"
           "CREATE SOURCE clicks (id BIGINT, v BIGINT) WITH (connector = 'files', path = '" + folder_ + "/clicks.csv');"
           "CREATE MATERIALIZED VIEW seen AS SELECT max(n) AS n FROM orders;"
           "CREATE MATERIALIZED VIEW joined AS SELECT o.n, o.k, p.price, o.ts FROM orders o JOIN prices p ON o.k = p.k "
           "AND o.ts BETWEEN p.ts AND p.ts + INTERVAL '20 seconds';"
           "CREATE MATERIALIZED VIEW per_window AS SELECT k, window_start, count(*) AS rows, sum(price) AS total FROM joined GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds');"
           "CREATE MATERIALIZED VIEW closed AS SELECT k, window_start, count(*) AS rows, sum(n) AS total FROM orders GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds') "
           "EMIT ON WINDOW CLOSE;"
           "CREATE SINK joined_rows FROM joined" + to_table("joined", "append") +
           "CREATE SINK windows FROM per_window" + to_table("windows", "upsert") +
           "CREATE SINK closed_rows FROM closed" + to_table("closed", "append") +
           "CREATE SINK closed_files FROM closed WITH (" + csv + "closed');"
           "CREATE SINK click_rows FROM (SELECT id, v FROM clicks WHERE v % 2 = 0)" + to_table("clicks", "append") +
           "CREATE SINK click_files FROM (SELECT id, v FROM clicks WHERE v % 2 = 1) WITH (" + csv + "clicks');";
  }
  // The n-th step: rows of one tick.
  static std::string step(int n) {
    return "INSERT INTO orders SELECT " + std::to_string(n) + ", (" + std::to_string(n) + " + i) % 7, TIMESTAMP '2026-01-01' + INTERVAL (" + std::to_string(n) +
           " // 2 + i) SECOND FROM range(5) r(i);\n";
  }
  void start(testing::Process& program, const std::string& run, const std::string& script) const {
    const std::string at = folder_ + "/" + run;
    std::ofstream(at + ".sql") << script;
    std::filesystem::remove(at + ".out");
    const char* other = std::getenv("LAMINAR_PROGRAM");
    program.start({"/bin/sh", "-c", "exec " + std::string(other ? other : LAMINAR_PROGRAM) + " " + at + "_db --format csv < " + at + ".sql > " + at + ".out 2>&1"}, "root", "/dev/null");
  }
  std::string output(const std::string& run) const {
    std::ostringstream text;
    text << std::ifstream(folder_ + "/" + run + ".out").rdbuf();
    return text.str();
  }
  // To its end, which must be a good one; what it printed.
  std::string run_whole(const std::string& run, const std::string& script) {
    testing::Process program;
    start(program, run, script);
    EXPECT_EQ(program.wait(), 0) << output(run);
    return output(run);
  }
  std::multiset<std::string> lines(const std::string& folder) const {
    std::multiset<std::string> all;
    if (!std::filesystem::exists(folder_ + "/" + folder)) return all;
    for (const auto& file : std::filesystem::directory_iterator(folder_ + "/" + folder)) {
      if (file.path().filename().string().front() == '.') continue;
      std::ifstream in(file.path());
      for (std::string line; std::getline(in, line);) all.insert(line);
    }
    return all;
  }

  static constexpr int kClicks = 30'000;
  std::string folder_;
};

TEST_F(Kills, EqualARunWithoutThem) {
  uint64_t seed = std::random_device{}();
  int kills = 6;
  if (const char* given = std::getenv("LAMINAR_SEED")) seed = std::strtoull(given, nullptr, 10);
  if (const char* given = std::getenv("LAMINAR_KILLS")) kills = std::atoi(given);
  std::printf("seed %llu, %d kills\n", static_cast<unsigned long long>(seed), kills);
  SCOPED_TRACE("LAMINAR_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  run_whole("cut", setup("cut"));
  int next = 0;
  for (int kill = 0; kill < kills; ++kill) {
    std::string script;
    const int steps = 4 + static_cast<int>(random() % 24);
    for (int i = 0; i < steps; ++i) {
      script += step(next + i);
      if (random() % 4 == 0) script += "DRAIN;\n";
      if (random() % 9 == 0) script += "CHECKPOINT;\n";
      script += "SELECT 'step' AS said;\n";
    }
    testing::Process program;
    start(program, "cut", script);
    const int said = static_cast<int>(random() % static_cast<uint64_t>(steps));
    for (int seen = 0; program.running() && seen <= said;) {
      const std::string text = output("cut");
      seen = 0;
      for (size_t at = text.find("step"); at != std::string::npos; at = text.find("step", at + 1)) ++seen;
      testing::pause();
    }
    for (uint64_t pauses = random() % 8; pauses > 0; --pauses) testing::pause();
    const bool server_too = random() % 5 == 0;
    if (server_too) server_->kill();
    program.kill();
    if (server_too) {
      ASSERT_TRUE(server_->start()) << server_->log();
    }
    std::string found = run_whole("cut", "SELECT coalesce(max(n), -1) AS n FROM seen;");
    ASSERT_TRUE(found.starts_with("n\n")) << found;
    next = std::stoi(found.substr(2)) + 1;
  }
  run_whole("cut", "DRAIN;");
  std::string all = setup("calm");
  for (int i = 0; i < next; ++i) all += step(i);
  run_whole("calm", all + "DRAIN;");
  for (const std::string table : {"joined", "windows", "closed", "clicks"}) {
    EXPECT_NE(sql("SELECT count(*) FROM calm_" + table), "0;") << table;
    EXPECT_EQ(sql("(SELECT 'twice' AS what, * FROM cut_" + table + " EXCEPT ALL SELECT 'twice', * FROM calm_" + table + ") UNION ALL (SELECT 'lost', * FROM calm_" + table +
                  " EXCEPT ALL SELECT 'lost', * FROM cut_" + table + ")"), "") << table;
  }
  for (const std::string folder : {"closed", "clicks"}) {
    EXPECT_FALSE(lines("calm_" + folder).empty());
    EXPECT_EQ(lines("cut_" + folder), lines("calm_" + folder)) << folder;
  }
  std::printf("%d steps, %s rows joined\n", next, sql("SELECT count(*) FROM cut_joined").c_str());
}

}  // namespace
}  // namespace laminar
