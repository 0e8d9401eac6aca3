// The arguments of `laminar`, read.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shell/format/row_format.h"

namespace laminar::shell {

struct CommandLine {
  enum class Action { kRun, kHelp, kVersion };
  struct Script {
    bool is_file = false;
    std::string text;  // SQL, or the file's path; "-" is standard input
  };
  Action action = Action::kRun;
  std::string database;         // empty: in memory
  std::vector<Script> scripts;  // in order; none: standard input
  std::optional<Format> format;
  unsigned cores = 0;          // 0: as the views were made
  bool accept_damage = false;  // open what stands before a damage of the log
  bool interactive = false;  // after the scripts, read statements from standard input
};

// On an error `message` says what is wrong with the arguments.
std::optional<CommandLine> read_command_line(std::span<const std::string> arguments, std::string& message);
std::string_view usage();

}  // namespace laminar::shell
