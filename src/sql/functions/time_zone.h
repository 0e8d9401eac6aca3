// Time zones by name, from DuckDB's ICU: the transitions of its clocks as plain data.
//
// Threads: any; zones are kept for the process.
// Errors:  an unknown name throws what DuckDB throws.
#pragma once

#include <memory>
#include <string>

#include "plan/time_zone.h"

namespace duckdb {
class ClientContext;
}

namespace laminar::sql {

std::shared_ptr<const plan::TimeZone> find_time_zone(duckdb::ClientContext& context, const std::string& name);
// The same for windows of months: TimeZone::months(). An empty name: UTC.
std::shared_ptr<const plan::TimeZone> find_calendar(duckdb::ClientContext& context, const std::string& zone);

}  // namespace laminar::sql
