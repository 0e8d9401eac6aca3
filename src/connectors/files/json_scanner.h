// Cuts newline-delimited JSON into lines, and a line into the keys and values of one object.
//
// Threads: one at a time.
// Bounds:  nesting up to kDepthMax.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "connectors/files/byte_window.h"
#include "data/string_arena.h"

namespace laminar::connectors {

struct JsonMember {
  enum class Kind : uint8_t { kNull, kBoolean, kNumber, kString, kNested };
  Kind kind = Kind::kNull;
  std::string_view key;
  std::string_view text;  // strings without quotes and escapes, everything else as it stands
};

class JsonScanner {
 public:
  static constexpr int kDepthMax = 500;

  void start() { line_ = next_line_ = 1; }
  // The next line that is not blank, valid until the next call; false at the end of the file.
  Result<bool> next(ByteWindow& window);

  // One object in memory, which must stay there while members() is used; false: see problem().
  bool parse_text(std::string_view text);

  const std::vector<JsonMember>& members() const { return members_; }
  uint64_t line() const { return line_; }
  std::string_view text() const { return text_; }
  std::string_view problem() const { return problem_; }  // empty: members() are those of the line's object

 private:
  bool parse();
  bool parse_value(JsonMember& member, int depth);
  bool parse_string(std::string_view& out, bool keep);
  bool parse_number();
  bool skip_nested(int depth);
  bool unescape(std::string_view raw, std::string_view& out);
  bool word(std::string_view text);
  void blanks();
  bool fail(std::string_view problem) {
    problem_ = problem;
    return false;
  }

  std::vector<JsonMember> members_;
  data::StringArena unescaped_;
  std::string_view text_, problem_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  uint64_t line_ = 1, next_line_ = 1;
};

}  // namespace laminar::connectors
