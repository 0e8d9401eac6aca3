#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "base/clock.h"
#include "bench/arguments.h"
#include "bench/checksum.h"
#include "bench/column_store.h"
#include "bench/commands.h"
#include "bench/comparison.h"
#include "bench/progress.h"
#include "laminar/laminar.h"

namespace laminar::bench {
namespace {

constexpr ArgumentSpec kArguments[] = {
    {"keys", "N", "keys, each with a watermark of its own (1M)"},
    {"rows", "N", "rows (8M)"},
    {"windows", "N", "windows of 10 seconds that they fall into (2)"},
    {"repeat", "R", "runs of each kind, in turn; times are medians (5)"},
    {"tick-rows", "N", "rows of a tick (16384)"},
    {"seed", "N", "other seeds give other rows (1)"},
    {"emit", "MODE", "update, close or both (both)"},
};

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kFirstTimeUs = 1'767'225'600 * kSecondUs;  // 2026-01-01

struct Rows {
  explicit Rows(uint64_t rows)
      : store({{"k", data::Type::of(data::TypeKind::kInt64)}, {"ts", data::Type::of(data::TypeKind::kTimestamp)}}, rows),
        buffer(store.schema()) {}
  void add(int64_t key, int64_t time) {
    buffer.column(0).values<int64_t>()[buffer.rows] = key;
    buffer.column(1).values<int64_t>()[buffer.rows] = time;
    if (++buffer.rows == buffer.rows_max()) flush();
  }
  void flush() {
    store.append(buffer);
    buffer.clear();
  }
  ColumnStore store;
  data::BatchBuffer buffer;
};

struct Run {
  double cpu_ns_per_row = 0;
  uint64_t kept = 0, late = 0;
  std::string checksum;
};

// All rows through a count per key and 10 seconds.
Result<Run> run_once(Rows& rows, const std::string& watermark, const std::string& emit, uint64_t tick_rows) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::open(""));
  RETURN_IF_ERROR(database->execute("SET future_skew = '10000 days';"
                                    "CREATE SOURCE s (k BIGINT NOT NULL, ts TIMESTAMP NOT NULL, WATERMARK FOR ts AS ts - INTERVAL '5 seconds'" +
                                    watermark + ") WITH (connector = 'memory');"
                                    "CREATE MATERIALIZED VIEW m AS SELECT k, window_start, count(*) AS c FROM s "
                                    "GROUP BY k, TUMBLE(ts, INTERVAL '10 seconds') " + emit));
  ASSIGN_OR_RETURN(std::unique_ptr<Appender> appender, database->appender("s"));
  std::vector<ColumnStore::Slice> slices;
  for (uint64_t row = 0; row < rows.store.rows(); row += tick_rows) slices.push_back(rows.store.slice(row, std::min(tick_rows, rows.store.rows() - row)));
  const int64_t begin = process_cpu_ns();
  for (const ColumnStore::Slice& slice : slices) RETURN_IF_ERROR(appender->append_columns(slice.columns, slice.rows));
  Run run;
  run.cpu_ns_per_row = static_cast<double>(process_cpu_ns() - begin) / static_cast<double>(rows.store.rows());
  RETURN_IF_ERROR(appender->advance_watermark(data::kWatermarkEnded));
  ASSIGN_OR_RETURN(const Checked checked, checksum_of(*database, "(SELECT * FROM m)"));
  run.checksum = checked.checksum;
  ASSIGN_OR_RETURN(auto counts, database->query("SELECT (SELECT sum(c)::BIGINT FROM m), (SELECT late_rows FROM laminar_views() WHERE name = 'm')"));
  ASSIGN_OR_RETURN(const bool any, counts->next());
  if (any) {
    run.kept = static_cast<uint64_t>(counts->is_null(0) ? 0 : counts->int64(0));
    run.late = static_cast<uint64_t>(counts->int64(1));
  }
  return run;
}

// In order, keys at random: nothing is late, so both kinds have the same windows.
Status compare_cost(const Arguments& arguments, uint64_t keys, uint64_t count, Progress& progress) {
  ASSIGN_OR_RETURN(const uint64_t repeats, arguments.number("repeat", 5, 1, 1000));
  ASSIGN_OR_RETURN(const uint64_t tick_rows, arguments.number("tick-rows", 16384, 1, 1 << 20));
  ASSIGN_OR_RETURN(const uint64_t seed, arguments.number("seed", 1, 0, ~uint64_t{0}));
  ASSIGN_OR_RETURN(const uint64_t windows, arguments.number("windows", 2, 1, 1000));
  const double span_us = static_cast<double>(windows) * 10 * kSecondUs;
  std::mt19937_64 random(seed);
  Rows rows(count);
  for (uint64_t i = 0; i < count; ++i) {
    rows.add(static_cast<int64_t>(random() % keys), kFirstTimeUs + static_cast<int64_t>(static_cast<double>(i) / static_cast<double>(count) * span_us));
  }
  rows.flush();
  std::printf("count per key and 10 seconds: %llu rows of %llu keys in %llu windows, ticks of %llu, CPU ns per row, median of %llu runs\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(keys), static_cast<unsigned long long>(windows),
              static_cast<unsigned long long>(tick_rows), static_cast<unsigned long long>(repeats));
  const std::string modes = arguments.text("emit", "both");
  for (const char* emit : {"EMIT ON UPDATE", "EMIT ON WINDOW CLOSE"}) {
    if (modes != "both" && (modes == "update") != (std::string(emit) == "EMIT ON UPDATE")) continue;
    std::vector<double> plain, keyed, ratios;
    for (uint64_t repeat = 0; repeat < repeats; ++repeat) {
      progress.show("run " + std::to_string(repeat + 1) + " of " + std::to_string(repeats));
      ASSIGN_OR_RETURN(const Run one, run_once(rows, "", emit, tick_rows));
      ASSIGN_OR_RETURN(const Run each, run_once(rows, " PER KEY (k)", emit, tick_rows));
      if (one.checksum != each.checksum) return Status(ErrorCode::kInternal, "the results differ");
      plain.push_back(one.cpu_ns_per_row);
      keyed.push_back(each.cpu_ns_per_row);
      ratios.push_back(each.cpu_ns_per_row / one.cpu_ns_per_row);
    }
    progress.show("");
    std::printf("%-22s one watermark %6.1f   PER KEY %6.1f   ratio %.2f\n", emit, median(plain), median(keyed), median(ratios));
  }
  return {};
}

// Keys that send in order, each with a delay of its own between an event and its arrival.
Status compare_loss(uint64_t seed, Progress& progress) {
  constexpr uint64_t kKeys = 1000, kCount = 1'000'000;
  std::printf("\nrows kept, %llu rows of %llu keys, each key behind by a delay of its own (exponential); watermark 5 seconds behind\n",
              static_cast<unsigned long long>(kCount), static_cast<unsigned long long>(kKeys));
  for (const double mean_s : {1.0, 5.0, 30.0, 120.0}) {
    std::mt19937_64 random(seed);
    std::exponential_distribution<double> delay(1 / mean_s);
    std::uniform_real_distribution<double> jitter(0, 4);
    std::vector<double> behind;
    for (uint64_t k = 0; k < kKeys; ++k) behind.push_back(delay(random));
    Rows rows(kCount);
    for (uint64_t i = 0; i < kCount; ++i) {
      const uint64_t key = random() % kKeys;
      const double at_s = 600.0 * static_cast<double>(i) / static_cast<double>(kCount) - behind[key] - jitter(random);
      rows.add(static_cast<int64_t>(key), kFirstTimeUs + static_cast<int64_t>(at_s * 1e6));
    }
    rows.flush();
    progress.show("mean delay " + std::to_string(mean_s) + " s");
    ASSIGN_OR_RETURN(const Run one, run_once(rows, "", "EMIT ON WINDOW CLOSE", 16384));
    ASSIGN_OR_RETURN(const Run each, run_once(rows, " PER KEY (k)", "EMIT ON WINDOW CLOSE", 16384));
    progress.show("");
    if (one.kept + one.late != kCount || each.kept + each.late != kCount) return Status(ErrorCode::kInternal, "rows are unaccounted for");
    std::printf("mean delay %5.0f s      one watermark %6.2f %%  PER KEY %6.2f %%\n", mean_s, 100.0 * static_cast<double>(one.kept) / kCount,
                100.0 * static_cast<double>(each.kept) / kCount);
  }
  return {};
}

Status run_all(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const uint64_t keys, arguments.number("keys", 1'000'000, 1, uint64_t{1} << 32));
  ASSIGN_OR_RETURN(const uint64_t count, arguments.number("rows", 8'000'000, 1, uint64_t{1} << 32));
  ASSIGN_OR_RETURN(const uint64_t seed, arguments.number("seed", 1, 0, ~uint64_t{0}));
  Progress progress;
  RETURN_IF_ERROR(compare_cost(arguments, keys, count, progress));
  return compare_loss(seed, progress);
}

}  // namespace

int run_watermark(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench watermark: %s\n\n%s", arguments.error().message.c_str(), describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf(
        "usage: laminar bench watermark [options]\n\n"
        "A watermark PER KEY beside one of all keys, in one process: the time per row of a count per key and window, and the\n"
        "rows kept where the keys are behind by different times.\n\n%s",
        describe(kArguments).c_str());
    return 0;
  }
  if (const Status status = run_all(*arguments); !status.ok()) {
    std::fprintf(stderr, "laminar bench watermark: %s\n", status.error().message.c_str());
    return 1;
  }
  return 0;
}

}  // namespace laminar::bench
