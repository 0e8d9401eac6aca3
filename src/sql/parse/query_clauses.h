// A query with the clauses that stock SQL lacks carved out by token, so that DuckDB's parser reads the rest unchanged.
//
// EMIT, ALLOW LATENESS, LATE DATA TO and WITH (options) stand behind the query in any order, each at most once. What
// parses whole as stock SQL has no clauses; otherwise they begin at the first place where everything before is a query
// and everything behind is clauses. So columns and aliases named emit, late or allow stay what they are.
//
// Errors:  LDB-1001 in the query or in a clause, LDB-3005 for clauses that are known and do not run yet, LDB-1005.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "sql/parse/statement.h"
#include "sql/parse/token_cursor.h"

namespace laminar::sql {

struct QueryWithClauses {
  std::string query_text;  // blanked to script offsets
  int64_t query_begin = 0, query_end = 0;
  std::optional<EmitClause> emit;
  std::optional<int64_t> lateness_us;
  int64_t lateness_offset = -1;
  std::optional<ObjectName> late_data_to;
  OptionList options;
};

// From the cursor to the end of the statement.
Result<QueryWithClauses> read_query_with_clauses(TokenCursor& cursor);
// The same for tokens [cursor.index(), end), where no clause may stand.
Result<QueryWithClauses> read_plain_query(TokenCursor& cursor, size_t end);

// The TABLE of TUMBLE(TABLE bids, DESCRIPTOR(ts), ...), HOP, SESSION and CUMULATE becomes blanks: stock SQL reads the
// rest as a table function whose first argument is a column reference or a subquery. `text` has the script's offsets.
void blank_table_keywords(std::string_view script, std::span<const Token> tokens, std::string& text);

// The first clause inside the tokens that we know and stock SQL does not, at or before `limit`: LDB-3005. OK when none.
// `in_view`: only those that do not run in views either.
Status find_unsupported_clause(std::string_view script, std::span<const Token> tokens, int64_t limit, bool in_view = false);

}  // namespace laminar::sql
