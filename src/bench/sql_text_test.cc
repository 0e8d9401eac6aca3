#include "bench/sql_text.h"

#include <gtest/gtest.h>

namespace laminar::bench {
namespace {

Result<int64_t> ten_seconds(const std::string&) { return int64_t{10'000'000}; }

TEST(SetupText, Statements) {
  const std::vector<SetupStatement> all = read_setup(
      "-- sources; first\nCREATE SOURCE s (k BIGINT, \"t;s\" TIMESTAMP, WATERMARK FOR \"t;s\" AS \"t;s\") WITH "
      "(connector = 'memory');\n"
      "CREATE TABLE names (id BIGINT PRIMARY KEY);INSERT INTO names VALUES (1);\n"
      "CREATE OR REPLACE MATERIALIZED VIEW IF NOT EXISTS M AS WITH x AS (SELECT 1) SELECT k, count(*) FROM s GROUP BY "
      "k\n"
      "  EMIT ON WINDOW CLOSE WITH (retain_history = '1 MB');\n"
      "CREATE STREAM p AS SELECT emit FROM s ALLOW LATENESS INTERVAL '1 second'; SHOW TABLES");
  using Kind = SetupStatement::Kind;
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[0].kind, Kind::kSource);
  EXPECT_EQ(all[0].watermark_column, "t;s");
  EXPECT_EQ(all[1].kind, Kind::kTable);
  EXPECT_EQ(all[2].kind, Kind::kInsert);
  EXPECT_EQ(all[3].kind, Kind::kView);
  EXPECT_EQ(all[3].name, "M");
  EXPECT_EQ(all[3].query, "WITH x AS (SELECT 1) SELECT k, count(*) FROM s GROUP BY k\n  ");
  EXPECT_EQ(all[4].kind, Kind::kStream);
  EXPECT_EQ(all[4].query, "SELECT emit FROM s ");
  EXPECT_EQ(all[5].kind, Kind::kOther);
}

TEST(BatchForm, TumbleBecomesArithmetic) {
  const Result<std::string> batch = batch_form(
      "SELECT k, window_start, window_end AS e, count(*) FROM s GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds') HAVING "
      "window_end > now()",
      ten_seconds);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(*batch,
            "SELECT k, make_timestamp((epoch_us(ts) // 10000000) * 10000000) AS window_start, "
            "make_timestamp((epoch_us(ts) // 10000000 + 1) * 10000000) AS e, count(*) FROM s GROUP BY k, "
            "(epoch_us(ts) // 10000000) HAVING make_timestamp((epoch_us(ts) // 10000000 + 1) * 10000000) > now()");
}

TEST(BatchForm, PlainQueriesStayAndOthersAreRefused) {
  const std::string plain = "SELECT k, 'tumble(' FROM s WHERE window_start > 1";
  EXPECT_EQ(*batch_form(plain, ten_seconds), plain);
  for (const char* query : {"SELECT 1 FROM s GROUP BY HOP(ts, INTERVAL '1 second', INTERVAL '2 seconds')",
                            "SELECT 1 FROM s GROUP BY SESSION(ts, INTERVAL '1 second')",
                            "SELECT 1 FROM TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1 second')",
                            "SELECT 1 FROM s GROUP BY TUMBLE(ts, INTERVAL '10 seconds', INTERVAL '1 second')"}) {
    EXPECT_FALSE(batch_form(query, ten_seconds).ok()) << query;
  }
}

}  // namespace
}  // namespace laminar::bench
