// The conditions of a join: comparisons of a left with a right expression, each over its own side's columns, and the rest
// over the left columns and then the right ones.
#pragma once

#include <duckdb.hpp>
#include <duckdb/planner/expression.hpp>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace duckdb {
class BoundReferenceExpression;
}

namespace laminar::sql {

void visit_references(duckdb::unique_ptr<duckdb::Expression>& expression,
                      const std::function<void(duckdb::BoundReferenceExpression&)>& visit);

struct JoinConditions {
  struct Comparison {
    duckdb::unique_ptr<duckdb::Expression> left, right;
    duckdb::ExpressionType type;
    // Columns of event time, where the comparison says nothing but their distance.
    std::optional<std::pair<uint32_t, uint32_t>> times = {};
  };
  std::vector<Comparison> comparisons;
  std::vector<duckdb::unique_ptr<duckdb::Expression>> others;

  // Adds the conjuncts of `condition`, which is over the left columns and then the right ones.
  void add(duckdb::unique_ptr<duckdb::Expression> condition, size_t left_width);
  // The right side becomes the left one.
  void swap_sides(size_t left_width, size_t right_width);
  // What is not `taken`, over left_all left columns, the first left_width of which are the old ones, and then the right ones.
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> take_residual(const std::vector<bool>& taken, size_t left_width,
                                                                       size_t left_all);
};

}  // namespace laminar::sql
