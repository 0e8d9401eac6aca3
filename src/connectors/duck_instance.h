// The DuckDB instance that connectors read, write and cast with: one for all of them, apart from the database's own.
//
// Threads: any. Owns: nothing; it lives while somebody holds it.
#pragma once

#include <memory>

#include "base/status.h"
#include "duck/database.h"

namespace laminar::connectors {

Result<std::shared_ptr<duck::Database>> connector_duckdb();

}  // namespace laminar::connectors
