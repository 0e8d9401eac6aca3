// Cuts a script that arrives in pieces into statements, each with its place in the whole script.
//
// Bounds:  keeps the text of the statement that is not complete yet, and nothing before it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "laminar/laminar.h"

namespace laminar::shell {

// The first byte that is neither blank nor in a comment; text.size() when there is none.
size_t skip_blank(std::string_view text);

class StatementBuffer {
 public:
  struct Statement {
    std::string text;
    TextPosition begin{1, 1};  // of its first byte in the script
    // Line and column in the script of a byte of `text`; without an offset, where the statement's first word stands.
    TextPosition position_of(int64_t offset) const;
  };

  void append(std::string_view text) { pending_.append(text); }
  // The next complete statement.
  std::optional<Statement> next();
  // A line that begins with a dot where a statement could begin, without its line break. A line that has not ended
  // counts only at the end of the script.
  std::optional<Statement> next_dot_line(bool at_end);
  // What is left at the end of the script: a last statement without `;`. None when that is blank.
  std::optional<Statement> rest();
  // Whether what waits is blank, so that a new statement begins.
  bool blank() const { return skip_blank(pending_) == pending_.size(); }
  void clear();

 private:
  Statement take(size_t bytes);

  std::string pending_;
  size_t searched_ = 0;  // no statement ends before this byte of pending_
  TextPosition begin_{1, 1};
};

}  // namespace laminar::shell
