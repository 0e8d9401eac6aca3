// What the conditions of a join say about the event times of its sides.
#pragma once

#include <cstdint>
#include <duckdb/common/enums/expression_type.hpp>
#include <optional>
#include <vector>

#include "expr/expression.h"
#include "plan/node.h"

namespace laminar::sql {

// An event-time column of a node, shifted by a constant.
struct TimeTerm {
  uint32_t column = 0;
  int64_t shift_us = 0;
  // The term in whole microseconds is less than this above what it is by the column's: of nanoseconds.
  int64_t slack_us = 0;
};
// Event time in any form: a TIMESTAMP, or DATE, TIMESTAMP_S, _MS, _NS and BIGINT with time_unit, plain or cast to TIMESTAMP.
std::optional<TimeTerm> time_term(const expr::Expr& expression, const plan::Node& input);

// Collects what comparisons say of right time - left time, by pairs of columns.
class TimePairs {
 public:
  // Whether the pair of columns says all of the comparison, where both are TIMESTAMPs.
  bool add(const TimeTerm& left, const TimeTerm& right, duckdb::ExpressionType type);
  // Of a pair that is bounded on both sides.
  std::optional<plan::JoinNode::TimeBound> bound() const;

 private:
  struct Pair {
    uint32_t left, right;
    std::optional<int64_t> lower, upper;
  };
  Pair& find(uint32_t left, uint32_t right);

  std::vector<Pair> pairs_;
};

}  // namespace laminar::sql
