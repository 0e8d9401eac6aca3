#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/common/types/column/column_data_collection.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/operator/list.hpp>

#include "base/check.h"
#include "duck/types.h"
#include "plan/properties.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/passes.h"
#include "sql/bind/translator.h"
#include "sql/catalog/scan_data.h"

namespace laminar::sql {

using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using plan::NodePtr;
using plan::OutputColumn;

NodePtr finished(NodePtr node) {
  plan::derive_properties(*node);
  return node;
}

plan::SortKey sort_key(uint32_t column, const duckdb::BoundOrderByNode& order) {
  plan::SortKey key;
  key.column = column;
  key.descending = order.type == duckdb::OrderType::DESCENDING;
  key.nulls_first = order.null_order == duckdb::OrderByNullType::NULLS_FIRST;
  return key;
}

// "(a + 1)" as "a + 1".
static std::string without_parentheses(std::string text) {
  if (text.size() < 2 || text.front() != '(') return text;
  int depth = 0;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\'') return text;  // quotes may hide parentheses
    depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (depth == 0) return i + 1 == text.size() ? text.substr(1, text.size() - 2) : text;
  }
  return text;
}

std::string output_name(const duckdb::Expression& bound, const expr::Expr& expression,
                        const std::vector<OutputColumn>& input) {
  if (expression.kind == expr::ExprKind::kColumn) {
    return bound.HasAlias() ? bound.GetAlias() : input[expression.column].name;
  }
  // DuckDB makes aliases of its own from the text.
  if (bound.HasAlias() && bound.GetAlias() != bound.ToString()) return bound.GetAlias();
  std::vector<std::string> names;
  for (const OutputColumn& column : input) names.push_back(column.name);
  return without_parentheses(expr::to_text(expression, &names));
}

NodePtr project_columns(NodePtr input, const std::vector<uint32_t>& columns) {
  bool identity = columns.size() == input->columns.size();
  for (uint32_t i = 0; identity && i < columns.size(); i++) identity = columns[i] == i;
  if (identity) return input;
  auto project = std::make_unique<plan::ProjectNode>();
  project->offset = input->offset;
  for (const uint32_t column : columns) {
    const OutputColumn& source = input->columns[column];
    project->expressions.push_back(expr::column_ref(column, source.type, source.name));
    project->columns.push_back({source.name, source.type, std::nullopt});
  }
  project->inputs.push_back(std::move(input));
  return finished(std::move(project));
}

uint32_t ColumnSet::add(const duckdb::Expression& bound) {
  if (bound.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
    return add_column(static_cast<uint32_t>(bound.Cast<duckdb::BoundReferenceExpression>().index));
  }
  for (uint32_t i = 0; i < bound_.size(); i++) {
    if (bound_[i] && bound_[i]->Equals(bound)) return i;
  }
  expressions_.push_back(translator_.expression(bound, input_.columns));
  names_.push_back(output_name(bound, *expressions_.back(), input_.columns));
  bound_.push_back(bound.Copy());
  return static_cast<uint32_t>(expressions_.size() - 1);
}

uint32_t ColumnSet::add_column(uint32_t column) {
  CHECK(column < input_.columns.size());
  for (uint32_t i = 0; i < expressions_.size(); i++) {
    if (expressions_[i]->kind == expr::ExprKind::kColumn && expressions_[i]->column == column) return i;
  }
  const OutputColumn& source = input_.columns[column];
  expressions_.push_back(expr::column_ref(column, source.type, source.name));
  names_.push_back(source.name);
  bound_.push_back(nullptr);
  return static_cast<uint32_t>(expressions_.size() - 1);
}

void ColumnSet::add_all() {
  for (uint32_t i = 0; i < input_.columns.size(); i++) add_column(i);
}

NodePtr ColumnSet::apply(NodePtr input) const {
  bool identity = expressions_.size() == input->columns.size();
  for (uint32_t i = 0; identity && i < expressions_.size(); i++) {
    identity = expressions_[i]->kind == expr::ExprKind::kColumn && expressions_[i]->column == i;
  }
  if (identity) return input;
  auto project = std::make_unique<plan::ProjectNode>();
  project->offset = input->offset;
  for (size_t i = 0; i < expressions_.size(); i++) {
    project->expressions.push_back(expressions_[i]);
    project->columns.push_back({names_[i], expressions_[i]->type, std::nullopt});
  }
  project->inputs.push_back(std::move(input));
  return finished(std::move(project));
}

namespace {

[[noreturn]] void refuse(ErrorCode code, const std::string& message, int64_t offset, const QueryFacts& facts) {
  throw BindFailure(code, message, offset >= 0 ? offset : facts.first);
}

}  // namespace

NodePtr Translator::translate(LogicalOperator& op) {
  switch (op.type) {
    case LogicalOperatorType::LOGICAL_GET:
      return scan(op.Cast<duckdb::LogicalGet>());
    case LogicalOperatorType::LOGICAL_FILTER:
      return filter(op.Cast<duckdb::LogicalFilter>());
    case LogicalOperatorType::LOGICAL_PROJECTION:
      return projection(op.Cast<duckdb::LogicalProjection>());
    case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
      return aggregate(op.Cast<duckdb::LogicalAggregate>());
    case LogicalOperatorType::LOGICAL_DISTINCT: {
      auto& distinct_op = op.Cast<duckdb::LogicalDistinct>();
      return distinct_op.distinct_type == duckdb::DistinctType::DISTINCT ? distinct(distinct_op)
                                                                         : distinct_on(distinct_op);
    }
    case LogicalOperatorType::LOGICAL_UNION:
      return union_all(op);
    case LogicalOperatorType::LOGICAL_UNNEST:
      return unnest(op.Cast<duckdb::LogicalUnnest>());
    case LogicalOperatorType::LOGICAL_LIMIT:
      return limit(op.Cast<duckdb::LogicalLimit>());
    case LogicalOperatorType::LOGICAL_WINDOW:
      return rank(nullptr, op.Cast<duckdb::LogicalWindow>());
    case LogicalOperatorType::LOGICAL_ORDER_BY:
      // DISTINCT ON keeps a copy of the ORDER BY that chose its rows; the order of the result itself means nothing.
      if (op.children[0]->type == LogicalOperatorType::LOGICAL_DISTINCT &&
          op.children[0]->Cast<duckdb::LogicalDistinct>().distinct_type == duckdb::DistinctType::DISTINCT_ON &&
          !op.HasProjectionMap()) {
        return translate(*op.children[0]);
      }
      if (sort_allowed_) return sort(op.Cast<duckdb::LogicalOrder>());
      refuse(
          ErrorCode::kNotIncremental,
          "a view has no order of its own: add LIMIT to keep the first rows, or order the SELECT that reads the view",
          facts_.order_by, facts_);
    case LogicalOperatorType::LOGICAL_EXPRESSION_GET:
    case LogicalOperatorType::LOGICAL_CHUNK_GET:
    case LogicalOperatorType::LOGICAL_DUMMY_SCAN:
      return values(op);
    case LogicalOperatorType::LOGICAL_EMPTY_RESULT:
      return empty(op);
    case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
      return cte(op);
    case LogicalOperatorType::LOGICAL_CTE_REF:
      return cte_reference(op);
    case LogicalOperatorType::LOGICAL_ASOF_JOIN:
      return asof_join(op.Cast<duckdb::LogicalComparisonJoin>());
    case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
    case LogicalOperatorType::LOGICAL_ANY_JOIN:
    case LogicalOperatorType::LOGICAL_DELIM_JOIN:
    case LogicalOperatorType::LOGICAL_DEPENDENT_JOIN:
    case LogicalOperatorType::LOGICAL_POSITIONAL_JOIN:
    case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
      return join(op);
    case LogicalOperatorType::LOGICAL_DELIM_GET:
      return delim_get(op);
    case LogicalOperatorType::LOGICAL_EXCEPT:
    case LogicalOperatorType::LOGICAL_INTERSECT:
      refuse(ErrorCode::kNotImplemented,
             std::string(op.type == LogicalOperatorType::LOGICAL_EXCEPT ? "EXCEPT" : "INTERSECT") +
                 " in a view is not implemented yet",
             facts_.set_operation, facts_);
    case LogicalOperatorType::LOGICAL_SAMPLE:
      refuse(ErrorCode::kNotIncremental, "a sample is another one each time: a view cannot have one", facts_.sample,
             facts_);
    case LogicalOperatorType::LOGICAL_RECURSIVE_CTE:
      refuse(ErrorCode::kNotIncremental, "WITH RECURSIVE cannot run incrementally", facts_.recursive, facts_);
    case LogicalOperatorType::LOGICAL_PIVOT:
      refuse(ErrorCode::kNotIncremental, "PIVOT cannot run incrementally: its columns depend on the rows", facts_.pivot,
             facts_);
    default:
      refuse(ErrorCode::kNotIncremental,
             duckdb::LogicalOperatorToString(op.type) + " cannot run incrementally in a view", -1, facts_);
  }
}

// The columns of a watermark per key, where the scan has all of them.
static void note_time_key(plan::ScanNode& node, const Object& object) {
  node.time_by_key_only = object.time_by_key_only;
  for (const uint32_t key : object.time_key) {
    const auto at = std::find(node.source_columns.begin(), node.source_columns.end(), key);
    if (at == node.source_columns.end()) return node.time_key.clear();
    node.time_key.push_back(static_cast<uint32_t>(at - node.source_columns.begin()));
  }
}

NodePtr Translator::scan(duckdb::LogicalGet& get) {
  const auto* ours = dynamic_cast<const LaminarScanData*>(get.bind_data.get());
  if (!ours || !get.children.empty()) {
    const auto table = get.GetTable();
    const auto named = table ? facts_.tables.find(duckdb::StringUtil::Lower(table->name)) : facts_.tables.end();
    refuse(ErrorCode::kNotIncremental,
           "a view reads our sources, streams, tables and views, not " +
               (table ? "DuckDB's table " + table->name : "function " + get.function.name + "()"),
           named != facts_.tables.end() ? named->second
           : facts_.table_function >= 0 ? facts_.table_function
                                        : facts_.file,
           facts_);
  }
  CHECK(get.table_filters.filters.empty());
  const Object& object = *ours->description;
  auto node = std::make_unique<plan::ScanNode>();
  node->object = object.name;
  objects_[object.name] = ours->description;
  node->append_only = object.append_only;
  node->keeps_order = object.kind == ObjectKind::kTable;
  const auto& column_ids = get.GetColumnIds();
  std::vector<uint32_t> columns;
  for (const auto& id : column_ids) {
    if (id.IsPushdownExtract()) {
      refuse(ErrorCode::kNotImplemented, "reading one field of a struct column is not implemented yet", -1, facts_);
    }
    // A scan of no column at all, for count(*), asks for a virtual one; any column will do, it is pruned later.
    columns.push_back(id.IsVirtualColumn() ? 0 : static_cast<uint32_t>(id.GetPrimaryIndex()));
  }
  if (!get.projection_ids.empty()) {
    std::vector<uint32_t> kept;
    for (const auto position : get.projection_ids) kept.push_back(columns[position]);
    columns = std::move(kept);
  }
  for (const uint32_t column : columns) {
    CHECK(column < object.columns.size());
    node->source_columns.push_back(column);
    node->columns.push_back({object.columns[column].name, object.columns[column].type,
                             column < object.time_offset_us.size() ? object.time_offset_us[column] : std::nullopt,
                             column < object.time_form.size() ? object.time_form[column] : plan::TimeForm::kNone});
  }
  note_time_key(*node, object);
  for (const uint32_t key : object.primary_key) {
    const auto at = std::find(node->source_columns.begin(), node->source_columns.end(), key);
    if (at == node->source_columns.end()) {
      node->key.clear();
      break;
    }
    node->key.push_back(static_cast<uint32_t>(at - node->source_columns.begin()));
  }
  if (std::find(inputs_.begin(), inputs_.end(), object.name) == inputs_.end()) inputs_.push_back(object.name);
  return finished(std::move(node));
}

expr::ExprPtr Translator::conjunction(const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& conjuncts,
                                      const std::vector<OutputColumn>& input) {
  std::vector<expr::ExprPtr> terms;
  for (const auto& conjunct : conjuncts) terms.push_back(expression(*conjunct, input));
  if (terms.empty()) return nullptr;
  if (terms.size() == 1) return terms[0];
  const int64_t offset = terms[0]->offset;
  auto node = std::make_shared<expr::Expr>(
      *expr::call(expr::Op::kAnd, data::Type::of(data::TypeKind::kBoolean), std::move(terms)));
  node->offset = offset;
  return node;
}

NodePtr Translator::filtered(NodePtr input, expr::ExprPtr predicate) {
  if (!predicate) return input;
  auto node = std::make_unique<plan::FilterNode>();
  node->offset = predicate->offset;
  node->columns = input->columns;
  node->predicate = std::move(predicate);
  node->inputs.push_back(std::move(input));
  return finished(std::move(node));
}

NodePtr Translator::filter(duckdb::LogicalFilter& filter) {
  CHECK(!filter.HasProjectionMap());
  if (filter.children[0]->type == LogicalOperatorType::LOGICAL_WINDOW) {
    return rank(&filter, filter.children[0]->Cast<duckdb::LogicalWindow>());
  }
  NodePtr input = translate(*filter.children[0]);
  auto predicate = conjunction(filter.expressions, input->columns);
  return filtered(std::move(input), std::move(predicate));
}

NodePtr Translator::projection(duckdb::LogicalProjection& projection) {
  if (projection.children[0]->type == LogicalOperatorType::LOGICAL_DUMMY_SCAN) {
    // SELECT without FROM: one constant row.
    auto node = std::make_unique<plan::ValuesNode>();
    node->rows.emplace_back();
    for (const auto& bound : projection.expressions) {
      const auto constant = expression(*bound, {});
      if (constant->kind != expr::ExprKind::kConstant) {
        refuse(ErrorCode::kNotIncremental, "not a constant: " + bound->ToString(), location_of(*bound), facts_);
      }
      node->rows[0].push_back(constant->constant);
      node->columns.push_back({bound->GetName(), constant->type, std::nullopt});
    }
    return finished(std::move(node));
  }
  NodePtr input = translate(*projection.children[0]);
  auto node = std::make_unique<plan::ProjectNode>();
  for (const auto& bound : projection.expressions) {
    auto expression_node = expression(*bound, input->columns);
    if (node->offset < 0) node->offset = expression_node->offset;
    node->columns.push_back(
        {output_name(*bound, *expression_node, input->columns), expression_node->type, std::nullopt});
    node->expressions.push_back(std::move(expression_node));
  }
  node->inputs.push_back(std::move(input));
  return finished(std::move(node));
}

NodePtr Translator::union_all(LogicalOperator& op) {
  auto& operation = op.Cast<duckdb::LogicalSetOperation>();
  auto node = std::make_unique<plan::UnionAllNode>();
  for (auto& child : op.children) {
    NodePtr input = translate(*child);
    // UNION ALL of more than two comes nested or flat; one node serves.
    if (input->kind == plan::NodeKind::kUnionAll) {
      for (auto& inner : input->inputs) node->inputs.push_back(std::move(inner));
    } else {
      node->inputs.push_back(std::move(input));
    }
  }
  for (const auto& input : node->inputs) {
    if (input->types() != node->inputs[0]->types()) {
      refuse(ErrorCode::kInternal, "the sides of UNION have different types", -1, facts_);
    }
  }
  for (const OutputColumn& column : node->inputs[0]->columns)
    node->columns.push_back({column.name, column.type, std::nullopt});
  NodePtr result = finished(std::move(node));
  if (operation.setop_all) return result;
  auto rows = std::make_unique<plan::AggregateNode>();
  for (uint32_t i = 0; i < result->columns.size(); i++) {
    rows->groups.push_back({plan::AggregateNode::GroupOutput::Kind::kKey, i});
    rows->columns.push_back({result->columns[i].name, result->columns[i].type, std::nullopt});
  }
  rows->inputs.push_back(std::move(result));
  return finished(std::move(rows));
}

NodePtr Translator::values(LogicalOperator& op) {
  auto node = std::make_unique<plan::ValuesNode>();
  if (op.type == LogicalOperatorType::LOGICAL_EXPRESSION_GET) {
    auto& get = op.Cast<duckdb::LogicalExpressionGet>();
    for (const auto& row : get.expressions) {
      auto& values = node->rows.emplace_back();
      for (const auto& bound : row) {
        if (!bound->IsFoldable()) {
          refuse(ErrorCode::kNotIncremental, "VALUES in a view must be constants", location_of(*bound), facts_);
        }
        values.push_back(duck::value_from_duckdb(duckdb::ExpressionExecutor::EvaluateScalar(context_, *bound)));
      }
    }
  } else if (op.type == LogicalOperatorType::LOGICAL_CHUNK_GET) {
    auto& collection = *op.Cast<duckdb::LogicalColumnDataGet>().collection;
    for (auto& row : collection.Rows()) {
      auto& values = node->rows.emplace_back();
      for (duckdb::idx_t i = 0; i < collection.ColumnCount(); i++) {
        values.push_back(duck::value_from_duckdb(row.GetValue(i)));
      }
    }
  } else {
    refuse(ErrorCode::kNotIncremental, "a view must read something or give constant rows", -1, facts_);
  }
  for (size_t i = 0; i < op.types.size(); i++) {
    node->columns.push_back({"col" + std::to_string(i), duck::type_from_duckdb(op.types[i]), std::nullopt});
  }
  for (auto& row : node->rows) {
    for (size_t i = 0; i < row.size(); i++) row[i].type = node->columns[i].type;
  }
  return finished(std::move(node));
}

NodePtr Translator::empty(LogicalOperator& op) {
  auto node = std::make_unique<plan::ValuesNode>();
  for (size_t i = 0; i < op.types.size(); i++) {
    node->columns.push_back({"col" + std::to_string(i), duck::type_from_duckdb(op.types[i]), std::nullopt});
  }
  return finished(std::move(node));
}

NodePtr Translator::cte(LogicalOperator& op) {
  auto& materialized = op.Cast<duckdb::LogicalMaterializedCTE>();
  ctes_[materialized.table_index] = op.children[0].get();
  return translate(*op.children[1]);
}

// Each reference has operators of its own: sharing would need a node with two readers.
NodePtr Translator::cte_reference(LogicalOperator& op) {
  auto& reference = op.Cast<duckdb::LogicalCTERef>();
  const auto found = ctes_.find(reference.cte_index);
  if (found == ctes_.end() || reference.is_recurring) {
    refuse(ErrorCode::kNotIncremental, "WITH RECURSIVE cannot run incrementally", facts_.recursive, facts_);
  }
  return translate(*found->second);
}

}  // namespace laminar::sql
