// Laws of joins at scale: memory flat over a simulated day, one change that meets very many rows, one side ahead of the
// other, and money that transfers move and never make.
//
// LAMINAR_JOIN_ROWS sets the rows of the fan-outs and of the transfers.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "base/test_share_testing.h"
#include "laminar/laminar.h"

namespace laminar {
namespace {

constexpr int64_t kSecond = 1'000'000;

int64_t given_rows(int64_t otherwise) {
  const char* rows = std::getenv("LAMINAR_JOIN_ROWS");
  return rows ? std::atoll(rows) : test_share(otherwise);
}

// Columns of BIGINT and TIMESTAMP alone.
class Feed {
 public:
  Feed(Database& database, const std::string& source, size_t columns) : appender_(database.appender(source).take()), columns_(columns) {}
  void add(std::initializer_list<int64_t> row) {
    size_t c = 0;
    for (const int64_t value : row) columns_[c++].push_back(value);
    if (columns_[0].size() == 16'384) flush();
  }
  void flush() {
    if (columns_[0].empty()) return;
    std::vector<ColumnView> views;
    for (const std::vector<int64_t>& column : columns_) views.push_back({column.data(), nullptr});
    const Status status = appender_->append_columns(views, columns_[0].size());
    ASSERT_TRUE(status.ok()) << status.text();
    for (std::vector<int64_t>& column : columns_) column.clear();
  }
  Appender& appender() { return *appender_; }

 private:
  std::unique_ptr<Appender> appender_;
  std::vector<std::vector<int64_t>> columns_;
};

int64_t number(Database& database, const std::string& sql) {
  auto connection = database.connect();
  auto rows = connection->query(sql);
  EXPECT_TRUE(rows.ok()) << rows.status().text();
  if (!rows.ok()) return -1;
  const auto more = (*rows)->next();
  EXPECT_TRUE(more.ok() && *more) << sql;
  return (*rows)->int64(0);
}
void run(Database& database, const std::string& sql) {
  const Status status = database.execute(sql);
  ASSERT_TRUE(status.ok()) << sql << ": " << status.text();
}
int64_t join_state(Database& database, const char* what) {
  return number(database, std::string("SELECT sum(") + what + ")::BIGINT FROM laminar_operators() WHERE operator LIKE 'join%'");
}
int64_t peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

constexpr const char* kStreams =
    "CREATE SOURCE l (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 seconds') WITH (connector = 'memory');"
    "CREATE SOURCE r (k BIGINT, w BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 seconds') WITH (connector = 'memory');"
    "CREATE TABLE t (k BIGINT PRIMARY KEY, n BIGINT); INSERT INTO t SELECT i, i FROM range(50) x(i);";

struct Bounded {
  const char* name;
  const char* query;
};
void PrintTo(const Bounded& bounded, std::ostream* out) { *out << bounded.name; }

class BoundedJoin : public testing::TestWithParam<Bounded> {};

// Law 5. A day of event time, two rows of each side a second; what a join holds is the same at noon and at the end.
TEST_P(BoundedJoin, FlatOverADay) {
  auto database = Database::open().take();
  run(*database, kStreams);
  run(*database, GetParam().query);
  Feed left(*database, "l", 3), right(*database, "r", 3);
  int64_t noon_rows = 0, noon_bytes = 0;
  for (int64_t second = 0; second < 86'400; ++second) {
    for (int64_t i = 0; i < 2; ++i) {
      left.add({(second * 7 + i) % 100, second, second * kSecond - (second % 4) * kSecond});
      right.add({(second * 11 + i) % 100, second, second * kSecond - (second % 3) * kSecond + i});
    }
    if (second % 60 == 0) {
      left.flush();
      right.flush();
    }
    if (second == 43'200) {
      noon_rows = join_state(*database, "state_rows");
      noon_bytes = join_state(*database, "state_bytes");
    }
  }
  EXPECT_GT(noon_rows, 0);
  EXPECT_LE(join_state(*database, "state_rows"), noon_rows * 2);
  EXPECT_LE(join_state(*database, "state_bytes"), noon_bytes);
}

INSTANTIATE_TEST_SUITE_P(All, BoundedJoin, testing::Values(
    Bounded{"Inner", "CREATE STREAM s AS SELECT l.v, r.w FROM l JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL '10 seconds' AND l.ts + INTERVAL '20 seconds'"},
    Bounded{"Left", "CREATE STREAM s AS SELECT l.v, r.w FROM l LEFT JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts AND l.ts + INTERVAL '20 seconds'"},
    Bounded{"FullAtClose", "CREATE STREAM s AS SELECT l.v, r.w FROM l FULL JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts AND l.ts + INTERVAL '20 seconds' EMIT ON WINDOW CLOSE"},
    Bounded{"Semi", "CREATE STREAM s AS SELECT v FROM l SEMI JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts AND l.ts + INTERVAL '20 seconds'"},
    Bounded{"Anti", "CREATE STREAM s AS SELECT v FROM l ANTI JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts AND l.ts + INTERVAL '20 seconds'"},
    Bounded{"NoKey", "CREATE STREAM s AS SELECT l.v, r.w FROM l JOIN r ON r.ts BETWEEN l.ts AND l.ts + INTERVAL '2 seconds'"},
    Bounded{"Retention", "CREATE STREAM s AS SELECT l.v, r.w FROM l JOIN r ON l.k = r.k WITH (retention = '30 seconds')"},
    Bounded{"RetentionWithTable", "CREATE STREAM s AS SELECT l.v, n FROM l JOIN t ON l.k = t.k WITH (retention = '30 seconds')"},
    Bounded{"Windows", "CREATE STREAM s AS SELECT a.k, a.n, b.n AS m FROM "
                       "(SELECT k, window_start, count(*) AS n FROM l GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds')) a JOIN "
                       "(SELECT k, window_start, count(*) AS n FROM r GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds')) b "
                       "ON a.k = b.k AND a.window_start = b.window_start"}));

// One row of a table that meets every row of a view: the changes come out piece by piece and are held by nobody.
TEST(Join, OneChangeMeetsVeryManyRows) {
  const int64_t facts = given_rows(10'000'000);
  auto database = Database::open().take();
  run(*database,
      "CREATE SOURCE fact_rows (d BIGINT, v BIGINT) WITH (connector = 'memory');"
      "CREATE MATERIALIZED VIEW facts AS SELECT * FROM fact_rows;"
      "CREATE TABLE dims (d BIGINT PRIMARY KEY, name VARCHAR);"
      "INSERT INTO dims VALUES (1, 'before');"
      "CREATE MATERIALIZED VIEW totals AS SELECT name, count(*) AS n, sum(v) AS s FROM facts JOIN dims USING (d) GROUP BY name;");
  Feed feed(*database, "fact_rows", 2);
  for (int64_t i = 0; i < facts; ++i) feed.add({1, i % 10});
  feed.flush();
  EXPECT_EQ(number(*database, "SELECT n FROM totals WHERE name = 'before'"), facts);
  const int64_t before = peak_mib();
  run(*database, "UPDATE dims SET name = 'after'");
  EXPECT_EQ(number(*database, "SELECT n FROM totals WHERE name = 'after'"), facts);
  EXPECT_EQ(number(*database, "SELECT count(*) FROM totals"), 1);
  const int64_t added = peak_mib() - before;
  std::printf("%lld changes, %lld MiB at most, %lld MiB more for them\n", static_cast<long long>(2 * facts), static_cast<long long>(peak_mib()),
              static_cast<long long>(added));
  EXPECT_LT(added, 64);
  if (facts <= 10'000'000) {
    EXPECT_LT(peak_mib(), 1024);
  }
}

// Such a change is stopped half-way: all is as before, and the next one runs whole.
TEST(Join, OneChangeOfVeryManyIsStopped) {
  const int64_t facts = given_rows(300'000);
  auto database = Database::open().take();
  run(*database,
      "CREATE SOURCE fact_rows (d BIGINT, v BIGINT) WITH (connector = 'memory');"
      "CREATE MATERIALIZED VIEW facts AS SELECT * FROM fact_rows;"
      "CREATE TABLE dims (d BIGINT PRIMARY KEY, name VARCHAR);"
      "INSERT INTO dims VALUES (1, 'before');"
      "CREATE MATERIALIZED VIEW names AS SELECT upper(name) AS name FROM dims;"
      "CREATE MATERIALIZED VIEW totals AS SELECT name, count(*) AS n, sum(v) AS s FROM facts LEFT JOIN dims USING (d) GROUP BY name;"
      "CREATE MATERIALIZED VIEW twice AS SELECT count(*) AS n FROM dims a JOIN dims b USING (d);");
  Feed feed(*database, "fact_rows", 2);
  for (int64_t i = 0; i < facts; ++i) feed.add({1, i % 10});
  feed.flush();
  const uint64_t wanted = static_cast<uint64_t>(facts) / 4;
  int64_t ticks = 0;
  auto subscription = database->subscribe("names", [&](const TickChanges&) { ++ticks; });
  auto connection = database->connect();
  bool stopped = false;
  // The other thread may come too late.
  for (int attempt = 0; attempt < 500 && !stopped; ++attempt) {
    std::atomic<bool> ended{false};
    std::thread other([&] {
      while (!ended && database->changes_in_tick() < wanted) std::this_thread::yield();
      if (!ended) connection->interrupt();
    });
    const Status status = connection->execute("UPDATE dims SET name = 'after'");
    ended = true;
    other.join();
    stopped = !status.ok();
    if (stopped) EXPECT_EQ(status.error().code, ErrorCode::kInterrupted) << status.text();
    else run(*database, "UPDATE dims SET name = 'before'");
  }
  ASSERT_TRUE(stopped);
  EXPECT_EQ(ticks % 2, 0);
  EXPECT_EQ(database->changes_in_tick(), 0u);
  const auto check = [&](const std::string& name) {
    EXPECT_EQ(number(*database, "SELECT n FROM totals WHERE name = '" + name + "'"), facts);
    EXPECT_EQ(number(*database, "SELECT count(*) FROM totals"), 1);
    EXPECT_EQ(number(*database, "SELECT count(*) FROM names WHERE name = upper('" + name + "')"), 1);
    EXPECT_EQ(number(*database, "SELECT count(*) FROM dims WHERE name = '" + name + "'"), 1);
    EXPECT_EQ(number(*database, "SELECT n FROM twice"), 1);
  };
  check("before");
  run(*database, "UPDATE dims SET name = 'after'");
  check("after");
}

// One side runs minutes ahead of the other, and then the other way round: the join is that of all rows.
TEST(Join, OneSideMinutesAhead) {
  for (const int64_t lead : {int64_t{-300}, int64_t{300}}) {
    auto database = Database::open().take();
    run(*database, kStreams);
    run(*database,
        "CREATE TABLE lt (k BIGINT, v BIGINT, ts TIMESTAMP); CREATE TABLE rt (k BIGINT, w BIGINT, ts TIMESTAMP);"
        "CREATE MATERIALIZED VIEW lv AS SELECT * FROM l; CREATE MATERIALIZED VIEW rv AS SELECT * FROM r;"
        "CREATE MATERIALIZED VIEW j AS SELECT v, w FROM l LEFT JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL '3 seconds' AND l.ts + INTERVAL '7 seconds'");
    Feed left(*database, "l", 3), right(*database, "r", 3);
    for (int64_t second = 0; second < 2'000; ++second) {
      // Every other row has one key: its chain is long.
      const int64_t l = second + std::max<int64_t>(lead, 0), r = second + std::max<int64_t>(-lead, 0);
      left.add({second % 2 ? 1 : second % 9, l, l * kSecond - (second % 5) * kSecond});
      right.add({second % 2 ? 1 : second % 7, r, r * kSecond - (second % 4) * kSecond});
      if (second % 10 == 9) {
        left.flush();
        right.flush();
      }
      if (second % 500 != 499) continue;
      EXPECT_EQ(number(*database,
                       "WITH b AS (SELECT v, w FROM lv l LEFT JOIN rv r ON l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL '3 seconds' AND l.ts + INTERVAL '7 seconds') "
                       "SELECT (SELECT count(*) FROM (SELECT v, w FROM j EXCEPT ALL SELECT v, w FROM b)) + (SELECT count(*) FROM (SELECT v, w FROM b EXCEPT ALL SELECT v, w FROM j))"),
                0);
    }
    EXPECT_EQ(number(*database, "SELECT count(*) FROM late_rows('j')"), 0);
  }
}

// Internal consistency: the balances of all accounts add up to nothing at every tick.
TEST(Join, TransfersMakeNoMoney) {
  const int64_t transfers = given_rows(10'000'000);
  auto database = Database::open().take();
  run(*database,
      "CREATE SOURCE transfers (from_account BIGINT, to_account BIGINT, amount BIGINT) WITH (connector = 'memory');"
      "BEGIN;"
      "CREATE MATERIALIZED VIEW credits AS SELECT to_account AS account, sum(amount) AS credits FROM transfers GROUP BY to_account;"
      "CREATE MATERIALIZED VIEW debits AS SELECT from_account AS account, sum(amount) AS debits FROM transfers GROUP BY from_account;"
      "CREATE MATERIALIZED VIEW balance AS SELECT coalesce(c.account, d.account) AS account, coalesce(credits, 0) - coalesce(debits, 0) AS balance "
      "FROM credits c FULL JOIN debits d ON c.account = d.account;"
      "CREATE MATERIALIZED VIEW total AS SELECT sum(balance)::BIGINT AS total, count(*) AS accounts FROM balance;"
      "COMMIT");
  int64_t ticks = 0, wrong = 0, sum = 0;
  auto subscription = database->subscribe("total", [&](const TickChanges& changes) {
    int64_t standing = 0;
    for (const ChangeBatch& batch : changes.batches) {
      for (size_t i = 0; i < batch.rows; ++i) {
        if (batch.columns[0].is_null(i)) continue;
        standing += batch.columns[0].value<int64_t>(i) * batch.weights[i];
      }
    }
    sum += standing;
    ++ticks;
    wrong += sum != 0;
  });
  ASSERT_TRUE(subscription.ok());
  Feed feed(*database, "transfers", 3);
  uint64_t state = 42;
  for (int64_t i = 0; i < transfers; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    feed.add({static_cast<int64_t>(state >> 33 & 1023), static_cast<int64_t>(state >> 43 & 1023), static_cast<int64_t>(state >> 53)});
    if (i % 997 == 0) feed.flush();
  }
  feed.flush();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(ticks, 0);
  EXPECT_EQ(number(*database, "SELECT total FROM total"), 0);
  EXPECT_EQ(number(*database, "SELECT accounts FROM total"), 1024);
}

}  // namespace
}  // namespace laminar
