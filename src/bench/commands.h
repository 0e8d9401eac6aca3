// The subcommands of `laminar bench`, each with its exit code.
#pragma once

#include <span>
#include <string>

namespace laminar::bench {

int run_nexmark(std::span<const std::string> arguments);
int run_sql(std::span<const std::string> arguments);
int run_latency(std::span<const std::string> arguments);
int run_scaling(std::span<const std::string> arguments);
int run_reading(std::span<const std::string> arguments);
int run_durable(std::span<const std::string> arguments);
int run_watermark(std::span<const std::string> arguments);
int run_recovery(std::span<const std::string> arguments);
int run_checkpoint(std::span<const std::string> arguments);

}  // namespace laminar::bench
