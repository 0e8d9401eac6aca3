#include <atomic>
#include <cstdio>
#include <thread>

#include "base/clock.h"
#include "bench/arguments.h"
#include "bench/commands.h"
#include "bench/keyed_load.h"
#include "bench/progress.h"

namespace laminar::bench {
namespace {

constexpr ArgumentSpec kArguments[] = {
    {"rows", "N", "rows pushed to fill the view, some two thirds of them get there (10M)"},
    {"percent", "P", "load, of the peak (90)"},
    {"threads", "N", "threads of the reader's queries (1)"},
    {"seconds", "S", "time under load, without readers and again with one (5)"},
};
constexpr uint64_t kKeys = 100'000;
constexpr int64_t kWindowUs = 10'000'000;

Status read_beside(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const uint64_t rows, arguments.number("rows", 10'000'000, 100'000, 1'000'000'000));
  ASSIGN_OR_RETURN(const uint64_t percent, arguments.number("percent", 90, 1, 100));
  ASSIGN_OR_RETURN(const uint64_t seconds, arguments.number("seconds", 5, 1, 3600));
  ASSIGN_OR_RETURN(const uint64_t threads, arguments.number("threads", 1, 1, 1024));
  Progress progress;
  progress.show("making rows");
  KeyedLoad load(rows, kKeys, kWindowUs / static_cast<int64_t>(kKeys));  // as many rows in a window as there are keys
  ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Database::open());
  RETURN_IF_ERROR(database->execute("SET threads = " + std::to_string(threads)));
  RETURN_IF_ERROR(database->execute(KeyedLoad::source_sql() +
                                    "CREATE MATERIALIZED VIEW m AS SELECT k, window_start, count(*) AS n, sum(v) AS volume"
                                    " FROM s GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds');"));
  ASSIGN_OR_RETURN(const std::unique_ptr<Appender> appender, database->appender("s"));
  const std::vector<ColumnStore::Slice> ticks = load.ticks(KeyedLoad::kTickRowsMax);
  const int64_t begin = monotonic_ns();
  for (const ColumnStore::Slice& tick : ticks) RETURN_IF_ERROR(appender->append_columns(tick.columns, tick.rows));
  const double peak = static_cast<double>(rows) * 1e9 / static_cast<double>(monotonic_ns() - begin);
  const double rate = peak * static_cast<double>(percent) / 100;
  const double step_us = static_cast<double>(kWindowUs) / rate;  // a window a second
  int64_t first_time_us = KeyedLoad::kFirstTimeUs + static_cast<int64_t>(rows) * (kWindowUs / static_cast<int64_t>(kKeys));
  ASSIGN_OR_RETURN(auto counted, database->query("SELECT count(*) FROM m"));
  RETURN_IF_ERROR(counted->next().status());
  std::printf("view of %llu rows, filled at %.1f M rows/s; load of %llu %% of that\n", static_cast<unsigned long long>(counted->int64(0)), peak / 1e6,
              static_cast<unsigned long long>(percent));
  for (const bool reading : {false, true}) {
    progress.show(reading ? "load and reads" : "load");
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> reads{0};
    Status read_status;
    std::thread reader;
    if (reading) {
      reader = std::thread([&] {
        while (!stop.load() && read_status.ok()) {
          read_status = database->query("SELECT count(*), sum(n) FROM m").status();
          reads.fetch_add(1);
        }
      });
    }
    stream::Histogram times;
    const int64_t from = monotonic_ns();
    const Status sent = load.send(*appender, rate, seconds, first_time_us, step_us, times);
    const double elapsed = static_cast<double>(monotonic_ns() - from) / 1e9;
    first_time_us += static_cast<int64_t>(rate * static_cast<double>(seconds) * step_us) + kWindowUs;
    stop.store(true);
    if (reader.joinable()) reader.join();
    RETURN_IF_ERROR(sent);
    RETURN_IF_ERROR(read_status);
    progress.show("");
    print_times(reading ? "with a reader" : "no reader", times);
    if (reading) std::printf("%-44s %9.1f a second, each over the whole view\n", "reads", static_cast<double>(reads.load()) / elapsed);
  }
  return {};
}

}  // namespace

int run_reading(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench reading: %s\n\n%s", arguments.error().message.c_str(), describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf(
        "usage: laminar bench reading [options]\n\n"
        "Time of rows from when they were due until the view shows them, under open load, without readers and with one\n"
        "that runs an ad-hoc SELECT over the whole view again and again.\n\n%s",
        describe(kArguments).c_str());
    return 0;
  }
  if (const Status status = read_beside(*arguments); !status.ok()) {
    std::fprintf(stderr, "laminar bench reading: %s\n", status.error().message.c_str());
    return 1;
  }
  return 0;
}

}  // namespace laminar::bench
