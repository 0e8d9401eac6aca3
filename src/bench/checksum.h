// A checksum of a relation that does not depend on the order of its rows: DuckDB's hash of each row's values, added up
// modulo 2^64.
//
// Whole numbers count by value whatever their type, doubles by their first eleven digits (a sum in another order differs
// in the last ones), the rest by DuckDB's text.
#pragma once

#include <string>
#include <vector>

namespace laminar::bench {

// A query over `relation` (a name, or a query in parentheses) with two columns: the number of rows and the checksum.
// `types` are the SQL types of its columns, in order.
std::string checksum_query(const std::string& relation, const std::vector<std::string>& types);

}  // namespace laminar::bench
