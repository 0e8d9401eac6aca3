// What we ask of DuckDB's own parser while reading our statements: is this a query, a type, a condition, a reserved
// word?
//
// Errors:  LDB-1001 with the script's offset; texts are blanked to script offsets before they come here.
// Threads: any; DuckDB's parser keeps its state per thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace duckdb {
class ErrorData;
}

namespace laminar::sql {

// The byte offset of a parser error in the text that was parsed, -1 when it has none. DuckDB's grammar counts
// characters, its transformer bytes.
int64_t parser_error_offset(const duckdb::ErrorData& error, std::string_view parsed_text);

// `blanked` holds one query in [begin, end), spaces before it. An error at the end of the query stands at `end`.
Status check_query(const std::string& blanked, int64_t begin, int64_t end);
// A column's type, as in CREATE TABLE; the error stands at `offset`.
Status check_column_type(std::string_view type_text, int64_t offset);
// `blanked` holds one condition in [begin, end), spaces before it, at least 15 of them.
Status check_condition(const std::string& blanked, int64_t begin, int64_t end);
// Words that cannot name a column or table unless quoted.
bool is_reserved_word(std::string_view word);

}  // namespace laminar::sql
