// Laws 4 and 13 over every mode of EMIT: the same input with the same clock gives the same bytes; what is defined without
// ticks does not depend on them; and every row is accounted for.
//
//   law_emit_test [--gtest_filter=...]     LAMINAR_SEED=n repeats one seed
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "laminar/laminar.h"

namespace laminar {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'767'225'600 * kSecond;

struct Step {
  enum class Kind { kRow, kTick, kClock } kind = Kind::kRow;
  int64_t k = 0, v = 0, ts = 0;  // kClock: ts is how far
  bool null_time = false;
};

// Rows in order, disordered, late within the lateness and beyond it, without time; the clock moves between them.
std::vector<Step> make_input(uint64_t seed, bool clock) {
  std::mt19937_64 random(seed);
  const auto below = [&random](uint64_t n) { return static_cast<int64_t>(random() % n); };
  std::vector<Step> steps;
  int64_t now = 0;
  for (int i = 0; i < 400; ++i) {
    if (clock && below(8) == 0) steps.push_back({Step::Kind::kClock, 0, 0, below(4) * kSecond});
    Step row;
    row.k = below(4);
    row.v = below(100);
    now += below(3) * kSecond / 2;
    const int64_t back = below(10) < 7 ? below(3) : below(10) < 7 ? below(30) : below(120);
    row.ts = kStart + now - back * kSecond;
    row.null_time = below(60) == 0;
    steps.push_back(row);
  }
  return steps;
}

// A tick behind each row with probability 1/n; n = 0: one tick for all rows between two steps of the clock.
std::vector<Step> cut(const std::vector<Step>& steps, uint64_t seed, uint64_t n) {
  std::mt19937_64 random(seed);
  std::vector<Step> result;
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::kClock) result.push_back({Step::Kind::kTick});
    result.push_back(step);
    if (step.kind == Step::Kind::kRow && n > 0 && random() % n == 0) result.push_back({Step::Kind::kTick});
  }
  result.push_back({Step::Kind::kTick});
  return result;
}

const char* const kWindows[] = {
    "TUMBLE(ts, INTERVAL '10 seconds')",
    "HOP(ts, INTERVAL '5 seconds', INTERVAL '20 seconds')",
    "SESSION(ts, INTERVAL '3 seconds')",
    "CUMULATE(ts, INTERVAL '10 seconds', INTERVAL '30 seconds')",
    "TUMBLE(ts, INTERVAL '1 day', timezone => 'Europe/Paris')",
};
struct Mode {
  const char* text;
  bool of_ticks;  // what comes out in between depends on the ticks
};
const Mode kModes[] = {
    {"EMIT ON UPDATE", true}, {"EMIT CHANGES", true}, {"EMIT AFTER WATERMARK", true}, {"EMIT ON WINDOW CLOSE", false},
    {"EMIT FINAL", false},    {"EMIT EVERY INTERVAL '5 seconds'", true},
};

struct Outcome {
  std::string changes;  // with ticks
  std::string content, late;
};

std::string text_of(Database& database, const std::string& sql) {
  auto rows = database.query(sql);
  EXPECT_TRUE(rows.ok()) << sql << ": " << rows.status().text();
  std::string text;
  if (!rows.ok()) return text;
  while (true) {
    auto more = (*rows)->next();
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !*more) return text;
    for (size_t c = 0; c < (*rows)->columns().size(); ++c) text += (*rows)->is_null(c) ? "NULL|" : (*rows)->text(c) + "|";
    text += "\n";
  }
}

// All windows in all modes as views of one source, by "window mode".
using Outcomes = std::map<std::string, Outcome>;

std::string name_of(size_t window, size_t mode) { return std::string(kWindows[window]) + " " + kModes[mode].text; }

Outcomes run(const std::string& lateness, const std::vector<Step>& steps) {
  Database::Options options;
  options.manual_clock = true;
  options.manual_clock_start_us = kStart;
  auto database = Database::open("", options);
  EXPECT_TRUE(database.ok());
  const Status source = (*database)->execute(
      "CREATE SOURCE s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2 seconds') WITH (connector = 'memory')");
  EXPECT_TRUE(source.ok()) << source.text();
  Outcomes outcomes;
  std::map<std::string, std::string> views;  // by name_of()
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (size_t w = 0; w < std::size(kWindows); ++w) {
    for (size_t m = 0; m < std::size(kModes); ++m) {
      const std::string view = "w" + std::to_string(w) + "_" + std::to_string(m);
      const Status made = (*database)->execute("CREATE MATERIALIZED VIEW " + view +
                                               " AS SELECT k, window_start, window_end, count(*) AS c, sum(v) AS t, last(v) AS l FROM s GROUP BY k, " +
                                               kWindows[w] + " " + kModes[m].text + " " + lateness);
      EXPECT_TRUE(made.ok()) << made.text();
      views[name_of(w, m)] = view;
      Outcome& outcome = outcomes[name_of(w, m)];
      auto subscription = (*database)->subscribe(view, [&outcome](const TickChanges& changes) {
        outcome.changes += "tick " + std::to_string(changes.tick) + " " + std::to_string(changes.watermark_us) + "\n";
        for (const ChangeBatch& batch : changes.batches) {
          for (size_t row = 0; row < batch.rows; ++row) {
            outcome.changes += std::to_string(batch.weights[row]) + " ";
            for (const ColumnView& column : batch.columns) outcome.changes += column.is_null(row) ? "NULL " : std::to_string(column.value<int64_t>(row)) + " ";
            outcome.changes += "\n";
          }
        }
      });
      EXPECT_TRUE(subscription.ok());
      subscriptions.push_back(subscription.take());
    }
  }
  auto appender = (*database)->appender("s");
  EXPECT_TRUE(appender.ok());
  for (const Step& step : steps) {
    switch (step.kind) {
      case Step::Kind::kRow:
        (*appender)->add(step.k).add(step.v);
        step.null_time ? (*appender)->add_null() : (*appender)->add(step.ts);
        EXPECT_TRUE((*appender)->end_row().ok());
        break;
      case Step::Kind::kTick: EXPECT_TRUE((*appender)->flush().ok()); break;
      case Step::Kind::kClock: EXPECT_TRUE((*database)->advance_clock(step.ts).ok()); break;
    }
  }
  EXPECT_TRUE((*appender)->advance_watermark(kStart + 3600 * 24 * 30 * kSecond).ok());
  EXPECT_TRUE((*database)->advance_clock(5 * kSecond).ok());
  for (auto& [name, outcome] : outcomes) {
    outcome.content = text_of(**database, "SELECT * FROM " + views[name] + " ORDER BY ALL");
    outcome.late = text_of(**database, "SELECT * FROM late_rows('" + views[name] + "')");
  }
  EXPECT_EQ(text_of(**database, "SELECT view, operator, difference FROM laminar_conservation() WHERE difference <> 0"), "");
  return outcomes;
}

uint64_t first_seed() {
  const char* given = std::getenv("LAMINAR_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

TEST(EmitLaws, SameInputSameClockSameBytes) {
  const uint64_t seed = first_seed();
  std::printf("LAMINAR_SEED=%llu\n", static_cast<unsigned long long>(seed));
  const std::vector<Step> steps = cut(make_input(seed, true), seed + 7, 3);
  const Outcomes one = run("ALLOW LATENESS INTERVAL '10 seconds'", steps), two = run("ALLOW LATENESS INTERVAL '10 seconds'", steps);
  for (const auto& [name, outcome] : one) {
    SCOPED_TRACE(name);
    EXPECT_EQ(outcome.changes, two.at(name).changes);
    EXPECT_EQ(outcome.late, two.at(name).late);
    EXPECT_FALSE(outcome.content.empty());
  }
}

TEST(EmitLaws, ResultsAndLateRowsDoNotDependOnTicks) {
  const uint64_t seed = first_seed();
  std::printf("LAMINAR_SEED=%llu\n", static_cast<unsigned long long>(seed));
  const std::vector<Step> input = make_input(seed + 1, false);
  for (const char* lateness : {"", "ALLOW LATENESS INTERVAL '10 seconds'"}) {
    SCOPED_TRACE(lateness);
    const Outcomes first = run(lateness, cut(input, seed, 1));
    for (const uint64_t n : {0u, 2u, 7u, 50u}) {
      const Outcomes others = run(lateness, cut(input, seed + n, n));
      for (const auto& [name, outcome] : first) {
        SCOPED_TRACE(name + ", a tick every " + std::to_string(n) + " rows");
        EXPECT_EQ(outcome.content, others.at(name).content);
        EXPECT_EQ(outcome.late, others.at(name).late);
      }
    }
    for (size_t w = 0; w < std::size(kWindows); ++w) {
      for (size_t m = 0; m < std::size(kModes); ++m) {
        SCOPED_TRACE(name_of(w, m));
        const Outcome& outcome = first.at(name_of(w, m));
        // At the end every mode has the same windows.
        EXPECT_EQ(first.at(name_of(w, 0)).content, outcome.content);
        if (!kModes[m].of_ticks) {
          EXPECT_EQ(outcome.changes.find("\n-"), std::string::npos) << "it retracts";
        }
      }
    }
  }
}

}  // namespace
}  // namespace laminar
