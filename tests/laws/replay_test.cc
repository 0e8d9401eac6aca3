// Law 4 for a recorded run: a database in a folder that is opened again does the run again, and every change, late row and
// content is the same byte for byte, in every mode of EMIT over every kind of window and join, with partitions that come, fall
// silent and go, and with watermark groups.
//
//   law_replay_test [--gtest_filter=...]     LAMINAR_SEED=n repeats one seed
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "laminar/laminar.h"

namespace laminar {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'767'225'600 * kSecond;

const char* const kWindows[] = {
    "TUMBLE(ts, INTERVAL '10 seconds')",
    "HOP(ts, INTERVAL '5 seconds', INTERVAL '20 seconds')",
    "SESSION(ts, INTERVAL '3 seconds')",
    "CUMULATE(ts, INTERVAL '10 seconds', INTERVAL '30 seconds')",
    "TUMBLE(ts, INTERVAL '1 day', timezone => 'Europe/Paris')",
    "TUMBLE(ts, INTERVAL '1 month')",
};
const char* const kModes[] = {"EMIT ON UPDATE", "EMIT CHANGES",        "EMIT AFTER WATERMARK", "EMIT ON WINDOW CLOSE",
                              "EMIT FINAL",     "EMIT EVERY INTERVAL '5 seconds'"};
const char* const kBound = " AND r.ts BETWEEN s.ts - INTERVAL '4 seconds' AND s.ts + INTERVAL '2 seconds'";

// Queries whose modes are tried; what a query cannot be given in is refused, and counted.
std::vector<std::string> join_queries() {
  std::vector<std::string> queries;
  for (const char* kind : {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"}) {
    queries.push_back(std::string("SELECT s.k, s.v, r.v AS w FROM s ") + kind + " r ON s.k = r.k" + kBound);
  }
  queries.push_back(std::string("SELECT s.k, s.v FROM s SEMI JOIN r ON s.k = r.k") + kBound);
  queries.push_back(std::string("SELECT s.k, s.v FROM s ANTI JOIN r ON s.k = r.k") + kBound);
  queries.push_back("SELECT s.k, s.v, r.v AS w FROM s ASOF JOIN r ON s.k = r.k AND s.ts >= r.ts TOLERANCE INTERVAL '8 seconds'");
  queries.push_back("SELECT s.k, s.v, r.v AS w FROM s ASOF LEFT JOIN r ON s.k = r.k AND s.ts >= r.ts TOLERANCE INTERVAL '8 seconds'");
  queries.push_back(std::string("SELECT window_start, count(*) AS c, sum(w) AS t FROM (SELECT s.ts, r.v AS w FROM s LEFT JOIN r ON s.k = r.k") + kBound +
                    ") GROUP BY TUMBLE(ts, INTERVAL '10 seconds')");
  queries.push_back("SELECT window_start, sum(c) AS c FROM (SELECT k, window_start AS ws, count(*) AS c FROM s GROUP BY k, TUMBLE(ts, INTERVAL '5 seconds')) "
                    "GROUP BY TUMBLE(ws, INTERVAL '20 seconds')");
  queries.push_back("SELECT window_start, k, v FROM (SELECT window_start, k, v, row_number() OVER (PARTITION BY window_start ORDER BY v DESC, k) AS n "
                    "FROM TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10 seconds')) WHERE n <= 2");
  return queries;
}

struct Folder {
  Folder() {
    char name[] = "/tmp/laminar-replay-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

std::unique_ptr<Database> open(const std::string& path) {
  Database::Options options;
  options.manual_clock = true;
  options.manual_clock_start_us = kStart;
  auto database = Database::open(path, options);
  EXPECT_TRUE(database.ok()) << database.status().text();
  return database.ok() ? database.take() : nullptr;
}

std::string text_of(Database& database, const std::string& sql) {
  auto rows = database.query(sql);
  if (!rows.ok()) return sql + ": " + rows.status().text();
  std::string text;
  for (;;) {
    auto more = (*rows)->next();
    if (!more.ok() || !*more) return more.ok() ? text : text + more.status().text();
    for (size_t c = 0; c < (*rows)->columns().size(); ++c) text += (*rows)->is_null(c) ? "NULL|" : (*rows)->text(c) + "|";
    text += "\n";
  }
}

// All that can be seen of the database. `order`: that of changes and late rows; with none they are as they came.
std::map<std::string, std::string> picture(Database& database, const std::vector<std::string>& views, const std::string& order = "") {
  std::map<std::string, std::string> all;
  for (const std::string& view : views) {
    all[view + " changes"] = text_of(database, "SELECT * FROM changes('" + view + "')" + order);
    all[view + " late"] = text_of(database, "SELECT * FROM late_rows('" + view + "')" + order);
    all[view] = text_of(database, "SELECT * FROM " + view + " ORDER BY ALL");
  }
  for (const char* source : {"s", "r", "x", "y"}) all[std::string(source) + " late"] = text_of(database, std::string("SELECT * FROM late_rows('") + source + "')");
  all["watermarks"] = text_of(database, "SHOW WATERMARKS");
  all["groups"] = text_of(database, "SHOW WATERMARK GROUPS");
  all["conservation"] = text_of(database, "SELECT * FROM laminar_conservation()");
  return all;
}

// One step of a run.
struct Step {
  enum class Kind { kClock, kRows, kLeave } kind = Kind::kRows;
  int64_t clock_us = 0;
  std::string source;      // with a partition where it is "s"
  uint32_t partition = 0;
  struct Row {
    int64_t k = 0, v = 0;
    std::optional<int64_t> ts;
  };
  std::vector<Row> rows;
};

std::vector<Step> make_steps(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&random](uint64_t n) { return static_cast<int64_t>(random() % n); };
  std::vector<Step> steps;
  int64_t now = 0;
  for (int i = 0; i < 250; ++i) {
    if (below(6) == 0) {
      Step step;
      step.kind = Step::Kind::kClock;
      step.clock_us = below(9) == 0 ? 7 * kSecond : below(3) * kSecond;
      now += step.clock_us;
      steps.push_back(step);
    }
    now += below(3) * kSecond / 2;
    Step step;
    const int64_t which = below(5);
    step.source = which == 0 ? "r" : which == 1 ? "x" : which == 2 ? "y" : "s";
    if (step.source == "s") step.partition = static_cast<uint32_t>(below(3));
    for (int64_t rows = 1 + below(4); rows > 0; --rows) {
      Step::Row row{below(4), below(100), {}};
      const int64_t back = below(10) < 7 ? below(3) : below(30);
      if (below(40) != 0) row.ts = kStart + now - back * kSecond;
      step.rows.push_back(row);
    }
    steps.push_back(step);
    if (below(40) == 0) {
      step.kind = Step::Kind::kLeave;
      step.source = "s";
      step.partition = 2;
      steps.push_back(step);
    }
  }
  return steps;
}

std::vector<std::string> create_all(Database& database) {
  const Status made = database.execute(
      "CREATE SOURCE s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2 seconds') WITH (connector = 'memory', idle_timeout = '6 seconds');"
      "CREATE SOURCE r (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 second') WITH (connector = 'memory', partition_by = 'k', "
      "idle_timeout = '6 seconds');"
      "CREATE SOURCE x (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory', idle_timeout = '6 seconds');"
      "CREATE SOURCE y (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory', idle_timeout = '6 seconds');"
      "CREATE MATERIALIZED VIEW xs AS SELECT count(*) AS c FROM x WITH (retain_history = '1 MB');"
      "CREATE MATERIALIZED VIEW ys AS SELECT count(*) AS c FROM y WITH (retain_history = '1 MB');"
      "CREATE WATERMARK GROUP pausing (s, r) WITH (max_drift = '6 seconds');"
      "CREATE WATERMARK GROUP dropping (x, y) WITH (max_drift = '3 seconds', policy = 'drop');"
      "CREATE WATERMARK GROUP warning (x, y) WITH (max_drift = '1 second', policy = 'warn');");
  EXPECT_TRUE(made.ok()) << made.text();
  std::vector<std::string> views = {"xs", "ys"};
  int refused = 0, number = 0;
  const auto create = [&](const std::string& query, const std::string& mode, const std::string& lateness) {
    const std::string name = "v" + std::to_string(number++);
    const Status status = database.execute("CREATE MATERIALIZED VIEW " + name + " AS " + query + " " + mode + " " + lateness + " WITH (retain_history = '4 MB')");
    if (status.ok()) views.push_back(name);
    else if (status.error().code_text() == "LDB-3001" || status.error().code_text() == "LDB-3003") ++refused;
    else ADD_FAILURE() << query << " " << mode << ": " << status.text();
  };
  for (const char* mode : kModes) {
    for (const char* window : kWindows) {
      create(std::string("SELECT k, window_start, window_end, count(*) AS c, sum(v) AS t, last(v) AS l FROM s GROUP BY k, ") + window, mode,
             "ALLOW LATENESS INTERVAL '5 seconds'");
    }
    for (const std::string& query : join_queries()) create(query, mode, "");
  }
  std::printf("%zu views, %d combinations refused\n", views.size(), refused);
  EXPECT_GE(views.size(), 70u);
  return views;
}

// Gives steps to a database, through appenders that are made anew after each start.
class Feeder {
 public:
  explicit Feeder(Database& database) : database_(database) {
    for (uint32_t p = 0; p < 3; ++p) appenders_["s" + std::to_string(p)] = database.appender("s", p).take();
    for (const char* source : {"r", "x", "y"}) appenders_[source] = database.appender(source).take();
  }
  void feed(const Step& step) {
    if (step.kind == Step::Kind::kClock) {
      EXPECT_TRUE(database_.advance_clock(step.clock_us).ok());
      return;
    }
    Appender& to = *appenders_.at(step.source == "s" ? "s" + std::to_string(step.partition) : step.source);
    if (step.kind == Step::Kind::kLeave) {
      EXPECT_TRUE(to.leave_partition().ok());
      return;
    }
    for (const Step::Row& row : step.rows) {
      to.add(row.k).add(row.v);
      row.ts ? to.add(*row.ts) : to.add_null();
      EXPECT_TRUE(to.end_row().ok());
    }
    const Status appended = to.flush();
    if (appended.ok()) return;
    EXPECT_EQ(appended.error().code_text(), "LDB-6003") << appended.text();  // a group holds the source
    ++held;
  }
  int held = 0;

 private:
  Database& database_;
  std::map<std::string, std::unique_ptr<Appender>> appenders_;
};

uint64_t seed() {
  const char* given = std::getenv("LAMINAR_SEED");
  const uint64_t value = given ? std::strtoull(given, nullptr, 10) : 1;
  std::printf("LAMINAR_SEED=%llu\n", static_cast<unsigned long long>(value));
  return value;
}

void compare(const std::map<std::string, std::string>& one, const std::map<std::string, std::string>& other) {
  ASSERT_EQ(one.size(), other.size());
  for (const auto& [what, text] : one) EXPECT_EQ(text, other.at(what)) << what;
}

TEST(ReplayLaws, AReplayedRunIsTheSameByteForByte) {
  Folder folder;
  std::vector<std::string> views;
  std::map<std::string, std::string> recorded;
  {
    std::unique_ptr<Database> database = open(folder.path);
    ASSERT_TRUE(database);
    views = create_all(*database);
    Feeder feeder(*database);
    for (const Step& step : make_steps(seed())) feeder.feed(step);
    std::printf("%d appends held by a group\n", feeder.held);
    recorded = picture(*database, views);
  }
  std::unique_ptr<Database> database = open(folder.path);
  ASSERT_TRUE(database);
  compare(recorded, picture(*database, views));
  EXPECT_NE(recorded["v0 changes"], "");
}

// Sessions that are open, joins that wait, partitions and what groups know: all of it crosses the cut of a checkpoint. The
// order of rows within a tick does not: tables that are read from a checkpoint have their groups in another order.
TEST(ReplayLaws, RestartsAndCheckpointsChangeNothing) {
  const std::vector<Step> steps = make_steps(seed() + 1);
  std::unique_ptr<Database> whole = open("");
  ASSERT_TRUE(whole);
  const std::vector<std::string> views = create_all(*whole);
  Folder folder;
  std::unique_ptr<Database> cut = open(folder.path);
  ASSERT_TRUE(cut);
  create_all(*cut);
  auto whole_feeder = std::make_unique<Feeder>(*whole);
  auto cut_feeder = std::make_unique<Feeder>(*cut);
  for (size_t i = 0; i < steps.size(); ++i) {
    whole_feeder->feed(steps[i]);
    cut_feeder->feed(steps[i]);
    if (i % 60 != 59) continue;
    if (i % 120 == 59) std::printf("checkpoint: %s", text_of(*cut, "CHECKPOINT").c_str());
    cut_feeder.reset();
    cut.reset();
    cut = open(folder.path);
    ASSERT_TRUE(cut);
    // Who comes back joins its partition again, here as there.
    cut_feeder = std::make_unique<Feeder>(*cut);
    whole_feeder = std::make_unique<Feeder>(*whole);
  }
  compare(picture(*whole, views, " ORDER BY ALL"), picture(*cut, views, " ORDER BY ALL"));
}

}  // namespace
}  // namespace laminar
