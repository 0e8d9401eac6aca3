#include "bench/checksum.h"

#include <string_view>

namespace laminar::bench {
namespace {

std::string canonical(const std::string& column, std::string_view type) {
  constexpr std::string_view kWhole[] = {"TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT", "HUGEINT",
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
  return "SELECT count(*), coalesce(sum(hash(" + values +
         ")::HUGEINT) % 18446744073709551616::HUGEINT, 0) FROM (SELECT * FROM " + relation + ") AS checked(" + names +
         ")";
}

Result<Checked> checksum_of(Database& database, const std::string& relation) {
  const std::unique_ptr<Connection> connection = database.connect();
  std::vector<std::string> types;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Rows> none, connection->query("SELECT * FROM " + relation + " LIMIT 0"));
    for (const ColumnInfo& column : none->columns()) types.push_back(column.type);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, connection->query(checksum_query(relation, types)));
  ASSIGN_OR_RETURN(const bool any, rows->next());
  if (!any) return Status(ErrorCode::kInternal, "the checksum of " + relation + " has no row");
  return Checked{static_cast<uint64_t>(rows->int64(0)), rows->text(1)};
}

Result<Checked> checksum_of(duck::BatchEngine& engine, const std::string& relation) {
  ASSIGN_OR_RETURN(const data::Schema schema, engine.describe("SELECT * FROM " + relation));
  std::vector<std::string> types;
  for (const data::Field& field : schema) types.push_back(field.type.text());
  ASSIGN_OR_RETURN(const auto rows, engine.text_rows(checksum_query(relation, types)));
  return Checked{std::stoull(rows.at(0).at(0)), rows[0].at(1)};
}

}  // namespace laminar::bench
