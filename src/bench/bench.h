// `laminar bench`: our views against DuckDB on the same rows, and the latency of single rows.
#pragma once

#include <span>
#include <string>

namespace laminar::bench {

// Returns the exit code: 0, 1 when results differ or something fails, 2 for wrong arguments.
int run(std::span<const std::string> arguments);

}  // namespace laminar::bench
