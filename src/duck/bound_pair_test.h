// For tests: an SQL expression bound by DuckDB, as the same expression twice: as our own nodes, and as one foreign
// call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "duck/database.h"
#include "expr/expression.h"

namespace laminar::duck {

struct BoundPair {
  expr::ExprPtr native;   // null where some node has no kernel
  std::string missing;    // that node
  expr::ExprPtr foreign;  // over all columns
};

// Columns are named; `types` in that order. Throws what DuckDB throws when it does not bind.
class ExpressionBinder {
 public:
  ExpressionBinder(std::shared_ptr<Database> database, std::vector<std::string> names, std::vector<data::Type> types);
  ~ExpressionBinder();
  BoundPair bind(const std::string& sql);

 private:
  std::shared_ptr<Database> database_;
  std::vector<std::string> names_;
  std::vector<data::Type> types_;
  std::shared_ptr<duckdb::Connection> connection_;
};

}  // namespace laminar::duck
