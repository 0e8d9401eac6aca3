// For tests: an aggregate call bound by DuckDB over columns i BIGINT and s VARCHAR.
#pragma once

#include <memory>
#include <string>

#include "duck/database.h"
#include "expr/foreign.h"

namespace laminar::duck {

struct BoundAggregate {
  std::shared_ptr<const expr::ForeignAggregate> function;
  std::string arguments;  // SQL of what the function is given, cast as it wants it
};
std::unique_ptr<BoundAggregate> bind_aggregate(const std::shared_ptr<Database>& database, const std::string& sql);

}  // namespace laminar::duck
