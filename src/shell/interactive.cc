#include "shell/interactive.h"

#include <algorithm>
#include <string>
#include <vector>

#include "shell/dot_commands.h"
#include "shell/line_editor.h"
#include "shell/session.h"

namespace laminar::shell {
namespace {

constexpr std::string_view kPrompt = "laminar> ";
constexpr std::string_view kContinued = "    ...> ";

// Of a line that begins with a dot: its command, or the name of an object after it.
std::vector<Connection::Completion> complete_dot(Session& session, std::string_view line, size_t cursor) {
  const size_t dot = line.find('.');
  const size_t blank = line.find(' ', dot);
  std::vector<Connection::Completion> found;
  if (blank == std::string_view::npos || cursor <= blank) {
    const std::string_view typed = line.substr(dot + 1, cursor - dot - 1);
    for (const DotCommand& command : DotCommands::list()) {
      if (!command.name.starts_with(typed)) continue;
      found.push_back({"." + std::string(command.name) + (command.arguments.empty() ? "" : " "), dot});
    }
    return found;
  }
  // As after FROM: names of views, tables and sources.
  const std::string from = "SELECT * FROM ";
  const std::string_view rest = line.substr(blank + 1, cursor - std::min(cursor, blank + 1));
  found = session.connection().complete(from + std::string(rest), from.size() + rest.size());
  std::erase_if(found, [&](const Connection::Completion& c) { return c.begin < from.size(); });
  for (Connection::Completion& c : found) c.begin = c.begin - from.size() + blank + 1;
  return found;
}

// A statement as one line of the history, where that keeps its meaning.
std::string history_entry(std::string typed) {
  while (!typed.empty() && (typed.back() == '\n' || typed.back() == ' ')) typed.pop_back();
  if (typed.find("--") == std::string::npos && typed.find('\'') == std::string::npos) {
    std::replace(typed.begin(), typed.end(), '\n', ' ');
  }
  return typed;
}

}  // namespace

int run_interactive(Session& session) {
  std::string typed;  // of the statement that is not complete
  LineEditor editor(history_path(), [&](std::string_view line, size_t cursor) {
    const size_t first = line.find_first_not_of(' ');
    if (typed.empty() && first != std::string_view::npos && line[first] == '.')
      return complete_dot(session, line, cursor);
    std::vector<Connection::Completion> found =
        session.connection().complete(typed + std::string(line.substr(0, cursor)), typed.size() + cursor);
    std::erase_if(found, [&](const Connection::Completion& c) { return c.begin < typed.size(); });
    for (Connection::Completion& c : found) c.begin -= typed.size();
    return found;
  });
  session.out() << "LaminarDB " LAMINAR_VERSION ". Statements end with ;  .help lists commands, Ctrl-D leaves.\n";
  session.out().flush();

  StatementBuffer script;
  while (!session.quit()) {
    std::string line;
    const LineEditor::Outcome outcome = editor.read_line(std::string(script.blank() ? kPrompt : kContinued), line);
    if (outcome == LineEditor::Outcome::kInterrupted) {
      script.clear();
      typed.clear();
      continue;
    }
    if (outcome == LineEditor::Outcome::kEnd) {
      session.out() << "\n";
      session.out().flush();
      break;
    }
    if (typed.empty() && line.find_first_not_of(" \t") == std::string::npos) continue;
    typed += line + "\n";
    script.append(line + "\n");
    // Before it runs, so that a statement that ends the program is not lost.
    StatementBuffer ahead = script;
    if (ahead.next_dot_line(false) || ahead.next()) editor.remember(history_entry(typed));
    if (!session.run_script(script, false, true)) script.clear();
    if (script.blank()) {
      typed.clear();
      script.clear();
    }
  }
  return 0;
}

}  // namespace laminar::shell
