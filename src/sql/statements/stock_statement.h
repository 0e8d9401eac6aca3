// What we change in DuckDB's own statements before they are bound. Include in .cc files only.
#pragma once

#include <string>

#include "duckdb/parser/sql_statement.hpp"

namespace duckdb {
class ClientContext;
}

namespace laminar::sql {

// Sends CREATE VIEW, MACRO, TYPE and SEQUENCE without a prefix to DuckDB's own database, and rewrites window functions in
// the queries of the statement. Throws at the function that cannot be rewritten.
void adapt_stock_statement(duckdb::ClientContext& context, duckdb::SQLStatement& statement);

// DESCRIBE, which binds a query and never runs it: sources and streams may stand in it.
bool only_describes(const duckdb::SQLStatement& statement);

// The table or other object that the statement creates, drops or changes; empty when there is none.
std::string subject_of(const duckdb::SQLStatement& statement);

}  // namespace laminar::sql
