// Our operator for a comparison as DuckDB names it.
#pragma once

#include <cstdint>

#include "expr/expression.h"

namespace duckdb {
enum class ExpressionType : uint8_t;
}

namespace laminar::duck {

// Op::kNone for what is no comparison of two values.
expr::Op comparison_op(duckdb::ExpressionType type);

}  // namespace laminar::duck
