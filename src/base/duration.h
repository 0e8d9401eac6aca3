// Durations of a fixed length as people write them: "5 minutes", "1 hour 30 seconds", "1.5s", "00:01:30".
//
// Units:   microseconds.
// Errors:  a problem and the place of it in the text; whoever knows the statement makes the message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace laminar {

enum class DurationProblem : uint8_t {
  kNone,
  kEmpty,
  kMalformed,  // no number where one must be
  kNoUnit,     // a bare number
  kUnknownUnit,
  kVariableUnit,  // months, years: of no fixed length
  kTooFine,       // below a microsecond
  kTooLarge,
};

struct ParsedDuration {
  DurationProblem problem = DurationProblem::kNone;
  int64_t us = 0;
  size_t offset = 0;  // of the problem, in the text
  std::string word;   // kUnknownUnit, kVariableUnit: the unit as written

  bool ok() const { return problem == DurationProblem::kNone; }
};

// Signs are read, so the result may be negative or zero. `unit` serves a text that is a number alone, as in INTERVAL
// '5' MINUTE.
ParsedDuration parse_duration(std::string_view text, std::string_view unit = {});
// Whether the word is a unit of time, fixed or not.
bool is_duration_unit(std::string_view word);
// "1 minute 30 seconds": parse_duration gives the same value back.
std::string format_duration(int64_t us);

}  // namespace laminar
