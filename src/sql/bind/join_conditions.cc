#include "sql/bind/join_conditions.h"

#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_iterator.hpp>

namespace laminar::sql {

using duckdb::ExpressionType;
using BoundPtr = duckdb::unique_ptr<duckdb::Expression>;

namespace {

// Which sides an expression over the left columns and then the right ones reads.
struct Sides {
  bool left = false, right = false;
};
Sides sides_of(BoundPtr& expression, size_t left_width) {
  Sides sides;
  visit_references(expression, [&](duckdb::BoundReferenceExpression& reference) {
    (reference.index < left_width ? sides.left : sides.right) = true;
  });
  return sides;
}

ExpressionType flipped(ExpressionType type) {
  switch (type) {
    case ExpressionType::COMPARE_LESSTHAN: return ExpressionType::COMPARE_GREATERTHAN;
    case ExpressionType::COMPARE_GREATERTHAN: return ExpressionType::COMPARE_LESSTHAN;
    case ExpressionType::COMPARE_LESSTHANOREQUALTO: return ExpressionType::COMPARE_GREATERTHANOREQUALTO;
    case ExpressionType::COMPARE_GREATERTHANOREQUALTO: return ExpressionType::COMPARE_LESSTHANOREQUALTO;
    default: return type;
  }
}

}  // namespace

void visit_references(BoundPtr& expression, const std::function<void(duckdb::BoundReferenceExpression&)>& visit) {
  duckdb::ExpressionIterator::VisitExpressionMutable<duckdb::BoundReferenceExpression>(
      expression, [&](duckdb::BoundReferenceExpression& reference, BoundPtr&) { visit(reference); });
}

void JoinConditions::add(BoundPtr condition, size_t left_width) {
  const auto expression_class = condition->GetExpressionClass();
  if (condition->GetExpressionType() == ExpressionType::CONJUNCTION_AND) {
    for (auto& child : condition->Cast<duckdb::BoundConjunctionExpression>().children) add(std::move(child), left_width);
    return;
  }
  if (expression_class == duckdb::ExpressionClass::BOUND_BETWEEN) {
    auto& between = condition->Cast<duckdb::BoundBetweenExpression>();
    add(duckdb::make_uniq<duckdb::BoundComparisonExpression>(between.LowerComparisonType(), between.input->Copy(),
                                                               std::move(between.lower)),
        left_width);
    add(duckdb::make_uniq<duckdb::BoundComparisonExpression>(between.UpperComparisonType(), std::move(between.input),
                                                               std::move(between.upper)),
        left_width);
    return;
  }
  if (expression_class == duckdb::ExpressionClass::BOUND_COMPARISON) {
    auto& comparison = condition->Cast<duckdb::BoundComparisonExpression>();
    Sides first = sides_of(comparison.left, left_width), second = sides_of(comparison.right, left_width);
    const bool straight = first.left && !first.right && second.right && !second.left;
    const bool swapped = first.right && !first.left && second.left && !second.right;
    if (straight || swapped) {
      Comparison made{std::move(comparison.left), std::move(comparison.right), condition->GetExpressionType()};
      if (swapped) {
        std::swap(made.left, made.right);
        made.type = flipped(made.type);
      }
      visit_references(made.right, [&](duckdb::BoundReferenceExpression& reference) { reference.index -= left_width; });
      comparisons.push_back(std::move(made));
      return;
    }
  }
  others.push_back(std::move(condition));
}

void JoinConditions::swap_sides(size_t left_width, size_t right_width) {
  for (Comparison& comparison : comparisons) {
    std::swap(comparison.left, comparison.right);
    comparison.type = flipped(comparison.type);
  }
  for (BoundPtr& other : others) {
    visit_references(other, [&](duckdb::BoundReferenceExpression& reference) {
      reference.index = reference.index < left_width ? reference.index + right_width : reference.index - left_width;
    });
  }
}

duckdb::vector<BoundPtr> JoinConditions::take_residual(const std::vector<bool>& taken, size_t left_width, size_t left_all) {
  duckdb::vector<BoundPtr> residual;
  for (size_t i = 0; i < comparisons.size(); ++i) {
    if (taken[i]) continue;
    Comparison& comparison = comparisons[i];
    visit_references(comparison.right, [&](duckdb::BoundReferenceExpression& reference) { reference.index += left_all; });
    residual.push_back(duckdb::make_uniq<duckdb::BoundComparisonExpression>(comparison.type, std::move(comparison.left),
                                                                            std::move(comparison.right)));
  }
  for (BoundPtr& other : others) {
    visit_references(other, [&](duckdb::BoundReferenceExpression& reference) {
      if (reference.index >= left_width) reference.index += left_all - left_width;
    });
    residual.push_back(std::move(other));
  }
  return residual;
}

}  // namespace laminar::sql
