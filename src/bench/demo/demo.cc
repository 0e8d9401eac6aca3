#include "bench/demo/demo.h"

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "bench/arguments.h"
#include "bench/checksum.h"
#include "bench/demo/demo_views.h"
#include "bench/nexmark/rows.h"
#include "bench/progress.h"
#include "duck/batch_engine.h"
#include "laminar/laminar.h"
#include "shell/figures.h"
#include "shell/format/row_format.h"
#include "shell/interrupt.h"
#include "shell/panes.h"
#include "shell/terminal.h"
#include "shell/text_width.h"

namespace laminar::bench {
namespace {

using connectors::nexmark::GeneratorOptions;
using connectors::nexmark::Table;

constexpr ArgumentSpec kArguments[] = {
    {"events", "N", "events of all three kinds; without it as many as fill --seconds, off a terminal 2M"},
    {"seconds", "S", "how long the show lasts, about (20)"},
    {"rate", "N", "events per second of event time (10000)"},
    {"seed", "N", "other seeds give other rows (0)"},
    {"no-check", "", "leave out the check against DuckDB"},
};

constexpr uint64_t kEventsOffScreen = 2'000'000, kEventsTrial = 500'000, kEventsMin = 2'000'000,
                   kEventsMax = 60'000'000;
constexpr uint64_t kCheckBytesPerEvent = 100;  // memory that the check needs, generously
constexpr int kFrameMs = 250;

struct Settings {
  uint64_t events = 0, seconds = 20, rate = 10'000, seed = 0;
  bool check = true;
};

std::string setup_sql(const Settings& settings) {
  const std::string with =
      ", WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds') WITH (connector = 'nexmark', events = " +
      std::to_string(settings.events) + ", rate = " + std::to_string(settings.rate) +
      ", seed = " + std::to_string(settings.seed) + ", table = ";
  std::string sql = "CREATE SOURCE bid (" + std::string(demo_bid_columns()) + with +
                    "'bid');\nCREATE SOURCE auction (" + std::string(demo_auction_columns()) + with +
                    "'auction');\nBEGIN;\n";
  for (const DemoView& view : demo_views()) {
    sql += "CREATE MATERIALIZED VIEW " + std::string(view.name) + " AS " + std::string(view.ours) + ";\n";
  }
  return sql + "COMMIT;\n";
}

// A database with the sources and views, running from construction, and the moment when all views showed all rows.
class Run {
 public:
  static Result<std::unique_ptr<Run>> start(const Settings& settings) {
    auto run = std::unique_ptr<Run>(new Run());
    ASSIGN_OR_RETURN(run->database_, Database::open());
    run->begin_ns_ = monotonic_ns();
    RETURN_IF_ERROR(run->database_->execute(setup_sql(settings)));
    run->waiter_ = std::thread([r = run.get()] {
      Status status = r->database_->drain();
      const std::lock_guard lock(r->mutex_);
      r->status_ = std::move(status);
      r->end_ns_ = monotonic_ns();
      r->done_ = true;
      r->ended_.notify_all();
    });
    return run;
  }
  ~Run() {
    if (!waiter_.joinable()) return;
    database_->close();
    waiter_.join();
  }
  Database& database() { return *database_; }
  // Whether it has ended, waiting up to timeout_ms; below 0 as long as it takes.
  bool ended(int timeout_ms) {
    std::unique_lock lock(mutex_);
    if (timeout_ms < 0) {
      ended_.wait(lock, [&] { return done_; });
    } else {
      ended_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return done_; });
    }
    return done_;
  }
  Status status() {
    const std::lock_guard lock(mutex_);
    return status_;
  }
  int64_t elapsed_ns() {
    const std::lock_guard lock(mutex_);
    return (done_ ? end_ns_ : monotonic_ns()) - begin_ns_;
  }

 private:
  Run() = default;

  std::unique_ptr<Database> database_;
  int64_t begin_ns_ = 0, end_ns_ = 0;
  std::thread waiter_;
  std::mutex mutex_;
  std::condition_variable ended_;
  Status status_;
  bool done_ = false;
};

uint64_t available_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    uint64_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) return kib * 1024;
  }
  return uint64_t{8} << 30;
}

// How many events last `seconds` here, found by a short trial.
Result<uint64_t> events_for(Settings settings) {
  Progress progress;
  progress.show("measuring how fast this machine is");
  settings.events = kEventsTrial;
  ASSIGN_OR_RETURN(const std::unique_ptr<Run> run, Run::start(settings));
  run->ended(-1);
  RETURN_IF_ERROR(run->status());
  const double per_second = static_cast<double>(kEventsTrial) * 1e9 / static_cast<double>(run->elapsed_ns());
  const auto wished = static_cast<uint64_t>(per_second * static_cast<double>(settings.seconds));
  const uint64_t room = available_bytes() / 2 / kCheckBytesPerEvent;
  const uint64_t events = std::clamp(wished, kEventsMin, std::max(kEventsMin, std::min(kEventsMax, room)));
  return events / 1'000'000 * 1'000'000;
}

// The panes that the screen has room for, and the figures above them.
Result<std::string> frame(Run& run, Connection& connection, const Settings& settings, double bids_total) {
  const shell::ScreenSize size = shell::screen_size(STDOUT_FILENO);
  const std::vector<Metric> metrics = run.database().metrics();
  const double rows = shell::total(metrics, "rows_in");
  const double seconds = static_cast<double>(run.elapsed_ns()) / 1e9;
  const double share = bids_total > 0 ? shell::metric(metrics, "rows_in", "bid") / bids_total : 0;
  std::string out = shell::cut_to_width("LaminarDB: Nexmark, " + shell::with_commas(settings.events) + " events into " +
                                            std::to_string(demo_views().size()) + " views   (q ends)",
                                        size.columns) +
                    "\n";
  const std::string figures = shell::short_number(rows) + " rows, " +
                              shell::short_number(seconds > 0 ? rows / seconds : 0) + " rows/s, " +
                              shell::elapsed_text(run.elapsed_ns()) + ", tick p50 " +
                              shell::short_duration_us(shell::metric(metrics, "tick_p50_us")) + " p99 " +
                              shell::short_duration_us(shell::metric(metrics, "tick_p99_us"));
  const size_t bar = std::min<size_t>(40, size.columns / 3);
  out += shell::progress_bar(share, bar) + " " + shell::cut_to_width(figures, size.columns - bar - 2) + "\n";

  const bool narrow = size.columns < 100;
  const size_t width = narrow ? size.columns - 1 : (size.columns - 2) / 2;
  const size_t rows_of_panes = narrow ? 4 : 2;
  const size_t height = size.rows > 3 + rows_of_panes * 6 ? (size.rows - 2) / rows_of_panes : 6;
  std::vector<std::string> panes;
  for (const DemoView& view : demo_views()) {
    if (view.shown.empty()) continue;
    const size_t limit = height > 6 ? height - 6 : 1;  // title, four lines of the table, a blank
    ASSIGN_OR_RETURN(const std::unique_ptr<Rows> result,
                     connection.query(std::string(view.shown) + " LIMIT " + std::to_string(limit)));
    ASSIGN_OR_RETURN(const shell::Table table, shell::read_table(*result, 0));
    panes.push_back(shell::pane(view.title, shell::draw_table(table, width), width, height));
  }
  for (size_t i = 0; i < panes.size(); i += narrow ? 1 : 2) {
    out += narrow || i + 1 == panes.size() ? panes[i] : shell::side_by_side(panes[i], panes[i + 1]);
  }
  return out;
}

// Shows the views until all rows are in. False when the user ended it.
Result<bool> show(Run& run, const Settings& settings, double bids_total) {
  shell::Interrupts::install();
  shell::Interrupts::Receiver interrupts;
  shell::KeyMode keys(STDIN_FILENO);
  shell::FullScreen screen(STDOUT_FILENO);
  const std::unique_ptr<Connection> connection = run.database().connect();
  bool last = false;
  while (true) {
    const int64_t begin_ns = monotonic_ns();
    ASSIGN_OR_RETURN(const std::string lines, frame(run, *connection, settings, bids_total));
    screen.draw(lines);
    if (last) break;
    last = run.ended(0);
    while (!last && monotonic_ns() - begin_ns < kFrameMs * int64_t{1'000'000}) {
      const std::optional<char> key = keys.read_key(20);
      if (key == 'q' || key == 'Q' || interrupts.take()) return false;
      last = run.ended(0);
    }
  }
  // The final state stays for a moment.
  const int64_t until_ns = monotonic_ns() + int64_t{2'000'000'000};
  while (monotonic_ns() < until_ns && !keys.read_key(50) && !interrupts.take()) {
  }
  return true;
}

// Prints a line per view; false when one differs.
Result<bool> summarize(Run& run, const Settings& settings) {
  const std::vector<Metric> metrics = run.database().metrics();
  const double rows = shell::total(metrics, "rows_in");
  const double seconds = static_cast<double>(run.elapsed_ns()) / 1e9;
  std::printf("%s rows of %s events in %s: %s rows/s into %zu views on one core\n",
              shell::with_commas(static_cast<uint64_t>(rows)).c_str(), shell::with_commas(settings.events).c_str(),
              shell::elapsed_text(run.elapsed_ns()).c_str(), shell::short_number(rows / seconds).c_str(),
              demo_views().size());
  std::printf("tick latency: p50 %s, p99 %s, p99.9 %s, max %s\n\n",
              shell::short_duration_us(shell::metric(metrics, "tick_p50_us")).c_str(),
              shell::short_duration_us(shell::metric(metrics, "tick_p99_us")).c_str(),
              shell::short_duration_us(shell::metric(metrics, "tick_p999_us")).c_str(),
              shell::short_duration_us(shell::metric(metrics, "tick_max_us")).c_str());
  std::fflush(stdout);

  std::unique_ptr<duck::BatchEngine> engine;
  if (settings.check) {
    Progress progress;
    progress.show("giving DuckDB the same rows");
    ASSIGN_OR_RETURN(engine, duck::BatchEngine::open());
    for (const auto& [name, table, columns] : {std::tuple("bid", Table::kBid, demo_bid_columns()),
                                               std::tuple("auction", Table::kAuction, demo_auction_columns())}) {
      GeneratorOptions options;
      options.table = table;
      options.events = settings.events;
      options.rate = static_cast<int64_t>(settings.rate);
      options.seed = settings.seed;
      const NexmarkRows generated(options, [columns = columns](std::string_view column) {
        return (", " + std::string(columns)).find(", " + std::string(column) + " ") != std::string::npos;
      });
      RETURN_IF_ERROR(generated.to_table(name, *engine));
    }
  }
  std::printf("%-12s %14s %10s%s\n", "view", "rows", "state", settings.check ? "   DuckDB batch" : "");
  bool all_equal = true;
  for (const DemoView& view : demo_views()) {
    const std::string name(view.name);
    ASSIGN_OR_RETURN(const Checked ours, checksum_of(run.database(), name));
    std::printf("%-12s %14s %6.1f MiB", name.c_str(), shell::with_commas(ours.rows).c_str(),
                shell::metric(metrics, "state_bytes", view.name) / (1 << 20));
    std::fflush(stdout);
    if (engine) {
      ASSIGN_OR_RETURN(const Checked batch, checksum_of(*engine, "(" + std::string(view.batch) + "\n)"));
      const bool equal = ours == batch;
      all_equal &= equal;
      std::printf("   %s",
                  equal ? "equal" : ("DIFFERS: " + shell::with_commas(batch.rows) + " rows in DuckDB").c_str());
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  if (engine)
    std::printf("\n%s\n", all_equal ? "All views equal DuckDB's batch results over the same rows."
                                    : "Views differ from DuckDB's batch results.");
  return all_equal;
}

Result<int> run_with(const Settings& given, bool events_given) {
  Settings settings = given;
  const bool on_screen = shell::is_terminal(STDOUT_FILENO) && shell::is_terminal(STDIN_FILENO);
  if (!events_given) {
    settings.events = kEventsOffScreen;
    if (on_screen) {
      ASSIGN_OR_RETURN(settings.events, events_for(settings));
    }
  }
  GeneratorOptions bids;
  const auto bids_total = static_cast<double>(connectors::nexmark::Generator(bids).rows_among(settings.events));
  ASSIGN_OR_RETURN(const std::unique_ptr<Run> run, Run::start(settings));
  if (on_screen) {
    ASSIGN_OR_RETURN(const bool finished, show(*run, settings, bids_total));
    if (!finished) {
      std::printf("ended before all rows were in\n");
      return 0;
    }
  }
  run->ended(-1);
  RETURN_IF_ERROR(run->status());
  ASSIGN_OR_RETURN(const bool equal, summarize(*run, settings));
  return equal ? 0 : 1;
}

Result<Settings> read_settings(const Arguments& arguments) {
  Settings settings;
  ASSIGN_OR_RETURN(settings.events, arguments.number("events", 0, 1, 2'000'000'000));
  ASSIGN_OR_RETURN(settings.seconds, arguments.number("seconds", 20, 1, 3600));
  ASSIGN_OR_RETURN(settings.rate, arguments.number("rate", 10'000, 1, 1'000'000'000));
  ASSIGN_OR_RETURN(settings.seed, arguments.number("seed", 0, 0, 9'999'999'999'999));
  settings.check = !arguments.has("no-check");
  return settings;
}

}  // namespace

int run_demo(std::span<const std::string> given) {
  const Result<Arguments> arguments = Arguments::read(given, kArguments);
  const Result<Settings> settings = arguments.ok() ? read_settings(*arguments) : Result<Settings>(arguments.status());
  if (!settings.ok()) {
    std::fprintf(stderr, "laminar demo: %s\n\n%s", settings.error().message.c_str(), describe(kArguments).c_str());
    return 2;
  }
  if (arguments->has("help")) {
    std::printf(
        "usage: laminar demo [options]\n\n"
        "Generated Nexmark events run through views that show live on the terminal; then a summary, and the check "
        "that\n"
        "each view equals the same query done by DuckDB as a batch.\n\n%s",
        describe(kArguments).c_str());
    return 0;
  }
  const Result<int> code = run_with(*settings, arguments->has("events"));
  if (code.ok()) return *code;
  std::fflush(stdout);
  std::fprintf(stderr, "error %s: %s\n", code.error().code_text().c_str(), code.error().message.c_str());
  return 1;
}

}  // namespace laminar::bench
