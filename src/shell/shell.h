// The program `laminar` without its subcommands: scripts from arguments, files and pipes, and the interactive shell.
#pragma once

#include <span>
#include <string>

namespace laminar::shell {

// Runs as the arguments say; returns the exit code: 0, 1 after an error in a script, 2 for wrong arguments.
int run(std::span<const std::string> arguments);

}  // namespace laminar::shell
