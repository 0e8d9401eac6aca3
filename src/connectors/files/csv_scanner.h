// Cuts CSV text into records and fields: quotes as in RFC 4180, lines end with \n or \r\n.
//
// A record that breaks the rules is one physical line with a problem; scanning goes on with the next line, so that no
// line is lost behind a stray quote.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "connectors/files/byte_window.h"
#include "data/string_arena.h"

namespace laminar::connectors {

struct CsvField {
  std::string_view text;  // without quotes
  bool quoted = false;
};

class CsvScanner {
 public:
  explicit CsvScanner(char delimiter) : delimiter_(delimiter) {}
  void start() { line_ = next_line_ = 1; }

  // The next record, valid until the next call; false at the end of the file. Empty lines are skipped when a record has
  // more than one column, else they are a record with one empty field.
  Result<bool> next(ByteWindow& window, bool skip_empty_lines);

  const std::vector<CsvField>& fields() const { return fields_; }
  uint64_t line() const { return line_; }             // of the record's first byte, from 1
  std::string_view text() const { return text_; }     // the record as it stands in the file
  std::string_view problem() const { return problem_; }  // empty: the record is good

 private:
  enum class Outcome : uint8_t { kRecord, kMore, kBroken };
  Outcome scan(const char* begin, const char* end, bool at_end);
  void set_broken_line(ByteWindow& window, std::string_view problem);

  char delimiter_;
  std::vector<CsvField> fields_;
  data::StringArena unescaped_;  // of fields with doubled quotes
  std::string_view text_, problem_;
  uint64_t line_ = 1, next_line_ = 1;
  uint64_t lines_in_record_ = 0;
  size_t record_bytes_ = 0;  // with its line end
};

}  // namespace laminar::connectors
