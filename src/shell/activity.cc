#include "shell/activity.h"

#include <poll.h>
#include <algorithm>
#include <string>

#include "base/clock.h"
#include "shell/figures.h"
#include "shell/output.h"
#include "shell/terminal.h"
#include "shell/text_width.h"

namespace laminar::shell {
namespace {

constexpr int64_t kProgressAfterMs = 2000;
constexpr int kFrameMs = 100;

double rows_in(Database& database) { return total(database.metrics(), "rows_in"); }

}  // namespace

Activity::Activity(Database& database, int progress_fd)
    : database_(database), progress_fd_(progress_fd), thread_([this] { watch(); }) {}

Activity::~Activity() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  interrupts_.wake();
  thread_.join();
}

void Activity::begin(Connection& connection) {
  const std::lock_guard lock(mutex_);
  interrupts_.take();
  connection_ = &connection;
  begin_ns_ = monotonic_ns();
  show_ = progress_fd_ >= 0;
  rows_before_ = -1;
  interrupts_.wake();
}

void Activity::quiet() {
  const std::lock_guard lock(mutex_);
  show_ = false;
  erase();
}

void Activity::end() {
  const std::lock_guard lock(mutex_);
  erase();
  connection_ = nullptr;
}

void Activity::watch() {
  while (true) {
    bool running = false;
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      running = connection_ != nullptr;
    }
    pollfd wait{interrupts_.fd(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, running && progress_fd_ >= 0 ? kFrameMs : -1);
    bool show = false;
    int64_t elapsed_ms = 0;
    {
      const std::lock_guard lock(mutex_);
      if (ready > 0 && interrupts_.take() && connection_) connection_->interrupt();
      elapsed_ms = (monotonic_ns() - begin_ns_) / 1'000'000;
      show = connection_ && show_ && elapsed_ms >= kProgressAfterMs;
    }
    if (show) draw(elapsed_ms);
  }
}

void Activity::draw(int64_t elapsed_ms) {
  static constexpr const char* kFrames[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
  // A tick that one statement fills holds whoever asks for figures.
  const uint64_t changes = database_.changes_in_tick();
  // Asked outside the lock: it may wait for a tick.
  const double rows = changes > 0 ? 0 : rows_in(database_);
  const std::lock_guard lock(mutex_);
  if (!connection_ || !show_) return;
  if (rows_before_ < 0 && changes == 0) rows_before_ = rows;
  std::string line = std::string(kFrames[frame_++ % std::size(kFrames)]) + " " + elapsed_text(elapsed_ms * 1'000'000);
  if (changes > 1) {
    line += "  " + short_number(static_cast<double>(changes)) + " changes made by this statement";
  } else if (changes == 0 && rows > rows_before_) {
    const double seconds = static_cast<double>(elapsed_ms - kProgressAfterMs) / 1000;
    line += "  " + short_number(rows) + " rows in";
    if (seconds > 0.5) line += ", " + short_number((rows - rows_before_) / seconds) + " rows/s";
  }
  line += "  (Ctrl-C stops it)";
  write_all(progress_fd_, "\r" + cut_to_width(line, screen_size(progress_fd_).columns - 1) + "\x1b[K");
  drawn_ = true;
}

void Activity::erase() {
  if (drawn_) write_all(progress_fd_, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace laminar::shell
