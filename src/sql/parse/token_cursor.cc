#include "sql/parse/token_cursor.h"

#include "sql/parse/stock_parser.h"

namespace laminar::sql {

Token TokenCursor::peek(size_t ahead) const {
  if (index_ + ahead < tokens_.size()) return tokens_[index_ + ahead];
  const int64_t end = tokens_.empty() ? 0 : tokens_.back().end;
  return Token{TokenKind::kEnd, end, end};
}

Token TokenCursor::take() {
  const Token token = peek();
  if (!at_end()) ++index_;
  return token;
}

bool TokenCursor::is_symbol(std::string_view symbol, size_t ahead) const {
  const Token token = peek(ahead);
  return token.kind == TokenKind::kSymbol && script_.substr(token.begin, token.end - token.begin) == symbol;
}

bool TokenCursor::are(std::initializer_list<std::string_view> keywords, size_t ahead) const {
  for (const std::string_view keyword : keywords) {
    if (!is(keyword, ahead++)) return false;
  }
  return true;
}

bool TokenCursor::accept(std::string_view keyword) {
  if (!is(keyword)) return false;
  ++index_;
  return true;
}

bool TokenCursor::accept_symbol(std::string_view symbol) {
  if (!is_symbol(symbol)) return false;
  ++index_;
  return true;
}

bool TokenCursor::accept_all(std::initializer_list<std::string_view> keywords) {
  if (!are(keywords)) return false;
  index_ += keywords.size();
  return true;
}

Status TokenCursor::expect(std::string_view keyword) { return accept(keyword) ? Status() : unexpected(keyword); }

Status TokenCursor::expect_symbol(std::string_view symbol) {
  return accept_symbol(symbol) ? Status() : unexpected(symbol);
}

Status TokenCursor::expect_end(std::string_view expected) { return at_end() ? Status() : unexpected(expected); }

bool TokenCursor::is_name(size_t ahead) const {
  const Token token = peek(ahead);
  if (token.kind == TokenKind::kQuotedWord) return true;
  return token.kind == TokenKind::kWord && !is_reserved_word(script_.substr(token.begin, token.end - token.begin));
}

Result<std::string> TokenCursor::name(std::string_view what) {
  if (!is_name()) {
    if (peek().kind != TokenKind::kWord) return unexpected(what);
    return Status(ErrorCode::kSyntaxError,
                  "expected " + std::string(what) + ", found the reserved word " + text(peek()) +
                      "; write it in double quotes to use it as a name",
                  offset());
  }
  return name_of(script_, take());
}

Result<ObjectName> TokenCursor::object_name(std::string_view what) {
  ObjectName object;
  object.offset = offset();
  ASSIGN_OR_RETURN(object.name, name(what));
  for (int part = 0; part < 2 && accept_symbol("."); ++part) {
    object.catalog = std::move(object.schema);
    object.schema = std::move(object.name);
    // Behind a point every word is a name.
    if (peek().kind != TokenKind::kWord && peek().kind != TokenKind::kQuotedWord)
      return unexpected("a name behind the point");
    object.name = name_of(script_, take());
  }
  return object;
}

Result<std::vector<std::string>> TokenCursor::name_list(std::string_view what) {
  RETURN_IF_ERROR(expect_symbol("("));
  std::vector<std::string> names;
  do {
    ASSIGN_OR_RETURN(names.emplace_back(), name(what));
  } while (accept_symbol(","));
  if (!accept_symbol(")")) return unexpected(", or )");
  return names;
}

bool TokenCursor::skip_to_closing() {
  int depth = 1;
  for (; !at_end(); ++index_) {
    if (is_symbol("(") || is_symbol("[") || is_symbol("{")) ++depth;
    if ((is_symbol(")") || is_symbol("]") || is_symbol("}")) && --depth == 0) return is_symbol(")");
  }
  return false;
}

Status TokenCursor::unexpected(std::string_view expected) const {
  const Token token = peek();
  std::string found = token.kind == TokenKind::kEnd ? std::string("the end of the statement") : text(token);
  if (found.size() > 60) {
    size_t cut = 57;
    while (cut > 0 && (found[cut] & 0xC0) == 0x80) --cut;  // not inside a character
    found = found.substr(0, cut) + "...";
  }
  return Status(ErrorCode::kSyntaxError, "expected " + std::string(expected) + ", found " + found, token.begin);
}

}  // namespace laminar::sql
