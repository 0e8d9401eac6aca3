// The commands of the shell that begin with a dot.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "laminar/laminar.h"

namespace laminar::shell {

class Session;

struct DotCommand {
  std::string_view name, arguments, doc;
};

class DotCommands {
 public:
  static std::span<const DotCommand> list();
  // Runs ".name arguments". A failure that has been printed already is kInterrupted without a message.
  static Status run(Session& session, const std::string& line);
};

}  // namespace laminar::shell
