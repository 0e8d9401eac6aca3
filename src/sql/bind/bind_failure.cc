#include "sql/bind/bind_failure.h"

#include <duckdb.hpp>

#include "sql/parse/session_parser.h"

namespace laminar::sql {

Error to_error(const std::exception& exception, const std::string& text) {
  if (const auto* failure = dynamic_cast<const BindFailure*>(&exception)) return failure->error();
  return to_error(duckdb::ErrorData(exception), text);
}

}  // namespace laminar::sql
