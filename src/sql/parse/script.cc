#include "sql/parse/script.h"

#include <algorithm>

#include "sql/parse/query_clauses.h"
#include "sql/parse/statement_parser.h"

namespace laminar::sql {
namespace {

bool is_semicolon(std::string_view text, const Token& token) {
  return token.kind == TokenKind::kSymbol && token.end - token.begin == 1 && text[token.begin] == ';';
}

}  // namespace

Script parse_script(std::string_view text) {
  Script script;
  script.stock_text = std::string(text);
  int64_t at = 0;
  while (true) {
    const Result<Token> token = next_token(text, at);
    if (!token.ok()) {
      script.error = token.error();
      break;
    }
    if (token->kind == TokenKind::kEnd) break;
    script.tokens.push_back(*token);
    at = token->end;
  }

  const std::span<const Token> tokens = script.tokens;
  size_t begin = 0;
  while (begin < tokens.size()) {
    size_t end = begin;
    while (end < tokens.size() && !is_semicolon(text, tokens[end])) ++end;
    if (end == tokens.size() && script.error) return script;  // the lexical error cuts this statement
    if (end > begin) {
      ScriptStatement statement;
      statement.begin = tokens[begin].begin;
      statement.end = tokens[end - 1].end;
      statement.token_begin = begin;
      statement.token_end = end;
      Result<std::optional<Statement>> parsed = parse_statement(text, tokens.subspan(begin, end - begin));
      if (!parsed.ok()) {
        script.error = parsed.error();
        return script;
      }
      statement.ours = parsed.take();
      if (statement.ours) {
        std::fill(script.stock_text.begin() + statement.begin, script.stock_text.begin() + statement.end, ' ');
      } else {
        blank_table_keywords(text, tokens.subspan(begin, end - begin), script.stock_text);
      }
      script.statements.push_back(std::move(statement));
    }
    begin = end + 1;
  }
  return script;
}

std::optional<size_t> complete_statement_end(std::string_view text) {
  int64_t at = 0;
  bool any = false;
  while (true) {
    const Result<Token> token = next_token(text, at);
    if (!token.ok() || token->kind == TokenKind::kEnd) return std::nullopt;
    at = token->end;
    if (!is_semicolon(text, *token)) {
      any = true;
    } else if (any) {
      return static_cast<size_t>(at);
    }
  }
}

LineColumn line_column(std::string_view script, int64_t offset) {
  LineColumn place;
  const size_t end = std::min(script.size(), static_cast<size_t>(std::max<int64_t>(offset, 0)));
  for (size_t i = 0; i < end; ++i) {
    const bool newline = script[i] == '\n' || (script[i] == '\r' && (i + 1 >= script.size() || script[i + 1] != '\n'));
    if (newline) {
      ++place.line;
      place.column = 1;
    } else if ((script[i] & 0xC0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

}  // namespace laminar::sql
