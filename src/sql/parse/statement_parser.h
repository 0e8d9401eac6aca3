// The recursive-descent parser of our own statements.
//
// Errors:  LDB-1001 at the offending token; LDB-3005 for forms that are known and not there yet; 1003, 1005, 1007, 1008
//          where an option, interval, name or watermark is wrong by itself.
// Bounds:  tokens are those of one statement, without its `;`.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/status.h"
#include "sql/parse/statement.h"
#include "sql/parse/token_cursor.h"

namespace laminar::sql {

// None when the statement is DuckDB's.
Result<std::optional<Statement>> parse_statement(std::string_view script, std::span<const Token> tokens);

// At the word CREATE, which is known to begin one of ours: SOURCE, MATERIALIZED VIEW, STREAM or SINK.
Result<StatementBody> parse_create(TokenCursor& cursor);
// Whether the CREATE at the cursor is ours, the refused forms included.
bool is_our_create(const TokenCursor& cursor);

}  // namespace laminar::sql
