// A reader over the tokens of one statement: look, accept, expect; wrong tokens become LDB-1001 at their place.
//
// Owns:    nothing; script and tokens outlive it.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "sql/parse/statement.h"
#include "sql/parse/token_stream.h"

namespace laminar::sql {

class TokenCursor {
 public:
  // `tokens` hold no `;`.
  TokenCursor(std::string_view script, std::span<const Token> tokens) : script_(script), tokens_(tokens) {}

  std::string_view script() const { return script_; }
  std::span<const Token> tokens() const { return tokens_; }
  size_t index() const { return index_; }
  void move_to(size_t index) { index_ = index; }

  bool at_end() const { return index_ >= tokens_.size(); }
  // kEnd behind the last token.
  Token peek(size_t ahead = 0) const;
  Token take();
  // Where the token begins; at the end, where the last one ends.
  int64_t offset(size_t ahead = 0) const { return peek(ahead).begin; }
  std::string text(const Token& token) const {
    return std::string(script_.substr(token.begin, token.end - token.begin));
  }

  bool is(std::string_view keyword, size_t ahead = 0) const { return is_keyword(script_, peek(ahead), keyword); }
  bool is_symbol(std::string_view symbol, size_t ahead = 0) const;
  // Several keywords one after the other, from `ahead` on.
  bool are(std::initializer_list<std::string_view> keywords, size_t ahead = 0) const;
  bool accept(std::string_view keyword);
  bool accept_symbol(std::string_view symbol);
  // Takes all of them or none.
  bool accept_all(std::initializer_list<std::string_view> keywords);

  Status expect(std::string_view keyword);
  Status expect_symbol(std::string_view symbol);
  Status expect_end(std::string_view expected);

  // A word that may stand for a name here: quoted, or bare and not reserved.
  bool is_name(size_t ahead = 0) const;
  Result<std::string> name(std::string_view what);
  // name, schema.name or catalog.schema.name.
  Result<ObjectName> object_name(std::string_view what);
  Result<std::vector<std::string>> name_list(std::string_view what);  // (a, b)

  // Behind an open parenthesis: moves to the one that closes it. False when none does.
  bool skip_to_closing();

  // "expected X, found Y", at the token.
  Status unexpected(std::string_view expected) const;

 private:
  std::string_view script_;
  std::span<const Token> tokens_;
  size_t index_ = 0;
};

}  // namespace laminar::sql
