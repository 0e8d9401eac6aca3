#include "shell/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cstdlib>

#include "shell/output.h"

namespace laminar::shell {
namespace {

size_t size_from_environment(const char* name, size_t otherwise) {
  const char* text = std::getenv(name);
  const long value = text ? std::strtol(text, nullptr, 10) : 0;
  return value > 0 && value < 100000 ? static_cast<size_t>(value) : otherwise;
}

}  // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

ScreenSize screen_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) return {size.ws_col, size.ws_row};
  return {size_from_environment("COLUMNS", 80), size_from_environment("LINES", 24)};
}

KeyMode::KeyMode(int fd) : fd_(fd) {
  if (::tcgetattr(fd_, &before_) != 0) return;
  termios keys = before_;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  keys.c_cc[VMIN] = 0;
  keys.c_cc[VTIME] = 0;
  changed_ = ::tcsetattr(fd_, TCSANOW, &keys) == 0;
}

KeyMode::~KeyMode() {
  if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
}

std::optional<char> KeyMode::read_key(int timeout_ms) {
  pollfd wait{fd_, POLLIN, 0};
  if (::poll(&wait, 1, timeout_ms) <= 0 || !(wait.revents & POLLIN)) return std::nullopt;
  char key = 0;
  return ::read(fd_, &key, 1) == 1 ? std::optional(key) : std::nullopt;
}

FullScreen::FullScreen(int fd) : fd_(fd) { write_all(fd_, "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"); }

FullScreen::~FullScreen() { write_all(fd_, "\x1b[?7h\x1b[?25h\x1b[?1049l"); }

void FullScreen::draw(const std::string& lines) {
  // Each line is cleared after its text, not before: nothing flickers.
  const size_t height = screen_size(fd_).rows;
  std::string out = "\x1b[?2026h\x1b[H";
  size_t begin = 0, row = 0;
  while (begin < lines.size() && row < height) {
    size_t end = lines.find('\n', begin);
    if (end == std::string::npos) end = lines.size();
    if (row > 0) out += "\r\n";
    out.append(lines, begin, end - begin);
    out += "\x1b[K";
    begin = end + 1;
    ++row;
  }
  out += "\x1b[J\x1b[?2026l";
  write_all(fd_, out);
}

}  // namespace laminar::shell
