// Law 6: after warm-up no native plan makes a heap call in a tick, window close and session merge included.
//
// Heap calls are counted on the thread that runs the ticks, which is the one that appends.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/heap_calls_testing.h"
#include "laminar/laminar.h"

namespace laminar {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr size_t kTickRows = 4096;
// A tick that takes too long is written down, which is a heap call of a busy machine's.
constexpr const char* kNoWatch = "SET tick_budget = INTERVAL '0 seconds';";

struct Columns {
  std::vector<int64_t> k, v, ts;
};

// Eight seconds of rows: keys in a cycle, time forward with a little disorder.
void fill(Columns& columns, int64_t begin_us, size_t rows) {
  columns.k.resize(rows);
  columns.v.resize(rows);
  columns.ts.resize(rows);
  for (size_t i = 0; i < rows; ++i) {
    columns.k[i] = static_cast<int64_t>(i * 7 % 500);
    columns.v[i] = static_cast<int64_t>(i * 31 % 1000);
    columns.ts[i] = begin_us + static_cast<int64_t>(i) * 2000 - static_cast<int64_t>(i % 5) * 1500;
  }
}

struct Plan {
  const char* name;
  const char* query;
};

void PrintTo(const Plan& plan, std::ostream* out) { *out << plan.name; }

class Allocation : public testing::TestWithParam<Plan> {};

TEST_P(Allocation, NoHeapCallAfterWarmUp) {
  ASSERT_TRUE(heap_calls_are_counted());
  auto database = Database::open();
  ASSERT_TRUE(database.ok()) << database.status().text();
  Status status = (*database)->execute(std::string(kNoWatch) + "CREATE SOURCE s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 second') "
                                                   "WITH (connector = 'memory'); CREATE STREAM q AS " + GetParam().query);
  ASSERT_TRUE(status.ok()) << status.text();
  uint64_t seen = 0;
  auto subscription = (*database)->subscribe("q", [&seen](const TickChanges& changes) {
    for (const ChangeBatch& batch : changes.batches) seen += batch.rows;
  });
  ASSERT_TRUE(subscription.ok());
  auto appender = (*database)->appender("s");
  ASSERT_TRUE(appender.ok());

  constexpr int kWarmUp = 60, kCounted = 30;
  Columns columns;
  uint64_t counted = 0;
  for (int tick = 0; tick < kWarmUp + kCounted; ++tick) {
    // Every tick is eight seconds, so windows close in most of them.
    fill(columns, 1'767'225'600 * kSecond + tick * 8 * kSecond + tick * 192'000, kTickRows);
    const ColumnView views[] = {{columns.k.data(), nullptr}, {columns.v.data(), nullptr}, {columns.ts.data(), nullptr}};
    const uint64_t before = heap_calls();
    const Status appended = (*appender)->append_columns(views, kTickRows);
    const uint64_t calls = heap_calls() - before;
    ASSERT_TRUE(appended.ok()) << appended.text();
    if (tick >= kWarmUp) counted += calls;
  }
  EXPECT_GT(seen, 0u);
  EXPECT_EQ(counted, 0u) << "heap calls in " << kCounted << " ticks after " << kWarmUp << " of warm-up";
}

INSTANTIATE_TEST_SUITE_P(
    Law6, Allocation,
    testing::Values(
        Plan{"filter_project", "SELECT k, v * 2 AS w, ts FROM s WHERE v % 3 = 0"},
        Plan{"tumble", "SELECT window_start, k, count(*) AS c, sum(v) AS t, min(v) AS lo, max(v) AS hi FROM s GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds') EMIT ON WINDOW CLOSE"},
        Plan{"tumble_on_update", "SELECT window_start, k, count(*) AS c, avg(v) AS a FROM s GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds')"},
        Plan{"ohlc", "SELECT window_start, k, first(v) AS o, max(v) AS h, min(v) AS l, last(v) AS c FROM s GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds') EMIT ON WINDOW CLOSE"},
        Plan{"hop", "SELECT window_start, k, count(*) AS c FROM s GROUP BY k, HOP(ts, INTERVAL '2 seconds', INTERVAL '10 seconds') EMIT ON WINDOW CLOSE"},
        Plan{"session", "SELECT window_start, k, count(*) AS c FROM s GROUP BY k, SESSION(ts, INTERVAL '500 milliseconds') EMIT ON WINDOW CLOSE"},
        Plan{"top_n", "SELECT k, v, window_start FROM TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10 seconds') QUALIFY row_number() OVER (PARTITION BY window_start ORDER BY v DESC) <= 3 EMIT ON WINDOW CLOSE"},
        Plan{"asof", "SELECT a.k, a.v, b.v AS w FROM s a ASOF LEFT JOIN s b ON a.k = b.k AND a.ts > b.ts"},
        Plan{"asof_final", "SELECT a.k, a.v, b.v AS w FROM s a ASOF LEFT JOIN s b ON a.k = b.k AND NEAREST(a.ts, b.ts) TOLERANCE INTERVAL '1 second' EMIT FINAL"},
        Plan{"horizon", "SELECT a.k, a.v, horizon, b.v AS w FROM s a ASOF JOIN s b ON a.k = b.k AND a.ts >= b.ts HORIZON (INTERVAL '0 s', INTERVAL '2 s')"},
        Plan{"union_all", "SELECT k, v FROM s WHERE v < 100 UNION ALL SELECT k, v FROM s WHERE v > 900"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Law6, SingleRowsAndPollingMakeNoHeapCall) {
  auto database = Database::open();
  ASSERT_TRUE(database.ok());
  ASSERT_TRUE((*database)->execute(std::string(kNoWatch) + "CREATE SOURCE s (k BIGINT, name VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');"
                                   "CREATE MATERIALIZED VIEW v AS SELECT name, window_start, count(*) AS c FROM s GROUP BY name, TUMBLE(ts, INTERVAL '1 hour');").ok());
  auto subscription = (*database)->subscribe("v");
  ASSERT_TRUE(subscription.ok());
  auto appender = (*database)->appender("s");
  ASSERT_TRUE(appender.ok());
  uint64_t counted = 0, polled = 0;
  TickChanges changes;
  for (int i = 0; i < 3000; ++i) {
    const uint64_t before = heap_calls();
    (*appender)->add(int64_t{i}).add(i % 2 ? "a name of more than twelve bytes" : "short").add(1'767'225'600 * kSecond + i);
    const bool row = (*appender)->end_row().ok(), tick = (*appender)->flush().ok();
    const auto more = (*subscription)->poll(changes);
    const uint64_t calls = heap_calls() - before;
    ASSERT_TRUE(row && tick && more.ok());
    if (i >= 1000) counted += calls;
    polled += *more;
  }
  EXPECT_EQ(polled, 3000u);
  EXPECT_EQ(counted, 0u);
}

}  // namespace
}  // namespace laminar
