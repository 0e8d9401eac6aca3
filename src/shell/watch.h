// WATCH: a view on the whole screen, drawn again as it changes.
#pragma once

#include <string>
#include <string_view>

#include "laminar/laminar.h"

namespace laminar::shell {

// Whether the statement begins with the word WATCH.
bool is_watch(std::string_view statement);
// `WATCH view [WHERE ...] [ORDER BY ...]`: until q or Ctrl-C. Needs a terminal.
Status watch_view(Database& database, Connection& connection, const std::string& statement);

}  // namespace laminar::shell
