// A checksum of a relation that does not depend on the order of its rows: DuckDB's hash of each row's values, added up
// modulo 2^64.
//
// Whole numbers count by value whatever their type, doubles by their first eleven digits (a sum in another order
// differs in the last ones), the rest by DuckDB's text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "duck/batch_engine.h"
#include "laminar/laminar.h"

namespace laminar::bench {

// A query over `relation` (a name, or a query in parentheses) with two columns: the number of rows and the checksum.
// `types` are the SQL types of its columns, in order.
std::string checksum_query(const std::string& relation, const std::vector<std::string>& types);

struct Checked {
  uint64_t rows = 0;
  std::string checksum;
  bool operator==(const Checked&) const = default;
};
// Of a relation of ours, and of one of DuckDB's.
Result<Checked> checksum_of(Database& database, const std::string& relation);
Result<Checked> checksum_of(duck::BatchEngine& engine, const std::string& relation);

}  // namespace laminar::bench
