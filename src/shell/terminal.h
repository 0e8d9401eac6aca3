// What the shell asks of a terminal: its size, keys without Enter, a second screen.
//
// Threads: one at a time. Terminal state is put back by the destructors.
#pragma once

#include <termios.h>
#include <cstddef>
#include <optional>
#include <string>

namespace laminar::shell {

bool is_terminal(int fd);

struct ScreenSize {
  size_t columns = 80, rows = 24;
};
// Of the terminal behind fd; without one COLUMNS and LINES count, else 80 by 24.
ScreenSize screen_size(int fd);

// Keys one by one and unseen while it lives; Ctrl-C still makes a signal.
class KeyMode {
 public:
  explicit KeyMode(int fd);
  ~KeyMode();
  KeyMode(const KeyMode&) = delete;
  // Waits for a key; none after timeout_ms or when a signal came.
  std::optional<char> read_key(int timeout_ms);

 private:
  int fd_;
  bool changed_ = false;
  termios before_{};
};

// The alternate screen with the cursor hidden; leaving it shows again what was there before.
class FullScreen {
 public:
  explicit FullScreen(int fd);
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  // Replaces what is shown: lines beyond the height are left out, no line may be wider than the screen.
  void draw(const std::string& lines);

 private:
  int fd_;
};

}  // namespace laminar::shell
