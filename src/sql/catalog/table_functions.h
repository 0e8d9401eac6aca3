// The backend's table functions, such as changes('v') and late_rows('v'), for DuckDB.
#pragma once

namespace duckdb {
class DatabaseInstance;
}

namespace laminar::sql {

class Backend;

void register_table_functions(duckdb::DatabaseInstance& database, Backend& backend);

}  // namespace laminar::sql
