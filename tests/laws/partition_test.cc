// Laws of partitions: over random schedules of up to 64 of them with idle times, returns and rebalances, the watermark is
// monotone and never above that of an active partition, no window closes before it, and neither results nor late rows depend
// on how rows fall into ticks, on the number of cores, or on how rows of different partitions interleave.
//
//   law_partition_test [--gtest_filter=...]     LAMINAR_SEED=n repeats one seed
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
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
constexpr int64_t kDelay = 2 * kSecond, kIdle = 10 * kSecond, kWindow = 10 * kSecond, kLateness = 3 * kSecond;
constexpr int64_t kNone = INT64_MIN;

struct Row {
  uint32_t partition = 0;
  int64_t id = 0, ts = 0;
};
// Between two steps of the clock. Partitions that come back do so in the order of `first`; how the others interleave is free.
struct Segment {
  int64_t clock = 0;               // how far it moves before
  std::vector<uint32_t> leaving;   // partitions that somebody else reads from here on
  std::vector<Row> first, others;
};
struct Schedule {
  uint32_t partitions = 0;
  std::vector<Segment> segments;
};

Schedule make_schedule(uint64_t seed, bool rebalances) {
  std::mt19937_64 random(seed);
  const auto below = [&random](uint64_t n) { return static_cast<int64_t>(random() % n); };
  Schedule schedule;
  schedule.partitions = static_cast<uint32_t>(1 + (seed % 4 == 0 ? 63 : below(12)));
  int64_t id = 0, now = 0;
  std::vector<int64_t> skew(schedule.partitions), last_us(schedule.partitions, 0);
  std::vector<bool> away(schedule.partitions, false);
  for (int64_t& s : skew) s = below(20) * kSecond;
  std::set<uint32_t> silent;
  for (int i = 0; i < 30; ++i) {
    Segment segment;
    segment.clock = i == 0 ? 0 : below(4) == 0 ? kIdle + below(3) * kSecond : below(3) * kSecond;
    now += segment.clock;
    if (below(3) == 0) silent.insert(static_cast<uint32_t>(below(schedule.partitions)));
    if (below(3) == 0) silent.clear();
    if (rebalances && i > 0 && below(4) == 0) {
      const auto p = static_cast<uint32_t>(below(schedule.partitions));
      if (!away[p]) segment.leaving.push_back(p);
      away[p] = true;
    }
    for (uint32_t p = 0; p < schedule.partitions; ++p) {
      if (i > 0 && (silent.contains(p) || below(3) == 0)) continue;
      const int64_t rows = i == 0 ? 1 : 1 + below(6);
      for (int64_t r = 0; r < rows; ++r) {
        Row row{p, id++, kStart};
        if (i > 0) row.ts += now * 2 + below(8) * kSecond - skew[p] - (below(12) == 0 ? below(60) * kSecond : 0);
        // A partition that was away or silent begins in its place.
        const bool returns = r == 0 && (i == 0 || away[p] || now - last_us[p] >= kIdle);
        (returns ? segment.first : segment.others).push_back(row);
      }
      away[p] = false;
      last_us[p] = now;
    }
    schedule.segments.push_back(std::move(segment));
  }
  return schedule;
}

// Rows of different partitions in another order; each partition's own stays.
std::vector<Row> interleave(const std::vector<Row>& rows, uint64_t seed) {
  if (seed == 0) return rows;
  std::map<uint32_t, std::vector<Row>> by_partition;
  for (const Row& row : rows) by_partition[row.partition].push_back(row);
  std::vector<Row> result;
  std::mt19937_64 random(seed);
  while (!by_partition.empty()) {
    auto at = by_partition.begin();
    std::advance(at, random() % by_partition.size());
    const size_t take = std::min<size_t>(at->second.size(), 1 + random() % 3);
    result.insert(result.end(), at->second.begin(), at->second.begin() + static_cast<ptrdiff_t>(take));
    at->second.erase(at->second.begin(), at->second.begin() + static_cast<ptrdiff_t>(take));
    if (at->second.empty()) by_partition.erase(at);
  }
  return result;
}

// What the rules say, written down once more without any regard to speed.
struct Model {
  struct Partition {
    int64_t watermark = kNone, last_us = 0;
    bool idle = false, away = false;
  };
  std::vector<Partition> partitions;
  int64_t combined = kNone, now = 0;
  std::map<int64_t, int64_t> counts;  // rows by window start
  std::multiset<std::pair<int64_t, int64_t>> late;  // id, window start

  int64_t combine() {
    int64_t least = INT64_MAX, greatest = kNone;
    for (Partition& p : partitions) {
      if (!p.idle && !p.away && now - p.last_us >= kIdle) p.idle = true;
      if (p.away) continue;
      if (!p.idle) least = std::min(least, p.watermark);
      greatest = std::max(greatest, p.watermark);
    }
    if (least != INT64_MAX) combined = std::max(combined, least);
    else if (greatest != kNone) combined = std::max(combined, greatest);
    return combined;
  }
  void take(const Row& row) {
    Partition& p = partitions[row.partition];
    if (p.idle || p.away) {
      p.watermark = std::max(p.watermark, combine());
      p.idle = p.away = false;
    }
    p.last_us = now;
    const int64_t start = row.ts - ((row.ts % kWindow) + kWindow) % kWindow;
    if (p.watermark != kNone && p.watermark >= start + kWindow + kLateness) late.insert({row.id, start});
    else ++counts[start];
    p.watermark = std::max(p.watermark, row.ts - kDelay);
  }
};

std::vector<std::vector<std::string>> rows_of(Database& database, const std::string& sql) {
  std::vector<std::vector<std::string>> result;
  auto rows = database.query(sql);
  EXPECT_TRUE(rows.ok()) << sql << ": " << rows.status().text();
  if (!rows.ok()) return result;
  for (;;) {
    auto more = (*rows)->next();
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !*more) return result;
    auto& row = result.emplace_back();
    for (size_t c = 0; c < (*rows)->columns().size(); ++c) row.push_back((*rows)->is_null(c) ? "" : (*rows)->text(c));
  }
}

std::string text_of(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (const auto& row : rows) {
    for (const std::string& value : row) text += value + "|";
    text += "\n";
  }
  return text;
}

struct Variant {
  bool by_column = false;  // a column tells the partition, so that a tick has rows of many; else an appender each
  uint64_t cut = 1;        // a tick behind a row with probability 1/cut; 0: one tick a segment
  uint64_t order = 0;      // seed of the interleaving
  int cores = 1;
  bool watch = false;      // compares with the model in every tick
};

struct Outcome {
  std::string content, late;
};

class Runner {
 public:
  Runner(const Schedule& schedule, const Variant& run, uint64_t seed) : schedule_(schedule), run_(run), random_(seed) {
    Database::Options options;
    options.manual_clock = true;
    options.manual_clock_start_us = kStart;
    auto opened = Database::open("", options);
    EXPECT_TRUE(opened.ok());
    database_ = opened.take();
    if (run.cores > 1) {
      EXPECT_TRUE(database_->execute("SET cores = " + std::to_string(run.cores) + "; SET core_rows = 0").ok());
    }
    const std::string by = run.by_column ? ", partition_by = 'p'" : "";
    const Status made = database_->execute(
        "CREATE SOURCE s (p BIGINT, id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2 seconds') WITH (connector = 'memory', "
        "idle_timeout = '10 seconds', future_skew = '1000 days'" + by + ");"
        "CREATE MATERIALIZED VIEW w AS SELECT window_start, p % 3 AS k, count(*) AS c, sum(id) AS t FROM s GROUP BY p % 3, TUMBLE(ts, INTERVAL '10 seconds') "
        "EMIT ON WINDOW CLOSE ALLOW LATENESS INTERVAL '3 seconds';"
        "CREATE MATERIALIZED VIEW u AS SELECT window_start, count(*) AS c, sum(id) AS t FROM s GROUP BY TUMBLE(ts, INTERVAL '10 seconds') "
        "ALLOW LATENESS INTERVAL '3 seconds'");
    EXPECT_TRUE(made.ok()) << made.text();
    for (uint32_t p = 0; p < (run.by_column ? 1 : schedule.partitions); ++p) {
      auto appender = run.by_column ? database_->appender("s") : database_->appender("s", p);
      EXPECT_TRUE(appender.ok()) << appender.status().text();
      appenders_.push_back(appender.take());
    }
    auto subscription = database_->subscribe("w", [this](const TickChanges& changes) {
      for (const ChangeBatch& batch : changes.batches) {
        for (size_t row = 0; row < batch.rows; ++row) closed_.push_back(batch.columns[0].value<int64_t>(row));
      }
    });
    EXPECT_TRUE(subscription.ok());
    subscription_ = subscription.take();
    model_.partitions.resize(schedule.partitions);
  }

  Outcome run() {
    for (size_t i = 0; i < schedule_.segments.size(); ++i) {
      const Segment& segment = schedule_.segments[i];
      if (segment.clock > 0) {
        EXPECT_TRUE(database_->advance_clock(segment.clock).ok());
        model_.now += segment.clock;
        check();
      }
      for (const uint32_t p : segment.leaving) {
        EXPECT_TRUE(appenders_[p]->leave_partition().ok());
        model_.partitions[p].away = true;
        check();
      }
      for (const Row& row : segment.first) take(row);
      flush();
      for (const Row& row : interleave(segment.others, run_.order == 0 ? 0 : run_.order + i)) take(row);
      flush();
    }
    Outcome outcome;
    outcome.late = text_of(rows_of(*database_, "SELECT id, window_start FROM late_rows('u') ORDER BY ALL"));
    EXPECT_EQ(outcome.late, text_of(rows_of(*database_, "SELECT id, window_start FROM late_rows('w') ORDER BY ALL")));
    std::string expected;
    for (const auto& [id, start] : model_.late) expected += std::to_string(id) + "," + std::to_string(start) + "\n";
    std::string got;
    for (const auto& row : rows_of(*database_, "SELECT id, epoch_us(window_start) FROM late_rows('u') ORDER BY ALL")) got += row[0] + "," + row[1] + "\n";
    EXPECT_EQ(got, expected) << "late rows differ from the model's";
    outcome.content = text_of(rows_of(*database_, "SELECT * FROM u ORDER BY ALL"));
    expected.clear();
    got.clear();
    for (const auto& [start, count] : model_.counts) expected += std::to_string(start) + "," + std::to_string(count) + "\n";
    for (const auto& row : rows_of(*database_, "SELECT epoch_us(window_start), c FROM u ORDER BY ALL")) got += row[0] + "," + row[1] + "\n";
    EXPECT_EQ(got, expected) << "windows differ from the model's";
    EXPECT_TRUE(database_->execute("ADVANCE WATERMARK s TO TIMESTAMP '2027-01-01'").ok());
    outcome.content += text_of(rows_of(*database_, "SELECT * FROM w ORDER BY ALL"));
    EXPECT_EQ(text_of(rows_of(*database_, "SELECT view, operator, difference FROM laminar_conservation() WHERE difference <> 0")), "");
    return outcome;
  }

 private:
  void take(const Row& row) {
    const uint32_t at = run_.by_column ? 0 : row.partition;
    if (waiting_ && waiting_at_ != at) flush();
    waiting_ = true;
    waiting_at_ = at;
    (*appenders_[at]).add(int64_t{row.partition}).add(row.id).add(row.ts);
    EXPECT_TRUE(appenders_[at]->end_row().ok());
    model_.take(row);
    if (run_.cut > 0 && random_() % run_.cut == 0) flush();
  }
  void flush() {
    if (!waiting_) return;
    waiting_ = false;
    EXPECT_TRUE(appenders_[waiting_at_]->flush().ok());
    check();
  }
  void check() {
    const int64_t combined = model_.combine();
    for (const int64_t start : closed_) EXPECT_LE(start + kWindow + kLateness, combined) << "a window was closed early";
    closed_.clear();
    if (!run_.watch || ++checks_ % 4 != 0) return;
    // Times of one format sort as their texts do.
    const auto shown = rows_of(*database_, "SHOW WATERMARKS FOR s");
    const std::string& source = shown.at(0).at(2);
    EXPECT_GE(source, last_) << "the watermark went back";
    last_ = source;
    for (const auto& row : shown) {
      if (!row[1].starts_with("partition") || row[3] != "running" || row[2].empty()) continue;
      EXPECT_LE(source, row[2]) << row[1];
    }
    const std::string us = rows_of(*database_, "SELECT epoch_us(watermark) FROM laminar_sources()").at(0).at(0);
    EXPECT_EQ(us.empty() ? kNone : std::stoll(us), combined);
  }

  const Schedule& schedule_;
  const Variant run_;
  std::mt19937_64 random_;
  Model model_;
  std::unique_ptr<Database> database_;
  std::vector<std::unique_ptr<Appender>> appenders_;
  std::unique_ptr<Subscription> subscription_;
  std::vector<int64_t> closed_;
  bool waiting_ = false;
  uint32_t waiting_at_ = 0;
  uint64_t checks_ = 0;
  std::string last_;
};

std::vector<uint64_t> seeds(int count) {
  if (const char* given = std::getenv("LAMINAR_SEED")) return {std::strtoull(given, nullptr, 10)};
  std::vector<uint64_t> list;
  for (int i = 0; i < count; ++i) list.push_back(uint64_t{1} << i);  // those that four divides have 64 partitions
  return list;
}

TEST(PartitionLaws, WatermarkIsMonotoneAndNeverAboveAnActivePartition) {
  for (const uint64_t seed : seeds(3)) {
    SCOPED_TRACE("LAMINAR_SEED=" + std::to_string(seed));
    const Schedule schedule = make_schedule(seed, true);
    Runner(schedule, Variant{.cut = 5, .watch = true}, seed).run();
  }
}

TEST(PartitionLaws, NothingDependsOnTicksCoresOrInterleaving) {
  for (const uint64_t seed : seeds(3)) {
    SCOPED_TRACE("LAMINAR_SEED=" + std::to_string(seed));
    const Schedule schedule = make_schedule(seed, false);
    const Outcome one = Runner(schedule, Variant{}, seed).run();
    EXPECT_FALSE(one.content.empty());
    const Variant runs[] = {
        {.cut = 4},
        {.cut = 0, .order = seed * 100},
        {.cut = 3, .order = seed * 1000, .cores = 2},
        {.by_column = true, .cut = 1},
        {.by_column = true, .cut = 0},
        {.by_column = true, .cut = 7, .order = seed * 77},
        {.by_column = true, .cut = 0, .order = seed * 78, .cores = 2},
    };
    for (const Variant& run : runs) {
      SCOPED_TRACE("by_column=" + std::to_string(run.by_column) + " cut=" + std::to_string(run.cut) + " order=" + std::to_string(run.order) +
                   " cores=" + std::to_string(run.cores));
      const Outcome other = Runner(schedule, run, seed).run();
      EXPECT_EQ(one.content, other.content);
      EXPECT_EQ(one.late, other.late);
    }
  }
}

TEST(PartitionLaws, RebalancesDoNotDependOnTicksEither) {
  for (const uint64_t seed : seeds(3)) {
    SCOPED_TRACE("LAMINAR_SEED=" + std::to_string(seed));
    const Schedule schedule = make_schedule(seed + 50, true);
    const Outcome one = Runner(schedule, Variant{}, seed).run();
    for (const Variant& run : {Variant{.cut = 0, .order = seed * 100}, Variant{.cut = 3, .order = seed * 10, .cores = 2}}) {
      const Outcome other = Runner(schedule, run, seed).run();
      EXPECT_EQ(one.content, other.content);
      EXPECT_EQ(one.late, other.late);
    }
  }
}

}  // namespace
}  // namespace laminar
