#include "shell/session.h"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "shell/dot_commands.h"
#include "shell/figures.h"
#include "shell/terminal.h"
#include "shell/text_width.h"
#include "shell/watch.h"

namespace laminar::shell {
namespace {

constexpr int kFileDepthMax = 16;

}  // namespace

std::string error_line(const Error& error, TextPosition position) {
  return "error " + error.code_text() + " at " + std::to_string(position.line) + ":" + std::to_string(position.column) +
         ": " + error.message + "\n";
}

std::string caret_lines(std::string_view text, size_t offset, size_t width) {
  offset = std::min(offset, text.size());
  const size_t break_before = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  const size_t begin = break_before == std::string_view::npos ? 0 : break_before + 1;
  const size_t end = std::min(text.find('\n', offset), text.size());
  std::string before = single_line(text.substr(begin, offset - begin)),
              after = single_line(text.substr(offset, end - offset));
  // The caret stays in sight: a long line loses its beginning.
  const size_t room = std::max<size_t>(width, 20) - 1;
  size_t caret = display_width(before);
  if (caret > room * 2 / 3) {
    before = "…" + before.substr(prefix_of_width(before, caret - room / 2));
    caret = display_width(before);
  }
  return before + cut_to_width(after, room - caret) + "\n" + std::string(caret, ' ') + "^\n";
}

Session::Session(Database& database, Output& out, Activity* activity)
    : database_(database), out_(out), activity_(activity), connection_(database.connect()) {}

Status Session::run(const std::string& statement) {
  if (is_watch(statement)) return watch(statement);
  const int64_t begin_ns = monotonic_ns();
  if (fit_width) format.width = screen_size(STDOUT_FILENO).columns;
  if (activity_) activity_->begin(*connection_);
  Status status = connection_->execute(statement, [&](Rows& rows, std::string_view) -> Status {
    if (rows.silent()) return {};
    if (format.format == Format::kTable) {
      ASSIGN_OR_RETURN(const Table table, read_table(rows, format.rows_max));
      if (activity_) activity_->quiet();
      out_ << draw_table(table, format.width);
      return {};
    }
    if (activity_) activity_->quiet();
    return write_rows(rows, format, out_);
  });
  if (activity_) activity_->end();
  if (show_time && status.ok()) out_ << "took " + elapsed_text(monotonic_ns() - begin_ns) + "\n";
  out_.flush();
  return status;
}

Status Session::watch(const std::string& statement) {
  out_.flush();
  if (!is_screen || !is_terminal(STDIN_FILENO)) {
    return Status(ErrorCode::kNotImplemented,
                  "WATCH redraws a terminal, and there is none; SELECT reads the view once, "
                  "SUBSCRIBE prints its changes",
                  static_cast<int64_t>(skip_blank(statement)));
  }
  return watch_view(database_, *connection_, statement);
}

void Session::print_error(const StatementBuffer::Statement& statement, const Error& error, bool caret) {
  out_.flush();
  std::string text = error_line(error, statement.position_of(error.offset));
  if (caret && error.offset >= 0) {
    text += caret_lines(statement.text, static_cast<size_t>(error.offset), screen_size(STDERR_FILENO).columns);
  }
  write_all(STDERR_FILENO, text);
}

bool Session::run_script(StatementBuffer& script, bool at_end, bool caret) {
  while (!quit_) {
    if (std::optional<StatementBuffer::Statement> line = script.next_dot_line(at_end)) {
      const Status status = DotCommands::run(*this, line->text);
      if (status.ok()) continue;
      if (status.error().code != ErrorCode::kInterrupted || !status.error().message.empty()) {
        print_error(*line, status.error(), caret);
      }
      return false;
    }
    std::optional<StatementBuffer::Statement> statement = script.next();
    if (!statement && at_end) statement = script.rest();
    if (!statement) return true;
    if (const Status status = run(statement->text); !status.ok()) {
      print_error(*statement, status.error(), caret);
      return false;
    }
    if (out_.failed()) return false;
  }
  return true;
}

bool Session::run_file(const std::string& path, bool caret) {
  const auto fail = [&](ErrorCode code, const std::string& message) {
    out_.flush();
    write_all(STDERR_FILENO, error_line(Error{code, message, -1}, {1, 1}));
    return false;
  };
  if (file_depth_ >= kFileDepthMax) return fail(ErrorCode::kLimitExceeded, "files read each other too deep: " + path);
  const int fd = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return fail(errno == ENOENT ? ErrorCode::kFileNotFound : ErrorCode::kFileUnreadable,
                "script cannot be opened: " + path + " (" + std::strerror(errno) + ")");
  }
  ++file_depth_;
  StatementBuffer script;
  bool ok = true;
  std::string bytes(1 << 16, '\0');
  while (ok && !quit_) {
    const ssize_t n = ::read(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      ok = fail(ErrorCode::kFileUnreadable, "script cannot be read: " + path + " (" + std::strerror(errno) + ")");
      break;
    }
    script.append({bytes.data(), static_cast<size_t>(n)});
    ok = run_script(script, n == 0, caret);
    if (n == 0) break;
  }
  ::close(fd);
  --file_depth_;
  return ok;
}

}  // namespace laminar::shell
