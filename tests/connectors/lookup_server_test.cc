// Lookup joins against real PostgreSQL and Redis servers: answers, misses, caches, outages. Nothing is lost or doubled.
#include <csignal>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "laminar/laminar.h"
#include "loopback_proxy.h"
#include "postgres_server.h"
#include "redis_server.h"
#include "test_engine.h"

namespace laminar {
namespace {

using testing::Engine;
using testing::kSecond;
using testing::LoopbackProxy;
using testing::PostgresServer;
using testing::RedisServer;

class Postgres : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!PostgresServer::is_installed()) return;
    server_ = new PostgresServer();
    ASSERT_TRUE(server_->start()) << server_->log();
    ASSERT_EQ(server_->sql("CREATE TABLE p (id BIGINT PRIMARY KEY, name TEXT, price NUMERIC(10,2), made TIMESTAMP);"
                           "INSERT INTO p SELECT i, 'name' || i, i * 1.5, TIMESTAMP '2026-01-01' + i * INTERVAL '1 hour' FROM generate_series(0, 999) i"),
              "");
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    if (!server_) GTEST_SKIP() << PostgresServer::kInstall;
  }
  std::string create(const std::string& more = {}, int port = 0) {
    std::string options = server_->options();
    if (port) options = "host = '127.0.0.1', port = " + std::to_string(port) + ", database = 'postgres', user = 'postgres', sslmode = 'disable'";
    return "CREATE LOOKUP TABLE p (id BIGINT, name VARCHAR, price DECIMAL(10,2), made TIMESTAMP, PRIMARY KEY (id)) WITH (connector = 'postgres', " +
           options + (more.empty() ? "" : ", " + more) + ")";
  }
  static PostgresServer* server_;
};
PostgresServer* Postgres::server_ = nullptr;

constexpr const char* kJoin = "CREATE MATERIALIZED VIEW v AS SELECT s.n, s.k, p.name FROM s JOIN p ON s.k = p.id";
constexpr const char* kLeftJoin = "CREATE MATERIALIZED VIEW v AS SELECT s.n, s.k, p.name FROM s LEFT JOIN p ON s.k = p.id";

TEST_F(Postgres, AnswersMissesAndNulls) {
  Engine engine;
  engine.ok(create());
  engine.ok("CREATE MATERIALIZED VIEW v AS SELECT s.n, p.name, p.price, p.made FROM s LEFT JOIN p ON s.k = p.id");
  engine.ok("CREATE MATERIALIZED VIEW inner_v AS SELECT s.n, p.name FROM s JOIN p ON s.k = p.id");
  engine.ok("INSERT INTO s VALUES (1, 10), (5000, 11), (NULL, 12), (999, 13), (1, 14)");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT * FROM v ORDER BY n"),
            "10|name1|1.50|2026-01-01 01:00:00;11|NULL|NULL|NULL;12|NULL|NULL|NULL;13|name999|1498.50|2026-02-11 15:00:00;14|name1|1.50|2026-01-01 01:00:00;");
  EXPECT_EQ(engine.rows("SELECT * FROM inner_v ORDER BY n"), "10|name1;13|name999;14|name1;");
  EXPECT_EQ(engine.rows("SELECT state, mode FROM laminar_lookup_tables()"), "ready|on_demand;");
  // Asked once for each key by both views together, and not again: neither for rows nor for their absence.
  EXPECT_EQ(engine.metric("lookup_requests"), 3);
  engine.ok("INSERT INTO s VALUES (1, 20), (5000, 21)");
  engine.drain();
  EXPECT_EQ(engine.metric("lookup_requests"), 3);
  EXPECT_GE(engine.metric("lookup_missing_hits"), 2);
  EXPECT_EQ(engine.rows("SELECT count(*) FROM v"), "7;");
}

TEST_F(Postgres, EntriesLiveByTheClock) {
  ASSERT_EQ(server_->sql("CREATE TABLE IF NOT EXISTS changing (id INT PRIMARY KEY, name TEXT); TRUNCATE changing; INSERT INTO changing VALUES (1, 'old')"), "");
  Engine engine;
  engine.ok("CREATE LOOKUP TABLE p (id INTEGER, name VARCHAR, PRIMARY KEY (id)) WITH (connector = 'postgres', \"table\" = 'public.changing', " +
            server_->options() + ", \"cache.ttl\" = '10 seconds', \"cache.missing_ttl\" = '5 seconds')");
  engine.ok(kLeftJoin);
  const auto row = [&](int k, int n) {
    engine.ok("INSERT INTO s VALUES (" + std::to_string(k) + ", " + std::to_string(n) + ")");
    engine.drain();
    return engine.rows("SELECT name FROM v WHERE n = " + std::to_string(n));
  };
  EXPECT_EQ(row(1, 1), "old;");
  EXPECT_EQ(row(2, 2), "NULL;");
  ASSERT_EQ(server_->sql("UPDATE changing SET name = 'new'; INSERT INTO changing VALUES (2, 'two')"), "");
  engine.advance_clock(5 * kSecond - 1);
  EXPECT_EQ(row(1, 3), "old;");
  EXPECT_EQ(row(2, 4), "NULL;");
  engine.advance_clock(1);
  EXPECT_EQ(row(1, 5), "old;");
  EXPECT_EQ(row(2, 6), "two;");
  engine.advance_clock(5 * kSecond);
  EXPECT_EQ(row(1, 7), "new;");
  // What rows got before stays what they got.
  EXPECT_EQ(engine.rows("SELECT name FROM v WHERE n < 5 ORDER BY n"), "old;NULL;old;NULL;");
}

TEST_F(Postgres, WithoutACacheEachTickAsks) {
  Engine engine;
  engine.ok(create("\"cache.ttl\" = '0 seconds'"));
  engine.ok(kJoin);
  for (int i = 0; i < 5; ++i) {
    engine.ok("INSERT INTO s VALUES (7, " + std::to_string(2 * i) + "), (7, " + std::to_string(2 * i + 1) + ")");
    engine.drain();
  }
  EXPECT_EQ(engine.rows("SELECT count(*), count(DISTINCT n), min(name) FROM v"), "10|10|name7;");
  EXPECT_EQ(engine.metric("lookup_requests"), 5);
  EXPECT_EQ(engine.metric("lookup_entries"), 0);
}

TEST_F(Postgres, TheCacheIsBounded) {
  Engine engine;
  engine.ok(create("\"cache.bytes\" = '8 kB'"));
  engine.ok(kJoin);
  engine.feed(0, 4999, 1000);
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*), count(DISTINCT n), sum(CASE WHEN name = 'name' || k THEN 0 ELSE 1 END) FROM v"), "5000|5000|0;");
  EXPECT_LE(engine.metric("lookup_bytes"), 8000);
  EXPECT_GT(engine.metric("lookup_entries"), 0);
  EXPECT_GT(engine.metric("lookup_evicted"), 900);
}

TEST_F(Postgres, RowsKeepTheirOrderAndWindowsTheirTime) {
  Engine engine;
  engine.ok("CREATE SOURCE e (k BIGINT, n BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory')");
  engine.ok(create("\"lookup.batch\" = 3, \"lookup.in_flight\" = 2"));
  engine.ok("CREATE STREAM joined AS SELECT e.n FROM e JOIN p ON e.k = p.id");
  engine.ok("CREATE MATERIALIZED VIEW w AS SELECT window_start, count(*) AS c FROM e JOIN p ON e.k = p.id "
            "GROUP BY TUMBLE(e.ts, INTERVAL '10 seconds') EMIT ON WINDOW CLOSE");
  std::vector<int64_t> seen;
  auto subscription = engine.database().subscribe("joined", [&](const TickChanges& changes) {
    for (const ChangeBatch& batch : changes.batches) {
      for (size_t i = 0; i < batch.rows; ++i) seen.push_back(batch.columns[0].value<int64_t>(i));
    }
  });
  ASSERT_TRUE(subscription.ok());
  // Keys come back now and then, so that known rows stand behind waiting ones.
  engine.ok("INSERT INTO e SELECT (i * 7919) % 400, i, TIMESTAMP '2026-01-01' + INTERVAL (i * 10) MILLISECOND FROM range(4000) r(i)");
  engine.ok("INSERT INTO e SELECT i % 400, 4000 + i, TIMESTAMP '2026-01-01 00:00:40' + INTERVAL (i * 10) MILLISECOND FROM range(1001) r(i)");
  engine.drain();
  ASSERT_EQ(seen.size(), 5001u);
  for (size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], static_cast<int64_t>(i));
  EXPECT_EQ(engine.rows("SELECT c FROM w ORDER BY window_start"), "1000;1000;1000;1000;1000;");
}

TEST_F(Postgres, AServerThatIsStoppedAndStartedAgain) {
  PostgresServer server;
  ASSERT_TRUE(server.start()) << server.log();
  ASSERT_EQ(server.sql("CREATE TABLE p (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO p SELECT i, 'name' || i FROM generate_series(0, 9999) i"), "");
  Engine engine;
  engine.ok("CREATE LOOKUP TABLE p (id BIGINT, name VARCHAR, PRIMARY KEY (id)) WITH (connector = 'postgres', " + server.options() +
            ", \"lookup.batch\" = 16, \"lookup.in_flight\" = 4, \"cache.ttl\" = '0 seconds')");
  engine.ok(kJoin);
  int next = 0;
  for (int i = 0; i < 20; ++i, next += 100) engine.feed(next, next + 99, 10000);
  server.kill();
  for (int i = 0; i < 20; ++i, next += 100) engine.feed(next, next + 99, 10000);
  ASSERT_TRUE(engine.until([&] { return engine.metric("lookup_retries") > 0; }));
  EXPECT_EQ(engine.rows("SELECT state FROM laminar_lookup_tables()"), "away;");
  EXPECT_NE(engine.rows("SELECT error FROM laminar_lookup_tables()"), "NULL;");
  // Other views go on.
  engine.ok("CREATE TABLE other (a BIGINT)");
  engine.ok("CREATE MATERIALIZED VIEW o AS SELECT count(*) AS c FROM other");
  engine.ok("INSERT INTO other VALUES (1)");
  EXPECT_EQ(engine.rows("SELECT c FROM o"), "1;");
  ASSERT_TRUE(server.start()) << server.log();
  for (int i = 0; i < 10; ++i, next += 100) engine.feed(next, next + 99, 10000);
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*), count(DISTINCT n), sum(CASE WHEN name = 'name' || k THEN 0 ELSE 1 END) FROM v"), "5000|5000|0;");
  EXPECT_EQ(engine.rows("SELECT state, waiting_rows, error FROM laminar_lookup_tables()"), "ready|0|NULL;");
  EXPECT_EQ(engine.rows("SELECT sum(difference) FROM laminar_conservation()"), "0;");
}

TEST_F(Postgres, AConnectionThatBreaksMidway) {
  LoopbackProxy proxy(server_->port());
  Engine engine;
  engine.ok(create("\"lookup.batch\" = 8, \"lookup.in_flight\" = 4, \"cache.ttl\" = '0 seconds'", proxy.port()));
  engine.ok(kJoin);
  proxy.set_delay_ms(5);
  int next = 0;
  for (int i = 0; i < 10; ++i, next += 200) {
    engine.feed(next, next + 199, 1000);
    proxy.cut();
  }
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*), count(DISTINCT n), sum(CASE WHEN name = 'name' || k THEN 0 ELSE 1 END) FROM v"), "2000|2000|0;");
  EXPECT_GT(engine.metric("lookup_retries"), 0);
}

TEST_F(Postgres, SlowAnswersHoldNothingElseUp) {
  ASSERT_EQ(server_->sql("CREATE OR REPLACE VIEW slow AS SELECT id, name FROM p, pg_sleep(2)"), "");
  Engine engine;
  engine.ok("CREATE LOOKUP TABLE p (id BIGINT, name VARCHAR, PRIMARY KEY (id)) WITH (connector = 'postgres', \"table\" = 'slow', " +
            server_->options() + ")");
  engine.ok(kJoin);
  engine.ok("CREATE MATERIALIZED VIEW plain AS SELECT count(*) AS c FROM s");
  const auto begin = std::chrono::steady_clock::now();
  engine.feed(0, 99, 100);
  EXPECT_EQ(engine.rows("SELECT c FROM plain"), "100;");
  EXPECT_EQ(engine.rows("SELECT count(*) FROM v"), "0;");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1900));
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*) FROM v"), "100;");
}

TEST_F(Postgres, NoAnswerInTime) {
  LoopbackProxy proxy(server_->port());
  Engine engine;
  engine.ok(create("\"lookup.timeout\" = '200 milliseconds', connect_timeout = '2 seconds', when_away = 'null', retry_for = '300 milliseconds'", proxy.port()));
  engine.ok(kLeftJoin);
  engine.ok("INSERT INTO s VALUES (1, 1)");
  engine.drain();
  proxy.set_delay_ms(60'000);
  engine.ok("INSERT INTO s VALUES (2, 2), (1, 3)");
  engine.drain();
  proxy.set_delay_ms(0);
  proxy.cut();
  ASSERT_TRUE(engine.until([&] {
    engine.ok("INSERT INTO s VALUES (4, 4)");
    engine.drain();
    return engine.rows("SELECT max(name) FROM v WHERE n = 4") == "name4;";
  }));
  // What was answered with nothing is not remembered, and what was known is.
  EXPECT_EQ(engine.rows("SELECT n, name FROM v WHERE n <= 3 ORDER BY n"), "1|name1;2|NULL;3|name1;");
  EXPECT_GE(engine.metric("lookup_unavailable"), 1);
}

TEST_F(Postgres, AnOutageCanFailTheView) {
  LoopbackProxy proxy(server_->port());
  Engine engine;
  engine.ok(create("\"lookup.timeout\" = '100 milliseconds', connect_timeout = '200 milliseconds', when_away = 'fail', retry_for = '300 milliseconds'",
                   proxy.port()));
  engine.ok(kJoin);
  engine.ok("CREATE MATERIALIZED VIEW above AS SELECT count(*) AS c FROM v");
  proxy.set_delay_ms(60'000);
  engine.ok("INSERT INTO s VALUES (2, 2)");
  ASSERT_TRUE(engine.until([&] { return engine.rows("SELECT state FROM laminar_views() WHERE name = 'v'") == "failed;"; }));
  EXPECT_EQ(engine.rows("SELECT * FROM v").substr(0, 8), "LDB-5005");
  EXPECT_EQ(engine.rows("SELECT * FROM above").substr(0, 8), "LDB-5005");
  EXPECT_EQ(engine.rows("SELECT state FROM laminar_lookup_tables()"), "failed;");
  // The source goes on without it.
  engine.ok("INSERT INTO s VALUES (3, 3)");
  engine.ok("DROP LOOKUP TABLE p CASCADE");
}

TEST_F(Postgres, WhatIsWrongIsSaidAtCreate) {
  Engine engine;
  EXPECT_EQ(engine.code("CREATE LOOKUP TABLE nosuch (id BIGINT) WITH (connector = 'postgres', " + server_->options() + ")"), "LDB-5006");
  EXPECT_NE(engine.message("CREATE LOOKUP TABLE nosuch (id BIGINT) WITH (connector = 'postgres', " + server_->options() + ")").find("does not exist"),
            std::string::npos);
  EXPECT_EQ(engine.code("CREATE LOOKUP TABLE p (id BIGINT, nam VARCHAR) WITH (connector = 'postgres', " + server_->options() + ")"), "LDB-5006");
  EXPECT_EQ(engine.code("CREATE LOOKUP TABLE p (id BIGINT, name BIGINT) WITH (connector = 'postgres', " + server_->options() + ")"), "LDB-4004");
  EXPECT_NE(engine.message("CREATE LOOKUP TABLE p (id BIGINT, name BIGINT) WITH (connector = 'postgres', " + server_->options() + ")").find("it is text"),
            std::string::npos);
  EXPECT_EQ(engine.rows("SELECT count(*) FROM laminar_lookup_tables()"), "0;");
  // Keys that cannot be sent are refused with the view.
  engine.ok("CREATE SOURCE u (id UUID) WITH (connector = 'memory')");
  ASSERT_EQ(server_->sql("CREATE TABLE IF NOT EXISTS uuids (id UUID, n INT)"), "");
  engine.ok("CREATE LOOKUP TABLE uuids (id UUID, n INTEGER) WITH (connector = 'postgres', " + server_->options() + ")");
  EXPECT_EQ(engine.code("CREATE MATERIALIZED VIEW v AS SELECT n FROM u JOIN uuids ON u.id = uuids.id"), "LDB-3001");
}

TEST_F(Postgres, AWrongPassword) {
  PostgresServer server;
  ASSERT_TRUE(server.start()) << server.log();
  ASSERT_EQ(server.sql("CREATE ROLE reader LOGIN PASSWORD 'right'; CREATE TABLE p (id BIGINT); GRANT SELECT ON p TO reader"), "");
  server.set_access("host all reader 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n");
  const std::string address = "connector = 'postgres', host = '127.0.0.1', port = " + std::to_string(server.port()) +
                              ", database = 'postgres', user = 'reader', sslmode = 'disable', password = ";
  Engine engine;
  ASSERT_TRUE(engine.until([&] { return engine.code("CREATE LOOKUP TABLE p (id BIGINT) WITH (" + address + "'wrong')") == "LDB-5006"; }));
  EXPECT_NE(engine.message("CREATE LOOKUP TABLE p (id BIGINT) WITH (" + address + "'wrong')").find("password authentication failed"), std::string::npos);
  engine.ok("CREATE LOOKUP TABLE p (id BIGINT) WITH (" + address + "'right')");
}

TEST_F(Postgres, ATableThatGoesAwayAndComesBack) {
  ASSERT_EQ(server_->sql("DROP TABLE IF EXISTS gone; CREATE TABLE gone (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO gone VALUES (1, 'a')"), "");
  Engine engine;
  engine.ok("CREATE LOOKUP TABLE p (id BIGINT, name VARCHAR, PRIMARY KEY (id)) WITH (connector = 'postgres', \"table\" = 'gone', " + server_->options() + ")");
  engine.ok(kJoin);
  ASSERT_EQ(server_->sql("DROP TABLE gone"), "");
  engine.ok("INSERT INTO s VALUES (1, 1)");
  ASSERT_TRUE(engine.until([&] { return engine.metric("lookup_retries") > 0; }));
  EXPECT_NE(engine.rows("SELECT error FROM laminar_lookup_tables()").find("gone"), std::string::npos);
  ASSERT_EQ(server_->sql("CREATE TABLE gone (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO gone VALUES (1, 'b')"), "");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT n, name FROM v"), "1|b;");
}

TEST_F(Postgres, ValuesThatDoNotFit) {
  ASSERT_EQ(server_->sql("DROP TABLE IF EXISTS wide; CREATE TABLE wide (id BIGINT PRIMARY KEY, v BIGINT); INSERT INTO wide VALUES (1, 5), (2, 5000000000)"), "");
  const std::string create = "CREATE LOOKUP TABLE p (id BIGINT, name INTEGER, PRIMARY KEY (id)) WITH (connector = 'postgres', \"table\" = 'wide_v', " + server_->options();
  ASSERT_EQ(server_->sql("CREATE OR REPLACE VIEW wide_v AS SELECT id, v AS name FROM wide"), "");
  {
    Engine engine;
    engine.ok(create + ", on_error = 'skip')");
    engine.ok(kLeftJoin);
    engine.ok("INSERT INTO s VALUES (1, 1), (2, 2)");
    engine.drain();
    EXPECT_EQ(engine.rows("SELECT n, name FROM v ORDER BY n"), "1|5;2|NULL;");
    EXPECT_EQ(engine.rows("SELECT record FROM dead_letters('p')"), "5000000000;");
  }
  Engine engine;
  engine.ok(create + ")");
  engine.ok(kLeftJoin);
  engine.ok("INSERT INTO s VALUES (1, 1), (2, 2)");
  ASSERT_TRUE(engine.until([&] { return engine.rows("SELECT * FROM v").substr(0, 8) == "LDB-4003"; }));
}

TEST_F(Postgres, AFullCopyIsRenewed) {
  ASSERT_EQ(server_->sql("DROP TABLE IF EXISTS copied; CREATE TABLE copied (id INT PRIMARY KEY, name TEXT);"
                         "INSERT INTO copied SELECT i, 'v1-' || i FROM generate_series(0, 9999) i"), "");
  Engine engine;
  engine.ok("CREATE LOOKUP TABLE p (id INTEGER, name VARCHAR, PRIMARY KEY (id)) WITH (connector = 'postgres', \"table\" = 'copied', " +
            server_->options() + ", mode = 'full', refresh = '1 minute')");
  engine.ok(kJoin);
  engine.feed(0, 19999, 10000);
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*), sum(CASE WHEN name = 'v1-' || k THEN 0 ELSE 1 END) FROM v"), "20000|0;");
  EXPECT_EQ(engine.rows("SELECT count(*) FROM p"), "10000;");
  ASSERT_EQ(server_->sql("UPDATE copied SET name = 'v2-' || id; DELETE FROM copied WHERE id >= 5000"), "");
  engine.advance_clock(60 * kSecond);
  engine.drain();
  engine.feed(20000, 39999, 10000);
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*), sum(CASE WHEN name = 'v2-' || k THEN 0 ELSE 1 END) FROM v WHERE n >= 20000"), "10000|0;");
  EXPECT_EQ(engine.rows("SELECT sum(CASE WHEN name = 'v1-' || k THEN 0 ELSE 1 END) FROM v WHERE n < 20000"), "0;");
}

TEST_F(Postgres, SeveralColumnsAndSeveralRows) {
  ASSERT_EQ(server_->sql("DROP TABLE IF EXISTS many; CREATE TABLE many (a BIGINT, b TEXT, c INT);"
                         "INSERT INTO many SELECT i % 10, 'x\"\\,{' || (i % 3), i FROM generate_series(0, 299) i"), "");
  Engine engine;
  engine.ok("CREATE LOOKUP TABLE p (a BIGINT, b VARCHAR, c INTEGER) WITH (connector = 'postgres', \"table\" = 'many', " + server_->options() + ")");
  engine.ok("CREATE MATERIALIZED VIEW v AS SELECT s.n, p.c FROM s JOIN p ON s.k = p.a AND 'x\"\\,{' || (s.n % 3) = p.b");
  engine.feed(0, 29, 10);
  engine.drain();
  // Of 300 rows each pair of (a, b) has ten.
  EXPECT_EQ(engine.rows("SELECT count(*), count(DISTINCT n), sum(CASE WHEN c % 10 = n % 10 AND c % 3 = n % 3 THEN 0 ELSE 1 END) FROM v"), "300|30|0;");
}

TEST_F(Postgres, ALeftSideThatTakesRowsBack) {
  Engine engine;
  engine.ok("CREATE TABLE t (id BIGINT PRIMARY KEY, k BIGINT)");
  engine.ok(create("\"cache.ttl\" = '0 seconds'"));
  engine.ok("CREATE MATERIALIZED VIEW v AS SELECT t.id, p.name FROM t JOIN p ON t.k = p.id");
  ASSERT_EQ(server_->sql("UPDATE p SET name = 'name500' WHERE id = 500"), "");
  // The row goes before its answer can be there.
  engine.ok("INSERT INTO t VALUES (1, 500), (2, 501), (3, 77777)");
  engine.ok("DELETE FROM t WHERE id IN (2, 3)");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT * FROM v"), "1|name500;");
  ASSERT_EQ(server_->sql("UPDATE p SET name = 'changed' WHERE id = 500"), "");
  engine.ok("UPDATE t SET k = 502 WHERE id = 1");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT * FROM v"), "1|name502;");
  ASSERT_EQ(server_->sql("UPDATE p SET name = 'name500' WHERE id = 500"), "");
}

TEST_F(Postgres, WaitingRowsHoldTheirSourceBack) {
  LoopbackProxy proxy(server_->port());
  Engine engine;
  engine.ok(create("\"lookup.waiting_rows\" = 100, \"lookup.timeout\" = '1 minute'", proxy.port()));
  engine.ok(kJoin);
  proxy.set_delay_ms(100);
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) engine.feed(20 * i, 20 * i + 19, 1000);
  });
  double most = 0;
  engine.until([&] {
    most = std::max(most, engine.metric("lookup_in_flight"));
    return engine.rows("SELECT count(*) FROM v") == "1000;";
  });
  writer.join();
  engine.drain();
  // One INSERT beyond the bound.
  EXPECT_LE(most, 120);
  EXPECT_EQ(engine.rows("SELECT count(*), count(DISTINCT n) FROM v"), "1000|1000;");
}

TEST_F(Postgres, Garbage) {
  LoopbackProxy garbage("HTTP/1.1 400 Bad Request\r\n\r\n");
  Engine engine;
  EXPECT_EQ(engine.code(create("connect_timeout = '2 seconds'", garbage.port())), "LDB-5005");
  engine.ok(create("\"check\" = false, connect_timeout = '2 seconds'", garbage.port()));
  engine.ok(kJoin);
  engine.ok("INSERT INTO s VALUES (1, 1)");
  ASSERT_TRUE(engine.until([&] { return engine.metric("lookup_retries") > 0; }));
  EXPECT_EQ(engine.rows("SELECT count(*) FROM v"), "0;");
}

TEST_F(Postgres, ViewsThatBeginLaterCatchUpThroughTheLookup) {
  Engine engine;
  engine.ok("CREATE SOURCE bid WITH (connector = 'nexmark', \"table\" = 'bid', events = 20000)");
  engine.ok(create());
  engine.ok("CREATE MATERIALIZED VIEW first AS SELECT count(*) AS c FROM bid");
  engine.drain();
  engine.ok("CREATE MATERIALIZED VIEW later AS SELECT b.auction, p.name FROM bid b LEFT JOIN p ON b.auction % 500 = p.id");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT (SELECT count(*) FROM later) - (SELECT c FROM first)"), "0;");
  EXPECT_EQ(engine.rows("SELECT count(*) FROM later WHERE name <> 'name' || (auction % 500)"), "0;");
}

class Redis : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!RedisServer::is_installed()) return;
    server_ = new RedisServer();
    ASSERT_TRUE(server_->start());
    for (int i = 0; i < 200; ++i) {
      const std::string n = std::to_string(i);
      server_->command({"HSET", "p:" + n, "name", "name" + n, "price", n + ".25", "other", "x"});
      server_->command({"SET", "doc/" + n, "{\"name\": \"name" + n + "\",\n \"price\": " + n + ".5, \"tags\": [1, 2]}"});
    }
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    if (!server_) GTEST_SKIP() << RedisServer::kInstall;
  }
  std::string create(const std::string& more = {}, int port = 0) {
    return "CREATE LOOKUP TABLE p (id BIGINT, name VARCHAR, price DECIMAL(10,2), PRIMARY KEY (id)) WITH (connector = 'redis', port = " +
           std::to_string(port ? port : server_->port()) + (more.empty() ? "" : ", " + more) + ")";
  }
  static RedisServer* server_;
};
RedisServer* Redis::server_ = nullptr;

TEST_F(Redis, HashesAndJson) {
  Engine engine;
  engine.ok(create());
  engine.ok("CREATE LOOKUP TABLE d (id BIGINT, name VARCHAR, price DECIMAL(10,2), tags INTEGER[], PRIMARY KEY (id)) WITH (connector = 'redis', port = " +
            std::to_string(server_->port()) + ", format = 'json', \"key\" = 'doc/{id}')");
  engine.ok("CREATE MATERIALIZED VIEW v AS SELECT s.n, p.id, p.name, p.price, d.price AS p2, d.tags FROM s LEFT JOIN p ON s.k = p.id LEFT JOIN d ON s.k = d.id");
  engine.ok("INSERT INTO s VALUES (1, 1), (1000, 2), (NULL, 3), (199, 4), (1, 5)");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT * FROM v ORDER BY n"),
            "1|1|name1|1.25|1.50|[1, 2];2|NULL|NULL|NULL|NULL|NULL;3|NULL|NULL|NULL|NULL|NULL;4|199|name199|199.25|199.50|[1, 2];5|1|name1|1.25|1.50|[1, 2];");
}

TEST_F(Redis, AFullCopy) {
  Engine engine;
  engine.ok(create("mode = 'full'"));
  engine.ok(kJoin);
  engine.feed(0, 399, 400);
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*), sum(CASE WHEN name = 'name' || k THEN 0 ELSE 1 END) FROM v"), "200|0;");
  EXPECT_EQ(engine.rows("SELECT count(*), min(id), max(id), sum(price) FROM p"), "200|0|199|19950.00;");
  // Other columns can be asked by, too.
  engine.ok("CREATE MATERIALIZED VIEW by_name AS SELECT s.n, p.id FROM s JOIN p ON 'name' || s.k = p.name");
  engine.ok("INSERT INTO s VALUES (17, 1000)");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT * FROM by_name"), "1000|17;");
}

TEST_F(Redis, OnlyByTheWholeKey) {
  Engine engine;
  engine.ok(create());
  EXPECT_EQ(engine.code("CREATE MATERIALIZED VIEW v AS SELECT s.n, p.id FROM s JOIN p ON 'name' || s.k = p.name"), "LDB-3001");
  EXPECT_EQ(engine.code("SELECT * FROM p"), "LDB-2004");
  // What is compared beyond the key decides what matches.
  engine.ok("CREATE MATERIALIZED VIEW v AS SELECT s.n, p.name FROM s LEFT JOIN p ON s.k = p.id AND p.price < 2 AND p.name = 'name' || s.n");
  engine.ok("INSERT INTO s VALUES (1, 1), (1, 2), (3, 3)");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT * FROM v ORDER BY n"), "1|name1;2|NULL;3|NULL;");
}

TEST_F(Redis, AServerThatIsStoppedAndStartedAgain) {
  RedisServer server;
  ASSERT_TRUE(server.start());
  for (int i = 0; i < 500; ++i) server.command({"HSET", "p:" + std::to_string(i), "name", "name" + std::to_string(i)});
  Engine engine;
  engine.ok(create("\"lookup.batch\" = 8, \"lookup.in_flight\" = 4, \"cache.ttl\" = '0 seconds'", server.port()));
  engine.ok(kJoin);
  int next = 0;
  for (int i = 0; i < 20; ++i, next += 50) engine.feed(next, next + 49, 500);
  server.stop();
  for (int i = 0; i < 20; ++i, next += 50) engine.feed(next, next + 49, 500);
  ASSERT_TRUE(engine.until([&] { return engine.metric("lookup_retries") > 0; }));
  ASSERT_TRUE(server.start());
  for (int i = 0; i < 10; ++i, next += 50) engine.feed(next, next + 49, 500);
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*), count(DISTINCT n), sum(CASE WHEN name = 'name' || k THEN 0 ELSE 1 END) FROM v"), "2500|2500|0;");
}

TEST_F(Redis, AServerThatSleeps) {
  Engine engine;
  engine.ok(create());
  engine.ok(kJoin);
  engine.ok("CREATE MATERIALIZED VIEW plain AS SELECT count(*) AS c FROM s");
  ASSERT_EQ(server_->command({"CLIENT", "PAUSE", "2000", "ALL"}), "OK");
  const auto begin = std::chrono::steady_clock::now();
  engine.feed(0, 99, 100);
  EXPECT_EQ(engine.rows("SELECT c FROM plain"), "100;");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1900));
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT count(*) FROM v"), "100;");
  EXPECT_EQ(engine.metric("lookup_retries"), 0);
}

TEST_F(Redis, WrongTypesAndValues) {
  server_->command({"SET", "p:500", "a string"});
  server_->command({"HSET", "p:501", "price", "no number"});
  server_->command({"SET", "doc/500", "[1]"});
  Engine engine;
  engine.ok(create("on_error = 'skip'"));
  engine.ok("CREATE LOOKUP TABLE d (id BIGINT, name VARCHAR, PRIMARY KEY (id)) WITH (connector = 'redis', port = " + std::to_string(server_->port()) +
            ", format = 'json', \"key\" = 'doc/{id}', on_error = 'skip')");
  engine.ok("CREATE MATERIALIZED VIEW v AS SELECT s.n, p.name, d.name AS d FROM s LEFT JOIN p ON s.k = p.id LEFT JOIN d ON s.k = d.id");
  engine.ok("INSERT INTO s VALUES (500, 1), (501, 2), (2, 3)");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT * FROM v ORDER BY n"), "1|NULL|NULL;2|NULL|NULL;3|name2|name2;");
  EXPECT_EQ(engine.rows("SELECT count(*) FROM dead_letters('p')"), "2;");
  EXPECT_EQ(engine.rows("SELECT count(*) FROM dead_letters('d')"), "1;");
  Engine strict;
  strict.ok(create());
  strict.ok(kJoin);
  strict.ok("INSERT INTO s VALUES (500, 1)");
  ASSERT_TRUE(strict.until([&] { return strict.rows("SELECT * FROM v").substr(0, 8) == "LDB-4003"; }));
}

TEST_F(Redis, AWrongPasswordAndGarbage) {
  RedisServer server({"--requirepass", "right"});
  ASSERT_TRUE(server.start());
  server.command({"HSET", "p:1", "name", "one"});
  Engine engine;
  EXPECT_EQ(engine.code(create({}, server.port())), "LDB-5006");
  EXPECT_EQ(engine.code(create("password = 'wrong'", server.port())), "LDB-5006");
  LoopbackProxy garbage("what is this\r\n");
  EXPECT_EQ(engine.code(create({}, garbage.port())), "LDB-5005");
  engine.ok(create("password = 'right'", server.port()));
  engine.ok(kJoin);
  engine.ok("INSERT INTO s VALUES (1, 1)");
  engine.drain();
  EXPECT_EQ(engine.rows("SELECT name FROM v"), "one;");
}

}  // namespace
}  // namespace laminar

// The proxies write to clients that may have gone.
[[maybe_unused]] static const auto kIgnoresBrokenPipes = std::signal(SIGPIPE, SIG_IGN);
