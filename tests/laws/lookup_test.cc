// Law 1 for lookup joins: random queries over random rows, some taken back, in ticks of every size; views equal DuckDB's batch
// over the same rows and the lookup table's file.
//
// NULL keys, keys that the file does not have, one key with most rows, two lookups and the same one twice. LAMINAR_SEED
// repeats one seed. Servers as lookup tables are compared in tests/connectors.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/seed_testing.h"
#include "base/test_share_testing.h"
#include "laminar/laminar.h"

namespace laminar {
namespace {

class LookupLaw : public testing::Test {
 protected:
  void SetUp() override {
    file_ = (std::filesystem::temp_directory_path() / ("laminar-lookup-law-" + std::to_string(getpid()) + ".parquet")).string();
  }
  void TearDown() override { std::filesystem::remove(file_); }

  void run(const std::string& sql) {
    const Status status = database_->execute(sql);
    ASSERT_TRUE(status.ok()) << status.text() << "\n" << sql;
  }
  int64_t number(const std::string& sql) {
    auto rows = database_->query(sql);
    EXPECT_TRUE(rows.ok()) << rows.status().text() << "\n" << sql;
    if (!rows.ok()) return -1;
    EXPECT_TRUE(*(*rows)->next());
    return (*rows)->int64(0);
  }
  uint64_t pick(uint64_t n) { return random_() % n; }
  std::string pick_key() {
    if (pick(10) == 0) return "NULL";
    return pick(2) ? "0" : std::to_string(pick(60));  // the file has the even ones below 40, and 0 alone is half of all
  }
  // A query over rows(n, k, v) and the lookup tables d and e, of which both have the file's rows.
  std::string random_query(const std::string& rows, const std::string& d, const std::string& e) {
    const char* join = shape_ & 1 ? " LEFT JOIN " : " JOIN ";
    std::string from = " FROM " + rows + " s" + join + d + " d ON s.k = d.id";
    if (shape_ & 2) from += " AND d.price > s.v";
    std::string columns = "s.n, s.k, d.name, d.price";
    if (shape_ & 4) {
      from += std::string(shape_ & 8 ? " LEFT JOIN " : " JOIN ") + (shape_ & 16 ? d : e) + " f ON s.v = f.id";
      columns += ", f.name AS other";
    }
    if (shape_ & 32) from += " WHERE s.v % 3 <> 1";
    if (shape_ & 64) return "SELECT d.name, count(*) AS rows, sum(s.v) AS total" + from + " GROUP BY d.name";
    return "SELECT " + columns + from;
  }

  std::mt19937_64 random_;
  std::unique_ptr<Database> database_;
  std::string file_;
  uint64_t shape_ = 0;
};

TEST_F(LookupLaw, EqualsABatchOverTheFile) {
  const uint64_t first = test_seed();
  int64_t rows_seen = 0;
  const int64_t rounds = std::getenv("LAMINAR_SEED") ? 1 : test_share(40);
  for (int64_t round = 0; round < rounds; ++round) {
    const uint64_t seed = first + static_cast<uint64_t>(round);
    SCOPED_TRACE("LAMINAR_SEED=" + std::to_string(seed));
    random_.seed(seed);
    database_ = Database::open().take();
    run("COPY (SELECT i * 2 AS id, 'name ' || i || repeat('-', i % 20) AS name, CASE WHEN i % 7 <> 3 THEN i % 11 END AS price FROM range(20) t(i)) TO '" +
        file_ + "'");
    const std::string table = " (id BIGINT, name VARCHAR, price BIGINT, PRIMARY KEY (id)) WITH (connector = 'files', path = '" + file_ + "')";
    run("CREATE LOOKUP TABLE d" + table + "; CREATE LOOKUP TABLE e" + table);
    const bool changes = pick(2);
    run(changes ? "CREATE TABLE s (n BIGINT PRIMARY KEY, k BIGINT, v BIGINT)" : "CREATE SOURCE s (n BIGINT, k BIGINT, v BIGINT) WITH (connector = 'memory')");
    run("CREATE MATERIALIZED VIEW kept AS SELECT * FROM s");
    std::vector<std::string> batch;
    for (int view = 0; view < 4; ++view) {
      shape_ = random_();
      run("CREATE MATERIALIZED VIEW v" + std::to_string(view) + " AS " + random_query("s", "d", "e"));
      batch.push_back(random_query("kept", "'" + file_ + "'", "'" + file_ + "'"));
    }
    run("DRAIN");
    const uint64_t tick = 1 + pick(200);
    for (uint64_t n = 0; n < 400;) {
      std::string rows;
      for (uint64_t i = 0; i < 1 + pick(tick); ++i, ++n) {
        rows += (rows.empty() ? "(" : ", (") + std::to_string(n) + ", " + pick_key() + ", " + std::to_string(pick(40)) + ")";
      }
      run("INSERT INTO s VALUES " + rows);
      if (changes && pick(3) == 0) run("DELETE FROM s WHERE n % 5 = " + std::to_string(pick(5)) + " AND n > " + std::to_string(pick(n)));
      if (changes && pick(3) == 0) run("UPDATE s SET k = " + pick_key() + ", v = v + 1 WHERE n % 7 = " + std::to_string(pick(7)));
      if (pick(4)) continue;
      run("DRAIN");
      for (size_t view = 0; view < batch.size(); ++view) {
        const std::string ours = "SELECT * FROM v" + std::to_string(view);
        ASSERT_EQ(number("SELECT count(*) FROM ((" + ours + " EXCEPT ALL " + batch[view] + ") UNION ALL (" + batch[view] + " EXCEPT ALL " + ours + "))"), 0)
            << "after " << n << " rows: " << batch[view];
        rows_seen += number("SELECT count(*) FROM (" + ours + ")");
      }
    }
  }
  EXPECT_GT(rows_seen, 0);
}

}  // namespace
}  // namespace laminar
