// What the subcommands print: figures as a table or as JSON lines, and errors.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "bench/comparison.h"

namespace laminar::bench {

class Report {
 public:
  explicit Report(bool json) : json_(json) {}
  void add(const Figures& figures);
  // 0, or 1 when a result differed or something failed.
  int exit_code() const { return exit_code_; }
  // Prints `laminar bench NAME: text`; with JSON also a line with the name and the error.
  void fail(std::string_view name, const Status& status);

 private:
  bool json_, head_printed_ = false;
  int exit_code_ = 0;
};

}  // namespace laminar::bench
