// The DuckDB instance that connectors read, write and cast with: one for all of them, apart from the database's own.
//
// Threads: any. Owns: nothing; it lives while somebody holds it.
#pragma once

#include <memory>

#include "base/status.h"
#include "duck/database.h"
#include "duck/json_cast.h"

namespace laminar::connectors {

Result<std::shared_ptr<duck::Database>> connector_duckdb();

// The cast that `made` holds, opened there at the first call; null when DuckDB cannot.
template <class Pointer>
duck::JsonCast* json_cast(Pointer& made) {
  if (!made) {
    const auto database = connector_duckdb();
    if (!database.ok()) return nullptr;
    auto cast = duck::JsonCast::open(*database);
    if (!cast.ok()) return nullptr;
    made = cast.take();
  }
  return made.get();
}

}  // namespace laminar::connectors
