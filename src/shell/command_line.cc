#include "shell/command_line.h"

#include <charconv>

namespace laminar::shell {

std::string_view usage() {
  return R"(usage: laminar [DB_DIR] [-f FILE | -c SQL]... [--format csv|json|table] [-i]
       laminar demo [--events N] [--seed N] [--help]
       laminar bench (nexmark | sql | latency | scaling | recovery | durable | checkpoint) [--help]

  DB_DIR            the folder of the database; without it everything is in memory
  -c, --command SQL run this script
  -f, --file FILE   run the script in this file; - is standard input
  -i, --interactive read statements after the scripts of -c and -f
  --cores N         run all views on N cores, also those that were made on another number
  --accept-damage   open a database whose log is damaged with what stands before the damage
  --format FORMAT   csv, json (an object per row) or table; without it table on a terminal, else csv
  --version, --help

Without -c and -f statements come from standard input and each runs as soon as it is complete; on a terminal with line
editing (.help there says more). The first error ends a script: `error LDB-nnnn at LINE:COLUMN: text` on standard
error, exit code 1.
)";
}

std::optional<CommandLine> read_command_line(std::span<const std::string> arguments, std::string& message) {
  CommandLine line;
  bool database_given = false, only_operands = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (only_operands || name.empty() || name[0] != '-') {
      if (database_given) {
        message = "more than one database: " + line.database + ", " + name;
        return std::nullopt;
      }
      database_given = true;
      line.database = name;
      continue;
    }
    if (name == "--") {
      only_operands = true;
      continue;
    }
    std::optional<std::string> value;
    if (const size_t equals = name.find('='); name.starts_with("--") && equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const bool is_command = name == "-c" || name == "--command", is_file = name == "-f" || name == "--file";
    if (is_command || is_file || name == "--format" || name == "--cores") {
      if (!value) {
        if (i + 1 == arguments.size()) {
          message = name + " needs a value";
          return std::nullopt;
        }
        value = arguments[++i];
      }
      if (name == "--cores") {
        const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), line.cores);
        if (error == std::errc() && end == value->data() + value->size() && line.cores >= 1 && line.cores <= 64) continue;
        message = "--cores takes a number from 1 to 64, not " + *value;
        return std::nullopt;
      }
      if (name != "--format") {
        line.scripts.push_back({is_file, *value});
        continue;
      }
      line.format = format_named(*value);
      if (!line.format) {
        message = "unknown format: " + *value + "; expected csv, json or table";
        return std::nullopt;
      }
      continue;
    }
    if (value) {
      message = name + " takes no value";
      return std::nullopt;
    }
    if (name == "--help" || name == "-h") {
      line.action = CommandLine::Action::kHelp;
    } else if (name == "--version") {
      line.action = CommandLine::Action::kVersion;
    } else if (name == "--accept-damage") {
      line.accept_damage = true;
    } else if (name == "--interactive" || name == "-i") {
      line.interactive = true;
    } else {
      message = "unknown option: " + name;
      return std::nullopt;
    }
  }
  return line;
}

}  // namespace laminar::shell
