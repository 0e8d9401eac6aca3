// The tokens of a script with both their ends, cut exactly where DuckDB's own tokenizer cuts them.
//
// DuckDB's Parser::Tokenize gives starts only, hides comments and stops without a word at a lexical error; this one
// gives ends and says what is unterminated. The unit test and the fuzz target hold the starts of the two together.
//
// Units:   offsets are bytes of the script.
// Errors:  LDB-1001 at the start of the unterminated string, name, dollar quote or comment, and at a NUL byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace laminar::sql {

enum class TokenKind : uint8_t {
  kWord,        // keyword or bare name
  kQuotedWord,  // "name"
  kNumber,
  kString,  // '...', E'...', $$...$$, X'...', B'...'
  kSymbol,  // operators, parentheses, `;`, `$1`, `?`
  kEnd,     // after the last token; begin == end
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int64_t begin = 0, end = 0;
};

// One token at or behind `at`, blanks and comments skipped; kEnd at the end of the text.
Result<Token> next_token(std::string_view script, int64_t at);
// All of them, without the kEnd.
Result<std::vector<Token>> tokenize(std::string_view script);

// The name that a kWord or kQuotedWord stands for: quotes removed, case kept.
std::string name_of(std::string_view script, const Token& token);
// The value of a string literal; bit, hexadecimal and unicode-escaped ones are refused with LDB-1001.
Result<std::string> string_value(std::string_view script, const Token& token);
// Whether a kWord is this keyword (upper case), whatever its case.
bool is_keyword(std::string_view script, const Token& token, std::string_view upper);
std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);

}  // namespace laminar::sql
