#include <span>
#include <string>
#include <vector>

#include "bench/bench.h"
#include "bench/demo/demo.h"
#include "shell/shell.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  const std::span<const std::string> rest = std::span(arguments).subspan(arguments.empty() ? 0 : 1);
  // A database folder of that name is given as ./bench or ./demo.
  if (!arguments.empty() && arguments[0] == "bench") return laminar::bench::run(rest);
  if (!arguments.empty() && arguments[0] == "demo") return laminar::bench::run_demo(rest);
  return laminar::shell::run(arguments);
}
