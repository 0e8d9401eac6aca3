#include <pthread.h>
#include <sched.h>
#include <algorithm>
#include <cstdio>
#include <thread>

#include "base/clock.h"
#include "bench/arguments.h"
#include "bench/checksum.h"
#include "bench/commands.h"
#include "bench/comparison.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "duck/batch_engine.h"
#include "laminar/laminar.h"
#include "stream/ring/spsc_ring.h"
#include "stream/runtime/histogram.h"

namespace laminar::bench {
namespace {

constexpr ArgumentSpec kArguments[] = {
    {"rate", "R", "rows per second (20000)"},
    {"rows", "N", "rows sent (five seconds' worth)"},
    {"keys", "N", "keys of the aggregate (1000)"},
    {"round-trips", "N", "round trips of the ring, half before and half after (400000)"},
    {"cores", "N", "cores for the views (1)"},
    {"json", "", "one JSON object instead of a table"},
};

constexpr uint64_t kWarmUpRows = 20'000;
constexpr int64_t kFirstTimeUs = 1'767'225'600'000'000;  // 2026-01-01
constexpr const char* kSetup =
    "CREATE SOURCE s (k BIGINT NOT NULL, v BIGINT NOT NULL, ts TIMESTAMP NOT NULL, WATERMARK FOR ts AS ts - INTERVAL "
    "'1 second')"
    " WITH (connector = 'memory');\n"
    "CREATE MATERIALIZED VIEW m AS SELECT k, window_start, count(*) AS c, sum(v) AS total FROM s"
    " GROUP BY k, TUMBLE(ts, INTERVAL '1 second');";

// Rows are a function of their number, so that DuckDB can make the same ones.
int64_t key_of(uint64_t row, uint64_t keys) { return static_cast<int64_t>(row * 2654435761u % 4294967296u % keys); }
std::string batch_query(uint64_t rows, uint64_t keys, uint64_t rate) {
  return "SELECT row * 2654435761 % 4294967296 % " + std::to_string(keys) + " AS k, make_timestamp((" +
         std::to_string(kFirstTimeUs) + " + row * 1000000 // " + std::to_string(rate) +
         ") // 1000000 * 1000000) AS window_start, count(*) AS c, sum(row) AS total FROM range(" +
         std::to_string(rows) + ") AS r(row) GROUP BY ALL";
}

void pin_to(int core) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(core) % cores, &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof(set), &set);
}

void relax() { __builtin_ia32_pause(); }

// A value goes to a thread on the other core and comes back, both spinning.
void measure_ring(uint64_t round_trips, stream::Histogram& times) {
  stream::SpscRing<uint64_t> there(64), back(64);
  constexpr uint64_t kStop = ~uint64_t{0};
  cpu_set_t before;
  ::pthread_getaffinity_np(::pthread_self(), sizeof(before), &before);
  std::thread echo([&] {
    pin_to(1);
    stream::SpscRing<uint64_t>::Consumer in(there);
    stream::SpscRing<uint64_t>::Producer out(back);
    for (uint64_t value = 0; value != kStop;) {
      while (!in.try_pop(value)) relax();
      while (!out.try_push(uint64_t{value})) relax();
    }
  });
  pin_to(0);
  stream::SpscRing<uint64_t>::Producer out(there);
  stream::SpscRing<uint64_t>::Consumer in(back);
  for (uint64_t i = 0; i <= round_trips; ++i) {
    const uint64_t value = i == round_trips ? kStop : i;
    const int64_t begin = monotonic_ns();
    while (!out.try_push(uint64_t{value})) relax();
    uint64_t answer = 0;
    while (!in.try_pop(answer)) relax();
    if (value != kStop) times.record(static_cast<uint64_t>(monotonic_ns() - begin));
  }
  echo.join();
  ::pthread_setaffinity_np(::pthread_self(), sizeof(before), &before);
}

struct Measured {
  Figures figures;
  stream::Histogram from_send, service, ring;
};

Status measure(const Arguments& arguments, Measured& out) {
  ASSIGN_OR_RETURN(const uint64_t cores, arguments.number("cores", 1, 1, 64));
  ASSIGN_OR_RETURN(const uint64_t rate, arguments.number("rate", 20'000, 1, 10'000'000));
  ASSIGN_OR_RETURN(const uint64_t rows, arguments.number("rows", std::max<uint64_t>(rate * 5, 1000), 1, 1'000'000'000));
  ASSIGN_OR_RETURN(const uint64_t keys, arguments.number("keys", 1000, 1, 10'000'000));
  ASSIGN_OR_RETURN(const uint64_t round_trips, arguments.number("round-trips", 400'000, 2, 1'000'000'000));
  Figures& f = out.figures;
  f.name = "latency";
  f.rows = rows;

  Progress progress;
  progress.show("round trips of the ring");
  measure_ring(round_trips / 2, out.ring);

  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::open());
  if (cores > 1) RETURN_IF_ERROR(database->execute("SET cores = " + std::to_string(cores)));
  RETURN_IF_ERROR(database->execute(kSetup));
  int64_t sent_ns = 0, intended_ns = 0;
  bool measuring = false;
  stream::Histogram from_send, service;
  ASSIGN_OR_RETURN(const std::unique_ptr<Subscription> subscription, database->subscribe("m", [&](const TickChanges&) {
    const int64_t now = monotonic_ns();
    if (!measuring || intended_ns == 0) return;
    from_send.record(static_cast<uint64_t>(std::max<int64_t>(now - intended_ns, 0)));
    service.record(static_cast<uint64_t>(std::max<int64_t>(now - sent_ns, 0)));
    intended_ns = 0;  // later changes of the tick are not the row's first
  }));
  ASSIGN_OR_RETURN(const std::unique_ptr<Appender> appender, database->appender("s"));
  const auto send = [&](int64_t key, uint64_t value, int64_t time_us) -> Status {
    RETURN_IF_ERROR(appender->add(key).add(static_cast<int64_t>(value)).add(time_us).end_row());
    return appender->flush();
  };
  progress.show("warming up");
  for (uint64_t i = 0; i < kWarmUpRows; ++i) {
    const uint64_t left = kWarmUpRows - i;
    RETURN_IF_ERROR(
        send(-1 - static_cast<int64_t>(i % keys), i, kFirstTimeUs - static_cast<int64_t>(left * 1'000'000 / rate)));
  }
  progress.show("sending " + std::to_string(rows) + " rows, " + std::to_string(rate) + " per second");
  measuring = true;
  const int64_t cpu_begin = thread_cpu_ns(), begin = monotonic_ns();
  for (uint64_t i = 0; i < rows; ++i) {
    const int64_t due = begin + static_cast<int64_t>(static_cast<__int128>(i) * 1'000'000'000 / rate);
    while ((sent_ns = monotonic_ns()) < due) relax();
    intended_ns = due;  // an earlier row that took long delays this one, and that counts
    RETURN_IF_ERROR(send(key_of(i, keys), i, kFirstTimeUs + static_cast<int64_t>(i * 1'000'000 / rate)));
  }
  f.wall_s = static_cast<double>(monotonic_ns() - begin) / 1e9;
  f.cpu_s = static_cast<double>(thread_cpu_ns() - cpu_begin) / 1e9;
  measuring = false;
  out.from_send = from_send;
  out.service = service;
  if (from_send.count() != rows) {
    return Status(ErrorCode::kInternal,
                  "callbacks for " + std::to_string(from_send.count()) + " of " + std::to_string(rows) + " rows");
  }

  progress.show("round trips of the ring");
  measure_ring(round_trips - round_trips / 2, out.ring);

  progress.show("the same by DuckDB");
  // The rows of the warm-up have negative keys.
  ASSIGN_OR_RETURN(const Checked ours, checksum_of(*database, "(SELECT * FROM m WHERE k >= 0)"));
  f.result_rows = ours.rows;
  f.checksum = ours.checksum;
  ASSIGN_OR_RETURN(const std::unique_ptr<duck::BatchEngine> engine, duck::BatchEngine::open());
  const std::string query = batch_query(rows, keys, rate);
  const int64_t duckdb_cpu = process_cpu_ns(), duckdb_begin = monotonic_ns();
  ASSIGN_OR_RETURN(f.duckdb_result_rows, engine->run(query));
  f.duckdb_wall_s = static_cast<double>(monotonic_ns() - duckdb_begin) / 1e9;
  f.duckdb_cpu_s = static_cast<double>(process_cpu_ns() - duckdb_cpu) / 1e9;
  ASSIGN_OR_RETURN(const Checked batch, checksum_of(*engine, "(" + query + ")"));
  f.duckdb_checksum = batch.checksum;
  f.tick_p50_us = static_cast<double>(service.quantile(0.5)) / 1e3;
  f.tick_p99_us = static_cast<double>(service.quantile(0.99)) / 1e3;
  f.peak_rss_mib = peak_rss_mib();
  return {};
}

constexpr double kQuantiles[] = {0.5, 0.99, 0.999};
constexpr const char* kQuantileNames[] = {"p50", "p99", "p999"};

double us(uint64_t ns) { return static_cast<double>(ns) / 1e3; }
double quotient(uint64_t a, uint64_t b) { return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 0; }

std::string json_fields(const Measured& m) {
  std::string out;
  char text[64];
  const auto add = [&](const std::string& name, double value) {
    std::snprintf(text, sizeof(text), "%.6g", value);
    out += ",\"" + name + "\":" + text;
  };
  const auto add_all = [&](const std::string& name, const stream::Histogram& h) {
    for (size_t i = 0; i < std::size(kQuantiles); ++i)
      add(name + kQuantileNames[i] + "_us", us(h.quantile(kQuantiles[i])));
    add(name + "max_us", us(h.max()));
  };
  add_all("", m.from_send);
  add_all("service_", m.service);
  add_all("ring_", m.ring);
  for (size_t i = 0; i < std::size(kQuantiles); ++i) {
    const double q = kQuantiles[i];
    add(std::string(kQuantileNames[i]) + "_ratio", quotient(m.from_send.quantile(q), m.ring.quantile(q)));
    add("service_" + std::string(kQuantileNames[i]) + "_ratio", quotient(m.service.quantile(q), m.ring.quantile(q)));
  }
  return out;
}

void print_table(const Measured& m) {
  const auto line = [](const char* name, const stream::Histogram& h) {
    std::printf("%-36s %9.2f %9.2f %9.2f %9.2f\n", name, us(h.quantile(0.5)), us(h.quantile(0.99)),
                us(h.quantile(0.999)), us(h.max()));
  };
  std::printf("%-36s %9s %9s %9s %9s\n", "microseconds", "p50", "p99", "p99.9", "max");
  line("row, from its intended send time", m.from_send);
  line("row, append to callback", m.service);
  line("round trip of the SPSC ring", m.ring);
  const auto ratios = [&](const char* name, const stream::Histogram& h) {
    std::printf("%-36s", name);
    for (const double q : kQuantiles) std::printf(" %8.1fx", quotient(h.quantile(q), m.ring.quantile(q)));
    std::printf("\n");
  };
  ratios("from its intended time / round trip", m.from_send);
  ratios("append to callback / round trip", m.service);
  std::printf("%llu rows in %.2f s, result %s\n", static_cast<unsigned long long>(m.figures.rows), m.figures.wall_s,
              m.figures.equal() ? "equal to DuckDB's" : "DIFFERS from DuckDB's");
}

}  // namespace

int run_latency(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  if (!arguments.ok()) {
    std::fprintf(stderr, "laminar bench latency: %s\n\n%s", arguments.error().message.c_str(),
                 describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf(
        "usage: laminar bench latency --rate R [options]\n\n"
        "Rows one by one, each a tick, through a count and sum per key and second: time from when a row was due to be\n"
        "sent until the callback has its change, beside the round trip of a ring between two cores.\n\n%s\n",
        describe(kArguments).c_str());
    return 0;
  }
  Report report(arguments->has("json"));
  Measured measured;
  if (const Status status = measure(*arguments, measured); !status.ok()) {
    report.fail("latency", status);
    return report.exit_code();
  }
  if (arguments->has("json")) {
    std::string json = to_json(measured.figures);
    json.insert(json.size() - 1, json_fields(measured));
    std::printf("%s\n", json.c_str());
  } else {
    print_table(measured);
  }
  return measured.figures.equal() ? 0 : 1;
}

}  // namespace laminar::bench
