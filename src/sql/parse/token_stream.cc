#include "sql/parse/token_stream.h"

#include <cstring>

namespace laminar::sql {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_newline(char c) { return c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80); }
bool continues_word(char c) { return starts_word(c) || is_digit(c) || c == '$'; }
bool is_operator(char c) { return c != '\0' && std::strchr("~!@^&|`+-*/%<>=", c) != nullptr; }

class Lexer {
 public:
  Lexer(std::string_view text, int64_t at) : text_(text), at_(static_cast<size_t>(at)) {}

  Result<Token> next() {
    RETURN_IF_ERROR(skip_blanks());
    Token token;
    token.begin = static_cast<int64_t>(at_);
    if (at_ < text_.size()) {
      ASSIGN_OR_RETURN(token.kind, read());
    }
    token.end = static_cast<int64_t>(at_);
    return token;
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  Status error(const char* what, size_t at) const {
    return Status(ErrorCode::kSyntaxError, what, static_cast<int64_t>(at));
  }

  Status skip_blanks() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_])) {
        ++at_;
      } else if (peek() == '-' && peek(1) == '-') {
        skip_line_comment();
      } else if (peek() == '/' && peek(1) == '*') {
        RETURN_IF_ERROR(skip_block_comment());
      } else {
        break;
      }
    }
    return {};
  }

  void skip_line_comment() {
    while (at_ < text_.size() && !is_newline(text_[at_])) ++at_;
  }

  // Block comments nest.
  Status skip_block_comment() {
    const size_t begin = at_;
    int depth = 0;
    while (at_ < text_.size()) {
      if (peek() == '\0') return error("NUL byte in the script", at_);
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
        if (depth == 0) return {};
      } else {
        ++at_;
      }
    }
    return error("unterminated /* comment", begin);
  }

  Result<TokenKind> read() {
    const char c = peek();
    if (c == '\0') return error("NUL byte in the script", at_);
    if (c == '\'') return read_string(Quoting::kPlain, at_);
    if (c == '"') return read_quoted_word(at_);
    if (starts_word(c)) return read_word();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return read_number();
    if (c == '$') return read_dollar();
    if (c == '?') {
      ++at_;
      if (is_digit(peek())) digits();
      return TokenKind::kSymbol;
    }
    read_symbol();
    return TokenKind::kSymbol;
  }

  Result<TokenKind> read_word() {
    const char first = static_cast<char>(peek() | 0x20);
    if (peek(1) == '\'' && (first == 'e' || first == 'b' || first == 'x')) {
      ++at_;
      return read_string(first == 'e' ? Quoting::kEscapes : Quoting::kBits, at_ - 1);
    }
    if (first == 'u' && peek(1) == '&' && (peek(2) == '\'' || peek(2) == '"')) {
      at_ += 2;
      if (peek() == '"') return read_quoted_word(at_ - 2);
      return read_string(Quoting::kPlain, at_ - 2);
    }
    while (at_ < text_.size() && continues_word(text_[at_])) ++at_;
    return TokenKind::kWord;
  }

  Result<TokenKind> read_quoted_word(size_t begin) {
    ++at_;
    const size_t content = at_;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\0') return error("NUL byte in the script", at_);
      if (text_[at_] != '"') continue;
      if (peek(1) == '"') {
        ++at_;
        continue;
      }
      if (at_ == content) return error("a quoted name cannot be empty", begin);
      ++at_;
      return TokenKind::kQuotedWord;
    }
    return error("unterminated quoted name", begin);
  }

  enum class Quoting { kPlain, kEscapes, kBits };

  // At the opening quote, `begin` at the prefix before it. Literals that only a newline separates are one literal, as
  // the standard wants.
  Result<TokenKind> read_string(Quoting quoting, size_t begin) {
    while (true) {
      ++at_;
      bool closed = false;
      for (; at_ < text_.size(); ++at_) {
        const char c = text_[at_];
        if (c == '\0') return error("NUL byte in the script", at_);
        if (quoting == Quoting::kEscapes && c == '\\' && at_ + 1 < text_.size()) {
          ++at_;
          continue;
        }
        if (c != '\'') continue;
        if (quoting != Quoting::kBits && peek(1) == '\'') {
          ++at_;
          continue;
        }
        ++at_;
        closed = true;
        break;
      }
      if (!closed) return error("unterminated string", begin);
      if (!continues_on_a_later_line()) return TokenKind::kString;
    }
  }

  // Blanks and line comments with a newline among them, then a quote: moves there.
  bool continues_on_a_later_line() {
    size_t at = at_;
    bool newline = false;
    while (at < text_.size()) {
      const char c = text_[at];
      if (is_space(c)) {
        newline |= is_newline(c);
        ++at;
      } else if (c == '-' && at + 1 < text_.size() && text_[at + 1] == '-') {
        while (at < text_.size() && !is_newline(text_[at])) ++at;
      } else {
        break;
      }
    }
    if (!newline || at >= text_.size() || text_[at] != '\'') return false;
    at_ = at;
    return true;
  }

  // `$tag$ ... $tag$`, or a parameter `$1`, or a lone `$`, as in `$name`.
  Result<TokenKind> read_dollar() {
    const size_t begin = at_++;
    if (is_digit(peek())) {
      digits();
      return TokenKind::kSymbol;
    }
    size_t at = at_;
    if (at < text_.size() && starts_word(text_[at])) {
      while (at < text_.size() && (starts_word(text_[at]) || is_digit(text_[at]))) ++at;
    }
    if (at >= text_.size() || text_[at] != '$') return TokenKind::kSymbol;
    const std::string_view delimiter = text_.substr(begin, at + 1 - begin);
    const size_t close = text_.find(delimiter, at + 1);
    const size_t nul = text_.substr(0, close == std::string_view::npos ? text_.size() : close).find('\0', begin);
    if (nul != std::string_view::npos) return error("NUL byte in the script", nul);
    if (close == std::string_view::npos) return error("unterminated dollar-quoted string", begin);
    at_ = close + delimiter.size();
    return TokenKind::kString;
  }

  void digits() {
    while (is_digit(peek()) || (peek() == '_' && is_digit(peek(1)))) ++at_;
  }

  Result<TokenKind> read_number() {
    digits();
    if (peek() == '.' && peek(1) != '.') {
      ++at_;
      if (is_digit(peek())) digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      const size_t sign = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
      if (is_digit(peek(sign))) {
        at_ += sign;
        digits();
      }
    }
    return TokenKind::kNumber;
  }

  void read_symbol() {
    static constexpr std::string_view kTwo[] = {"::", "..", ":="};
    const std::string_view rest = text_.substr(at_);
    for (const std::string_view two : kTwo) {
      if (rest.starts_with(two)) {
        at_ += 2;
        return;
      }
    }
    if (!is_operator(peek())) {
      ++at_;
      return;
    }
    size_t n = 0;
    while (n < rest.size() && is_operator(rest[n])) {
      if (n > 0 && (rest.substr(n).starts_with("--") || rest.substr(n).starts_with("/*"))) break;
      ++n;
    }
    std::string_view run = rest.substr(0, n);
    // `=-` is two operators, `@-` is one: + and - end an operator only behind one of these.
    while (run.size() > 1 && (run.back() == '+' || run.back() == '-')) {
      if (run.substr(0, run.size() - 1).find_first_of("~!@^&|`?%") != std::string_view::npos) break;
      if (run == "->") break;
      run.remove_suffix(1);
    }
    at_ += run.size();
  }

  std::string_view text_;
  size_t at_;
};

}  // namespace

Result<Token> next_token(std::string_view script, int64_t at) { return Lexer(script, at).next(); }

Result<std::vector<Token>> tokenize(std::string_view script) {
  std::vector<Token> tokens;
  int64_t at = 0;
  while (true) {
    ASSIGN_OR_RETURN(const Token token, next_token(script, at));
    if (token.kind == TokenKind::kEnd) return tokens;
    tokens.push_back(token);
    at = token.end;
  }
}

std::string name_of(std::string_view script, const Token& token) {
  const std::string_view text = script.substr(token.begin, token.end - token.begin);
  if (token.kind != TokenKind::kQuotedWord) return std::string(text);
  std::string name;
  for (size_t i = text.find('"') + 1; i + 1 < text.size(); ++i) {
    name += text[i];
    if (text[i] == '"') ++i;
  }
  return name;
}

namespace {

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The escape at text[i] == '\\'; moves i to its last byte.
Status append_escape(std::string& out, std::string_view text, size_t& i, int64_t offset) {
  const char c = text[++i];
  switch (c) {
    case 'n':
      out += '\n';
      return {};
    case 't':
      out += '\t';
      return {};
    case 'r':
      out += '\r';
      return {};
    case 'b':
      out += '\b';
      return {};
    case 'f':
      out += '\f';
      return {};
    case 'x':
    case 'u':
    case 'U': {
      const size_t most = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      uint32_t code = 0;
      size_t n = 0;
      while (n < most && i + 1 < text.size() && hex_digit(text[i + 1]) >= 0) {
        code = code * 16 + static_cast<uint32_t>(hex_digit(text[++i]));
        ++n;
      }
      const bool good = c == 'x' ? n > 0 && code != 0 && code < 0x80
                                 : n == most && code != 0 && code <= 0x10FFFF && !(code >= 0xD800 && code < 0xE000);
      if (!good) return Status(ErrorCode::kSyntaxError, "invalid escape in a string", offset);
      append_utf8(out, code);
      return {};
    }
    default:
      if (c >= '0' && c <= '7')
        return Status(ErrorCode::kSyntaxError, "octal escapes are not read here; use \\x", offset);
      out += c;
      return {};
  }
}

}  // namespace

Result<std::string> string_value(std::string_view script, const Token& token) {
  std::string_view text = script.substr(token.begin, token.end - token.begin);
  if (text.front() == '$') {
    const size_t tag = text.find('$', 1) + 1;
    return std::string(text.substr(tag, text.size() - 2 * tag));
  }
  const bool escapes = (text.front() | 0x20) == 'e' && text.front() != '\'';
  if (!escapes && text.front() != '\'') {
    return Status(ErrorCode::kSyntaxError, "expected a plain string, found a bit, hexadecimal or U& string",
                  token.begin);
  }
  std::string value;
  bool inside = false;
  for (size_t i = escapes ? 1 : 0; i < text.size(); ++i) {
    if (!inside) {  // between the parts of a continued literal
      if (text[i] == '-') {
        while (i < text.size() && !is_newline(text[i])) ++i;
      } else {
        inside = text[i] == '\'';
      }
    } else if (text[i] == '\'') {
      if (i + 1 < text.size() && text[i + 1] == '\'') {
        value += text[i++];
      } else {
        inside = false;
      }
    } else if (escapes && text[i] == '\\') {
      RETURN_IF_ERROR(append_escape(value, text, i, token.begin));
    } else {
      value += text[i];
    }
  }
  return value;
}

bool is_keyword(std::string_view script, const Token& token, std::string_view upper) {
  if (token.kind != TokenKind::kWord || token.end - token.begin != static_cast<int64_t>(upper.size())) return false;
  for (size_t i = 0; i < upper.size(); ++i) {
    const char c = script[token.begin + i];
    if ((c >= 'a' && c <= 'z' ? c - 32 : c) != upper[i]) return false;
  }
  return true;
}

std::string upper_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

}  // namespace laminar::sql
