#include "connectors/files/json_scanner.h"

#include <cstring>

namespace laminar::connectors {

namespace {
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hexadecimal digits, or -1.
int32_t hex_unit(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int32_t unit = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(at[i]);
    if (digit < 0) return -1;
    unit = unit << 4 | digit;
  }
  return unit;
}

size_t write_utf8(uint32_t c, char* to) {
  if (c < 0x80) {
    to[0] = static_cast<char>(c);
    return 1;
  }
  if (c < 0x800) {
    to[0] = static_cast<char>(0xc0 | c >> 6);
    to[1] = static_cast<char>(0x80 | (c & 63));
    return 2;
  }
  if (c < 0x10000) {
    to[0] = static_cast<char>(0xe0 | c >> 12);
    to[1] = static_cast<char>(0x80 | (c >> 6 & 63));
    to[2] = static_cast<char>(0x80 | (c & 63));
    return 3;
  }
  to[0] = static_cast<char>(0xf0 | c >> 18);
  to[1] = static_cast<char>(0x80 | (c >> 12 & 63));
  to[2] = static_cast<char>(0x80 | (c >> 6 & 63));
  to[3] = static_cast<char>(0x80 | (c & 63));
  return 4;
}
}  // namespace

Result<bool> JsonScanner::next(ByteWindow& window) {
  size_t searched = 0;
  for (;;) {
    const void* newline = nullptr;
    if (window.size() > searched) {
      newline = std::memchr(window.begin() + searched, '\n', window.size() - searched);
      searched = window.size();
    }
    if (!newline && !window.at_end() && window.can_grow()) {
      RETURN_IF_ERROR(window.grow());
      continue;
    }
    if (!newline && window.size() == 0) return false;
    const size_t bytes = newline ? static_cast<size_t>(static_cast<const char*>(newline) - window.begin()) : window.size();
    const bool too_long = !newline && !window.at_end();
    line_ = next_line_;
    text_ = {window.begin(), bytes};
    window.consume(bytes + (newline ? 1 : 0));
    searched = 0;
    next_line_ += newline ? 1 : 0;
    if (!text_.empty() && text_.back() == '\r') text_.remove_suffix(1);
    at_ = text_.data();
    end_ = at_ + text_.size();
    blanks();
    if (at_ == end_) continue;
    problem_ = {};
    if (too_long) {
      problem_ = "the line is too long";
    } else {
      parse();
    }
    return true;
  }
}

bool JsonScanner::parse_text(std::string_view text) {
  text_ = text;
  at_ = text_.data();
  end_ = at_ + text_.size();
  problem_ = {};
  blanks();
  if (at_ == end_) return fail("the text is empty");
  return parse();
}

void JsonScanner::blanks() {
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r' || *at_ == '\n')) ++at_;
}

bool JsonScanner::parse() {
  members_.clear();
  if (unescaped_.used_bytes() > 0) unescaped_.reset();
  if (*at_ != '{') return fail("not a JSON object");
  ++at_;
  blanks();
  if (at_ < end_ && *at_ == '}') {
    ++at_;
  } else {
    for (;;) {
      JsonMember member;
      blanks();
      if (at_ == end_ || *at_ != '"') return fail("a key is missing");
      if (!parse_string(member.key, true)) return false;
      blanks();
      if (at_ == end_ || *at_ != ':') return fail("a colon is missing");
      ++at_;
      blanks();
      if (!parse_value(member, 1)) return false;
      members_.push_back(member);
      blanks();
      if (at_ < end_ && *at_ == ',') {
        ++at_;
      } else if (at_ < end_ && *at_ == '}') {
        ++at_;
        break;
      } else {
        return fail(at_ == end_ ? "the object does not end in the line" : "a comma is missing");
      }
    }
  }
  blanks();
  return at_ == end_ || fail("text after the object");
}

bool JsonScanner::parse_value(JsonMember& member, int depth) {
  if (at_ == end_) return fail("a value is missing");
  const char* const begin = at_;
  bool good;
  switch (*at_) {
    case '"': member.kind = JsonMember::Kind::kString; return parse_string(member.text, true);
    case '{': case '[': member.kind = JsonMember::Kind::kNested; good = skip_nested(depth); break;
    case 't': member.kind = JsonMember::Kind::kBoolean; good = word("true"); break;
    case 'f': member.kind = JsonMember::Kind::kBoolean; good = word("false"); break;
    case 'n': member.kind = JsonMember::Kind::kNull; good = word("null"); break;
    default: member.kind = JsonMember::Kind::kNumber; good = parse_number(); break;
  }
  member.text = {begin, static_cast<size_t>(at_ - begin)};
  return good;
}

bool JsonScanner::word(std::string_view text) {
  if (static_cast<size_t>(end_ - at_) < text.size() || std::memcmp(at_, text.data(), text.size()) != 0) {
    return fail("a value that is not JSON");
  }
  at_ += text.size();
  return true;
}

bool JsonScanner::parse_number() {
  const auto digits = [this] {
    const char* const begin = at_;
    while (at_ < end_ && is_digit(*at_)) ++at_;
    return at_ > begin;
  };
  if (at_ < end_ && *at_ == '-') ++at_;
  const char* const first = at_;
  if (!digits() || (*first == '0' && at_ - first > 1)) return fail("a value that is not JSON");
  if (at_ < end_ && *at_ == '.') {
    ++at_;
    if (!digits()) return fail("a number that is not JSON");
  }
  if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    if (at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    if (!digits()) return fail("a number that is not JSON");
  }
  return true;
}

bool JsonScanner::parse_string(std::string_view& out, bool keep) {
  const char* const begin = ++at_;
  bool escaped = false;
  for (;; ++at_) {
    if (at_ == end_) return fail("a string does not end in the line");
    if (*at_ == '"') break;
    if (static_cast<unsigned char>(*at_) < 0x20) return fail("a control character in a string");
    if (*at_ == '\\') {
      escaped = true;
      if (++at_ == end_) return fail("a string does not end in the line");
    }
  }
  const std::string_view raw(begin, static_cast<size_t>(at_ - begin));
  ++at_;
  out = raw;
  if (!escaped) return true;
  std::string_view plain;
  if (!unescape(raw, plain)) return fail("an escape that is not JSON");
  if (keep) out = plain;
  return true;
}

bool JsonScanner::unescape(std::string_view raw, std::string_view& out) {
  char* const to = unescaped_.allocate(raw.size());  // an escape is never shorter than what it stands for
  size_t n = 0;
  const char* p = raw.data();
  const char* const end = p + raw.size();
  while (p < end) {
    if (*p != '\\') {
      to[n++] = *p++;
      continue;
    }
    ++p;
    const char c = *p++;
    switch (c) {
      case '"': case '\\': case '/': to[n++] = c; break;
      case 'b': to[n++] = '\b'; break;
      case 'f': to[n++] = '\f'; break;
      case 'n': to[n++] = '\n'; break;
      case 'r': to[n++] = '\r'; break;
      case 't': to[n++] = '\t'; break;
      case 'u': {
        const int32_t unit = hex_unit(p, end);
        if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) return false;
        p += 4;
        auto code = static_cast<uint32_t>(unit);
        if (unit >= 0xd800 && unit <= 0xdbff) {
          if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return false;
          const int32_t low = hex_unit(p + 2, end);
          if (low < 0xdc00 || low > 0xdfff) return false;
          p += 6;
          code = 0x10000 + ((code - 0xd800) << 10) + (static_cast<uint32_t>(low) - 0xdc00);
        }
        n += write_utf8(code, to + n);
        break;
      }
      default: return false;
    }
  }
  out = {to, n};
  return true;
}

// Objects and arrays are checked and kept as text.
bool JsonScanner::skip_nested(int depth) {
  if (depth > kDepthMax) return fail("nested too deeply");
  const bool object = *at_ == '{';
  const char close = object ? '}' : ']';
  ++at_;
  blanks();
  if (at_ < end_ && *at_ == close) {
    ++at_;
    return true;
  }
  for (;;) {
    JsonMember member;
    blanks();
    if (object) {
      if (at_ == end_ || *at_ != '"') return fail("a key is missing");
      if (!parse_string(member.key, false)) return false;
      blanks();
      if (at_ == end_ || *at_ != ':') return fail("a colon is missing");
      ++at_;
      blanks();
    }
    if (!parse_value(member, depth + 1)) return false;
    blanks();
    if (at_ == end_) return fail("an object or array does not end in the line");
    if (*at_ == close) {
      ++at_;
      return true;
    }
    if (*at_ != ',') return fail("a comma is missing");
    ++at_;
  }
}

}  // namespace laminar::connectors
