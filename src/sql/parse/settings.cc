#include "sql/parse/settings.h"

#include <algorithm>
#include <array>

namespace laminar::sql {
namespace {

constexpr OptionSpec kSettings[] = {
    {.name = "checkpoint_interval",
     .kind = OptionKind::kInterval,
     .default_text = "10 seconds",
     .min = 0,
     .doc = "how often a checkpoint is taken when there is something new; little that is new waits up to 6 times as long; 0 seconds: by CHECKPOINT only"},
    {.name = "checkpoint_retention",
     .kind = OptionKind::kInteger,
     .default_text = "2",
     .min = 1,
     .max = 1000,
     .doc = "checkpoints that are kept; the log is kept from the oldest on"},
    {.name = "cores",
     .kind = OptionKind::kInteger,
     .default_text = "1",
     .min = 1,
     .max = 64,
     .doc = "cores that run views created from now on; it can be changed while no view runs on several"},
    {.name = "durability",
     .kind = OptionKind::kChoice,
     .default_text = "batch",
     .choices = "sync|batch|none",
     .doc = "sync: a change returns when it is on disk; batch: it is on disk a few milliseconds later; none: the system "
            "writes it when it likes"},
    {.name = "core_wait",
     .kind = OptionKind::kChoice,
     .default_text = "park",
     .choices = "park|spin",
     .doc = "what a core's thread does between ticks: park after 50 us without work, or look for work all the time"},
    {.name = "core_pin",
     .kind = OptionKind::kBoolean,
     .default_text = "false",
     .doc = "bind each core's thread to a processor of its own; see laminar_cores() for how it went"},
    {.name = "core_rows",
     .kind = OptionKind::kInteger,
     .default_text = "512",
     .min = 0,
     .doc = "rows of a tick from which on the threads of the cores run it; smaller ticks are run by the thread that brings them"},
    {.name = "state_memory_limit",
     .kind = OptionKind::kBytes,
     .default_text = "",
     .min = 1,
     .doc = "bytes of state of all views and tables beyond which no more rows are taken; RESET: none"},
    {.name = "tick_budget",
     .kind = OptionKind::kInterval,
     .default_text = "50 milliseconds",
     .min = 0,
     .doc = "a tick that takes longer is listed by laminar_overruns() with the operator at work then; 0 seconds: none is"},
    {.name = "future_skew",
     .kind = OptionKind::kInterval,
     .default_text = "1 day",
     .min = 0,
     .doc = "how far ahead of the clock a row's time may lie before it no longer moves the watermark"},
    {.name = "io_backend",
     .kind = OptionKind::kChoice,
     .default_text = "pwrite",
     .choices = "pwrite|direct|io_uring|io_uring_sqpoll|auto",
     .doc = "how the log is written: through the page cache, past it, by io_uring, by io_uring with a polling "
            "thread of the kernel, or what a trial at each opening shows to be fastest"},
    {.name = "idle_timeout",
     .kind = OptionKind::kInterval,
     .default_text = "30 seconds",
     .min = 0,
     .doc = "a partition without rows for this long leaves the watermark's minimum; 0 seconds: never"},
};
constexpr std::array<std::string_view, 1> kPlanned = {"memory_budget"};

}  // namespace

std::span<const OptionSpec> engine_settings() { return kSettings; }

const OptionSpec* find_engine_setting(std::string_view lower_name) {
  for (const OptionSpec& row : kSettings) {
    if (row.name == lower_name) return &row;
  }
  return nullptr;
}

bool is_planned_setting(std::string_view lower_name) {
  return std::find(kPlanned.begin(), kPlanned.end(), lower_name) != kPlanned.end();
}

}  // namespace laminar::sql
