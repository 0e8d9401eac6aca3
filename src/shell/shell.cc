#include "shell/shell.h"

#include <unistd.h>
#include <csignal>
#include <optional>

#include "laminar/laminar.h"
#include "shell/activity.h"
#include "shell/command_line.h"
#include "shell/interactive.h"
#include "shell/interrupt.h"
#include "shell/output.h"
#include "shell/session.h"
#include "shell/terminal.h"

namespace laminar::shell {

int run(std::span<const std::string> arguments) {
  std::string message;
  const std::optional<CommandLine> line = read_command_line(arguments, message);
  if (!line) {
    write_all(STDERR_FILENO, "laminar: " + message + "\n");
    write_all(STDERR_FILENO, usage());
    return 2;
  }
  if (line->action == CommandLine::Action::kHelp) {
    write_all(STDOUT_FILENO, usage());
    return 0;
  }
  if (line->action == CommandLine::Action::kVersion) {
    write_all(STDOUT_FILENO, "laminar " LAMINAR_VERSION "\n");
    return 0;
  }

  Database::Options options;
  options.accept_damage = line->accept_damage;
  options.cores = line->cores;
  options.on_recovery = [](const std::string& progress) { write_all(STDERR_FILENO, progress + "\n"); };
  Result<std::unique_ptr<Database>> database = Database::open(line->database, options);
  if (!database.ok()) {
    write_all(STDERR_FILENO, error_line(database.error(), {1, 1}));
    return 1;
  }
  const bool screen_out = is_terminal(STDOUT_FILENO), screen_err = is_terminal(STDERR_FILENO);
  const bool reads_input = line->scripts.empty() || line->interactive;
  const bool interactive = reads_input && is_terminal(STDIN_FILENO);
  if (interactive) Interrupts::install();

  Output out(STDOUT_FILENO);
  std::optional<Activity> activity;
  if (interactive || screen_err) activity.emplace(**database, screen_err ? STDERR_FILENO : -1);
  Session session(**database, out, activity ? &*activity : nullptr);
  session.is_screen = screen_out;
  session.fit_width = screen_out;
  session.format.format = line->format.value_or(screen_out ? Format::kTable : Format::kCsv);
  if (interactive && screen_out) session.format.rows_max = 40;

  for (const CommandLine::Script& script : line->scripts) {
    bool ok = true;
    if (script.is_file) {
      ok = session.run_file(script.text, screen_err);
    } else {
      StatementBuffer buffer;
      buffer.append(script.text);
      ok = session.run_script(buffer, true, screen_err);
    }
    if (!ok) return 1;
    if (session.quit()) return 0;
  }
  if (!reads_input) return out.failed() ? 1 : 0;
  if (interactive) return run_interactive(session);
  return session.run_file("-", screen_err) && !out.failed() ? 0 : 1;
}

}  // namespace laminar::shell
