#include <algorithm>
#include <cstdio>
#include <thread>

#include "base/clock.h"
#include "bench/arguments.h"
#include "bench/checksum.h"
#include "bench/column_store.h"
#include "bench/commands.h"
#include "bench/comparison.h"
#include "bench/keyed_load.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "laminar/laminar.h"

namespace laminar::bench {
namespace {

constexpr ArgumentSpec kArguments[] = {
    {"rows", "N", "rows pushed in each run (4M)"},
    {"keys", "N", "keys of the aggregates (100000)"},
    {"cores", "N", "cores of the view (2)"},
    {"repeat", "R", "rounds; in each every variant runs once; figures are medians (5)"},
    {"tick-rows", "N", "rows of a tick (16384)"},
    {"view", "count|ohlc", "a cheap aggregate or a dearer one (count)"},
    {"load-seconds", "S", "time under each open load; 0: none (3)"},
};

std::string view_sql(const std::string& view) {
  const std::string calls = view == "ohlc" ? "first(v) AS o, max(v) AS h, min(v) AS l, last(v) AS c, sum(v) AS volume" : "count(*) AS n";
  return "CREATE MATERIALIZED VIEW m AS SELECT k, window_start, " + calls + " FROM s GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds');";
}

// A database with the view, and the way into it.
struct Instance {
  std::unique_ptr<Database> database;
  std::unique_ptr<Appender> appender;

  static Result<Instance> open(const std::string& view, uint64_t cores) {
    Instance made;
    ASSIGN_OR_RETURN(made.database, Database::open());
    if (cores > 1) RETURN_IF_ERROR(made.database->execute("SET cores = " + std::to_string(cores) + "; SET core_wait = 'spin'"));
    RETURN_IF_ERROR(made.database->execute(KeyedLoad::source_sql() + view_sql(view)));
    ASSIGN_OR_RETURN(made.appender, made.database->appender("s"));
    return made;
  }
};

class Scaling {
 public:
  Status run(const Arguments& arguments) {
    ASSIGN_OR_RETURN(const uint64_t rows, arguments.number("rows", 4'000'000, 1000, 1'000'000'000));
    ASSIGN_OR_RETURN(keys_, arguments.number("keys", 100'000, 1, 100'000'000));
    ASSIGN_OR_RETURN(cores_, arguments.number("cores", 2, 2, 64));
    ASSIGN_OR_RETURN(const uint64_t repeats, arguments.number("repeat", 5, 1, 1000));
    ASSIGN_OR_RETURN(const uint64_t tick_rows, arguments.number("tick-rows", KeyedLoad::kTickRowsMax, 1, KeyedLoad::kTickRowsMax));
    ASSIGN_OR_RETURN(const uint64_t load_seconds, arguments.number("load-seconds", 3, 0, 3600));
    view_ = arguments.text("view", "count");
    if (view_ != "count" && view_ != "ohlc") return Status(ErrorCode::kInvalidOption, "--view is count or ohlc");
    Progress progress;
    progress.show("making rows");
    KeyedLoad load(rows, keys_, 10);
    slices_ = load.ticks(tick_rows);
    std::vector<double> one, spread, side_by_side, of_ceiling;
    for (uint64_t repeat = 0; repeat < repeats; ++repeat) {
      progress.show("round " + std::to_string(repeat + 1) + " of " + std::to_string(repeats));
      ASSIGN_OR_RETURN(const double one_s, time_instances(1, 1));
      ASSIGN_OR_RETURN(const double spread_s, time_instances(1, cores_));
      ASSIGN_OR_RETURN(const double apart_s, time_instances(cores_, 1));
      const double mrows = static_cast<double>(rows) / 1e6;
      one.push_back(mrows / one_s);
      spread.push_back(mrows / spread_s);
      side_by_side.push_back(mrows * static_cast<double>(cores_) / apart_s);
      of_ceiling.push_back(spread.back() / side_by_side.back());
    }
    progress.show("");
    std::printf("%s, %llu rows, %llu keys, ticks of %llu, median of %llu rounds\n", view_.c_str(), static_cast<unsigned long long>(rows),
                static_cast<unsigned long long>(keys_), static_cast<unsigned long long>(tick_rows), static_cast<unsigned long long>(repeats));
    std::printf("%-44s %9.2f M rows/s\n", "one core", median(one));
    std::printf("%-44s %9.2f M rows/s  %5.2fx one core\n", ("one view on " + std::to_string(cores_) + " cores").c_str(), median(spread),
                median(spread) / median(one));
    std::printf("%-44s %9.2f M rows/s  %5.2fx one core\n", (std::to_string(cores_) + " independent one-core instances together").c_str(),
                median(side_by_side), median(side_by_side) / median(one));
    std::printf("%-44s %9.2f\n", "share of the independent instances' rate", median(of_ceiling));
    std::printf("%-44s %9.2f\n", "rows that changed cores, of those exchanged", crossed_share_);
    std::printf("%-44s %s\n", "result", differs_ ? "DIFFERS from one core's" : "equal to one core's");
    for (const int percent : {50, 90}) {
      if (load_seconds == 0) break;
      RETURN_IF_ERROR(open_load(load, percent, 1, median(one) * 1e6 * percent / 100, load_seconds));
      RETURN_IF_ERROR(open_load(load, percent, cores_, median(spread) * 1e6 * percent / 100, load_seconds));
    }
    return differs_ ? Status(ErrorCode::kInternal, "the result on several cores differs from one core's") : Status();
  }

 private:
  // Wall time until all instances, each on a thread of its own, have taken all rows.
  Result<double> time_instances(uint64_t instances, uint64_t cores) {
    std::vector<Instance> made;
    for (uint64_t i = 0; i < instances; ++i) {
      ASSIGN_OR_RETURN(Instance instance, Instance::open(view_, cores));
      made.push_back(std::move(instance));
    }
    const int64_t begin = monotonic_ns();
    std::vector<std::thread> threads;
    std::vector<Status> results(instances);
    for (uint64_t i = 1; i < instances; ++i) threads.emplace_back([&, i] { results[i] = push_all(*made[i].appender); });
    results[0] = push_all(*made[0].appender);
    for (std::thread& thread : threads) thread.join();
    const double seconds = static_cast<double>(monotonic_ns() - begin) / 1e9;
    for (const Status& status : results) RETURN_IF_ERROR(status);
    ASSIGN_OR_RETURN(const Checked checked, checksum_of(*made[0].database, "(SELECT * FROM m)"));
    if (checksum_.empty()) checksum_ = checked.checksum;
    differs_ |= checksum_ != checked.checksum;
    if (cores > 1) {
      ASSIGN_OR_RETURN(auto rows, made[0].database->query("SELECT sum(crossed)::DOUBLE / greatest(sum(rows), 1) FROM laminar_exchanges()"));
      ASSIGN_OR_RETURN(const bool any, rows->next());
      crossed_share_ = any && !rows->is_null(0) ? rows->float64(0) : 0;
    }
    return seconds;
  }

  Status push_all(Appender& appender) const {
    for (const ColumnStore::Slice& slice : slices_) RETURN_IF_ERROR(appender.append_columns(slice.columns, slice.rows));
    return {};
  }

  // Event time moves so that the load fills as many windows as a round does: the same state, not memory without end.
  Status open_load(KeyedLoad& load, int percent, uint64_t cores, double rate, uint64_t seconds) {
    ASSIGN_OR_RETURN(Instance instance, Instance::open(view_, cores));
    const double step_us = static_cast<double>(load.rows()) * 10 / (rate * static_cast<double>(seconds));
    stream::Histogram times, hiccups;
    record_hiccups(seconds * 500, hiccups);
    RETURN_IF_ERROR(load.send(*instance.appender, rate, seconds, KeyedLoad::kFirstTimeUs, step_us, times));
    print_times("open load, " + std::to_string(percent) + " % of the peak of " + std::to_string(cores) + (cores == 1 ? " core" : " cores"), times);
    print_times("  clock reads alone before it (hiccups)", hiccups);
    return {};
  }

  uint64_t keys_ = 0, cores_ = 2;
  std::string view_, checksum_;
  bool differs_ = false;
  double crossed_share_ = 0;
  std::vector<ColumnStore::Slice> slices_;
};

}  // namespace

int run_scaling(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench scaling: %s\n\n%s", arguments.error().message.c_str(), describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf(
        "usage: laminar bench scaling [options]\n\n"
        "A keyed window aggregate on several cores, beside one core and beside as many independent one-core instances as\n"
        "there are cores, in turn; then the time of rows from when they were due, under open load.\n\n%s\n"
        "Exit code 1 when a result differs.\n",
        describe(kArguments).c_str());
    return 0;
  }
  if (const Status status = Scaling().run(*arguments); !status.ok()) {
    std::fprintf(stderr, "laminar bench scaling: %s\n", status.error().message.c_str());
    return 1;
  }
  return 0;
}

}  // namespace laminar::bench
