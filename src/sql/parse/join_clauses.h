// Clauses inside a query that belong to one of its joins and that stock SQL lacks, carved out by token:
//
//   a ASOF JOIN b ON ... TOLERANCE INTERVAL '5 seconds'
//   a ASOF JOIN b ON ... HORIZON (INTERVAL '0 s', INTERVAL '1 s')
//   a JOIN b FOR SYSTEM_TIME AS OF a.ts ON ...
//   a JOIN b FOR SYSTEM_TIME AS OF PROCTIME() ON ...
//
// They become blanks of the same length; bind/asof_ast.h puts what they say onto the parsed query again.
//
// Errors:  LDB-1001 in a clause or where its join is missing, LDB-1005 for intervals.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "sql/parse/token_stream.h"

namespace laminar::sql {

struct JoinClause {
  enum class Kind : uint8_t { kTolerance, kHorizon, kSystemTime } kind = Kind::kTolerance;
  int64_t offset = -1;
  // Of the ASOF JOIN that it belongs to: where the joined table begins. kSystemTime: where the table before it begins.
  int64_t table_offset = -1;
  std::vector<int64_t> intervals_us;  // the tolerance; the horizons
  std::vector<std::string> time;      // kSystemTime: the column's name, qualified or not; none for PROCTIME()
  int64_t time_offset = -1;
};

// `tokens` are those of the query in `script`; `text` has the script's offsets and loses the clauses.
Result<std::vector<JoinClause>> carve_join_clauses(std::string_view script, std::span<const Token> tokens, std::string& text);

}  // namespace laminar::sql
