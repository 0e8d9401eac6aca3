#include "sql/bind/query_facts.h"

#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/parser/expression/list.hpp>
#include <duckdb/parser/parsed_expression_iterator.hpp>
#include <duckdb/parser/query_node/list.hpp>
#include <duckdb/parser/result_modifier.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/list.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression_binder/constant_binder.hpp>
#include <utility>

#include "sql/bind/bind_failure.h"

namespace laminar::sql {
namespace {

using duckdb::ParsedExpression;
using duckdb::ParsedExpressionIterator;
using ExpressionPtr = duckdb::unique_ptr<ParsedExpression>;

// Aggregates whose constant arguments we need.
const std::set<std::string>& aggregates_with_constants() {
  static const std::set<std::string> names = {"quantile",        "quantile_cont", "quantile_disc", "percentile_cont",
                                              "percentile_disc", "string_agg",    "group_concat",  "listagg"};
  return names;
}

class Collector {
 public:
  explicit Collector(duckdb::ClientContext& context) : context_(context) {}
  QueryFacts facts;

  void visit(duckdb::QueryNode& node) {
    for (auto& cte : node.cte_map.map) visit(*cte.second->query->node);
    for (auto& modifier : node.modifiers) {
      if (modifier->type == duckdb::ResultModifierType::ORDER_MODIFIER) {
        for (auto& order : modifier->Cast<duckdb::OrderModifier>().orders) note(facts.order_by, *order.expression);
      } else if (modifier->type == duckdb::ResultModifierType::LIMIT_MODIFIER) {
        auto& limit = modifier->Cast<duckdb::LimitModifier>();
        if (limit.limit) note(facts.limit, *limit.limit);
        if (limit.offset) note(facts.limit, *limit.offset);
      }
    }
    switch (node.type) {
      case duckdb::QueryNodeType::SELECT_NODE: {
        auto& select = node.Cast<duckdb::SelectNode>();
        if (select.sample && select.from_table && facts.sample < 0 && select.from_table->query_location.IsValid()) {
          facts.sample = static_cast<int64_t>(select.from_table->query_location.GetIndex());
        }
        for (auto& expression : select.select_list) visit(expression);
        if (select.from_table) visit(*select.from_table);
        if (select.where_clause) visit(select.where_clause);
        for (auto& group : select.groups.group_expressions) {
          note(facts.group_by, *group);
          visit(group);
        }
        if (select.having) visit(select.having);
        if (select.qualify) visit(select.qualify);
        break;
      }
      case duckdb::QueryNodeType::SET_OPERATION_NODE: {
        auto& operation = node.Cast<duckdb::SetOperationNode>();
        for (size_t i = 0; i < operation.children.size(); i++) {
          if (i == 1 && operation.setop_type != duckdb::SetOperationType::UNION && facts.set_operation < 0) {
            next_is_ = &facts.set_operation;
          }
          visit(*operation.children[i]);
        }
        break;
      }
      case duckdb::QueryNodeType::RECURSIVE_CTE_NODE: {
        auto& recursive = node.Cast<duckdb::RecursiveCTENode>();
        visit(*recursive.left);
        if (facts.recursive < 0) next_is_ = &facts.recursive;
        visit(*recursive.right);
        break;
      }
      case duckdb::QueryNodeType::CTE_NODE: {
        auto& cte = node.Cast<duckdb::CTENode>();
        visit(*cte.query);
        visit(*cte.child);
        break;
      }
      default:
        break;
    }
    ParsedExpressionIterator::EnumerateQueryNodeModifiers(node, [&](ExpressionPtr& child) { visit(child); });
  }

 private:
  void visit(duckdb::TableRef& ref) {
    const int64_t at = ref.query_location.IsValid() ? static_cast<int64_t>(ref.query_location.GetIndex()) : -1;
    see(at);
    if (ref.sample && facts.sample < 0) facts.sample = at;
    switch (ref.type) {
      case duckdb::TableReferenceType::JOIN: {
        auto& join = ref.Cast<duckdb::JoinRef>();
        visit(*join.left);
        const int64_t left = last_;
        visit(*join.right);
        if (join.condition) visit(join.condition);
        if (facts.join < 0) {
          // The JOIN itself when the parser says where, else the joined table.
          const auto& right = join.right->query_location;
          facts.join = at >= 0 ? at : right.IsValid() ? static_cast<int64_t>(right.GetIndex()) : left;
        }
        break;
      }
      case duckdb::TableReferenceType::BASE_TABLE: {
        const std::string& name = ref.Cast<duckdb::BaseTableRef>().table_name;
        facts.tables.emplace(duckdb::StringUtil::Lower(name), at);
        if (facts.file < 0 && name.find_first_of("./:") != std::string::npos) facts.file = at;
        break;
      }
      case duckdb::TableReferenceType::SUBQUERY:
        visit(*ref.Cast<duckdb::SubqueryRef>().subquery->node);
        break;
      case duckdb::TableReferenceType::TABLE_FUNCTION: {
        auto& function = ref.Cast<duckdb::TableFunctionRef>();
        if (facts.table_function < 0) facts.table_function = at;
        visit(function.function);
        break;
      }
      case duckdb::TableReferenceType::PIVOT:
        if (facts.pivot < 0) facts.pivot = at;
        visit(*ref.Cast<duckdb::PivotRef>().source);
        break;
      case duckdb::TableReferenceType::EXPRESSION_LIST:
        for (auto& row : ref.Cast<duckdb::ExpressionListRef>().values) {
          for (auto& value : row) visit(value);
        }
        break;
      default:
        break;
    }
  }

  void visit(ExpressionPtr& expression) {
    if (expression->GetQueryLocation().IsValid()) see(static_cast<int64_t>(expression->GetQueryLocation().GetIndex()));
    switch (expression->GetExpressionClass()) {
      case duckdb::ExpressionClass::SUBQUERY: {
        auto& subquery = expression->Cast<duckdb::SubqueryExpression>();
        note(facts.subquery, *expression);
        if (subquery.child) visit(subquery.child);
        visit(*subquery.subquery->node);
        return;
      }
      case duckdb::ExpressionClass::PARAMETER:
        throw BindFailure(ErrorCode::kBindError, "parameters have no values in a view: write the value itself", last_);
      case duckdb::ExpressionClass::WINDOW:
        note(facts.window_function, *expression);
        break;
      case duckdb::ExpressionClass::FUNCTION: {
        auto& call = expression->Cast<duckdb::FunctionExpression>();
        if (call.schema.empty() && duckdb::StringUtil::CIEquals(call.function_name, "first_value"))
          call.function_name = "first";
        if (call.schema.empty() && duckdb::StringUtil::CIEquals(call.function_name, "last_value"))
          call.function_name = "last";
        if (is_count_if(call)) {
          expression = count_with_filter(call);
          visit(expression);
          return;
        }
        if (aggregates_with_constants().count(duckdb::StringUtil::Lower(call.function_name))) remember_constants(call);
        break;
      }
      default:
        break;
    }
    ParsedExpressionIterator::EnumerateChildren(*expression, [&](ExpressionPtr& child) { visit(child); });
  }

  static bool is_count_if(const duckdb::FunctionExpression& call) {
    return call.schema.empty() && call.children.size() == 1 && !call.distinct && !call.filter &&
           (duckdb::StringUtil::CIEquals(call.function_name, "count_if") ||
            duckdb::StringUtil::CIEquals(call.function_name, "countif"));
  }
  // count_if(x) as count(*) FILTER (WHERE x), which can take rows back; of the same type and name.
  static ExpressionPtr count_with_filter(const duckdb::FunctionExpression& call) {
    auto count = duckdb::make_uniq<duckdb::FunctionExpression>("count_star", duckdb::vector<ExpressionPtr>(),
                                                               call.children[0]->Copy());
    count->SetQueryLocation(call.GetQueryLocation());
    auto cast = duckdb::make_uniq<duckdb::CastExpression>(duckdb::LogicalType::HUGEINT, std::move(count));
    cast->SetQueryLocation(call.GetQueryLocation());
    cast->SetAlias(call.HasAlias() ? call.GetAlias() : call.ToString());
    return cast;
  }

  void remember_constants(const duckdb::FunctionExpression& call) {
    if (!call.GetQueryLocation().IsValid()) return;
    std::vector<duckdb::Value>& values = facts.constants[static_cast<int64_t>(call.GetQueryLocation().GetIndex())];
    values.clear();
    if (call.children.size() == 1 && call.order_bys && !call.order_bys->orders.empty() &&
        call.order_bys->orders[0].type == duckdb::OrderType::DESCENDING) {
      facts.descending.insert(static_cast<int64_t>(call.GetQueryLocation().GetIndex()));
    }
    // The first argument is the value, constant or not; but for a percentile WITHIN GROUP, whose value is the order.
    const bool within_group = call.children.size() == 1 && call.order_bys &&
                              duckdb::StringUtil::Contains(duckdb::StringUtil::Lower(call.function_name), "ile");
    for (size_t i = within_group ? 0 : 1; i < call.children.size(); i++) {
      const auto& child = call.children[i];
      if (has_column(*child)) continue;
      auto copy = child->Copy();
      auto binder = duckdb::Binder::CreateBinder(context_);
      duckdb::ConstantBinder constant_binder(*binder, context_, call.function_name);
      auto bound = constant_binder.Bind(copy);
      values.push_back(duckdb::ExpressionExecutor::EvaluateScalar(context_, *bound));
    }
  }

  static bool has_column(const ParsedExpression& expression) {
    const auto cls = expression.GetExpressionClass();
    bool found = cls == duckdb::ExpressionClass::COLUMN_REF || cls == duckdb::ExpressionClass::SUBQUERY ||
                 cls == duckdb::ExpressionClass::STAR || cls == duckdb::ExpressionClass::PARAMETER;
    ParsedExpressionIterator::EnumerateChildren(
        expression, [&](const ParsedExpression& child) { found = found || has_column(child); });
    return found;
  }

  void note(int64_t& position, const ParsedExpression& expression) {
    if (position >= 0) return;
    if (expression.GetQueryLocation().IsValid()) {
      position = static_cast<int64_t>(expression.GetQueryLocation().GetIndex());
      return;
    }
    ParsedExpressionIterator::EnumerateChildren(expression,
                                                [&](const ParsedExpression& child) { note(position, child); });
  }

  void see(int64_t position) {
    if (position < 0) return;
    last_ = position;
    if (next_is_) *std::exchange(next_is_, nullptr) = position;
    if (facts.first < 0 || position < facts.first) facts.first = position;
  }

  duckdb::ClientContext& context_;
  int64_t last_ = -1;
  int64_t* next_is_ = nullptr;  // takes the next position seen: the operation itself has none
};

}  // namespace

QueryFacts collect_facts(duckdb::ClientContext& context, duckdb::QueryNode& query) {
  Collector collector(context);
  collector.visit(query);
  return std::move(collector.facts);
}

}  // namespace laminar::sql
