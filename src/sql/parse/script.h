// A script cut into statements by token, each ours or DuckDB's.
//
// Units:   offsets are bytes of the script.
// Errors:  the first error among our statements and the lexical ones; DuckDB's statements are not parsed here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "sql/parse/statement.h"
#include "sql/parse/token_stream.h"

namespace laminar::sql {

struct ScriptStatement {
  int64_t begin = 0, end = 0;  // first to last token, without the `;`
  size_t token_begin = 0, token_end = 0;
  std::optional<Statement> ours;  // none: DuckDB's
};

struct Script {
  std::vector<Token> tokens;
  std::vector<ScriptStatement> statements;
  // The script for DuckDB's parser: our statements blanked (their `;` kept), TABLE of window functions blanked.
  std::string stock_text;
  // Of our statement or of the lexer; `statements` holds those before it.
  std::optional<Error> error;
};

Script parse_script(std::string_view text);

// Just past the first statement and its `;`; none when the text holds no whole statement yet. For shells that read a
// script piece by piece.
std::optional<size_t> complete_statement_end(std::string_view text);

// LINE and COL, both from 1, columns in characters; an offset past the end stands at the end.
struct LineColumn {
  int64_t line = 1, column = 1;
};
LineColumn line_column(std::string_view script, int64_t offset);

}  // namespace laminar::sql
