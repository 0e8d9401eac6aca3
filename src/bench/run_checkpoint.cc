#include <stdlib.h>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "base/clock.h"
#include "bench/arguments.h"
#include "bench/commands.h"
#include "bench/keyed_load.h"
#include "laminar/laminar.h"

namespace laminar::bench {
namespace {

constexpr ArgumentSpec kArguments[] = {
    {"keys", "N", "keys of the aggregate: its state, about 64 bytes each (200000)"},
    {"share", "PERCENT", "keys that change between two checkpoints (1)"},
    {"seconds", "N", "of each phase (5)"},
    {"rows", "N", "rows of a tick (512)"},
    {"rate", "N", "rows a second; 0: as fast as it goes (0)"},
    {"folder", "DIR", "where the database is made, below it (/tmp)"},
    {"json", "", "one JSON object instead of lines"},
};

std::string setup_sql() {
  return "SET checkpoint_interval = '0 seconds';\n" + KeyedLoad::source_sql() +
         "CREATE MATERIALIZED VIEW m AS SELECT k, count(*) AS c, sum(v) AS total, min(v) AS least, max(v) AS most FROM s GROUP BY k;";
}

struct Phase {
  double rows_per_second = 0;
  std::vector<int64_t> tick_ns;
  double at(double share) {
    if (tick_ns.empty()) return 0;
    std::sort(tick_ns.begin(), tick_ns.end());
    return static_cast<double>(tick_ns[std::min(tick_ns.size() - 1, static_cast<size_t>(share * static_cast<double>(tick_ns.size())))]) / 1000;
  }
};

struct Measured {
  Phase without, with;
  uint64_t full_bytes = 0, checkpoints = 0, changed_bytes = 0, new_file_bytes = 0, held_us = 0;
};

struct Load {
  uint64_t keys, hot_keys, seconds, tick_rows, rate;
};

// Appends rows over a part of the keys, another part each second.
Result<Phase> run_phase(Database& database, const Load& load) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Appender> appender, database.appender("s"));
  Phase phase;
  const int64_t begin_ns = monotonic_ns(), length_ns = static_cast<int64_t>(load.seconds) * 1'000'000'000;
  uint64_t rows = 0, random = 88172645463325252u;
  int64_t now_ns = begin_ns;
  while (now_ns - begin_ns < length_ns) {
    const uint64_t part = static_cast<uint64_t>((now_ns - begin_ns) / 1'000'000'000) * load.hot_keys;
    for (uint64_t i = 0; i < load.tick_rows; ++i, ++rows) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      appender->add(static_cast<int64_t>((part + random % load.hot_keys) % load.keys)).add(static_cast<int64_t>(rows)).add(KeyedLoad::kFirstTimeUs);
      RETURN_IF_ERROR(appender->end_row());
    }
    const int64_t tick_ns = monotonic_ns();
    RETURN_IF_ERROR(appender->flush());
    now_ns = monotonic_ns();
    phase.tick_ns.push_back(now_ns - tick_ns);
    while (load.rate > 0 && static_cast<double>(rows) / static_cast<double>(load.rate) * 1e9 > static_cast<double>(now_ns - begin_ns)) now_ns = monotonic_ns();
  }
  phase.rows_per_second = static_cast<double>(rows) / (static_cast<double>(now_ns - begin_ns) / 1e9);
  return phase;
}

Status checkpoints_of(Database& database, const std::function<void(uint64_t id, uint64_t changed, uint64_t held_us)>& each) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, database.query("SHOW CHECKPOINTS"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, rows->next());
    if (!more) return {};
    if (rows->text(8) == "kept") each(static_cast<uint64_t>(rows->int64(0)), static_cast<uint64_t>(rows->int64(6)), static_cast<uint64_t>(rows->int64(7)));
  }
}

Status measure(const Arguments& arguments, const std::string& folder, Measured& m) {
  Load load{};
  ASSIGN_OR_RETURN(load.keys, arguments.number("keys", 200'000, 1000, 1'000'000'000));
  ASSIGN_OR_RETURN(const uint64_t share, arguments.number("share", 1, 1, 100));
  ASSIGN_OR_RETURN(load.seconds, arguments.number("seconds", 5, 1, 3600));
  ASSIGN_OR_RETURN(load.tick_rows, arguments.number("rows", 512, 1, 16'384));
  ASSIGN_OR_RETURN(load.rate, arguments.number("rate", 0, 0, 1'000'000'000));
  load.hot_keys = std::max<uint64_t>(1, load.keys * share / 100);
  const std::string path = folder + "/db";
  ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Database::open(path));
  RETURN_IF_ERROR(database->execute(setup_sql()));
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Appender> appender, database->appender("s"));
    for (uint64_t k = 0; k < load.keys; ++k) {
      appender->add(static_cast<int64_t>(k)).add(static_cast<int64_t>(k)).add(KeyedLoad::kFirstTimeUs);
      RETURN_IF_ERROR(appender->end_row());
      if ((k + 1) % 16'384 == 0) RETURN_IF_ERROR(appender->flush());
    }
    RETURN_IF_ERROR(appender->flush());
  }
  Load warm = load;
  warm.seconds = 1;
  RETURN_IF_ERROR(run_phase(*database, warm).status());
  RETURN_IF_ERROR(database->execute("SET checkpoint_retention = 1000; CHECKPOINT"));
  RETURN_IF_ERROR(checkpoints_of(*database, [&](uint64_t, uint64_t changed, uint64_t) { m.full_bytes = changed; }));
  ASSIGN_OR_RETURN(m.without, run_phase(*database, load));
  RETURN_IF_ERROR(database->execute("CHECKPOINT; SET checkpoint_interval = '1 second'"));
  uint64_t first = 0;
  RETURN_IF_ERROR(checkpoints_of(*database, [&](uint64_t id, uint64_t, uint64_t) { first = std::max(first, id); }));
  ASSIGN_OR_RETURN(m.with, run_phase(*database, load));
  RETURN_IF_ERROR(database->execute("SET checkpoint_interval = '0 seconds'"));
  RETURN_IF_ERROR(checkpoints_of(*database, [&](uint64_t id, uint64_t changed, uint64_t held_us) {
    if (id <= first) return;
    ++m.checkpoints;
    m.changed_bytes += changed;
    m.held_us = std::max(m.held_us, held_us);
  }));
  // Files that a checkpoint shares with an earlier one are the same file.
  std::map<std::string, uint64_t> seen;
  namespace fs = std::filesystem;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(path + "/checkpoint")) {
    // One that is being written ends in .new, and may be renamed meanwhile.
    if (entry.path().filename() != "live" && entry.path().extension() != ".new") folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& one : folders) {
    std::error_code gone;  // retention may take an old one away
    for (const auto& file : fs::directory_iterator(one, gone)) {
      if (file.path().extension() != ".sst" || !seen.emplace(file.path().filename(), 0).second) continue;
      if (std::strtoull(one.filename().c_str(), nullptr, 10) > first) m.new_file_bytes += file.file_size();
    }
  }
  return {};
}

}  // namespace

int run_checkpoint(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench checkpoint: %s\n\n%s", arguments.error().message.c_str(), describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf("usage: laminar bench checkpoint [options]\n\n"
                "Rows appended to an aggregate in a folder, a part of whose keys change: without checkpoints, then with one each\n"
                "second: throughput, times of ticks, what is written.\n\n%s\n",
                describe(kArguments).c_str());
    return 0;
  }
  std::string folder = arguments->text("folder", "/tmp") + "/laminar_bench_XXXXXX";
  if (!::mkdtemp(folder.data())) {
    std::fprintf(stderr, "laminar bench checkpoint: no folder can be made: %s\n", folder.c_str());
    return 1;
  }
  Measured m;
  const Status status = measure(*arguments, folder, m);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (!status.ok()) {
    std::fprintf(stderr, "laminar bench checkpoint: %s\n", status.error().message.c_str());
    return 1;
  }
  const double ratio = m.with.rows_per_second / m.without.rows_per_second;
  constexpr double kMiB = 1 << 20;
  if (arguments->has("json")) {
    std::printf("{\"throughput_ratio\":%.3f,\"tick_p99_us\":%.0f,\"tick_max_us\":%.0f,\"tick_p99_without_us\":%.0f,\"tick_max_without_us\":%.0f,"
                "\"held_us\":%llu,\"checkpoints\":%llu,\"full_mib\":%.2f,\"records_mib\":%.2f,\"files_mib\":%.2f}\n",
                ratio, m.with.at(0.99), m.with.at(1), m.without.at(0.99), m.without.at(1), static_cast<unsigned long long>(m.held_us),
                static_cast<unsigned long long>(m.checkpoints), static_cast<double>(m.full_bytes) / kMiB, static_cast<double>(m.changed_bytes) / kMiB,
                static_cast<double>(m.new_file_bytes) / kMiB);
    return 0;
  }
  std::printf("a full checkpoint          %8.2f MiB of records\n", static_cast<double>(m.full_bytes) / kMiB);
  std::printf("without checkpoints        %8.0f rows/s; ticks p50 %.0f us, p99 %.0f us, max %.0f us\n", m.without.rows_per_second, m.without.at(0.5),
              m.without.at(0.99), m.without.at(1));
  std::printf("with one each second       %8.0f rows/s: %.2f; ticks p50 %.0f us, p99 %.0f us, max %.0f us\n", m.with.rows_per_second, ratio, m.with.at(0.5),
              m.with.at(0.99), m.with.at(1));
  std::printf("%llu checkpoints            %8.2f MiB of records, %.2f MiB of files; the cut held ticks for at most %llu us\n",
              static_cast<unsigned long long>(m.checkpoints), static_cast<double>(m.changed_bytes) / kMiB, static_cast<double>(m.new_file_bytes) / kMiB,
              static_cast<unsigned long long>(m.held_us));
  return 0;
}

}  // namespace laminar::bench
