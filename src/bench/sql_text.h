// The statements of a set-up script as text: what they make, and a view's query in the words of stock DuckDB.
//
// This is for benchmarks only; the database itself has a parser.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace laminar::bench {

struct SqlToken {
  enum class Kind { kWord, kQuotedName, kString, kNumber, kSign } kind = Kind::kSign;
  std::string text;  // words in lower case, names without their quotes
  size_t begin = 0, end = 0;
};
// Blanks and comments are left out.
std::vector<SqlToken> tokenize(std::string_view sql);

struct SetupStatement {
  enum class Kind { kSource, kView, kStream, kTable, kInsert, kOther } kind = Kind::kOther;
  std::string text;  // without the `;`
  std::string name;
  std::string query;             // of a view or stream, without EMIT and the like
  std::string watermark_column;  // of a source, empty without WATERMARK FOR
};
std::vector<SetupStatement> read_setup(std::string_view script);

// Microseconds of an interval such as INTERVAL '10 seconds'.
using IntervalReader = std::function<Result<int64_t>(const std::string& interval)>;
// The query as DuckDB computes it best: TUMBLE(ts, INTERVAL '…') in GROUP BY becomes epoch_us(ts) // n, window_start
// and window_end arithmetic on it. A query with any other window function needs a batch query of its own: an error.
Result<std::string> batch_form(const std::string& query, const IntervalReader& interval_us);

}  // namespace laminar::bench
