#include <algorithm>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/operator/logical_comparison_join.hpp>

#include "base/check.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/translator.h"

namespace laminar::sql {

using data::Type;
using data::TypeKind;
using duckdb::ExpressionType;
using expr::ExprPtr;
using expr::Op;
using plan::AggregateNode;
using plan::JoinKind;
using plan::JoinNode;
using plan::Node;
using plan::NodeKind;
using plan::NodePtr;

namespace {

Type boolean() { return Type::of(TypeKind::kBoolean); }
Type bigint() { return Type::of(TypeKind::kInt64); }
ExprPtr truth(bool value) { return expr::constant(data::Value::of(boolean(), value)); }

ExprPtr column(const Node& node, uint32_t at) { return expr::column_ref(at, node.columns[at].type, node.columns[at].name); }
ExprPtr test(Op op, ExprPtr a) { return expr::call(op, boolean(), {std::move(a)}); }
ExprPtr test(Op op, ExprPtr a, ExprPtr b) { return expr::call(op, boolean(), {std::move(a), std::move(b)}); }

ExprPtr cases(std::vector<ExprPtr> args) {
  auto made = std::make_shared<expr::Expr>();
  made->kind = expr::ExprKind::kCase;
  made->type = boolean();
  made->args = std::move(args);
  return made;
}

// GROUP BY the first `keys` columns of the input.
std::unique_ptr<AggregateNode> grouped(NodePtr input, uint32_t keys) {
  auto node = std::make_unique<AggregateNode>();
  for (uint32_t i = 0; i < keys; i++) {
    node->groups.push_back({AggregateNode::GroupOutput::Kind::kKey, i});
    node->columns.push_back({input->columns[i].name, input->columns[i].type, std::nullopt});
  }
  node->inputs.push_back(std::move(input));
  return node;
}

void add_call(AggregateNode& node, plan::AggregateKind kind, std::vector<uint32_t> args, const Type& type, const char* name) {
  plan::AggregateCall call;
  call.kind = kind;
  call.text = std::string(name) + "(" + (args.empty() ? "*" : node.inputs[0]->columns[args[0]].name) + ")";
  call.args = std::move(args);
  call.type = type;
  node.columns.push_back({call.text, type, std::nullopt});
  node.aggregates.push_back(std::move(call));
}

NodePtr left_join(NodePtr left, NodePtr right, std::vector<JoinNode::Key> keys, int64_t offset) {
  auto node = std::make_unique<JoinNode>();
  node->join = JoinKind::kLeft;
  node->keys = std::move(keys);
  node->offset = offset;
  node->columns = left->columns;
  node->columns.insert(node->columns.end(), right->columns.begin(), right->columns.end());
  node->inputs.push_back(std::move(left));
  node->inputs.push_back(std::move(right));
  return finished(std::move(node));
}

}  // namespace

bool at_most_one(const Node& node, const std::vector<uint32_t>& key) {
  const auto has = [&key](uint32_t column) { return std::find(key.begin(), key.end(), column) != key.end(); };
  if (!node.key.empty() && std::all_of(node.key.begin(), node.key.end(), has)) return true;
  switch (node.kind) {
    case NodeKind::kAggregate: return static_cast<const AggregateNode&>(node).groups.empty();
    case NodeKind::kValues: return static_cast<const plan::ValuesNode&>(node).rows.size() <= 1;
    case NodeKind::kTopN: {
      const auto& top = static_cast<const plan::TopNNode&>(node);
      return top.limit <= 1 && top.rank == plan::TopNNode::Rank::kRowNumber &&
             std::all_of(top.partition.begin(), top.partition.end(), has);
    }
    case NodeKind::kFilter: return at_most_one(*node.inputs[0], key);
    case NodeKind::kProject: {
      std::vector<uint32_t> below;
      for (const uint32_t at : key) {
        const expr::Expr& expression = *static_cast<const plan::ProjectNode&>(node).expressions[at];
        if (expression.kind == expr::ExprKind::kColumn) below.push_back(expression.column);
      }
      return at_most_one(*node.inputs[0], below);
    }
    default: return false;
  }
}

// x = ANY (SELECT y ...), IN and EXISTS as a value: true, false or NULL behind the columns of the left side. Correlated
// columns are equalities in which NULLs are equal. By two joins of what the right side is in sum:
//
//   n rows and nn values of y per value of the correlated columns; whether x is among the values of y
//   CASE WHEN n = 0 THEN false WHEN y found THEN true WHEN x IS NULL OR nn < n THEN NULL ELSE false END
//
// For other comparisons the least and the greatest y say what is found. Over several columns a NULL in any of them, on either
// side, leaves the answer open unless all are found, as DuckDB has it: that other columns differ does not close it.
NodePtr Translator::mark_join(duckdb::LogicalComparisonJoin& join, int64_t position) {
  const auto refuse = [&](ErrorCode code, const std::string& message) { throw BindFailure(code, message, position); };
  std::vector<const duckdb::JoinCondition*> correlated, compared;
  for (const auto& condition : join.conditions) {
    (condition.comparison == ExpressionType::COMPARE_NOT_DISTINCT_FROM ? correlated : compared).push_back(&condition);
  }
  const bool equal = !compared.empty() && std::all_of(compared.begin(), compared.end(), [](const duckdb::JoinCondition* condition) {
    return condition->comparison == ExpressionType::COMPARE_EQUAL;
  });
  if ((compared.size() > 1 && (!equal || !correlated.empty())) || join.predicate || join.HasProjectionMap()) {
    refuse(ErrorCode::kNotImplemented,
           "a correlated subquery, or another comparison than IN and NOT IN, over several columns is not implemented yet: use NOT EXISTS "
           "(SELECT ... WHERE a = x AND b = y)");
  }
  if (compared.size() > 16) refuse(ErrorCode::kNotImplemented, "IN over more than 16 columns is not implemented yet");
  if (correlated.size() > 31) refuse(ErrorCode::kNotImplemented, "more than 31 correlated columns are not implemented yet");
  NodePtr left = translate(*join.children[0]);
  if (passes_stream(*left)) {
    refuse(ErrorCode::kUnboundedState,
           "NOT IN, ANY and IN as a value over a stream keep all its rows: use EXISTS or NOT EXISTS with a time bound, or read a "
           "materialized view, which keeps its rows anyway");
  }
  // The right side is read once for its sums and once for its values.
  const auto right_side = [&] {
    if (join.type == duckdb::LogicalOperatorType::LOGICAL_DELIM_JOIN) delim_joins_.push_back(&join);
    NodePtr right = translate(*join.children[1]);
    if (join.type == duckdb::LogicalOperatorType::LOGICAL_DELIM_JOIN) delim_joins_.pop_back();
    ColumnSet wanted(*this, *right);
    std::vector<uint32_t> at;
    for (const auto* condition : correlated) at.push_back(wanted.add(*condition->right));
    for (const auto* condition : compared) at.push_back(wanted.add(*condition->right));
    if (wanted.size() == 0) at.push_back(wanted.add_column(0));
    return project_columns(wanted.apply(std::move(right)), at);
  };
  const uint32_t keys = static_cast<uint32_t>(correlated.size()), y = keys;

  const uint32_t width = static_cast<uint32_t>(left->columns.size());
  ColumnSet left_columns(*this, *left);
  left_columns.add_all();
  std::vector<uint32_t> left_keys;
  for (const auto* condition : correlated) left_keys.push_back(left_columns.add(*condition->left));
  std::vector<uint32_t> x;
  for (const auto* condition : compared) x.push_back(left_columns.add(*condition->left));
  left = left_columns.apply(std::move(left));

  auto sums = grouped(right_side(), keys);
  add_call(*sums, plan::AggregateKind::kCountStar, {}, bigint(), "count");
  for (uint32_t i = 0; i < x.size(); i++) add_call(*sums, plan::AggregateKind::kCount, {y + i}, bigint(), "count");
  if (!compared.empty() && !equal) {
    const Type type = sums->inputs[0]->columns[y].type;
    add_call(*sums, plan::AggregateKind::kMin, {y}, type, "min");
    add_call(*sums, plan::AggregateKind::kMax, {y}, type, "max");
  }
  std::vector<JoinNode::Key> equalities;
  for (uint32_t i = 0; i < keys; i++) equalities.push_back({left_keys[i], i, true});
  const uint32_t n = static_cast<uint32_t>(left->columns.size()) + keys;
  NodePtr result = left_join(std::move(left), finished(std::move(sums)), equalities, position);

  const auto any_rows = [&] {
    const ExprPtr zero = expr::constant(data::Value::of(bigint(), int64_t{0}));
    return test(Op::kGreater, expr::call(Op::kCoalesce, bigint(), {column(*result, n), zero}), zero);
  };
  ExprPtr mark;
  if (compared.empty()) {
    mark = any_rows();
  } else {
    ExprPtr found;
    if (equal) {
      const uint32_t found_at = static_cast<uint32_t>(result->columns.size()) + y;
      for (uint32_t i = 0; i < x.size(); i++) equalities.push_back({x[i], y + i, false});
      const uint32_t all = keys + static_cast<uint32_t>(x.size());
      result = left_join(std::move(result), finished(grouped(right_side(), all)), equalities, position);
      found = test(Op::kIsNotNull, column(*result, found_at));
    } else {
      const ExprPtr least = column(*result, n + 2), greatest = column(*result, n + 3), value = column(*result, x[0]);
      switch (compared[0]->comparison) {
        case ExpressionType::COMPARE_GREATERTHAN: found = test(Op::kGreater, value, least); break;
        case ExpressionType::COMPARE_GREATERTHANOREQUALTO: found = test(Op::kGreaterEqual, value, least); break;
        case ExpressionType::COMPARE_LESSTHAN: found = test(Op::kLess, value, greatest); break;
        case ExpressionType::COMPARE_LESSTHANOREQUALTO: found = test(Op::kLessEqual, value, greatest); break;
        case ExpressionType::COMPARE_NOTEQUAL:
          found = test(Op::kOr, test(Op::kNotEqual, value, least), test(Op::kNotEqual, value, greatest));
          break;
        default: refuse(ErrorCode::kNotImplemented, "this comparison with ANY or ALL is not implemented yet");
      }
    }
    ExprPtr unknown;
    for (uint32_t i = 0; i < x.size(); i++) {
      ExprPtr open = test(Op::kOr, test(Op::kIsNull, column(*result, x[i])), test(Op::kLess, column(*result, n + 1 + i), column(*result, n)));
      unknown = unknown ? test(Op::kOr, std::move(unknown), std::move(open)) : std::move(open);
    }
    mark = cases({test(Op::kNot, any_rows()), truth(false), std::move(found), truth(true), unknown,
                  expr::constant(data::Value::null(boolean())), truth(false)});
  }
  auto project = std::make_unique<plan::ProjectNode>();
  for (uint32_t i = 0; i < width; i++) {
    project->expressions.push_back(column(*result, i));
    project->columns.push_back({result->columns[i].name, result->columns[i].type, std::nullopt});
  }
  project->expressions.push_back(std::move(mark));
  project->columns.push_back({"mark", boolean(), std::nullopt});
  project->inputs.push_back(std::move(result));
  return finished(std::move(project));
}

// The correlated columns of the left side that the subquery refers to, each value once.
NodePtr Translator::delim_get(duckdb::LogicalOperator&) {
  CHECK(!delim_joins_.empty());
  duckdb::LogicalComparisonJoin* join = delim_joins_.back();
  // The left side stands outside of the join.
  delim_joins_.pop_back();
  NodePtr left = translate(*join->children[0]);
  delim_joins_.push_back(join);
  if (passes_stream(*left)) {
    throw BindFailure(ErrorCode::kUnboundedState,
                      "this correlated subquery keeps all rows of a stream: write a SEMI or ANTI JOIN with the time bound in ON, or "
                      "read a materialized view, which keeps its rows anyway",
                      facts_.subquery >= 0 ? facts_.subquery : facts_.first);
  }
  ColumnSet wanted(*this, *left);
  std::vector<uint32_t> at;
  for (const auto& expression : join->duplicate_eliminated_columns) at.push_back(wanted.add(*expression));
  NodePtr columns = project_columns(wanted.apply(std::move(left)), at);
  const uint32_t count = static_cast<uint32_t>(at.size());
  return finished(grouped(std::move(columns), count));
}

}  // namespace laminar::sql
