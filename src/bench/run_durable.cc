#include <stdlib.h>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "bench/arguments.h"
#include "bench/commands.h"
#include "bench/keyed_load.h"
#include "io/system_disk.h"
#include "laminar/laminar.h"
#include "stream/runtime/histogram.h"

namespace laminar::bench {
namespace {

constexpr ArgumentSpec kArguments[] = {
    {"writers", "N", "threads that append single rows, each of which waits until its row is on disk (32)"},
    {"rounds", "N", "times that both are measured in turn (7)"},
    {"commits", "N", "rows of each thread in a round (100)"},
    {"rows", "N", "rows sent for the latency (500)"},
    {"backend", "NAME", "only this one: pwrite, direct, io_uring or io_uring_sqpoll"},
    {"folder", "DIR", "where the database is made, below it (/tmp)"},
    {"json", "", "one JSON object per backend instead of lines"},
};

std::string setup_sql() {
  return KeyedLoad::source_sql() +
         "CREATE MATERIALIZED VIEW m AS SELECT k, count(*) AS c, sum(v) AS total FROM s GROUP BY k;";
}

struct Measured {
  double durable_per_s = 0, bare_per_s = 0, ratio = 0;  // medians; a write is a commit of several rows
  double rows_per_s = 0, rows_per_write = 0;
  uint64_t from_append_p50_ns = 0, from_append_p99_ns = 0, bare_p50_ns = 0, bare_p99_ns = 0;
  std::string note;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct LogFigures {
  uint64_t flushes = 0, bytes = 0;
  std::string note;
};

Result<LogFigures> log_figures(Database& database) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, database.query("SELECT flushes, written_bytes, io_note FROM laminar_durability()"));
  ASSIGN_OR_RETURN(const bool any, rows->next());
  LogFigures figures;
  if (!any) return figures;
  figures.flushes = static_cast<uint64_t>(rows->int64(0));
  figures.bytes = static_cast<uint64_t>(rows->int64(1));
  if (!rows->is_null(2)) figures.note = rows->text(2);
  return figures;
}

Status append_row(Appender& appender, int64_t key) {
  appender.add(key).add(int64_t{0}).add(KeyedLoad::kFirstTimeUs);
  RETURN_IF_ERROR(appender.end_row());
  return appender.flush();
}

Result<double> append_by_all(Database& database, uint64_t writers, uint64_t commits) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  Status failed;
  const int64_t begin_ns = monotonic_ns();
  for (uint64_t t = 0; t < writers; ++t) {
    threads.emplace_back([&] {
      const auto write = [&]() -> Status {
        ASSIGN_OR_RETURN(const std::unique_ptr<Appender> appender, database.appender("s"));
        for (uint64_t i = 0; i < commits; ++i) RETURN_IF_ERROR(append_row(*appender, static_cast<int64_t>(i)));
        return {};
      };
      const Status status = write();
      std::lock_guard lock(mutex);
      if (!status.ok()) failed = status;
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!failed.ok()) return failed;
  return static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
}

// The same bytes by themselves.
class Bare {
 public:
  static Result<std::unique_ptr<Bare>> open(io::LogBackend backend, const std::string& path) {
    auto bare = std::make_unique<Bare>(backend);
    ASSIGN_OR_RETURN(bare->file_, bare->disk_.create(path, kReserved, io::FileUse::kLog));
    return bare;
  }
  explicit Bare(io::LogBackend backend) : disk_(backend), bytes_(static_cast<char*>(std::aligned_alloc(io::kBlockBytes, kWriteMax)), &std::free) {
    std::memset(bytes_.get(), 1, kWriteMax);
  }
  Result<int64_t> write(size_t bytes) {
    bytes = std::min((bytes + io::kBlockBytes - 1) / io::kBlockBytes * io::kBlockBytes, kWriteMax);
    if (offset_ + bytes > kReserved) offset_ = 0;
    const int64_t begin_ns = monotonic_ns();
    RETURN_IF_ERROR(file_->write_durable(offset_, bytes_.get(), bytes));
    offset_ += bytes;
    return monotonic_ns() - begin_ns;
  }

 private:
  static constexpr size_t kWriteMax = 1 << 20;
  static constexpr uint64_t kReserved = 16 << 20;
  io::SystemDisk disk_;
  std::unique_ptr<io::DiskFile> file_;
  std::unique_ptr<char, decltype(&std::free)> bytes_;
  uint64_t offset_ = 0;
};

void wait_until(int64_t until_ns) {
  for (int64_t left = until_ns - monotonic_ns(); left > 0; left = until_ns - monotonic_ns()) {
    if (left > 200'000) std::this_thread::sleep_for(std::chrono::nanoseconds(left - 100'000));
  }
}

Status measure(const Arguments& arguments, io::LogBackend backend, const std::string& folder, Measured& m) {
  ASSIGN_OR_RETURN(const uint64_t writers, arguments.number("writers", 32, 1, 1024));
  ASSIGN_OR_RETURN(const uint64_t rounds, arguments.number("rounds", 7, 1, 1000));
  ASSIGN_OR_RETURN(const uint64_t commits, arguments.number("commits", 100, 1, 1'000'000));
  ASSIGN_OR_RETURN(const uint64_t rows, arguments.number("rows", 500, 10, 10'000'000));
  const std::string name(io::to_text(backend));
  ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Database::open(io::join_path(folder, name)));
  RETURN_IF_ERROR(database->execute(setup_sql()));
  RETURN_IF_ERROR(database->execute("SET io_backend = '" + name + "'; SET durability = 'sync'"));
  ASSIGN_OR_RETURN(const std::unique_ptr<Bare> bare, Bare::open(backend, io::join_path(folder, name + ".bare")));
  RETURN_IF_ERROR(append_by_all(*database, writers, 5).status());
  std::vector<double> durable_rates, bare_rates, ratios, row_rates, rows_per_write, bare_ns;
  for (uint64_t round = 0; round < rounds; ++round) {
    ASSIGN_OR_RETURN(const LogFigures before, log_figures(*database));
    ASSIGN_OR_RETURN(const double durable_s, append_by_all(*database, writers, commits));
    ASSIGN_OR_RETURN(const LogFigures after, log_figures(*database));
    const uint64_t flushes = std::max<uint64_t>(after.flushes - before.flushes, 1), bytes = (after.bytes - before.bytes) / flushes;
    m.note = after.note;
    double bare_s = 0;
    for (uint64_t i = 0; i < flushes; ++i) {
      ASSIGN_OR_RETURN(const int64_t ns, bare->write(bytes));
      bare_s += static_cast<double>(ns) / 1e9;
      bare_ns.push_back(static_cast<double>(ns));
    }
    durable_rates.push_back(static_cast<double>(flushes) / durable_s);
    bare_rates.push_back(static_cast<double>(flushes) / bare_s);
    ratios.push_back(bare_s / durable_s);
    row_rates.push_back(static_cast<double>(writers * commits) / durable_s);
    rows_per_write.push_back(static_cast<double>(writers * commits) / static_cast<double>(flushes));
  }
  m.durable_per_s = median(durable_rates);
  m.bare_per_s = median(bare_rates);
  m.ratio = median(ratios);
  m.rows_per_s = median(row_rates);
  m.rows_per_write = median(rows_per_write);

  // Rows at half of the rate that the disk syncs at, one at a time by the clock, and bare writes at the same rate in turn.
  const int64_t step_ns = static_cast<int64_t>(2 * median(bare_ns));
  stream::Histogram from_append, alone;
  int64_t seen_ns = 0;
  ASSIGN_OR_RETURN(const std::unique_ptr<Subscription> subscription, database->subscribe("m", [&](const TickChanges&) { seen_ns = monotonic_ns(); }));
  ASSIGN_OR_RETURN(const std::unique_ptr<Appender> appender, database->appender("s"));
  constexpr uint64_t kTurn = 50;
  for (uint64_t done = 0; done < rows; done += kTurn) {
    int64_t intended_ns = monotonic_ns() + step_ns;
    for (uint64_t i = 0; i < kTurn; ++i, intended_ns += step_ns) {
      wait_until(intended_ns);
      RETURN_IF_ERROR(append_row(*appender, static_cast<int64_t>(i)));
      // The subscriber has it and it is on disk.
      from_append.record(static_cast<uint64_t>(std::max(monotonic_ns(), seen_ns) - intended_ns));
    }
    intended_ns = monotonic_ns() + step_ns;
    for (uint64_t i = 0; i < kTurn; ++i, intended_ns += step_ns) {
      wait_until(intended_ns);
      RETURN_IF_ERROR(bare->write(io::kBlockBytes).status());
      alone.record(static_cast<uint64_t>(monotonic_ns() - intended_ns));
    }
  }
  m.from_append_p50_ns = from_append.quantile(0.5);
  m.from_append_p99_ns = from_append.quantile(0.99);
  m.bare_p50_ns = alone.quantile(0.5);
  m.bare_p99_ns = alone.quantile(0.99);
  return {};
}

void print(io::LogBackend backend, const Measured& m, bool json) {
  const std::string name(io::to_text(backend));
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  const auto over = [](uint64_t a, uint64_t b) { return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 0; };
  const double p50 = over(m.from_append_p50_ns, m.bare_p50_ns), p99 = over(m.from_append_p99_ns, m.bare_p99_ns);
  if (json) {
    std::printf("{\"backend\":\"%s\",\"writes_per_s\":%.0f,\"bare_writes_per_s\":%.0f,\"ratio\":%.3f,\"rows_per_s\":%.0f,\"rows_per_write\":%.1f,"
                "\"p50_us\":%.1f,\"p99_us\":%.1f,\"bare_p50_us\":%.1f,\"bare_p99_us\":%.1f,\"p50_ratio\":%.2f,\"p99_ratio\":%.2f,\"refused\":%s}\n",
                name.c_str(), m.durable_per_s, m.bare_per_s, m.ratio, m.rows_per_s, m.rows_per_write, us(m.from_append_p50_ns), us(m.from_append_p99_ns),
                us(m.bare_p50_ns), us(m.bare_p99_ns), p50, p99, m.note.empty() ? "false" : "true");
    return;
  }
  std::printf("%-16s %7.0f writes/s, bare %7.0f: %.2f of it; %8.0f rows/s, %.1f a write\n", name.c_str(), m.durable_per_s, m.bare_per_s, m.ratio,
              m.rows_per_s, m.rows_per_write);
  std::printf("%-16s at half the rate p50 %7.1f us, bare %7.1f: %.2f; p99 %8.1f us, bare %8.1f: %.2f\n", "", us(m.from_append_p50_ns), us(m.bare_p50_ns), p50,
              us(m.from_append_p99_ns), us(m.bare_p99_ns), p99);
  if (!m.note.empty()) std::printf("%-16s %s\n", "", m.note.c_str());
}

}  // namespace

int run_durable(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench durable: %s\n\n%s", arguments.error().message.c_str(), describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf("usage: laminar bench durable [options]\n\n"
                "Rows that several threads append one by one with durability = 'sync', beside bare writes with a sync of the same number and\n"
                "size; then rows at half the rate of bare writes, from the intended time until they are on disk and at a subscriber, beside\n"
                "bare writes at that rate. Each for every io_backend.\n\n%s\n",
                describe(kArguments).c_str());
    return 0;
  }
  const std::string only = arguments->text("backend");
  if (!only.empty() && std::none_of(std::begin(io::kLogBackends), std::end(io::kLogBackends), [&](io::LogBackend b) { return only == io::to_text(b); })) {
    std::fprintf(stderr, "laminar bench durable: no such backend: %s\n", only.c_str());
    return 2;
  }
  std::string folder = arguments->text("folder", "/tmp") + "/laminar_bench_XXXXXX";
  if (!::mkdtemp(folder.data())) {
    std::fprintf(stderr, "laminar bench durable: no folder can be made: %s\n", folder.c_str());
    return 1;
  }
  int code = 0;
  for (const io::LogBackend backend : io::kLogBackends) {
    if (!only.empty() && only != io::to_text(backend)) continue;
    Measured m;
    const Status status = measure(*arguments, backend, folder, m);
    if (status.ok()) {
      print(backend, m, arguments->has("json"));
      std::fflush(stdout);
      continue;
    }
    std::fprintf(stderr, "laminar bench durable: %s\n", status.error().message.c_str());
    code = 1;
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return code;
}

}  // namespace laminar::bench
