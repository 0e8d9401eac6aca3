// A watermark group bounds the state of a join whose one input is read from its past while the other is live; without it the
// join holds all of the past. No row is lost by it, and a slow source that ends or falls silent lets the other go.
//
//   law_watermark_group_test [--gtest_filter=...]
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "laminar/laminar.h"

namespace laminar {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'767'225'600 * kSecond;
constexpr int64_t kPastRows = 200'000, kRowsPerSecond = 10, kDriftSeconds = 300, kBoundSeconds = 60, kBatchRows = 2048;

class WatermarkGroupLaws : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/laminar-group-XXXXXX";
    folder_ = mkdtemp(name);
    Database::Options options;
    options.manual_clock = true;
    options.manual_clock_start_us = kStart + 86'400 * kSecond;
    auto opened = Database::open("", options);
    ASSERT_TRUE(opened.ok());
    database_ = opened.take();
    run("COPY (SELECT i AS id, TIMESTAMP '2026-01-01 00:00:00' + i * INTERVAL '100 milliseconds' AS ts FROM range(" + std::to_string(kPastRows) +
        ") t(i)) TO '" + folder_ + "/past.csv'");
    run("CREATE SOURCE past (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'files', path = '" + folder_ + "/past.csv', header = true)");
    run("CREATE SOURCE live (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory', idle_timeout = '60 seconds')");
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  void run(const std::string& sql) {
    const Status status = database_->execute(sql);
    ASSERT_TRUE(status.ok()) << sql << ": " << status.text();
  }
  void create_join() {
    run("CREATE MATERIALIZED VIEW pairs AS SELECT live.id, past.id AS other FROM live JOIN past ON live.ts = past.ts AND past.ts BETWEEN live.ts - INTERVAL "
        "'60 seconds' AND live.ts + INTERVAL '60 seconds'");
    live_ = database_->appender("live").take();
  }
  std::string value(const std::string& sql) {
    auto rows = database_->query(sql);
    EXPECT_TRUE(rows.ok()) << rows.status().text();
    auto more = (*rows)->next();
    return more.ok() && *more ? (*rows)->text(0) : "";
  }
  int64_t join_rows() { return std::stoll(value("SELECT sum(state_rows)::BIGINT FROM laminar_operators() WHERE object = 'pairs' AND operator LIKE '%join%'")); }
  std::string state_of(const std::string& source) { return value("SELECT state FROM laminar_watermark_groups() WHERE source = '" + source + "'"); }
  void wait_for(const std::string& source, const std::string& state) {
    while (state_of(source) != state) std::this_thread::yield();
  }
  void append(int64_t second) {
    live_->add(second).add(kStart + second * kSecond);
    ASSERT_TRUE(live_->end_row().ok());
    ASSERT_TRUE(live_->flush().ok());
  }

  std::string folder_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Appender> live_;
};

TEST_F(WatermarkGroupLaws, APastAgainstALiveStreamKeepsTheJoinBounded) {
  run("CREATE WATERMARK GROUP g (past, live) WITH (max_drift = '" + std::to_string(kDriftSeconds) + " seconds')");
  create_join();
  int64_t most = 0, appended = 0;
  for (int64_t second = 0; second < kPastRows / kRowsPerSecond; second += 500) {
    append(second);
    ++appended;
    if (second + kDriftSeconds + kBatchRows / kRowsPerSecond >= kPastRows / kRowsPerSecond) break;
    wait_for("past", "paused");
    most = std::max(most, join_rows());
  }
  const int64_t bound = (kDriftSeconds + 2 * kBoundSeconds) * kRowsPerSecond + kBatchRows + 2000;
  std::printf("at most %ld rows in the join of %ld; bound %ld\n", static_cast<long>(most), static_cast<long>(kPastRows), static_cast<long>(bound));
  EXPECT_GT(most, 0);
  EXPECT_LE(most, bound);
  // What is silent holds nobody: the past is read to its end.
  EXPECT_TRUE(database_->advance_clock(61 * kSecond).ok());
  wait_for("past", "ended");
  EXPECT_EQ(value("SELECT count(*) FROM pairs"), std::to_string(appended));
  EXPECT_EQ(value("SELECT count(*) FROM late_rows('past')"), "0");
  EXPECT_EQ(value("SELECT sum(rows_dropped)::BIGINT FROM laminar_watermark_groups()"), "0");
}

TEST_F(WatermarkGroupLaws, WithoutAGroupTheJoinHoldsAllOfThePast) {
  create_join();
  append(0);
  while (value("SELECT state FROM laminar_sources() WHERE name = 'past'") != "ended") std::this_thread::yield();
  EXPECT_GT(join_rows(), kPastRows - 2000);
}

}  // namespace
}  // namespace laminar
