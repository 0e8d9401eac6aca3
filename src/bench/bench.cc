#include "bench/bench.h"

#include <cstdio>

#include "bench/commands.h"

namespace laminar::bench {

int run(std::span<const std::string> arguments) {
  constexpr const char* kUsage =
      "usage: laminar bench nexmark [--queries q0,q5,...] [--events N] [--cores N] [--json]\n"
      "       laminar bench sql --setup FILE.sql --input SOURCE=FILE.parquet... --view NAME [--batch FILE.sql] "
      "[--json]\n"
      "       laminar bench latency --rate R [--json]\n"
      "       laminar bench scaling [--cores N] [--view count|ohlc]\n"
      "       laminar bench reading [--rows N] [--percent P]\n"
      "       laminar bench watermark [--keys N] [--rows N]\n"
      "       laminar bench recovery [--rows N] [--json]\n"
      "       laminar bench durable [--backend NAME] [--json]\n"
      "       laminar bench checkpoint [--keys N] [--json]\n"
      "\n"
      "  nexmark   the queries of the Nexmark benchmark over generated bids\n"
      "  sql       any view, over files that are loaded first\n"
      "  latency   single rows, p50 to max, beside the round trip of a ring between two cores\n"
      "  scaling   a view on several cores, beside as many independent instances; its latency under open load\n"
      "  reading   latency under open load with and without an ad-hoc SELECT over the view beside it\n"
      "  watermark a watermark PER KEY beside one of all keys: time per row, and rows kept where keys are late\n"
      "  recovery  a database in a folder: time to open it again\n"
      "  durable   rows that wait for the disk, beside bare writes with a sync, for each io_backend\n"
      "  checkpoint  throughput and times of ticks with a checkpoint each second, beside none\n"
      "\n"
      "nexmark and sql time pushing rows from memory until the view shows them, in turn with DuckDB running the same "
      "query\n"
      "over the same rows in memory on one thread, in this process. Both results are compared by a checksum; exit code "
      "1\n"
      "when they differ. With --json each line is an object with name, rows, wall_s, cpu_s, rows_per_s, result_rows,\n"
      "checksum, duckdb_wall_s, duckdb_cpu_s, duckdb_result_rows, duckdb_checksum, ratio (DuckDB's CPU time / ours),\n"
      "tick_p50_us, tick_p99_us, peak_rss_mib. `laminar bench sql --help` and so on list all options.\n";
  const std::string command = arguments.empty() ? "" : arguments[0];
  const std::span<const std::string> rest = arguments.empty() ? arguments : arguments.subspan(1);
  if (command == "nexmark") return run_nexmark(rest);
  if (command == "sql") return run_sql(rest);
  if (command == "latency") return run_latency(rest);
  if (command == "scaling") return run_scaling(rest);
  if (command == "reading") return run_reading(rest);
  if (command == "watermark") return run_watermark(rest);
  if (command == "recovery") return run_recovery(rest);
  if (command == "durable") return run_durable(rest);
  if (command == "checkpoint") return run_checkpoint(rest);
  const bool help = command == "--help" || command == "-h" || command == "help";
  if (!help && !command.empty()) std::fprintf(stderr, "laminar bench: unknown benchmark: %s\n\n", command.c_str());
  std::fputs(kUsage, help ? stdout : stderr);
  return help ? 0 : 2;
}

}  // namespace laminar::bench
