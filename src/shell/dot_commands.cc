#include "shell/dot_commands.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "shell/session.h"

namespace laminar::shell {
namespace {

constexpr DotCommand kCommands[] = {
    {"help", "", "this list"},
    {"quit", "", "leave; so does Ctrl-D on an empty line"},
    {"tables", "", "sources, tables, views, streams and sinks"},
    {"schema", "[NAME]", "the statement that made an object, or all of them"},
    {"columns", "NAME", "the columns of an object"},
    {"watch", "VIEW [ORDER BY ...]", "show a view as it changes, until q or Ctrl-C; also as WATCH VIEW;"},
    {"format", "csv|json|table", "how results are printed"},
    {"timer", "on|off", "print how long each statement took"},
    {"width", "N|auto", "columns that a table may take; 0: as wide as it is"},
    {"rows", "N", "rows that a table shows; 0: all"},
    {"read", "FILE", "run a script"},
    {"metrics", "[OBJECT]", "counters of the database, or of one object"},
};

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string::npos) {
    const size_t end =
        line[at] == '\'' || line[at] == '"' ? line.find(line[at], at + 1) : line.find_first_of(" \t", at);
    if (end != std::string::npos && (line[at] == '\'' || line[at] == '"')) {
      words.push_back(line.substr(at + 1, end - at - 1));
      at = end + 1;
      continue;
    }
    words.push_back(line.substr(at, end == std::string::npos ? end : end - at));
    if (end == std::string::npos) break;
    at = end;
  }
  // Statements end with `;`, so hands add it here too.
  if (!words.empty() && words.back().size() > 1 && words.back().back() == ';') words.back().pop_back();
  return words;
}

std::string quoted(std::string_view name, char quote) {
  std::string out(1, quote);
  for (const char c : name) {
    if (c == quote) out += c;
    out += c;
  }
  return out + quote;
}

std::optional<size_t> number(const std::string& text) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

Status wrong_arguments(const DotCommand& command) {
  return Status(ErrorCode::kSyntaxError, "usage: ." + std::string(command.name) +
                                             (command.arguments.empty() ? "" : " " + std::string(command.arguments)));
}

std::string help() {
  std::string out =
      "Statements end with ; and may span lines. Tab completes, the arrow keys and Ctrl-R find earlier lines, Ctrl-C\n"
      "stops a running statement or forgets the one being typed.\n\n";
  size_t widest = 0;
  for (const DotCommand& c : kCommands) widest = std::max(widest, c.name.size() + c.arguments.size() + 2);
  for (const DotCommand& c : kCommands) {
    std::string head = "." + std::string(c.name) + (c.arguments.empty() ? "" : " " + std::string(c.arguments));
    head.resize(std::max(widest, head.size()), ' ');
    out += "  " + head + "  " + std::string(c.doc) + "\n";
  }
  return out;
}

// Prints the statement that made an object, with its `;`.
Status print_statement(Session& session, const std::string& name) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, session.connection().query("SHOW CREATE " + quoted(name, '"')));
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows->next());
    if (!more) return {};
    std::string sql = rows->text(rows->columns().size() - 1);
    while (!sql.empty() && (sql.back() == ';' || sql.back() == '\n' || sql.back() == ' ')) sql.pop_back();
    session.out() << sql << ";\n";
  }
}

}  // namespace

std::span<const DotCommand> DotCommands::list() { return kCommands; }

Status DotCommands::run(Session& session, const std::string& line) {
  const std::vector<std::string> words = words_of(line.substr(1));
  const DotCommand* command = nullptr;
  for (const DotCommand& c : kCommands) {
    if (!words.empty() && (c.name == words[0] || (words[0] == "exit" && c.name == "quit"))) command = &c;
  }
  if (!command) {
    return Status(ErrorCode::kSyntaxError,
                  "unknown command: ." + (words.empty() ? std::string() : words[0]) + "; .help lists what there is", 0);
  }
  const std::string_view name = command->name;
  const size_t given = words.size() - 1;
  if (name == "help") {
    session.out() << help();
  } else if (name == "quit") {
    session.quit_ = true;
  } else if (name == "tables") {
    return session.run("SHOW TABLES");
  } else if (name == "columns") {
    if (given != 1) return wrong_arguments(*command);
    return session.run("DESCRIBE " + quoted(words[1], '"'));
  } else if (name == "schema") {
    if (given > 1) return wrong_arguments(*command);
    std::vector<std::string> names;
    if (given == 1) names.push_back(words[1]);
    for (const char* list : {"SHOW TABLES", "SHOW SINKS"}) {
      if (given == 1) break;
      ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, session.connection().query(list));
      while (true) {
        ASSIGN_OR_RETURN(const bool more, rows->next());
        if (!more) break;
        names.push_back(rows->text(0));
      }
    }
    for (const std::string& object : names) RETURN_IF_ERROR(print_statement(session, object));
  } else if (name == "watch") {
    const size_t after = line.find("watch") + 5;
    if (given == 0) return wrong_arguments(*command);
    return session.run("WATCH" + line.substr(after));
  } else if (name == "format") {
    const std::optional<Format> format = given == 1 ? format_named(words[1]) : std::nullopt;
    if (!format) return wrong_arguments(*command);
    session.format.format = *format;
  } else if (name == "timer") {
    if (given != 1 || (words[1] != "on" && words[1] != "off")) return wrong_arguments(*command);
    session.show_time = words[1] == "on";
  } else if (name == "width") {
    const std::optional<size_t> width = given == 1 ? number(words[1]) : std::nullopt;
    if (!width && !(given == 1 && words[1] == "auto")) return wrong_arguments(*command);
    session.fit_width = !width;
    session.format.width = width.value_or(0);
  } else if (name == "rows") {
    const std::optional<size_t> rows = given == 1 ? number(words[1]) : std::nullopt;
    if (!rows) return wrong_arguments(*command);
    session.format.rows_max = *rows;
  } else if (name == "read") {
    if (given != 1) return wrong_arguments(*command);
    if (!session.run_file(words[1], session.is_screen)) return Status(ErrorCode::kInterrupted, "");
  } else if (name == "metrics") {
    if (given > 1) return wrong_arguments(*command);
    Table table;
    table.columns = {{"object", "VARCHAR"}, {"metric", "VARCHAR"}, {"value", "DOUBLE"}};
    for (const Metric& m : session.database().metrics()) {
      if (given == 1 && m.object != words[1]) continue;
      char value[32];
      std::to_chars_result end = std::to_chars(value, value + sizeof(value), m.value);
      table.rows.push_back({{m.object}, {m.name}, {std::string(value, end.ptr)}});
    }
    table.rows_total = table.rows.size();
    session.out() << draw_table(table, session.format.width);
  }
  session.out().flush();
  return {};
}

}  // namespace laminar::shell
