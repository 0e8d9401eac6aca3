#include "duck/comparison.h"

#include "duckdb/common/enums/expression_type.hpp"

namespace laminar::duck {

expr::Op comparison_op(duckdb::ExpressionType type) {
  switch (type) {
    case duckdb::ExpressionType::COMPARE_EQUAL: return expr::Op::kEqual;
    case duckdb::ExpressionType::COMPARE_NOTEQUAL: return expr::Op::kNotEqual;
    case duckdb::ExpressionType::COMPARE_LESSTHAN: return expr::Op::kLess;
    case duckdb::ExpressionType::COMPARE_LESSTHANOREQUALTO: return expr::Op::kLessEqual;
    case duckdb::ExpressionType::COMPARE_GREATERTHAN: return expr::Op::kGreater;
    case duckdb::ExpressionType::COMPARE_GREATERTHANOREQUALTO: return expr::Op::kGreaterEqual;
    case duckdb::ExpressionType::COMPARE_DISTINCT_FROM: return expr::Op::kIsDistinctFrom;
    case duckdb::ExpressionType::COMPARE_NOT_DISTINCT_FROM: return expr::Op::kIsNotDistinctFrom;
    default: return expr::Op::kNone;
  }
}

}  // namespace laminar::duck
