// `laminar demo`: Nexmark views live on the terminal, then a summary and the check against DuckDB's batch results.
#pragma once

#include <span>
#include <string>

namespace laminar::bench {

// Returns the exit code: 0, 1 when a view differs from its query or something fails, 2 for wrong arguments.
int run_demo(std::span<const std::string> arguments);

}  // namespace laminar::bench
