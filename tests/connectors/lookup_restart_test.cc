// Lookup joins in a folder: a restart gives the rows that were there without asking anybody, and asks for what was left open.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <functional>

#include "laminar/laminar.h"
#include "loopback_proxy.h"
#include "postgres_server.h"
#include "process.h"
#include "redis_server.h"
#include "test_engine.h"

namespace laminar {
namespace {

using testing::LoopbackProxy;
using testing::PostgresServer;
using testing::RedisServer;

// A database in a folder of its own, and copies of the folder as a kill -9 would leave it.
class Folder {
 public:
  Folder() {
    char path[] = "/tmp/laminar-lookup-XXXXXX";
    root_ = ::mkdtemp(path);
    current_ = root_ + "/0";
  }
  ~Folder() {
    database_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  void open() {
    database_.reset();
    Database::Options options;
    options.manual_clock = true;
    options.manual_clock_start_us = 1'767'225'600'000'000;
    auto opened = Database::open(current_, options);
    ASSERT_TRUE(opened.ok()) << opened.status().text();
    database_ = opened.take();
  }
  void restart() { open(); }
  // What a process that is killed now leaves: the log is on disk (durability = 'sync'), nothing is closed.
  void crash() {
    const std::string image = root_ + "/" + std::to_string(++images_);
    std::filesystem::create_directories(image);
    for (const char* part : {"laminar", "log", "checkpoint"}) {
      if (!std::filesystem::exists(current_ + "/" + part)) continue;
      std::error_code ignored;  // a file may go meanwhile
      std::filesystem::copy(current_ + "/" + part, image + "/" + part, std::filesystem::copy_options::recursive, ignored);
    }
    database_.reset();
    current_ = image;
    open();
  }
  void ok(const std::string& sql) {
    const Status status = database_->execute(sql);
    EXPECT_TRUE(status.ok()) << sql << "\n" << status.error().code_text() << " " << status.text();
  }
  std::string rows(const std::string& sql) { return testing::rows_text(*database_, sql); }
  void drain() {
    const Status status = database_->drain();
    EXPECT_TRUE(status.ok()) << status.text();
  }
  bool until(const std::function<bool()>& holds) { return testing::until(holds); }
  void feed(int first, int last, int keys) {
    ok("INSERT INTO s SELECT i % " + std::to_string(keys) + ", i FROM range(" + std::to_string(first) + ", " + std::to_string(last + 1) + ") r(i)");
  }
  std::string waiting() { return rows("SELECT sum(waiting_rows) FROM laminar_lookup_tables()"); }

 private:
  std::string root_, current_;
  int images_ = 0;
  std::unique_ptr<Database> database_;
};

constexpr const char* kView = "CREATE MATERIALIZED VIEW v AS SELECT s.n, s.k, p.name FROM s LEFT JOIN p ON s.k = p.id";
constexpr const char* kContent = "SELECT * FROM v ORDER BY n, name";
constexpr const char* kCount = "SELECT count(*), count(DISTINCT n), count(name) FROM v";

class PostgresRestart : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!PostgresServer::is_installed()) GTEST_SKIP() << PostgresServer::kInstall;
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_EQ(server_.sql("CREATE TABLE p (id BIGINT, name TEXT); INSERT INTO p SELECT i, 'name' || i FROM generate_series(0, 999) i"), "");
    folder_.open();
    folder_.ok("SET durability = 'sync'; CREATE SOURCE s (k BIGINT, n BIGINT) WITH (connector = 'memory')");
  }
  // Half of the runs go over a checkpoint.
  void checkpoint() {
    if (GetParam()) folder_.ok("CHECKPOINT");
  }
  std::string create(const std::string& more = {}, int port = 0) {
    std::string options = server_.options();
    if (port) options = "host = '127.0.0.1', port = " + std::to_string(port) + ", database = 'postgres', user = 'postgres', sslmode = 'disable'";
    return "CREATE LOOKUP TABLE p (id BIGINT, name VARCHAR, PRIMARY KEY (id)) WITH (connector = 'postgres', " + options +
           (more.empty() ? "" : ", " + more) + ")";
  }
  PostgresServer server_;
  Folder folder_;
};

TEST_P(PostgresRestart, AnswersComeFromTheLog) {
  folder_.ok(create());
  folder_.ok(kView);
  folder_.feed(0, 499, 50);
  folder_.drain();
  checkpoint();
  folder_.feed(500, 999, 70);
  folder_.drain();
  const std::string before = folder_.rows(kContent), count = folder_.rows(kCount);
  EXPECT_EQ(count, "1000|1000|1000;");
  // The server now says something else, and then nothing.
  ASSERT_EQ(server_.sql("UPDATE p SET name = 'other'"), "");
  server_.stop();
  folder_.crash();
  EXPECT_EQ(folder_.rows(kContent), before);
  folder_.restart();
  EXPECT_EQ(folder_.rows(kContent), before);
  // What is known is known still; what is new is asked for when the server is there.
  folder_.feed(1000, 1009, 50);
  EXPECT_EQ(folder_.rows("SELECT count(*) FROM v WHERE name <> 'other'"), "1010;");
  folder_.ok("INSERT INTO s VALUES (900, 2000)");
  ASSERT_TRUE(server_.start()) << server_.log();
  folder_.drain();
  EXPECT_EQ(folder_.rows("SELECT * FROM v WHERE n = 2000"), "2000|900|other;");
}

TEST_P(PostgresRestart, RowsThatWaitAreAskedForAgain) {
  LoopbackProxy proxy(server_.port());
  folder_.ok(create("", proxy.port()));
  folder_.ok(kView);
  folder_.feed(0, 99, 10);
  folder_.drain();
  proxy.set_delay_ms(600'000);
  folder_.feed(100, 299, 40);
  ASSERT_TRUE(folder_.until([&] { return folder_.waiting() != "0;"; }));
  checkpoint();
  folder_.feed(300, 349, 60);
  const std::string waiting = folder_.waiting(), answered = folder_.rows(kCount);
  folder_.crash();
  EXPECT_EQ(folder_.waiting(), waiting);
  EXPECT_EQ(folder_.rows(kCount), answered);
  proxy.set_delay_ms(0);
  proxy.cut();
  folder_.drain();
  EXPECT_EQ(folder_.rows(kCount), "350|350|350;");
  folder_.crash();
  EXPECT_EQ(folder_.rows(kCount), "350|350|350;");
}

TEST_P(PostgresRestart, AFullCopyIsTheOneThatWas) {
  folder_.ok(create("mode = 'full'"));
  folder_.ok(kView);
  folder_.feed(0, 299, 1200);
  folder_.drain();
  checkpoint();
  folder_.feed(300, 1199, 1200);
  folder_.drain();
  const std::string before = folder_.rows(kContent), table = folder_.rows("SELECT count(*), min(name) FROM p");
  EXPECT_EQ(folder_.rows(kCount), "1200|1200|1000;");
  ASSERT_EQ(server_.sql("UPDATE p SET name = 'other'"), "");
  server_.stop();
  folder_.crash();
  EXPECT_EQ(folder_.rows(kContent), before);
  EXPECT_EQ(folder_.rows("SELECT count(*), min(name) FROM p"), table);
  folder_.feed(1200, 1200, 5000);
  folder_.feed(5, 5, 1200);
  folder_.drain();
  EXPECT_EQ(folder_.rows("SELECT count(*) FROM v WHERE name = 'name5'"), "2;");
}

TEST_P(PostgresRestart, ALeftSideThatTakesRowsBack) {
  folder_.ok(create());
  folder_.ok("CREATE TABLE t (k BIGINT, n BIGINT, PRIMARY KEY (n)); "
             "CREATE MATERIALIZED VIEW v AS SELECT t.n, t.k, p.name FROM t LEFT JOIN p ON t.k = p.id; "
             "INSERT INTO t SELECT i % 20, i FROM range(0, 100) r(i)");
  folder_.drain();
  checkpoint();
  ASSERT_EQ(server_.sql("UPDATE p SET name = 'other'"), "");
  server_.stop();
  folder_.crash();
  folder_.ok("DELETE FROM t WHERE n < 90");
  EXPECT_EQ(folder_.rows(kCount), "10|10|10;");
  EXPECT_EQ(folder_.rows("SELECT min(name), max(name) FROM v"), "name10|name19;");
}

TEST_P(PostgresRestart, AViewThatCatchesUpThroughTheLookup) {
  folder_.ok(create());
  folder_.ok("CREATE SOURCE g WITH (connector = 'nexmark', \"table\" = 'bid', events = 200000)");
  folder_.ok("CREATE MATERIALIZED VIEW first AS SELECT count(*) AS n FROM g");
  folder_.drain();
  folder_.ok("CREATE MATERIALIZED VIEW v AS SELECT g.price, g.auction % 50 AS k, p.name FROM g JOIN p ON g.auction % 50 = p.id");
  folder_.drain();
  const char* content = "SELECT count(*), sum(price), count(DISTINCT name), sum(hash(name) % 1000) FROM v";
  const std::string before = folder_.rows(content);
  checkpoint();
  ASSERT_EQ(server_.sql("UPDATE p SET name = 'other'"), "");
  server_.stop();
  folder_.crash();
  EXPECT_EQ(folder_.rows(content), before);
}

INSTANTIATE_TEST_SUITE_P(LogOrCheckpoint, PostgresRestart, ::testing::Bool());

TEST(RedisRestart, AnswersComeFromTheLog) {
  if (!RedisServer::is_installed()) GTEST_SKIP() << RedisServer::kInstall;
  RedisServer server;
  ASSERT_TRUE(server.start());
  Folder folder;
  folder.open();
  folder.ok("SET durability = 'sync'; CREATE SOURCE s (k BIGINT, n BIGINT) WITH (connector = 'memory')");
  folder.ok("CREATE LOOKUP TABLE p (id BIGINT, name VARCHAR, PRIMARY KEY (id)) WITH (connector = 'redis', port = " + std::to_string(server.port()) +
            ", \"key\" = 'p:{id}')");
  folder.ok(kView);
  folder.feed(0, 199, 20);  // nothing is there
  folder.drain();
  const std::string before = folder.rows(kContent);
  EXPECT_EQ(folder.rows(kCount), "200|200|0;");
  server.stop();
  folder.crash();
  EXPECT_EQ(folder.rows(kContent), before);
}

}  // namespace
}  // namespace laminar
