#include "laminar/laminar.h"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/clock.h"

namespace laminar {
namespace {

constexpr const char* kTicks =
    "CREATE SOURCE ticks (sym VARCHAR, px DOUBLE, qty INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');"
    "CREATE MATERIALIZED VIEW totals AS SELECT sym, sum(qty) AS q, max(px) AS hi FROM ticks GROUP BY sym;";

std::unique_ptr<Database> open() {
  auto database = Database::open();
  EXPECT_TRUE(database.ok()) << database.status().text();
  return database.take();
}

std::string rows_of(Database& database, const std::string& sql) {
  auto connection = database.connect();
  auto rows = connection->query(sql);
  if (!rows.ok()) return rows.error().code_text();
  std::string text;
  for (;;) {
    auto more = (*rows)->next();
    if (!more.ok()) return more.error().code_text();
    if (!*more) return text;
    for (size_t c = 0; c < (*rows)->columns().size(); ++c) text += (c ? "|" : "") + ((*rows)->is_null(c) ? "NULL" : (*rows)->text(c));
    text += ";";
  }
}

// Statements choose their rows before they change them: one that was overtaken is run again, or says so.
TEST(Api, ChangesOfTwoSessionsAreNotLost) {
  auto database = open();
  ASSERT_TRUE(database->execute("CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT); INSERT INTO t VALUES (1, 0);"
                                "CREATE MATERIALIZED VIEW v AS SELECT sum(n) AS s, count(*) AS c FROM t")
                  .ok());
  std::atomic<int64_t> updated{0}, merged{0};
  const auto work = [&](int thread) {
    auto connection = database->connect();
    for (int i = 0; i < 100; ++i) {
      const Status update = connection->execute("UPDATE t SET n = n + 1 WHERE id = 1");
      if (update.ok()) ++updated;
      else EXPECT_EQ(update.error().code, ErrorCode::kConflict) << update.text();
      // Both insert the same keys; whoever comes second adds.
      const Status merge = connection->execute("INSERT INTO t VALUES (" + std::to_string(2 + i % 50) +
                                               ", 1) ON CONFLICT DO UPDATE SET n = t.n + 1");
      if (merge.ok()) ++merged;
      else EXPECT_TRUE(merge.error().code == ErrorCode::kConflict || merge.error().code == ErrorCode::kConstraintViolated)
          << thread << ": " << merge.text();
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  EXPECT_GT(updated, 100);
  EXPECT_GT(merged, 100);
  EXPECT_EQ(rows_of(*database, "SELECT n FROM t WHERE id = 1"), std::to_string(updated) + ";");
  EXPECT_EQ(rows_of(*database, "SELECT sum(n), count(*) FROM t WHERE id > 1"), std::to_string(merged) + "|50;");
  EXPECT_EQ(rows_of(*database, "SELECT * FROM v"), std::to_string(updated + merged) + "|51;");
}

TEST(Api, RowsOneByOneAndByCallback) {
  auto database = open();
  ASSERT_TRUE(database->execute(kTicks).ok());
  std::vector<std::string> seen;
  uint64_t last_tick = 0;
  auto subscription = database->subscribe("totals", [&](const TickChanges& changes) {
    EXPECT_GT(changes.tick, last_tick);
    last_tick = changes.tick;
    for (const ChangeBatch& batch : changes.batches) {
      for (size_t i = 0; i < batch.rows; ++i) {
        seen.push_back(std::to_string(batch.weights[i]) + " " + std::string(batch.columns[0].string(i)) + " " +
                       std::to_string(static_cast<int64_t>(batch.columns[1].value<__int128>(i))));
      }
    }
  });
  ASSERT_TRUE(subscription.ok()) << subscription.status().text();
  auto appender = database->appender("ticks");
  ASSERT_TRUE(appender.ok());
  (*appender)->add("A").add(1.5).add(10).add(int64_t{1'000'000});
  ASSERT_TRUE((*appender)->end_row().ok());
  ASSERT_TRUE((*appender)->flush().ok());
  (*appender)->add("A").add(2.5).add(5).add(int64_t{2'000'000});
  ASSERT_TRUE((*appender)->end_row().ok());
  ASSERT_TRUE((*appender)->flush().ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"1 A 10", "-1 A 10", "1 A 15"}));
  EXPECT_EQ(rows_of(*database, "SELECT * FROM totals"), "A|15|2.5;");
}

TEST(Api, ABadRowIsNotAppended) {
  auto database = open();
  ASSERT_TRUE(database->execute(kTicks).ok());
  auto appender = database->appender("ticks");
  ASSERT_TRUE(appender.ok());
  (*appender)->add(1).add(1.0).add(1).add(1);
  EXPECT_EQ((*appender)->end_row().error().code, ErrorCode::kTypeMismatch);
  (*appender)->add("A").add(1.0).add(int64_t{1} << 40).add(1);
  EXPECT_EQ((*appender)->end_row().error().code, ErrorCode::kTypeMismatch);
  (*appender)->add("A").add(1.0);
  EXPECT_EQ((*appender)->end_row().error().code, ErrorCode::kTypeMismatch);
  (*appender)->add("A").add(1.0).add(1).add(1).add(1);
  EXPECT_EQ((*appender)->end_row().error().code, ErrorCode::kTypeMismatch);
  (*appender)->add("B").add_null().add_null().add_null();
  ASSERT_TRUE((*appender)->end_row().ok());
  ASSERT_TRUE((*appender)->flush().ok());
  EXPECT_EQ(rows_of(*database, "SELECT * FROM totals"), "B|NULL|NULL;");
  EXPECT_FALSE(database->appender("nosuch").ok());
  EXPECT_FALSE(database->appender("totals").ok());
}

TEST(Api, ColumnsWithoutCopiesAreCutIntoTicks) {
  auto database = open();
  ASSERT_TRUE(database->execute("CREATE SOURCE s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');"
                                "CREATE MATERIALIZED VIEW v AS SELECT k % 3 AS g, count(*) AS c, count(k) AS n FROM s GROUP BY ALL;").ok());
  constexpr size_t kRows = 100'003;
  std::vector<int64_t> k(kRows), ts(kRows);
  std::vector<uint64_t> valid((kRows + 63) / 64, ~uint64_t{0});
  for (size_t i = 0; i < kRows; ++i) {
    k[i] = static_cast<int64_t>(i);
    ts[i] = static_cast<int64_t>(i);
  }
  for (size_t i = 0; i < kRows; i += 1000) valid[i / 64] &= ~(uint64_t{1} << i % 64);
  auto appender = database->appender("s");
  ASSERT_TRUE(appender.ok());
  const ColumnView columns[] = {{k.data(), valid.data()}, {ts.data(), nullptr}};
  ASSERT_TRUE((*appender)->append_columns(columns, kRows).ok());
  ASSERT_TRUE((*appender)->append_columns(columns, 0).ok());
  EXPECT_EQ(rows_of(*database, "SELECT sum(c), sum(n) FROM v"), "100003|99902;");
  EXPECT_EQ(rows_of(*database, "SELECT c FROM v WHERE g IS NULL"), "101;");
  EXPECT_FALSE((*appender)->append_columns(std::span(columns).first(1), 1).ok());
}

TEST(Api, PollingGivesEveryTickOnceAndThenNothing) {
  auto database = open();
  ASSERT_TRUE(database->execute(kTicks).ok());
  ASSERT_TRUE(database->execute("INSERT INTO ticks VALUES ('A', 1, 1, TIMESTAMP '2026-01-01')").ok());
  auto subscription = database->subscribe("totals", true);
  ASSERT_TRUE(subscription.ok());
  ASSERT_TRUE(database->execute("INSERT INTO ticks VALUES ('B', 1, 2, TIMESTAMP '2026-01-01'); INSERT INTO ticks VALUES ('B', 1, 3, TIMESTAMP '2026-01-01')").ok());
  std::vector<size_t> rows;
  TickChanges changes;
  for (;;) {
    auto more = (*subscription)->poll(changes);
    ASSERT_TRUE(more.ok());
    if (!*more) break;
    size_t n = 0;
    for (const ChangeBatch& batch : changes.batches) n += batch.rows;
    rows.push_back(n);
  }
  EXPECT_EQ(rows, (std::vector<size_t>{1, 1, 2}));
  ASSERT_TRUE(database->execute("DROP MATERIALIZED VIEW totals").ok());
  EXPECT_TRUE((*subscription)->ended());
}

TEST(Api, AFullSubscriptionRefusesInsteadOfDropping) {
  Database::Options options;
  options.subscription_rows_max = 1;
  auto database = Database::open("", options).take();
  ASSERT_TRUE(database->execute(kTicks).ok());
  auto subscription = database->subscribe("totals");
  ASSERT_TRUE(subscription.ok());
  ASSERT_TRUE(database->execute("INSERT INTO ticks VALUES ('A', 1, 1, TIMESTAMP '2026-01-01')").ok());
  // Another thread waits for room until this one polls.
  std::thread writer([&] { EXPECT_TRUE(database->execute("INSERT INTO ticks VALUES ('A', 1, 1, TIMESTAMP '2026-01-01')").ok()); });
  TickChanges changes;
  int ticks = 0;
  while (ticks < 2) {
    auto more = (*subscription)->poll(changes, 1000);
    ASSERT_TRUE(more.ok());
    ticks += *more;
  }
  writer.join();
  EXPECT_EQ(rows_of(*database, "SELECT q FROM totals"), "2;");
}

TEST(Api, ErrorsHaveCodeAndPlace) {
  auto database = open();
  const std::string script = "SELECT 1;\nSELECT nosuch";
  const Status status = database->execute(script);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code_text(), "LDB-1007");
  const TextPosition position = text_position(script, status.error().offset);
  EXPECT_EQ(position.line, 2);
  EXPECT_EQ(position.column, 8);
}

TEST(Api, ReadersSeeWholeTicksWhileASourceRuns) {
  auto database = open();
  ASSERT_TRUE(database->execute("CREATE SOURCE bid (auction BIGINT, price BIGINT, date_time TIMESTAMP, WATERMARK FOR date_time AS date_time) "
                                "WITH (connector = 'nexmark', table = 'bid', events = 300000);"
                                "BEGIN; CREATE MATERIALIZED VIEW a AS SELECT count(*) AS n FROM bid;"
                                "CREATE MATERIALIZED VIEW b AS SELECT auction, count(*) AS n FROM bid GROUP BY auction; COMMIT").ok());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    auto connection = database->connect();
    while (!done) {
      auto rows = connection->query("SELECT (SELECT n FROM a), (SELECT coalesce(sum(n), 0) FROM b)");
      ASSERT_TRUE(rows.ok()) << rows.status().text();
      ASSERT_TRUE(*(*rows)->next());
      ASSERT_EQ((*rows)->text(0), (*rows)->text(1));
    }
  });
  ASSERT_TRUE(database->drain().ok());
  done = true;
  reader.join();
  EXPECT_EQ(rows_of(*database, "SELECT n FROM a"), "276000;");
}

TEST(Api, AViewCreatedInTheMiddleCatchesUpWithoutLosingARow) {
  auto database = open();
  ASSERT_TRUE(database->execute("CREATE SOURCE bid (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP, WATERMARK FOR date_time AS date_time) "
                                "WITH (connector = 'nexmark', table = 'bid', events = 2000000);"
                                "CREATE MATERIALIZED VIEW a AS SELECT bidder, window_start, count(*) AS n, sum(price) AS p FROM bid "
                                "GROUP BY bidder, TUMBLE(date_time, INTERVAL '10 seconds')").ok());
  for (const char* name : {"b", "c", "d"}) {
    ASSERT_TRUE(database->execute("CREATE MATERIALIZED VIEW " + std::string(name) + " AS SELECT bidder, window_start, count(*) AS n, sum(price) AS p "
                                  "FROM bid GROUP BY bidder, TUMBLE(date_time, INTERVAL '10 seconds') EMIT ON WINDOW CLOSE").ok());
    // Waits until the view stands with the others, which may be in the middle of the source.
    EXPECT_NE(rows_of(*database, "SELECT count(*) FROM " + std::string(name)), "LDB-9001");
  }
  ASSERT_TRUE(database->drain().ok());
  EXPECT_EQ(rows_of(*database, "SELECT sum(n) FROM a"), "1840000;");
  for (const std::string name : {"b", "c", "d"}) {
    EXPECT_EQ(rows_of(*database, "SELECT count(*) FROM (FROM a EXCEPT ALL FROM " + name + ")"), "0;") << name;
    EXPECT_EQ(rows_of(*database, "SELECT count(*) FROM (FROM " + name + " EXCEPT ALL FROM a)"), "0;") << name;
    EXPECT_EQ(rows_of(*database, "SELECT count(*) FROM late_rows('" + name + "')"), "0;") << name;
  }
}

TEST(Api, AThousandViewsStartInLessThan50MillisecondsEach) {
  auto database = open();
  ASSERT_TRUE(database->execute(kTicks).ok());
  auto connection = database->connect();
  constexpr int kViews = 1000;
  const int64_t begin_ns = process_cpu_ns();
  for (int i = 0; i < kViews; ++i) {
    const Status status = connection->execute("CREATE MATERIALIZED VIEW v" + std::to_string(i) + " AS SELECT sym, window_start, sum(qty) AS q FROM ticks WHERE qty > " +
                                              std::to_string(i) + " GROUP BY sym, TUMBLE(ts, INTERVAL '1 minute')");
    ASSERT_TRUE(status.ok()) << status.text();
  }
  const double ms = static_cast<double>(process_cpu_ns() - begin_ns) / 1e6 / kViews;
  std::printf("parse, plan and start of a view: %.2f ms of CPU\n", ms);
  EXPECT_LT(ms, 50);
  ASSERT_TRUE(connection->execute("INSERT INTO ticks VALUES ('A', 1, 500, TIMESTAMP '2026-01-01')").ok());
  EXPECT_EQ(rows_of(*database, "SELECT (SELECT sum(q) FROM v0), (SELECT sum(q) FROM v499), (SELECT sum(q) FROM v500)"), "500|500|NULL;");
}

TEST(Api, AnInterruptEndsWhatRuns) {
  auto database = open();
  auto connection = database->connect();
  std::atomic<bool> ended{false};
  std::thread other([&] {
    while (!ended) {
      connection->interrupt();
      std::this_thread::yield();
    }
  });
  const Status status = connection->execute("SELECT count(*) FROM range(10000000000) a(i), range(1000) b(j) WHERE i % 7 = j % 5");
  ended = true;
  other.join();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
  EXPECT_TRUE(connection->execute("SELECT 1").ok());
}

// A folder below /tmp that goes with the test.
struct Folder {
  Folder() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = "/tmp/laminar_api_XXXXXX";
};

// The next `count` rows of a subscription, as text.
std::vector<std::string> next_rows(Rows& rows, size_t count) {
  std::vector<std::string> list;
  while (list.size() < count) {
    auto more = rows.next();
    EXPECT_TRUE(more.ok()) << more.status().text();
    if (!more.ok() || !*more) break;
    std::string text;
    for (size_t c = 0; c < rows.columns().size(); ++c) text += (c ? "|" : "") + (rows.is_null(c) ? "NULL" : rows.text(c));
    list.push_back(text);
  }
  return list;
}

TEST(Api, SubscribersGoOnWhereTheyStoodBeforeARestart) {
  const Folder folder;
  std::vector<std::string> seen;  // by one client over all lives of the database
  uint64_t position = 0;
  for (int life = 0; life < 6; ++life) {
    auto opened = Database::open(folder.path + "/db");
    ASSERT_TRUE(opened.ok()) << opened.status().text();
    Database& database = **opened;
    if (life == 0) {
      ASSERT_TRUE(database.execute("SET durability = 'sync'; CREATE SOURCE s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');"
                                   "CREATE MATERIALIZED VIEW v AS SELECT k, window_start, count(*) AS n FROM s GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds') "
                                   "WITH (retain_history = '1 MB')")
                      .ok());
    }
    // What came while the client was away, then what comes while it is there.
    const auto insert = [&](int i) {
      const Status status = database.execute("INSERT INTO s SELECT i % 3, TIMESTAMP '2026-01-01' + INTERVAL (" + std::to_string(life * 40 + i) +
                                             " + i) SECOND FROM range(4) r(i)");
      ASSERT_TRUE(status.ok()) << status.text();
    };
    for (int i = 0; i < 3; ++i) insert(i);
    if (life % 3 == 1) ASSERT_TRUE(database.execute("CHECKPOINT").ok());
    auto connection = database.connect();
    auto subscribed = connection->query("SUBSCRIBE v AS OF TICK " + std::to_string(position));
    ASSERT_TRUE(subscribed.ok()) << subscribed.status().text();
    for (int i = 3; i < 6; ++i) insert(i);
    const std::string after = " FROM changes('v') WHERE tick > " + std::to_string(position);
    const size_t count = std::stoul(rows_of(database, "SELECT count(*)" + after));
    for (std::string& row : next_rows(**subscribed, count)) seen.push_back(std::move(row));
    // The client has not taken everything: it stands in the middle of what there is, at the end of a tick.
    for (int i = 6; i < 9; ++i) insert(i);
    position = std::stoull(seen.back());
    subscribed = Result<std::unique_ptr<Rows>>(std::unique_ptr<Rows>());
    if (life < 5) continue;
    std::string all;
    for (const std::string& row : seen) all += row + ";";
    EXPECT_EQ(rows_of(database, "SELECT * FROM changes('v') WHERE tick <= " + std::to_string(position)), all);
    EXPECT_GT(seen.size(), 100u);
    // Ticks that have not been: the client knows more than the database.
    auto future = database.connect()->query("SUBSCRIBE v AS OF TICK " + std::to_string(database.tick() + 1));
    ASSERT_FALSE(future.ok());
    EXPECT_EQ(future.error().code, ErrorCode::kNoHistory);
  }
}

TEST(Api, AnEmptyTickIsOnDiskWhenItReturns) {
  const Folder folder;
  uint64_t tick = 0;
  {
    auto database = Database::open(folder.path + "/db").take();
    ASSERT_TRUE(database->execute("SET durability = 'sync'; CREATE TABLE t (id BIGINT PRIMARY KEY)").ok());
    ASSERT_TRUE(database->run_tick().ok());
    tick = database->tick();
    EXPECT_EQ(rows_of(*database, "SELECT log_records = log_durable FROM laminar_durability()"), "true;");
  }
  EXPECT_EQ(Database::open(folder.path + "/db").take()->tick(), tick);
}

TEST(Api, ADirectoryIsOpenOnce) {
  const std::string path = testing::TempDir() + "/laminar_api_test_db";
  auto first = Database::open(path);
  ASSERT_TRUE(first.ok()) << first.status().text();
  auto second = Database::open(path);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().text().find("open in another process"), std::string::npos);
}

}  // namespace
}  // namespace laminar
