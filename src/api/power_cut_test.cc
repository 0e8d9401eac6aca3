// Law 3: after a power cut at any write, sync or rename the database comes back as a run that never failed would have stood
// after some prefix of its commands, no shorter than what was promised; its file sinks hold what that prefix gives, once.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/test_share_testing.h"
#include "engine/database.h"
#include "engine/recovery/journal.h"
#include "io/simulated_disk.h"
#include "sql/session.h"

namespace laminar {
namespace {

const std::string kPrefix = "/simulated/";
const std::string kFolder = kPrefix + "db";

// A database over a journal on a simulated disk, or without a journal: the run that never fails.
struct Opened {
  std::shared_ptr<engine::Database> database;
  std::shared_ptr<sql::Engine> engine;
  std::unique_ptr<sql::Session> session;

  ~Opened() {
    session.reset();
    if (database) database->close();
  }
  Status run(const std::string& sql) { return session->execute(sql); }
  std::string rows(const std::string& query) {
    std::string text;
    Result<std::unique_ptr<sql::Rows>> rows = session->query(query);
    if (!rows.ok()) return "error " + rows.status().text();
    sql::TextRows block;
    for (;;) {
      Result<bool> more = (*rows)->next(block);
      if (!more.ok()) return "error " + more.status().text();
      if (!*more) return text;
      for (uint32_t i = 0; i < block.rows; ++i) {
        for (uint32_t c = 0; c < block.columns; ++c) text += (c ? "," : "") + block.cell(i, c);
        text += "\n";
      }
    }
  }
};

Result<std::unique_ptr<Opened>> open_database(io::Disk* disk, engine::Durability durability, bool accept_damage = false) {
  auto opened = std::make_unique<Opened>();
  std::unique_ptr<engine::Journal> journal;
  if (disk) {
    engine::JournalOptions options;
    options.durability = durability;
    options.accept_damage = accept_damage;
    options.flush_interval_ms = 0;  // nothing runs beside the commands
    options.log = {.segment_bytes = 64 << 10, .first_segment_bytes = 16 << 10};
    ASSIGN_OR_RETURN(journal, engine::Journal::open(*disk, kFolder, options));
  }
  engine::DatabaseOptions options;
  options.manual_clock = true;
  // A sink that has lost its disk does not get it back.
  options.sink_patience_ms = 0;
  options.sinks.retry_pause_ms = 1;
  options.recovers = disk != nullptr;
  opened->database = std::make_shared<engine::Database>(options);
  sql::EngineOptions sql_options;
  sql_options.threads = 1;
  ASSIGN_OR_RETURN(opened->engine, sql::Engine::open(opened->database, sql_options));
  opened->session = opened->engine->connect();
  if (journal) {
    RETURN_IF_ERROR(opened->database->recover(std::move(journal), [&](const std::string& sql) { return opened->run(sql); }, {}));
  }
  return opened;
}

// What both runs do, command by command; the same for the same seed. Each leaves a trace of how far it came.
std::vector<std::string> commands(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::string> list = {
      "CREATE TABLE steps (n BIGINT PRIMARY KEY)",
      "CREATE SOURCE bids (bidder BIGINT, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5 seconds') WITH (connector = 'memory')",
      "CREATE TABLE prices (id BIGINT PRIMARY KEY, price BIGINT, note VARCHAR)",
      "CREATE MATERIALIZED VIEW per_minute AS SELECT bidder, window_start, count(*) AS n, sum(price) AS total FROM bids "
      "GROUP BY bidder, TUMBLE(ts, INTERVAL '1 minute') WITH (retain_history = '1 MB')",
      "CREATE MATERIALIZED VIEW dear AS SELECT id, price, note FROM prices WHERE price > 50",
      "CREATE SINK out FROM dear WITH (connector = 'files', format = 'csv', header = false, mode = 'changelog', path = '" + kPrefix + "out')",
  };
  int64_t seconds = 0;
  const uint64_t count = 12 + random() % 12;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string id = std::to_string(random() % 10), price = std::to_string(random() % 100);
    switch (random() % 7) {
      case 0:
      case 1: {
        std::string rows;
        for (uint64_t r = 0, n = 1 + random() % 5; r < n; ++r) {
          seconds += static_cast<int64_t>(random() % 20) - 3;
          rows += (r ? ", (" : "(") + std::to_string(random() % 3) + ", " + std::to_string(random() % 100) +
                  ", TIMESTAMP '2026-01-01 00:00:00' + INTERVAL '" + std::to_string(std::max<int64_t>(seconds, 0)) + " seconds')";
        }
        list.push_back("INSERT INTO bids VALUES " + rows);
        break;
      }
      case 2: list.push_back("INSERT OR REPLACE INTO prices VALUES (" + id + ", " + price + ", 'a note of some length " + id + "')"); break;
      case 3: list.push_back("UPDATE prices SET price = price + 7 WHERE id % 3 = " + std::to_string(random() % 3)); break;
      case 4: list.push_back("DELETE FROM prices WHERE id = " + id); break;
      case 5: list.push_back("INSERT OR IGNORE INTO prices SELECT i, i * 13 % 100, 'row ' || i FROM range(" + id + ") t(i)"); break;
      default: list.push_back("DRAIN"); break;
    }
  }
  return list;
}

constexpr const char* kQueries[] = {
    "SELECT * FROM steps ORDER BY ALL",
    "SELECT * FROM per_minute ORDER BY ALL",
    "SELECT * FROM changes('per_minute') ORDER BY ALL",
    "SELECT * FROM late_rows('per_minute') ORDER BY ALL",
    "SELECT * FROM prices ORDER BY ALL",
    "SELECT * FROM dear ORDER BY ALL",
    "SELECT name, state, rows FROM laminar_views() ORDER BY ALL",
};

std::string state_of(Opened& opened) {
  std::string text = "tick " + std::to_string(opened.database->tick()) + "\n";
  for (const char* query : kQueries) text += std::string(query) + "\n" + opened.rows(query);
  return text;
}

// The lines of all finished files of the sink.
std::multiset<std::string> sink_lines(io::SimulatedDisk& disk) {
  std::multiset<std::string> lines;
  for (const std::string& path : disk.files()) {
    const std::string_view name = io::name_of(path);
    if (io::folder_of(path) != kPrefix + "out" || name.front() == '.') continue;
    std::string text = disk.content(path);
    for (size_t at_byte = 0; at_byte < text.size();) {
      const size_t end = text.find('\n', at_byte);
      lines.insert(text.substr(at_byte, end - at_byte));
      at_byte = end + 1;
    }
  }
  return lines;
}

std::string kind_of(const std::string& path) {
  const std::string_view name = io::name_of(path);
  if (name.ends_with(".log")) return "log";
  if (name.starts_with("laminar")) return "identity";
  if (name == "log" || name == "out" || name == "db") return std::string(name);
  if (name.ends_with(".tmp")) return "unfinished part";
  if (name.starts_with("part-")) return "part";
  return std::string(name);
}

struct Totals {
  std::map<std::string, uint64_t> points;
  uint64_t cuts = 0, operations = 0, rotten = 0, damaged = 0;
};

// So that others get on while a sync is under way.
void give_way(const std::string&) {
  std::this_thread::yield();
}

// One life with a cut somewhere, then recovery. The crash-free run tells what each prefix of commands looks like.
void power_cut(uint64_t seed, Totals& totals) {
  std::mt19937_64 random(seed);
  const std::vector<std::string> list = commands(seed);
  // With sync a returned command is durable; with batch the journal is flushed when the dice say so.
  const bool sync = random() % 2 == 0;
  // A bit that rots before the restart: the log is found damaged, or what comes back is a prefix none the less.
  const bool rots = random() % 8 == 0;
  io::SimulatedDisk disk(seed);
  disk.name_points(kind_of);
  if (random() % 4 == 0) disk.during_sync(give_way);
  io::redirect(kPrefix, &disk);
  std::map<uint64_t, uint64_t> promised;  // tick after a durable command -> commands done
  uint64_t durable_tick = 0;
  bool made = false;
  disk.cut_after(1 + random() % 140);
  {
    auto opened = open_database(&disk, sync ? engine::Durability::kSync : engine::Durability::kBatch);
    if (opened.ok()) {
      made = true;
      for (const std::string& command : list) {
        if (!(*opened)->run(command).ok()) break;
        const bool flushed = sync || (random() % 3 == 0 && (*opened)->database->journal()->flush().ok());
        if (flushed && !disk.is_cut()) durable_tick = (*opened)->database->tick();
      }
    } else {
      ASSERT_TRUE(disk.is_cut()) << opened.status().text();
    }
    disk.cut_power();
  }
  disk.restart();
  const bool rotten = rots && disk.rot(".log");
  totals.rotten += rotten;
  std::string recovered;
  uint64_t tick = 0;
  {
    auto opened = open_database(&disk, engine::Durability::kSync);
    if (rotten && !opened.ok() && opened.error().code == ErrorCode::kDamagedLog) {
      ++totals.damaged;
      opened = open_database(&disk, engine::Durability::kSync, true);
    }
    ASSERT_TRUE(opened.ok()) << opened.status().text();
    tick = (*opened)->database->tick();
    if (!rotten) {
      ASSERT_GE(tick, durable_tick) << "a promised command is lost";
    }
    recovered = state_of(**opened);
    // What the sink owes of the prefix comes out, and nothing twice.
    ASSERT_TRUE((*opened)->run("DRAIN").ok());
  }
  const std::multiset<std::string> lines = sink_lines(disk);
  io::redirect({}, nullptr);
  totals.cuts += made;
  totals.operations += disk.operations();
  for (const auto& [point, count] : disk.points()) totals.points[point] += count;

  // The run that never fails, up to the same tick.
  io::SimulatedDisk calm(seed);
  io::redirect(kPrefix, &calm);
  {
    auto opened = open_database(nullptr, engine::Durability::kNone);
    ASSERT_TRUE(opened.ok()) << opened.status().text();
    for (const std::string& command : list) {
      // Objects are made at ticks too: the next command may stand at the same tick and not be part of the prefix.
      if ((*opened)->database->tick() >= tick && state_of(**opened) == recovered) break;
      const Status status = (*opened)->run(command);
      ASSERT_TRUE(status.ok()) << command << ": " << status.text();
    }
    ASSERT_EQ(state_of(**opened), recovered);
    ASSERT_TRUE((*opened)->run("DRAIN").ok());
  }
  const std::multiset<std::string> expected = sink_lines(calm);
  io::redirect({}, nullptr);
  // The sink may have been ahead of what is left of the log.
  if (!rotten) {
    EXPECT_EQ(lines, expected);
  }
}

TEST(power_cut, recovery_equals_a_run_without_one) {
  uint64_t base = std::random_device{}(), runs = static_cast<uint64_t>(test_share(1000));
  if (const char* given = std::getenv("LAMINAR_SEED")) base = std::strtoull(given, nullptr, 10), runs = 1;
  if (const char* given = std::getenv("LAMINAR_RUNS")) runs = std::strtoull(given, nullptr, 10);
  std::printf("seed %llu, %llu runs\n", static_cast<unsigned long long>(base), static_cast<unsigned long long>(runs));
  Totals totals;
  for (uint64_t run = 0; run < runs; ++run) {
    power_cut(base + run, totals);
    io::redirect({}, nullptr);
    ASSERT_FALSE(HasFailure()) << "repeat with: LAMINAR_SEED=" << base + run << " build/src/api_test --gtest_filter='power_cut.*'";
  }
  if (runs < 100) return;
  std::string missing;
  for (const char* point : {"create log", "write log", "sync log", "truncate log", "remove log", "sync folder log", "create identity",
                            "write identity", "sync identity", "rename identity", "sync folder db", "create unfinished part", "write unfinished part",
                            "sync unfinished part", "rename part", "sync folder out"}) {
    if (!totals.points.contains(point)) missing += std::string(missing.empty() ? "" : ", ") + point;
  }
  std::printf("%llu of %llu runs had a database at the cut; fault points never reached: %s\n", static_cast<unsigned long long>(totals.cuts),
              static_cast<unsigned long long>(runs), missing.empty() ? "none" : missing.c_str());
  std::printf("%llu logs rotted, %llu were found damaged\n", static_cast<unsigned long long>(totals.rotten), static_cast<unsigned long long>(totals.damaged));
  EXPECT_TRUE(missing.empty());
}

// No sink has rows that would take the log to disk.
TEST(power_cut, drain_is_on_disk_when_it_returns) {
  io::SimulatedDisk disk(1);
  io::redirect(kPrefix, &disk);
  {
    auto opened = open_database(&disk, engine::Durability::kSync);
    ASSERT_TRUE(opened.ok()) << opened.status().text();
    ASSERT_TRUE((*opened)->run("CREATE TABLE steps (n BIGINT PRIMARY KEY)").ok());
    ASSERT_TRUE((*opened)->run("DRAIN").ok());
    const storage::Log& log = (*opened)->database->journal()->log();
    EXPECT_EQ(log.durable(), log.appended());
  }
  io::redirect({}, nullptr);
}

}  // namespace
}  // namespace laminar
