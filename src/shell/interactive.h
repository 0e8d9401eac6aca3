// The shell on a terminal: prompt, several lines to a statement, Ctrl-C that stops a statement and not the shell.
#pragma once

namespace laminar::shell {

class Session;

// Until .quit or the end of the input; returns the exit code.
int run_interactive(Session& session);

}  // namespace laminar::shell
