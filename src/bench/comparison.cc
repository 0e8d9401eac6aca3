#include "bench/comparison.h"

#include <sys/resource.h>
#include <algorithm>
#include <cstdio>
#include <limits>

#include "base/clock.h"
#include "bench/checksum.h"
#include "bench/progress.h"
#include "laminar/laminar.h"
#include "stream/runtime/histogram.h"

namespace laminar::bench {
namespace {

struct Push {
  size_t input;
  ColumnStore::Slice slice;
};

const int64_t* times_of(const Input& input) {
  const data::Schema& schema = input.store->schema();
  for (size_t i = 0; i < schema.size(); ++i) {
    if (schema[i].name == input.time_column) return input.store->columns()[i].values<int64_t>();
  }
  return nullptr;
}

// The ticks, in order: the rows of each input as they come; the longest input sets the pace and the others follow up to
// its event time.
std::vector<Push> plan_pushes(std::vector<Input>& inputs, uint64_t tick_rows) {
  size_t lead = 0;
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i].store->rows() > inputs[lead].store->rows()) lead = i;
  }
  std::vector<Push> pushes;
  std::vector<uint64_t> next(inputs.size(), 0);
  const auto push = [&](size_t input, uint64_t rows) {
    if (rows > 0) pushes.push_back({input, inputs[input].store->slice(next[input], rows)});
    next[input] += rows;
  };
  const int64_t* lead_times = times_of(inputs[lead]);
  while (next[lead] < inputs[lead].store->rows()) {
    const uint64_t rows = std::min(tick_rows, inputs[lead].store->rows() - next[lead]);
    int64_t until = std::numeric_limits<int64_t>::min();
    for (uint64_t i = 0; lead_times && inputs.size() > 1 && i < rows; ++i)
      until = std::max(until, lead_times[next[lead] + i]);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (i == lead) continue;
      const int64_t* times = times_of(inputs[i]);
      const uint64_t left = inputs[i].store->rows() - next[i];
      uint64_t due = 0;
      while (due < left && (!times || !lead_times || times[next[i] + due] <= until)) {
        if (++due % tick_rows == 0) {
          push(i, tick_rows);
          due = 0;
          if (next[i] == inputs[i].store->rows()) break;
        }
        if (next[i] + due >= inputs[i].store->rows()) break;
      }
      push(i, due);
    }
    push(lead, rows);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    while (next[i] < inputs[i].store->rows()) push(i, std::min(tick_rows, inputs[i].store->rows() - next[i]));
  }
  return pushes;
}

std::string checked_relation(const std::string& relation, const Comparison& comparison) {
  if (comparison.compared.empty()) return relation;
  const size_t group = std::min(comparison.compared.find(" GROUP BY "), comparison.compared.size());
  return "(SELECT " + comparison.compared.substr(0, group) + " FROM " + relation + comparison.compared.substr(group) +
         ")";
}

struct OurRun {
  double wall_s = 0, cpu_s = 0;
  uint64_t join_rows = 0, join_bytes = 0;
  stream::Histogram ticks;
};

// Opens a database, declares, pushes. Only pushing is timed.
Result<std::unique_ptr<Database>> run_ours(const std::string& setup, const std::vector<Input>& inputs,
                                           const std::vector<Push>& pushes, uint64_t cores, OurRun& run) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::open());
  if (cores > 1) RETURN_IF_ERROR(database->execute("SET cores = " + std::to_string(cores)));
  RETURN_IF_ERROR(database->execute(setup));
  std::vector<std::unique_ptr<Appender>> appenders;
  for (const Input& input : inputs) {
    ASSIGN_OR_RETURN(std::unique_ptr<Appender> appender, database->appender(input.source));
    if (appender->columns().size() < input.store->schema().size()) {
      return Status(ErrorCode::kInternal, "columns of source " + input.source + " changed");
    }
    appenders.push_back(std::move(appender));
  }
  const int64_t cpu_begin = process_cpu_ns(), begin = monotonic_ns();
  int64_t before = begin;
  for (const Push& push : pushes) {
    RETURN_IF_ERROR(appenders[push.input]->append_columns(push.slice.columns, push.slice.rows));
    const int64_t now = monotonic_ns();
    run.ticks.record(static_cast<uint64_t>(now - before));
    before = now;
  }
  const int64_t pushed_cpu = process_cpu_ns(), pushed = monotonic_ns();
  ASSIGN_OR_RETURN(auto joins, database->query("SELECT coalesce(sum(state_rows), 0)::BIGINT, coalesce(sum(state_bytes), 0)::BIGINT "
                                                          "FROM laminar_operators() WHERE operator LIKE 'join%'"));
  ASSIGN_OR_RETURN(const bool some, joins->next());
  if (some) {
    run.join_rows = std::stoull(joins->text(0));
    run.join_bytes = std::stoull(joins->text(1));
  }
  const int64_t end_cpu = process_cpu_ns(), end = monotonic_ns();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].time_column.empty()) continue;
    RETURN_IF_ERROR(appenders[i]->advance_watermark(data::kWatermarkEnded));
  }
  run.wall_s = static_cast<double>(monotonic_ns() - end + pushed - begin) / 1e9;
  run.cpu_s = static_cast<double>(process_cpu_ns() - end_cpu + pushed_cpu - cpu_begin) / 1e9;
  return database;
}

std::string with_commas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + "\"";
}

std::string number(double value) {
  char text[48];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

}  // namespace

namespace {

// A database of DuckDB that gets the rows in a hundred pieces and runs the query after each; the time of the queries.
Result<double> recompute(const Comparison& comparison, std::vector<Input>& inputs) {
  constexpr uint64_t kPieces = 100;
  ASSIGN_OR_RETURN(const std::unique_ptr<duck::BatchEngine> engine, duck::BatchEngine::open());
  for (const Input& input : inputs) RETURN_IF_ERROR(engine->create_table(input.source, input.store->schema()));
  int64_t cpu_ns = 0;
  for (uint64_t piece = 0; piece < kPieces; ++piece) {
    for (const Input& input : inputs) {
      const uint64_t rows = input.store->rows(), begin = rows * piece / kPieces, end = rows * (piece + 1) / kPieces;
      const ColumnStore::Slice slice = input.store->slice(begin, end - begin);
      std::vector<data::Column> columns = input.store->columns();
      for (size_t c = 0; c < columns.size(); ++c) {
        columns[c].data = const_cast<void*>(slice.columns[c].data);
        columns[c].validity = const_cast<uint64_t*>(slice.columns[c].validity);
      }
      RETURN_IF_ERROR(engine->append(input.source, columns, end - begin));
    }
    const int64_t before = process_cpu_ns();
    RETURN_IF_ERROR(engine->run(comparison.batch_query).status());
    cpu_ns += process_cpu_ns() - before;
  }
  return static_cast<double>(cpu_ns) / 1e9;
}

}  // namespace

Result<Figures> compare(const Comparison& comparison, std::vector<Input>& inputs, duck::BatchEngine& engine,
                        const RunOptions& options) {
  Figures out;
  out.name = comparison.name;
  Progress progress;
  progress.show(comparison.name + ": cutting the input into ticks");
  const std::vector<Push> pushes = plan_pushes(inputs, options.tick_rows);
  for (const Input& input : inputs) out.rows += input.store->rows();
  std::vector<double> wall, cpu, duckdb_wall, duckdb_cpu;
  stream::Histogram ticks;
  for (uint64_t repeat = 0; repeat < options.repeats; ++repeat) {
    const std::string round =
        options.repeats > 1 ? " (" + std::to_string(repeat + 1) + " of " + std::to_string(options.repeats) + ")" : "";
    progress.show(comparison.name + ": pushing " + with_commas(out.rows) + " rows" + round);
    {
      OurRun run;
      ASSIGN_OR_RETURN(std::unique_ptr<Database> database, run_ours(comparison.setup, inputs, pushes, options.cores, run));
      wall.push_back(run.wall_s);
      cpu.push_back(run.cpu_s);
      ticks.merge(run.ticks);
      out.join_rows = run.join_rows;
      out.join_bytes = run.join_bytes;
      if (repeat + 1 == options.repeats && !comparison.is_stream) {
        progress.show(comparison.name + ": checksum");
        ASSIGN_OR_RETURN(const Checked checked, checksum_of(*database, checked_relation(comparison.view, comparison)));
        out.result_rows = checked.rows;
        out.checksum = checked.checksum;
      }
    }
    progress.show(comparison.name + ": DuckDB" + round);
    const int64_t cpu_begin = process_cpu_ns(), begin = monotonic_ns();
    ASSIGN_OR_RETURN(const uint64_t rows, engine.run(comparison.batch_query));
    duckdb_wall.push_back(static_cast<double>(monotonic_ns() - begin) / 1e9);
    duckdb_cpu.push_back(static_cast<double>(process_cpu_ns() - cpu_begin) / 1e9);
    out.duckdb_result_rows = rows;
  }
  out.cores = options.cores;
  out.wall_s = median(wall);
  out.cpu_s = median(cpu);
  out.duckdb_wall_s = median(duckdb_wall);
  out.duckdb_cpu_s = median(duckdb_cpu);
  out.tick_p50_us = static_cast<double>(ticks.quantile(0.5)) / 1e3;
  out.tick_p99_us = static_cast<double>(ticks.quantile(0.99)) / 1e3;
  out.peak_rss_mib = peak_rss_mib();

  if (options.recompute) {
    progress.show(comparison.name + ": DuckDB after every 1 % of the rows");
    ASSIGN_OR_RETURN(out.recompute_cpu_s, recompute(comparison, inputs));
  }
  progress.show(comparison.name + ": checksums");
  if (comparison.is_stream) {
    OurRun run;
    const std::string kept =
        comparison.setup + ";\nCREATE MATERIALIZED VIEW laminar_bench_rows AS SELECT * FROM " + comparison.view + ";";
    ASSIGN_OR_RETURN(std::unique_ptr<Database> database, run_ours(kept, inputs, pushes, options.cores, run));
    ASSIGN_OR_RETURN(const Checked checked, checksum_of(*database, checked_relation("laminar_bench_rows", comparison)));
    out.result_rows = checked.rows;
    out.checksum = checked.checksum;
  }
  ASSIGN_OR_RETURN(const Checked batch,
                   checksum_of(engine, checked_relation("(" + comparison.batch_query + "\n)", comparison)));
  out.duckdb_result_rows = batch.rows;
  out.duckdb_checksum = batch.checksum;
  return out;
}

std::string to_json(const Figures& f) {
  return "{\"name\":" + json_text(f.name) + ",\"rows\":" + std::to_string(f.rows) + ",\"wall_s\":" + number(f.wall_s) +
         ",\"cpu_s\":" + number(f.cpu_s) + ",\"rows_per_s\":" + number(f.rows_per_s()) +
         ",\"result_rows\":" + std::to_string(f.result_rows) + ",\"checksum\":" + json_text(f.checksum) +
         ",\"duckdb_wall_s\":" + number(f.duckdb_wall_s) + ",\"duckdb_cpu_s\":" + number(f.duckdb_cpu_s) +
         ",\"duckdb_result_rows\":" + std::to_string(f.duckdb_result_rows) +
         ",\"duckdb_checksum\":" + json_text(f.duckdb_checksum) + ",\"ratio\":" + number(f.ratio()) +
         ",\"tick_p50_us\":" + number(f.tick_p50_us) + ",\"tick_p99_us\":" + number(f.tick_p99_us) +
         ",\"peak_rss_mib\":" + number(f.peak_rss_mib) +
         (f.join_rows > 0 ? ",\"join_state_rows\":" + std::to_string(f.join_rows) + ",\"bytes_per_row\":" + number(f.join_bytes_per_row()) : "") +
         (f.recompute_cpu_s ? ",\"recompute_cpu_s\":" + number(*f.recompute_cpu_s) + ",\"recompute_ratio\":" + number(f.recompute_ratio()) : "") + "}";
}

std::string table_head() {
  char line[256];
  std::snprintf(line, sizeof(line), "%-10s %12s %9s %9s %9s %9s %7s %12s %10s %10s  %s\n", "name", "rows", "M rows/s",
                "ns/row", "cpu s", "DuckDB s", "ratio", "result rows", "tick p50", "tick p99", "result");
  return line;
}

std::string table_line(const Figures& f) {
  char line[512];
  std::snprintf(
      line, sizeof(line), "%-10s %12s %9.2f %9.1f %9.3f %9.3f %6.2fx %12s %7.1f us %7.1f us  %s\n", f.name.c_str(),
      with_commas(f.rows).c_str(), f.rows_per_s() / 1e6, f.rows > 0 ? f.cpu_s * 1e9 / static_cast<double>(f.rows) : 0.0,
      f.cpu_s, f.duckdb_cpu_s, f.ratio(), with_commas(f.result_rows).c_str(), f.tick_p50_us, f.tick_p99_us,
      f.equal()
          ? "equal"
          : ("DIFFERS: " + with_commas(f.result_rows) + " rows, DuckDB " + with_commas(f.duckdb_result_rows)).c_str());
  std::string text = line;
  if (f.join_rows > 0) {
    text += "           join state: " + with_commas(f.join_rows) + " rows, " + number(f.join_bytes_per_row()) + " bytes_per_row\n";
  }
  if (f.recompute_cpu_s) {
    std::snprintf(line, sizeof(line), "           DuckDB after every 1 %% of the rows: %.3f s, ratio %.1fx\n", *f.recompute_cpu_s, f.recompute_ratio());
    text += line;
  }
  return text;
}

double peak_rss_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace laminar::bench
