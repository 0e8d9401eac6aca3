#include "bench/checksum.h"

#include <string_view>

namespace laminar::bench {
namespace {

std::string canonical(const std::string& column, std::string_view type) {
  constexpr std::string_view kWhole[] = {"TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",  "HUGEINT",
                                         "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"};
  for (const std::string_view whole : kWhole) {
    if (type == whole) return column + "::HUGEINT";
  }
  // + 0: a negative zero is a zero.
  if (type == "DOUBLE" || type == "FLOAT") {
    return "printf('" + std::string(type == "DOUBLE" ? "%.10e" : "%.5e") + "', " + column + "::DOUBLE + 0)";
  }
  if (type == "VARCHAR" || type == "TIMESTAMP") return column;
  return column + "::VARCHAR";
}

}  // namespace

std::string checksum_query(const std::string& relation, const std::vector<std::string>& types) {
  std::string names, values;
  for (size_t i = 0; i < types.size(); ++i) {
    const std::string column = "c" + std::to_string(i);
    names += (i > 0 ? ", " : "") + column;
    values += (i > 0 ? ", " : "") + canonical(column, types[i]);
  }
  return "SELECT count(*), coalesce(sum(hash(" + values + ")::HUGEINT) % 18446744073709551616::HUGEINT, 0) FROM (SELECT * FROM " +
         relation + ") AS checked(" + names + ")";
}

}  // namespace laminar::bench
