// INTERVAL literals of a fixed length: INTERVAL '5 minutes' = INTERVAL '5' MINUTE = INTERVAL 5 MINUTE.
//
// Units:   microseconds.
// Errors:  LDB-1005 at the literal: months and years, no unit, below a microsecond, too large, or the wrong sign.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "sql/parse/token_cursor.h"

namespace laminar::sql {

enum class IntervalSign : uint8_t { kPositive, kNotNegative, kAny };

struct IntervalLiteral {
  int64_t us = 0;
  std::string text;  // "5 minutes": the number and the unit, without INTERVAL and quotes
  int64_t offset = -1;
};

// At the word INTERVAL. `what` names the thing in messages: "the watermark's delay".
Result<IntervalLiteral> read_interval(TokenCursor& cursor, IntervalSign sign, std::string_view what);

}  // namespace laminar::sql
