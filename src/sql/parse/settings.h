// The engine's own settings, one row each: what SET takes besides DuckDB's.
#pragma once

#include <span>

#include "base/options.h"

namespace laminar::sql {

std::span<const OptionSpec> engine_settings();
// Null when SET name is DuckDB's affair.
const OptionSpec* find_engine_setting(std::string_view lower_name);
// Settings that are planned: SET says LDB-3005 instead of calling them unknown.
bool is_planned_setting(std::string_view lower_name);

}  // namespace laminar::sql
