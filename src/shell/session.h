// A session of the shell: a connection, how results are printed, and the statements that only the shell knows.
//
// Threads: one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "laminar/laminar.h"
#include "shell/activity.h"
#include "shell/format/row_format.h"
#include "shell/output.h"
#include "shell/statement_buffer.h"

namespace laminar::shell {

class Session {
 public:
  // `activity` may be null. Results go to `out`.
  Session(Database& database, Output& out, Activity* activity);

  FormatOptions format;
  bool fit_width = false;  // tables are as wide as the screen, which may change
  bool show_time = false;  // after each statement
  bool is_screen = false;  // standard output is a terminal

  Database& database() { return database_; }
  Connection& connection() { return *connection_; }
  Output& out() { return out_; }

  // Runs one statement and prints its result.
  Status run(const std::string& statement);
  // Runs all that is in the buffer; on `at_end` what is left too. False after an error, which has been printed with its
  // place in the script; `caret` also shows the line.
  bool run_script(StatementBuffer& script, bool at_end, bool caret);
  // Runs a file; false after an error.
  bool run_file(const std::string& path, bool caret);
  bool quit() const { return quit_; }

 private:
  friend class DotCommands;
  Status watch(const std::string& statement);
  void print_error(const StatementBuffer::Statement& statement, const Error& error, bool caret);

  Database& database_;
  Output& out_;
  Activity* activity_;
  std::unique_ptr<Connection> connection_;
  bool quit_ = false;
  int file_depth_ = 0;
};

// `error LDB-nnnn at LINE:COLUMN: text`
std::string error_line(const Error& error, TextPosition position);
// The line of the text with the byte, and a caret below it, both cut to the width; two lines with their breaks.
std::string caret_lines(std::string_view text, size_t offset, size_t width);

}  // namespace laminar::shell
