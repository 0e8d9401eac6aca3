// A watermark PER KEY is one watermark for each key: a source that has it gives what one source for each key gives, each
// with a plain watermark and the rows of its key alone. So however keys interleave, and wherever ticks and cores cut the rows,
// each key has the same windows, sessions, corrections and late rows.
//
//   law_key_watermark_test [--gtest_filter=...]     LAMINAR_SEED=n repeats one seed
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "laminar/laminar.h"

namespace laminar {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'767'225'600 * kSecond;

struct Row {
  int64_t id, site, device, v, ts;
  bool null_time;
};

// Keys whose times have nothing to do with one another; each with rows in order, disordered, and late.
std::vector<Row> make_rows(uint64_t seed, int keys, int count) {
  std::mt19937_64 random(seed);
  const auto below = [&random](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  std::vector<int64_t> now, step;
  for (int k = 0; k < keys; ++k) {
    now.push_back(kStart + below(3600) * kSecond);
    step.push_back(1 + below(8));
  }
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) {
    Row row;
    row.id = i;
    const int64_t key = below(keys);
    row.site = key / 3;
    row.device = key % 3;
    row.v = below(100);
    now[key] += below(step[key]) * kSecond / 2;
    const int64_t back = below(10) < 7 ? below(3) : below(10) < 7 ? below(30) : below(120);
    row.ts = now[key] - back * kSecond;
    row.null_time = below(60) == 0;
    rows.push_back(row);
  }
  return rows;
}

struct Case {
  std::string window, mode, lateness, where;
  std::string per_key = "site, device";  // what the keyed source's key is
};

// What is seen at the end: lines, sorted, those of late rows without the watermark's own time zone of ties.
struct Outcome {
  std::vector<std::string> content, late, changes;
};

void add_lines(Database& database, const std::string& sql, std::vector<std::string>& lines) {
  auto rows = database.query(sql);
  ASSERT_TRUE(rows.ok()) << sql << ": " << rows.status().text();
  while (true) {
    auto more = (*rows)->next();
    ASSERT_TRUE(more.ok());
    if (!more.ok() || !*more) return;
    std::string line;
    for (size_t c = 0; c < (*rows)->columns().size(); ++c) line += (*rows)->is_null(c) ? "NULL|" : (*rows)->text(c) + "|";
    lines.push_back(line);
  }
}

struct How {
  uint64_t seed = 0, one_in = 0;  // a tick behind a row with probability 1 / one_in; 0: one tick
  int cores = 1;
  bool stream = false;  // the view reads a stream over the source
  bool reopen = false;  // the database is in a folder, and is opened again twice on the way: from a checkpoint, and from the log
};

void run(const Case& test, const std::string& per_key, const std::vector<Row>& rows, const How& how, Outcome& outcome) {
  Database::Options options;
  options.manual_clock = true;
  options.manual_clock_start_us = kStart;
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / ("laminar_key_watermark_" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  const std::string path = how.reopen ? folder.string() : "";
  auto database = Database::open(path, options);
  ASSERT_TRUE(database.ok());
  std::string sql;
  if (how.cores > 1) sql += "SET cores = " + std::to_string(how.cores) + "; SET core_rows = 1;";
  sql += "CREATE SOURCE s (id BIGINT, site BIGINT, device BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2 seconds'" +
         per_key + ") WITH (connector = 'memory');";
  if (how.stream) sql += "CREATE STREAM t AS SELECT ts, device, site, v + 1 AS v, id FROM s WHERE v <> 7;";
  sql += "CREATE MATERIALIZED VIEW w AS SELECT site, device, window_start, window_end, count(*) AS c, sum(v)::BIGINT AS t, last(id) AS l FROM " +
         std::string(how.stream ? "t" : "s") + " " + test.where + " GROUP BY site, device, " + test.window + " " + test.mode + " " + test.lateness + ";";
  const Status made = (*database)->execute(sql);
  ASSERT_TRUE(made.ok()) << made.text() << "\n" << sql;
  auto subscription = (*database)->subscribe("w", [&outcome](const TickChanges& changes) {
    for (const ChangeBatch& batch : changes.batches) {
      for (size_t row = 0; row < batch.rows; ++row) {
        std::string line;
        for (const ColumnView& column : batch.columns) line += column.is_null(row) ? "NULL " : std::to_string(column.value<int64_t>(row)) + " ";
        outcome.changes.push_back(std::to_string(batch.weights[row]) + " " + line);
      }
    }
  });
  ASSERT_TRUE(subscription.ok());
  auto appender = (*database)->appender("s");
  ASSERT_TRUE(appender.ok());
  std::mt19937_64 random(how.seed);
  for (const Row& row : rows) {
    if (how.reopen && (&row - rows.data() == static_cast<ptrdiff_t>(rows.size() / 3) || &row - rows.data() == static_cast<ptrdiff_t>(rows.size() * 2 / 3))) {
      ASSERT_TRUE((*appender)->flush().ok());
      if (&row - rows.data() == static_cast<ptrdiff_t>(rows.size() / 3)) ASSERT_TRUE((*database)->execute("CHECKPOINT").ok());
      if (subscription.ok()) subscription->reset();
      appender->reset();
      database->reset();
      database = Database::open(path, options);
      ASSERT_TRUE(database.ok()) << database.status().text();
      appender = (*database)->appender("s");
      ASSERT_TRUE(appender.ok());
    }
    (*appender)->add(row.id).add(row.site).add(row.device).add(row.v);
    row.null_time ? (*appender)->add_null() : (*appender)->add(row.ts);
    ASSERT_TRUE((*appender)->end_row().ok());
    if (how.one_in > 0 && random() % how.one_in == 0) ASSERT_TRUE((*appender)->flush().ok());
  }
  ASSERT_TRUE((*appender)->flush().ok());
  add_lines(**database, "SELECT 'open', * FROM w", outcome.content);
  ASSERT_TRUE((*appender)->advance_watermark(kStart + 3600 * 24 * 30 * kSecond).ok());
  add_lines(**database, "SELECT 'all', * FROM w", outcome.content);
  add_lines(**database, "SELECT reason, watermark, window_start, window_end, site, device, ts FROM late_rows('w') WHERE reason = 'late'", outcome.late);
  add_lines(**database, "SELECT reason, site, device, ts FROM late_rows('w') WHERE reason <> 'late'", outcome.late);
  std::vector<std::string> off;
  add_lines(**database, "SELECT view, operator, difference FROM laminar_conservation() WHERE difference <> 0", off);
  EXPECT_TRUE(off.empty()) << off.front();
}

// One source per key.
Outcome expected(const Case& test, const std::vector<Row>& rows, const How& how) {
  std::set<std::pair<int64_t, int64_t>> keys;
  for (const Row& row : rows) keys.insert({test.per_key == "device" ? 0 : row.site, row.device});
  Outcome outcome;
  for (const auto& [site, device] : keys) {
    std::vector<Row> own;
    for (const Row& row : rows)
      if ((test.per_key == "device" || row.site == site) && row.device == device) own.push_back(row);
    How plain = how;
    plain.cores = 1;
    plain.reopen = false;
    run(test, "", own, plain, outcome);
  }
  return outcome;
}

void sort(Outcome& outcome) {
  for (auto* lines : {&outcome.content, &outcome.late, &outcome.changes}) std::sort(lines->begin(), lines->end());
}

const char* const kWindows[] = {
    "TUMBLE(ts, INTERVAL '10 seconds')",
    "HOP(ts, INTERVAL '5 seconds', INTERVAL '20 seconds')",
    "SESSION(ts, INTERVAL '3 seconds')",
    "CUMULATE(ts, INTERVAL '10 seconds', INTERVAL '30 seconds')",
    "TUMBLE(ts, INTERVAL '1 day', timezone => 'Europe/Paris')",
};
const char* const kModes[] = {"EMIT ON UPDATE", "EMIT AFTER WATERMARK", "EMIT ON WINDOW CLOSE", "EMIT FINAL", "EMIT EVERY INTERVAL '5 seconds'"};
const char* const kLateness[] = {"", "ALLOW LATENESS INTERVAL '10 seconds'"};

uint64_t first_seed() {
  const char* given = std::getenv("LAMINAR_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}
uint64_t seeds() { return std::getenv("LAMINAR_SEED") ? 1 : 3; }

void check(const Case& test, const std::vector<Row>& rows, const How& how) {
  SCOPED_TRACE(test.window + " " + test.mode + " " + test.lateness + " " + test.where + " PER KEY (" + test.per_key + "), one tick in " +
               std::to_string(how.one_in) + " rows, cores " + std::to_string(how.cores) + ", seed " + std::to_string(how.seed));
  Outcome keyed, plain = expected(test, rows, how);
  run(test, " PER KEY (" + test.per_key + ")", rows, how, keyed);
  sort(keyed);
  sort(plain);
  EXPECT_EQ(keyed.content, plain.content);
  EXPECT_EQ(keyed.late, plain.late);
  // What is told once is told the same however ticks cut.
  if (!how.reopen && (test.mode == "EMIT ON WINDOW CLOSE" || test.mode == "EMIT FINAL")) EXPECT_EQ(keyed.changes, plain.changes);
}

TEST(KeyWatermarkLaw, EachKeyIsASourceOfItsOwn) {
  for (uint64_t seed = first_seed(); seed < first_seed() + seeds(); ++seed) {
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    const std::vector<Row> rows = make_rows(seed, 7, 300);
    for (const char* window : kWindows) {
      for (const char* mode : kModes) {
        for (const char* lateness : kLateness) {
          for (const uint64_t one_in : {7, 0, 1}) {
            if (seed > first_seed() && one_in != 7) continue;
            check({window, mode, lateness, seed % 2 == 0 ? "WHERE v < 60" : ""}, rows, {seed, one_in});
            if (HasFatalFailure() || HasNonfatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST(KeyWatermarkLaw, OnSeveralCores) {
  for (uint64_t seed = first_seed(); seed < first_seed() + seeds(); ++seed) {
    const std::vector<Row> rows = make_rows(seed, 7, 300);
    for (const char* window : kWindows)
      for (const char* mode : {"EMIT ON UPDATE", "EMIT ON WINDOW CLOSE", "EMIT AFTER WATERMARK"})
        for (const char* lateness : kLateness)
          check({window, mode, lateness, "WHERE v <> 3"}, rows, {seed, 11, 3});
  }
}

// Groups hold more than the key: groups of one key share its watermark.
TEST(KeyWatermarkLaw, GroupsWithinAKey) {
  for (uint64_t seed = first_seed(); seed < first_seed() + seeds(); ++seed) {
    const std::vector<Row> rows = make_rows(seed, 9, 300);
    for (const char* window : kWindows)
      for (const char* mode : kModes)
        for (const int cores : {1, 2})
          check({window, mode, kLateness[seed % 2], "", "device"}, rows, {seed, 5, cores});
  }
}

TEST(KeyWatermarkLaw, OpenedAgain) {
  const std::vector<Row> rows = make_rows(first_seed(), 5, 200);
  for (const char* window : kWindows)
    for (const char* mode : {"EMIT ON UPDATE", "EMIT ON WINDOW CLOSE", "EMIT AFTER WATERMARK"})
      check({window, mode, kLateness[1], ""}, rows, {first_seed(), 6, 1, false, true});
}

TEST(KeyWatermarkLaw, OverAStream) {
  const std::vector<Row> rows = make_rows(first_seed(), 7, 300);
  for (const char* window : kWindows)
    for (const char* mode : kModes)
      for (const int cores : {1, 2}) check({window, mode, kLateness[1], "WHERE v > 5"}, rows, {first_seed(), 4, cores, true});
}

// So many groups that those whose keys have passed them are let go of before anything asks for it: nothing is seen of that.
TEST(KeyWatermarkLaw, ManyKeys) {
  Database::Options options;
  options.manual_clock = true;
  options.manual_clock_start_us = kStart;
  auto database = Database::open("", options);
  ASSERT_TRUE(database.ok());
  std::string sql;
  for (const char* name : {"keyed", "plain"}) {
    const std::string n = name;
    sql += "CREATE SOURCE " + n + " (k BIGINT, id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts" + (n == "keyed" ? " PER KEY (k)" : "") +
           ") WITH (connector = 'memory');"
           "CREATE MATERIALIZED VIEW " + n + "_counts AS SELECT k, window_start, count(*) AS c, max(id) AS m FROM " + n +
           " GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds');";
  }
  ASSERT_TRUE((*database)->execute(sql).ok());
  std::mt19937_64 random(first_seed());
  std::vector<std::unique_ptr<Appender>> appenders;
  for (const char* name : {"keyed", "plain"}) {
    auto appender = (*database)->appender(name);
    ASSERT_TRUE(appender.ok());
    appenders.push_back(appender.take());
  }
  for (int64_t i = 0; i < 400'000; ++i) {
    const int64_t key = static_cast<int64_t>(random() % (i < 200'000 ? 60'000 : 30'000));
    for (auto& appender : appenders) {
      appender->add(key).add(i).add(kStart + i * 200);
      ASSERT_TRUE(appender->end_row().ok());
    }
  }
  for (auto& appender : appenders) ASSERT_TRUE(appender->flush().ok());
  std::vector<std::string> lines;
  add_lines(**database, "SELECT count(*) FROM ((FROM keyed_counts EXCEPT FROM plain_counts) UNION ALL (FROM plain_counts EXCEPT FROM keyed_counts))", lines);
  add_lines(**database, "SELECT (SELECT count(*) FROM keyed_counts) = (SELECT count(*) FROM plain_counts)", lines);
  EXPECT_EQ(lines, (std::vector<std::string>{"0|", "true|"}));
}

}  // namespace
}  // namespace laminar
