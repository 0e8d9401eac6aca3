// Lines typed on the terminal: editing, history that lasts, completion.
//
// Threads: one; one editor in a process.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "laminar/laminar.h"

namespace laminar::shell {

class LineEditor {
 public:
  // What may replace text[begin, cursor) of the line.
  using Completer = std::function<std::vector<Connection::Completion>(std::string_view line, size_t cursor)>;
  // An empty path keeps no history beyond the run.
  LineEditor(std::string history_path, Completer completer);
  ~LineEditor();

  enum class Outcome { kLine, kEnd, kInterrupted };
  // The line without its break.
  Outcome read_line(const std::string& prompt, std::string& line);
  // One entry, several lines perhaps; it is on disk when this returns.
  void remember(const std::string& entry);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// $LAMINAR_HISTORY, else $XDG_STATE_HOME/laminar/history, else ~/.laminar_history; empty without a home.
std::string history_path();
// The longest text that all begin with; letters that differ in case only end it.
std::string common_prefix(const std::vector<Connection::Completion>& completions);

}  // namespace laminar::shell
