#include "shell/watch.h"

#include <unistd.h>
#include <algorithm>

#include "base/clock.h"
#include "shell/figures.h"
#include "shell/format/row_format.h"
#include "shell/interrupt.h"
#include "shell/statement_buffer.h"
#include "shell/terminal.h"
#include "shell/text_width.h"

namespace laminar::shell {
namespace {

constexpr int kFrameMs = 200;
constexpr size_t kFrameLines = 7;  // title, figures, the table's four lines, a blank
constexpr std::string_view kWatch = "watch";

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

}  // namespace

bool is_watch(std::string_view statement) {
  const std::string_view text = statement.substr(skip_blank(statement));
  if (text.size() <= kWatch.size() || is_word(text[kWatch.size()])) return false;
  return std::equal(kWatch.begin(), kWatch.end(), text.begin(), [](char a, char b) { return a == (b | 0x20); });
}

Status watch_view(Database& database, Connection& connection, const std::string& statement) {
  const size_t word = skip_blank(statement);
  const size_t begin = word + kWatch.size();
  size_t end = statement.find_last_not_of(" \t\r\n;");
  end = end == std::string::npos ? statement.size() : end + 1;
  if (end <= begin)
    return Status(ErrorCode::kSyntaxError, "WATCH needs a view: WATCH view [ORDER BY ...]", static_cast<int64_t>(word));
  const std::string what = statement.substr(begin, end - begin);
  const std::string select = "SELECT * FROM";

  const auto read = [&](size_t rows) -> Result<Table> {
    Result<std::unique_ptr<Rows>> result = connection.query(select + what + "\nLIMIT " + std::to_string(rows));
    if (!result.ok()) {
      Error error = result.error();
      if (error.offset >= 0) {  // from the query that we made to the statement that was typed
        error.offset =
            std::clamp<int64_t>(error.offset - static_cast<int64_t>(select.size()) + static_cast<int64_t>(begin),
                                static_cast<int64_t>(begin), static_cast<int64_t>(end));
      }
      return Status(std::move(error));
    }
    return read_table(**result, 0);
  };
  // A mistake shows before the screen changes.
  ASSIGN_OR_RETURN(Table table, read(1));

  Interrupts::Receiver interrupts;
  const uint64_t interrupted_before = Interrupts::count();
  KeyMode keys(STDIN_FILENO);
  FullScreen screen(STDOUT_FILENO);
  double rows_before = total(database.metrics(), "rows_in");
  double rate = 0;
  int64_t ns_before = monotonic_ns();
  while (Interrupts::count() == interrupted_before) {
    const ScreenSize size = screen_size(STDOUT_FILENO);
    ASSIGN_OR_RETURN(table, read(size.rows > kFrameLines + 1 ? size.rows - kFrameLines : 1));
    const std::vector<Metric> metrics = database.metrics();
    const int64_t now_ns = monotonic_ns();
    const double rows = total(metrics, "rows_in");
    const double seconds = static_cast<double>(now_ns - ns_before) / 1e9;
    if (seconds > 0.1) {
      const double now_rate = (rows - rows_before) / seconds;
      rate = rate == 0 ? now_rate : rate * 0.6 + now_rate * 0.4;
      rows_before = rows;
      ns_before = now_ns;
    }
    std::string figures = short_number(rows) + " rows in, " + short_number(rate) + " rows/s, tick " +
                          with_commas(database.tick()) + ", tick latency p50 " +
                          short_duration_us(metric(metrics, "tick_p50_us")) + " p99 " +
                          short_duration_us(metric(metrics, "tick_p99_us"));
    std::string lines = "\x1b[1m" + cut_to_width("WATCH" + single_line(what) + "   (q or Ctrl-C ends)", size.columns) +
                        "\x1b[0m\n" + cut_to_width(figures, size.columns) + "\n\n" + draw_table(table, size.columns);
    screen.draw(lines);
    const int64_t next_ns = now_ns + kFrameMs * 1'000'000;
    while (Interrupts::count() == interrupted_before) {
      const int64_t left_ms = (next_ns - monotonic_ns()) / 1'000'000;
      const std::optional<char> key = keys.read_key(static_cast<int>(std::max<int64_t>(left_ms, 0)));
      if (key == 'q' || key == 'Q') return {};
      if (left_ms <= 0) break;
    }
  }
  return {};
}

}  // namespace laminar::shell
