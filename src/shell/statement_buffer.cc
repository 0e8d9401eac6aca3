#include "shell/statement_buffer.h"

namespace laminar::shell {
namespace {

// The end of the comment at `at`, or `at` where there is none.
size_t skip_comment(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  if (rest.starts_with("--")) {
    const size_t end = text.find('\n', at);
    return end == std::string_view::npos ? text.size() : end + 1;
  }
  if (!rest.starts_with("/*")) return at;
  size_t depth = 1;
  for (at += 2; at < text.size() && depth > 0;) {
    const std::string_view two = text.substr(at, 2);
    if (two == "/*") ++depth;
    if (two == "*/") --depth;
    at += two == "/*" || two == "*/" ? 2 : 1;
  }
  return at;
}

}  // namespace

size_t skip_blank(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (std::string_view(" \t\r\n\f\v").find(text[at]) != std::string_view::npos) {
      ++at;
      continue;
    }
    const size_t after = skip_comment(text, at);
    if (after == at) return at;
    at = after;
  }
  return at;
}

TextPosition StatementBuffer::Statement::position_of(int64_t offset) const {
  if (offset < 0 || offset > static_cast<int64_t>(text.size())) offset = static_cast<int64_t>(skip_blank(text));
  TextPosition position = text_position(text, offset);
  if (position.line == 1) position.column += begin.column - 1;
  position.line += begin.line - 1;
  return position;
}

std::optional<StatementBuffer::Statement> StatementBuffer::next() {
  // A statement can only end at a `;`: asking at each of them keeps the work in proportion to the statement.
  while (true) {
    const size_t semicolon = pending_.find(';', searched_);
    if (semicolon == std::string::npos) {
      searched_ = pending_.size();
      return std::nullopt;
    }
    searched_ = semicolon + 1;
    const std::optional<size_t> end = statement_end(std::string_view(pending_).substr(0, searched_));
    if (!end) continue;
    Statement statement = take(*end);
    if (skip_blank(statement.text) + 1 == statement.text.size()) continue;  // a lone `;`
    return statement;
  }
}

std::optional<StatementBuffer::Statement> StatementBuffer::next_dot_line(bool at_end) {
  const size_t begin = skip_blank(pending_);
  if (begin == pending_.size() || pending_[begin] != '.') return std::nullopt;
  const size_t end = pending_.find('\n', begin);
  if (end == std::string::npos && !at_end) return std::nullopt;
  Statement line = take(end == std::string::npos ? pending_.size() : end + 1);
  line.begin = line.position_of(-1);
  line.text = line.text.substr(begin);
  while (!line.text.empty() && (line.text.back() == '\n' || line.text.back() == '\r' || line.text.back() == ' ')) {
    line.text.pop_back();
  }
  return line;
}

std::optional<StatementBuffer::Statement> StatementBuffer::rest() {
  if (blank()) return std::nullopt;
  return take(pending_.size());
}

void StatementBuffer::clear() {
  pending_.clear();
  searched_ = 0;
  begin_ = {1, 1};
}

StatementBuffer::Statement StatementBuffer::take(size_t bytes) {
  Statement statement{pending_.substr(0, bytes), begin_};
  begin_ = statement.position_of(static_cast<int64_t>(bytes));
  pending_.erase(0, bytes);
  searched_ = 0;
  return statement;
}

}  // namespace laminar::shell
