#include <stdlib.h>
#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "bench/arguments.h"
#include "bench/commands.h"
#include "bench/keyed_load.h"
#include "laminar/laminar.h"

namespace laminar::bench {
namespace {

constexpr ArgumentSpec kArguments[] = {
    {"rows", "N", "rows appended (1000000)"},
    {"keys", "N", "keys of the aggregate (100000)"},
    {"folder", "DIR", "where the database is made, below it (/tmp)"},
    {"json", "", "one JSON object instead of lines"},
};

std::string setup_sql() {
  return KeyedLoad::source_sql() +
         "CREATE MATERIALIZED VIEW m AS SELECT k, count(*) AS c, sum(v) AS total FROM s GROUP BY k;";
}

struct Measured {
  double append_s = 0, replay_s = 0, checkpoint_s = 0, restore_s = 0, copy_s = 0;
  uint64_t log_bytes = 0, checkpoint_bytes = 0;
  std::string note;
};

double seconds_since(int64_t begin_ns) { return static_cast<double>(monotonic_ns() - begin_ns) / 1e9; }

Result<std::string> one_value(Database& database, const std::string& query) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, database.query(query));
  ASSIGN_OR_RETURN(const bool any, rows->next());
  return any ? rows->text(0) : std::string();
}

// Until the first rows come: the time a user waits.
Result<double> time_to_open(const std::string& folder, const std::string& expected) {
  const int64_t begin_ns = monotonic_ns();
  ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Database::open(folder));
  ASSIGN_OR_RETURN(const std::string found, one_value(*database, "SELECT sum(total) FROM m"));
  const double seconds = seconds_since(begin_ns);
  if (found != expected) return Status(ErrorCode::kInternal, "recovery gives " + found + ", not " + expected);
  return seconds;
}

Status fill(Database& database, uint64_t rows, uint64_t keys) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Appender> appender, database.appender("s"));
  constexpr uint64_t kFlushRows = 16 * 1024;
  for (uint64_t row = 0; row < rows; ++row) {
    appender->add(static_cast<int64_t>(row * 2654435761u % 4294967296u % keys)).add(static_cast<int64_t>(row));
    appender->add(KeyedLoad::kFirstTimeUs + static_cast<int64_t>(row));
    RETURN_IF_ERROR(appender->end_row());
    if ((row + 1) % kFlushRows == 0) RETURN_IF_ERROR(appender->flush());
  }
  return appender->flush();
}

Status measure(const Arguments& arguments, const std::string& folder, Measured& m) {
  ASSIGN_OR_RETURN(const uint64_t rows, arguments.number("rows", 1'000'000, 1, 1'000'000'000));
  ASSIGN_OR_RETURN(const uint64_t keys, arguments.number("keys", 100'000, 1, 1'000'000'000));
  const std::string path = folder + "/db";
  std::string total;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Database::open(path));
    RETURN_IF_ERROR(database->execute(setup_sql()));
    const int64_t begin_ns = monotonic_ns();
    RETURN_IF_ERROR(fill(*database, rows, keys));
    m.append_s = seconds_since(begin_ns);
    ASSIGN_OR_RETURN(total, one_value(*database, "SELECT sum(total) FROM m"));
    ASSIGN_OR_RETURN(const std::string bytes, one_value(*database, "SELECT log_bytes FROM laminar_durability()"));
    m.log_bytes = std::strtoull(bytes.c_str(), nullptr, 10);
  }
  ASSIGN_OR_RETURN(m.replay_s, time_to_open(path, total));
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Database::open(path));
    const int64_t begin_ns = monotonic_ns();
    ASSIGN_OR_RETURN(const std::unique_ptr<Rows> done, database->query("CHECKPOINT"));
    ASSIGN_OR_RETURN(const bool any, done->next());
    m.checkpoint_s = seconds_since(begin_ns);
    if (any && !done->is_null(2)) m.note = done->text(2);
    if (m.note.empty()) {
      ASSIGN_OR_RETURN(const std::string bytes, one_value(*database, "SELECT 0"));
      namespace fs = std::filesystem;
      for (const auto& entry : fs::recursive_directory_iterator(path + "/checkpoint")) {
        if (entry.is_regular_file() && entry.path().string().find("/live/") == std::string::npos) m.checkpoint_bytes += entry.file_size();
      }
      const int64_t copy_ns = monotonic_ns();
      fs::copy(path + "/checkpoint", folder + "/copy", fs::copy_options::recursive);
      m.copy_s = seconds_since(copy_ns);
    }
  }
  if (m.note.empty()) {
    ASSIGN_OR_RETURN(m.restore_s, time_to_open(path, total));
  }
  return {};
}

}  // namespace

int run_recovery(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench recovery: %s\n\n%s", arguments.error().message.c_str(), describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf("usage: laminar bench recovery [options]\n\n"
                "Time until a database answers after a restart: by its log, and by a checkpoint beside copying its files.\n\n%s\n",
                describe(kArguments).c_str());
    return 0;
  }
  std::string folder = arguments->text("folder", "/tmp") + "/laminar_bench_XXXXXX";
  if (!::mkdtemp(folder.data())) {
    std::fprintf(stderr, "laminar bench recovery: no folder can be made: %s\n", folder.c_str());
    return 1;
  }
  Measured m;
  const Status status = measure(*arguments, folder, m);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (!status.ok()) {
    std::fprintf(stderr, "laminar bench recovery: %s\n", status.error().message.c_str());
    return 1;
  }
  const double mib = static_cast<double>(m.log_bytes) / (1 << 20);
  if (arguments->has("json")) {
    std::printf("{\"append_s\":%.4f,\"log_mib\":%.1f,\"replay_s\":%.4f,\"checkpoint_s\":%.4f,\"checkpoint_mib\":%.1f,\"restore_s\":%.4f,"
                "\"copy_s\":%.4f}\n",
                m.append_s, mib, m.replay_s, m.checkpoint_s, static_cast<double>(m.checkpoint_bytes) / (1 << 20), m.restore_s, m.copy_s);
    return 0;
  }
  std::printf("append                     %8.3f s, log %.1f MiB\n", m.append_s, mib);
  std::printf("open, by the log           %8.3f s\n", m.replay_s);
  if (m.note.empty()) {
    std::printf("CHECKPOINT                 %8.3f s, %.1f MiB\n", m.checkpoint_s, static_cast<double>(m.checkpoint_bytes) / (1 << 20));
    std::printf("open, by the checkpoint    %8.3f s; copying its files %.3f s\n", m.restore_s, m.copy_s);
  } else {
    std::printf("CHECKPOINT                 %s\n", m.note.c_str());
  }
  return 0;
}

}  // namespace laminar::bench
