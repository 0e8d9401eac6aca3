#include "sql/bind/asof_ast.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/parser/expression/list.hpp>
#include <duckdb/parser/parsed_expression_iterator.hpp>
#include <duckdb/parser/query_node/list.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/list.hpp>
#include <functional>
#include <limits>
#include <optional>

#include "sql/bind/bind_failure.h"
#include "sql/catalog/catalog.h"
#include "sql/functions/join_markers.h"

namespace laminar::sql {
namespace {

using duckdb::ExpressionType;
using duckdb::JoinRef;
using duckdb::make_uniq;
using duckdb::ParsedExpression;
using duckdb::ParsedExpressionIterator;
using duckdb::StringUtil;
using duckdb::TableRef;
using ExpressionPtr = duckdb::unique_ptr<ParsedExpression>;

constexpr int64_t kNowhere = std::numeric_limits<int64_t>::max();

int64_t location_of(const ParsedExpression& expression) {
  return expression.GetQueryLocation().IsValid() ? static_cast<int64_t>(expression.GetQueryLocation().GetIndex()) : -1;
}

template <class Node>
void place(Node& node, int64_t offset) {
  if (offset >= 0) node.SetQueryLocation(duckdb::optional_idx(static_cast<duckdb::idx_t>(offset)));
}

// The joins of a query, subqueries included.
class JoinList {
 public:
  std::vector<JoinRef*> joins;

  void visit(duckdb::QueryNode& node) {
    for (auto& cte : node.cte_map.map) visit(*cte.second->query->node);
    switch (node.type) {
      case duckdb::QueryNodeType::SELECT_NODE: {
        auto& select = node.Cast<duckdb::SelectNode>();
        if (select.from_table) visit(*select.from_table);
        for (auto& item : select.select_list) visit(*item);
        if (select.where_clause) visit(*select.where_clause);
        if (select.having) visit(*select.having);
        if (select.qualify) visit(*select.qualify);
        break;
      }
      case duckdb::QueryNodeType::SET_OPERATION_NODE:
        for (auto& child : node.Cast<duckdb::SetOperationNode>().children) visit(*child);
        break;
      case duckdb::QueryNodeType::RECURSIVE_CTE_NODE:
        visit(*node.Cast<duckdb::RecursiveCTENode>().left);
        visit(*node.Cast<duckdb::RecursiveCTENode>().right);
        break;
      case duckdb::QueryNodeType::CTE_NODE:
        visit(*node.Cast<duckdb::CTENode>().query);
        visit(*node.Cast<duckdb::CTENode>().child);
        break;
      default:
        break;
    }
  }

 private:
  void visit(TableRef& ref) {
    if (ref.type == duckdb::TableReferenceType::JOIN) {
      auto& join = ref.Cast<JoinRef>();
      joins.push_back(&join);
      visit(*join.left);
      visit(*join.right);
      if (join.condition) visit(*join.condition);
    } else if (ref.type == duckdb::TableReferenceType::SUBQUERY) {
      visit(*ref.Cast<duckdb::SubqueryRef>().subquery->node);
    } else if (ref.type == duckdb::TableReferenceType::PIVOT) {
      visit(*ref.Cast<duckdb::PivotRef>().source);
    }
  }
  void visit(ParsedExpression& expression) {
    if (expression.GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY) {
      visit(*expression.Cast<duckdb::SubqueryExpression>().subquery->node);
    }
    ParsedExpressionIterator::EnumerateChildren(expression, [&](ParsedExpression& child) { visit(child); });
  }
};

// The first position in a table of FROM.
int64_t begin_of(const TableRef& ref) {
  int64_t first = ref.query_location.IsValid() ? static_cast<int64_t>(ref.query_location.GetIndex()) : kNowhere;
  if (ref.type == duckdb::TableReferenceType::JOIN) {
    const auto& join = ref.Cast<JoinRef>();
    return std::min(begin_of(*join.left), begin_of(*join.right));
  }
  if (ref.type == duckdb::TableReferenceType::SUBQUERY) {
    const auto& node = *ref.Cast<duckdb::SubqueryRef>().subquery->node;
    if (node.type == duckdb::QueryNodeType::SELECT_NODE) {
      const auto& select = node.Cast<duckdb::SelectNode>();
      for (const auto& item : select.select_list) {
        if (location_of(*item) >= 0) first = std::min(first, location_of(*item));
      }
      if (select.from_table) first = std::min(first, begin_of(*select.from_table));
    }
  }
  return first;
}

// What names the columns of a table of FROM; empty where nothing does.
std::string alias_of(const TableRef& ref) {
  if (!ref.alias.empty()) return ref.alias;
  return ref.type == duckdb::TableReferenceType::BASE_TABLE ? ref.Cast<duckdb::BaseTableRef>().table_name : std::string();
}

// The names that qualify the columns in an expression; "" stands for columns without.
std::vector<std::string> qualifiers(const ParsedExpression& expression) {
  std::vector<std::string> names;
  const std::function<void(const ParsedExpression&)> look = [&](const ParsedExpression& at) {
    if (at.GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF) {
      const auto& parts = at.Cast<duckdb::ColumnRefExpression>().column_names;
      names.push_back(parts.size() > 1 ? parts[parts.size() - 2] : std::string());
    }
    ParsedExpressionIterator::EnumerateChildren(at, look);
  };
  look(expression);
  return names;
}

bool is_of(const ParsedExpression& expression, const std::string& table) {
  const std::vector<std::string> names = qualifiers(expression);
  return !table.empty() && !names.empty() &&
         std::all_of(names.begin(), names.end(), [&](const std::string& name) { return StringUtil::CIEquals(name, table); });
}

void conjuncts(ExpressionPtr& condition, std::vector<ExpressionPtr*>& to) {
  if (condition->GetExpressionType() == ExpressionType::CONJUNCTION_AND) {
    for (auto& child : condition->Cast<duckdb::ConjunctionExpression>().children) conjuncts(child, to);
  } else {
    to.push_back(&condition);
  }
}

bool is_inequality(const ParsedExpression& expression) {
  switch (expression.GetExpressionType()) {
    case ExpressionType::COMPARE_LESSTHAN: case ExpressionType::COMPARE_GREATERTHAN:
    case ExpressionType::COMPARE_LESSTHANOREQUALTO: case ExpressionType::COMPARE_GREATERTHANOREQUALTO:
      return true;
    default:
      return false;
  }
}

ExpressionPtr number(int64_t value) { return make_uniq<duckdb::ConstantExpression>(duckdb::Value::BIGINT(value)); }

template <class... Arguments>
ExpressionPtr call(const char* function, int64_t offset, Arguments... arguments) {
  duckdb::vector<ExpressionPtr> children;
  (children.push_back(std::move(arguments)), ...);
  auto made = make_uniq<duckdb::FunctionExpression>(function, std::move(children));
  place(*made, offset);
  return made;
}

// What the clauses say of one ASOF join.
struct AsofClauses {
  JoinRef* join = nullptr;
  const JoinClause* tolerance = nullptr;
  const JoinClause* horizon = nullptr;
};

class AsofRewriter {
 public:
  AsofRewriter(duckdb::ClientContext& context, std::vector<JoinRef*> joins) : context_(context), joins_(std::move(joins)) {
    for (JoinRef* join : joins_) {
      if (join->ref_type == duckdb::JoinRefType::ASOF) asofs_.push_back({join, nullptr, nullptr});
    }
  }

  void run(const std::vector<JoinClause>& clauses) {
    std::vector<const JoinClause*> system_times;
    for (const JoinClause& clause : clauses) {
      if (clause.kind == JoinClause::Kind::kSystemTime) {
        system_times.push_back(&clause);
        continue;
      }
      AsofClauses& asof = asof_of(clause);
      (clause.kind == JoinClause::Kind::kTolerance ? asof.tolerance : asof.horizon) = &clause;
    }
    for (AsofClauses& asof : asofs_) rewrite(asof);
    for (const JoinClause* clause : system_times) rewrite_system_time(*clause);
  }

 private:
  // The join whose right table begins where the clause says.
  AsofClauses& asof_of(const JoinClause& clause) {
    AsofClauses* best = nullptr;
    int64_t best_begin = kNowhere;
    for (AsofClauses& asof : asofs_) {
      const int64_t begin = begin_of(*asof.join->right);
      if (begin < clause.table_offset || begin >= best_begin || begin > clause.offset) continue;
      best = &asof;
      best_begin = begin;
    }
    if (!best) throw BindFailure(ErrorCode::kSyntaxError, "the ASOF JOIN of this clause is not found", clause.offset);
    return *best;
  }

  void rewrite(AsofClauses& asof) {
    JoinRef& join = *asof.join;
    const int64_t offset = asof.tolerance ? asof.tolerance->offset : asof.horizon ? asof.horizon->offset : -1;
    if (!join.condition) {
      if (offset < 0) return;
      throw BindFailure(ErrorCode::kNotImplemented,
                        std::string(asof.tolerance ? "TOLERANCE" : "HORIZON") +
                            " needs the times in ON, as in ON a.k = b.k AND a.ts >= b.ts; behind USING it is not implemented",
                        offset);
    }
    std::vector<ExpressionPtr*> terms;
    conjuncts(join.condition, terms);
    ExpressionPtr* time = nullptr;
    bool nearest = false;
    for (ExpressionPtr* term : terms) {
      if (auto made = nearest_comparison(**term)) {
        *term = std::move(made);
        if (nearest) throw BindFailure(ErrorCode::kWrongArguments, "an ASOF join has one NEAREST", location_of(**term));
        time = term;
        nearest = true;
      } else if (!nearest && is_inequality(**term)) {
        const auto& comparison = (*term)->Cast<duckdb::ComparisonExpression>();
        if (!qualifiers(*comparison.left).empty() && !qualifiers(*comparison.right).empty()) time = term;
      }
    }
    if (!time || (!nearest && offset < 0)) return;  // without a comparison DuckDB says what is missing
    auto& comparison = (*time)->Cast<duckdb::ComparisonExpression>();
    int64_t earliest = 1, latest = 0;  // no HORIZON
    if (asof.horizon) {
      const auto& us = asof.horizon->intervals_us;
      earliest = *std::min_element(us.begin(), us.end());
      latest = *std::max_element(us.begin(), us.end());
      add_horizon(join, comparison, *asof.horizon);
    }
    comparison.right = call(kAsofMarker, location_of(**time), std::move(comparison.right),
                            ExpressionPtr(make_uniq<duckdb::ConstantExpression>(duckdb::Value::BOOLEAN(nearest))),
                            number(asof.tolerance ? asof.tolerance->intervals_us[0] : -1), number(earliest), number(latest));
  }

  // NEAREST(a, b) as a >= b, or null for anything else.
  static ExpressionPtr nearest_comparison(ParsedExpression& expression) {
    if (expression.GetExpressionClass() != duckdb::ExpressionClass::FUNCTION) return nullptr;
    auto& function = expression.Cast<duckdb::FunctionExpression>();
    if (!function.schema.empty() || !StringUtil::CIEquals(function.function_name, "nearest")) return nullptr;
    if (function.children.size() != 2 || function.distinct || function.filter) {
      throw BindFailure(ErrorCode::kWrongArguments, "NEAREST takes the time of the left and of the right side: NEAREST(a.ts, b.ts)",
                        location_of(expression));
    }
    const int64_t offset = location_of(expression);
    auto made = make_uniq<duckdb::ComparisonExpression>(ExpressionType::COMPARE_GREATERTHANOREQUALTO,
                                                        std::move(function.children[0]), std::move(function.children[1]));
    place(*made, offset);
    return made;
  }

  // FROM left becomes FROM (SELECT *, unnest(offsets) AS horizon FROM left) AS left.
  void add_horizon(JoinRef& join, duckdb::ComparisonExpression& comparison, const JoinClause& clause) {
    const auto refuse = [&](ErrorCode code, const std::string& message, int64_t offset) {
      throw BindFailure(code, message, offset >= 0 ? offset : clause.offset);
    };
    const auto type = join.left->type;
    if (type != duckdb::TableReferenceType::BASE_TABLE && type != duckdb::TableReferenceType::SUBQUERY) {
      refuse(ErrorCode::kNotImplemented, "the left side of ASOF JOIN ... HORIZON is one table or a subquery with a name", -1);
    }
    const std::string left = alias_of(*join.left), right = alias_of(*join.right);
    if (left.empty()) refuse(ErrorCode::kSyntaxError, "HORIZON needs a name for the left side: (SELECT ...) AS a", -1);
    // Which operand is the left side's: the one that says so, or the one that is not the right side's.
    ExpressionPtr* time = nullptr;
    if (is_of(*comparison.left, left) || is_of(*comparison.right, right)) time = &comparison.left;
    else if (is_of(*comparison.right, left) || is_of(*comparison.left, right)) time = &comparison.right;
    if (!time) {
      refuse(ErrorCode::kSyntaxError, "with HORIZON the times in ON say whose they are, as in " + left + ".ts >= b.ts", location_of(comparison));
    }
    if (const auto entry = table_entry(*join.left)) {
      for (const auto& column : entry->GetColumns().Logical()) {
        if (!StringUtil::CIEquals(column.Name(), kHorizonColumn)) continue;
        refuse(ErrorCode::kBindError, "the left side has a column horizon already: give it another name in a subquery", -1);
      }
    }
    duckdb::vector<ExpressionPtr> offsets;
    for (const int64_t us : clause.intervals_us) {
      offsets.push_back(make_uniq<duckdb::ConstantExpression>(duckdb::Value::INTERVAL(0, 0, us)));
    }
    auto list = make_uniq<duckdb::FunctionExpression>("list_value", std::move(offsets));
    place(*list, clause.offset);
    auto unnest = call("unnest", clause.offset, ExpressionPtr(std::move(list)));
    unnest->SetAlias(kHorizonColumn);
    auto select = make_uniq<duckdb::SelectNode>();
    select->select_list.push_back(make_uniq<duckdb::StarExpression>());
    select->select_list.push_back(std::move(unnest));
    const auto location = join.left->query_location;
    select->from_table = std::move(join.left);
    auto statement = make_uniq<duckdb::SelectStatement>();
    statement->node = std::move(select);
    auto expanded = make_uniq<duckdb::SubqueryRef>(std::move(statement), left);
    expanded->query_location = location;
    join.left = std::move(expanded);
    auto horizon = make_uniq<duckdb::ColumnRefExpression>(kHorizonColumn, left);
    place(*horizon, clause.offset);
    const int64_t at = location_of(**time);
    duckdb::vector<ExpressionPtr> terms;
    terms.push_back(std::move(*time));
    terms.push_back(std::move(horizon));
    auto sum = make_uniq<duckdb::FunctionExpression>("+", std::move(terms));
    sum->is_operator = true;
    place(*sum, at);
    *time = std::move(sum);
  }

  duckdb::optional_ptr<duckdb::TableCatalogEntry> table_entry(const TableRef& ref) {
    if (ref.type != duckdb::TableReferenceType::BASE_TABLE) return nullptr;
    const auto& base = ref.Cast<duckdb::BaseTableRef>();
    return duckdb::Catalog::GetEntry<duckdb::TableCatalogEntry>(context_, base.catalog_name, base.schema_name, base.table_name,
                                                                duckdb::OnEntryNotFound::RETURN_NULL);
  }

  void rewrite_system_time(const JoinClause& clause) {
    const auto refuse = [&](ErrorCode code, const std::string& message) { throw BindFailure(code, message, clause.offset); };
    JoinRef* join = nullptr;
    int64_t begin = -1;
    for (JoinRef* candidate : joins_) {
      const TableRef& right = *candidate->right;
      if (right.type != duckdb::TableReferenceType::BASE_TABLE || !right.query_location.IsValid()) continue;
      const auto at = static_cast<int64_t>(right.query_location.GetIndex());
      if (at > clause.table_offset || at <= begin) continue;
      join = candidate;
      begin = at;
    }
    // Between the table and the clause stands an alias at most.
    if (!join || join->ref_type != duckdb::JoinRefType::REGULAR) {
      refuse(ErrorCode::kSyntaxError, "FOR SYSTEM_TIME AS OF stands behind the right table of a JOIN: a JOIN b FOR SYSTEM_TIME AS OF a.ts ON ...");
    }
    if (!join->condition) refuse(ErrorCode::kNotImplemented, "a join FOR SYSTEM_TIME AS OF needs its equalities in ON, as in ON a.k = b.k");
    if (join->type != duckdb::JoinType::INNER && join->type != duckdb::JoinType::LEFT) {
      refuse(ErrorCode::kNotIncremental, "a version is looked up for a row of the left side: FOR SYSTEM_TIME AS OF takes JOIN and LEFT JOIN");
    }
    const auto entry = table_entry(*join->right);
    const auto* ours = entry ? dynamic_cast<const LaminarTable*>(entry.get()) : nullptr;
    if (!ours) {
      refuse(ErrorCode::kNotIncremental, "FOR SYSTEM_TIME AS OF reads a table, view or source of ours, by its name");
    }
    const Object& object = *ours->object();
    if (object.kind == ObjectKind::kLookupTable) {
      // The join itself means this: see translate_lookup.cc.
      if (clause.time.empty()) return;
      throw BindFailure(ErrorCode::kNotIncremental,
                        "lookup table " + object.name + " has no history: it is asked for what it says now; write FOR SYSTEM_TIME AS OF PROCTIME()",
                        clause.time_offset);
    }
    const std::string right = alias_of(*join->right);
    const auto column_of = [&](size_t i) {
      auto column = make_uniq<duckdb::ColumnRefExpression>(object.columns[i].name, right);
      place(*column, clause.offset);
      return ExpressionPtr(std::move(column));
    };
    ExpressionPtr left_time, version;
    if (clause.time.empty()) {
      left_time = of_equality(*join, right, clause);
      version = call(kVersionMarker, clause.offset, column_of(0), text("current"));
      left_time = call(kVersionMarker, clause.offset, std::move(left_time), text("current"));
    } else {
      duckdb::vector<std::string> names(clause.time.begin(), clause.time.end());
      left_time = make_uniq<duckdb::ColumnRefExpression>(std::move(names));
      place(*left_time, clause.time_offset);
      if (is_of(*left_time, right)) {
        throw BindFailure(ErrorCode::kWrongArguments, "FOR SYSTEM_TIME AS OF takes a time of the left side", clause.time_offset);
      }
      std::optional<size_t> time;
      for (size_t i = 0; i < object.columns.size() && !time; i++) {
        if (i < object.time_offset_us.size() && object.time_offset_us[i]) time = i;
      }
      version = time ? call(kVersionTimeMarker, clause.offset, column_of(*time))
                     : call(kVersionMarker, clause.offset, column_of(0), text("change"));
    }
    auto comparison = make_uniq<duckdb::ComparisonExpression>(ExpressionType::COMPARE_GREATERTHANOREQUALTO, std::move(left_time),
                                                              std::move(version));
    place(*comparison, clause.offset);
    join->condition = make_uniq<duckdb::ConjunctionExpression>(ExpressionType::CONJUNCTION_AND, std::move(join->condition),
                                                               std::move(comparison));
    join->ref_type = duckdb::JoinRefType::ASOF;
  }

  static ExpressionPtr text(const char* value) { return make_uniq<duckdb::ConstantExpression>(duckdb::Value(value)); }

  // A left expression of the join: any operand of an equality that is not the right table's.
  static ExpressionPtr of_equality(JoinRef& join, const std::string& right, const JoinClause& clause) {
    std::vector<ExpressionPtr*> terms;
    conjuncts(join.condition, terms);
    for (ExpressionPtr* term : terms) {
      if ((*term)->GetExpressionType() != ExpressionType::COMPARE_EQUAL) continue;
      const auto& equality = (*term)->Cast<duckdb::ComparisonExpression>();
      if (is_of(*equality.right, right)) return equality.left->Copy();
      if (is_of(*equality.left, right)) return equality.right->Copy();
    }
    throw BindFailure(ErrorCode::kSyntaxError,
                      "a join FOR SYSTEM_TIME AS OF PROCTIME() needs an equality in ON that names the right side, as in ON a.k = " + right + ".k",
                      clause.offset);
  }

  duckdb::ClientContext& context_;
  std::vector<JoinRef*> joins_;
  std::vector<AsofClauses> asofs_;
};

}  // namespace

void rewrite_asof_joins(duckdb::ClientContext& context, duckdb::QueryNode& query, const std::vector<JoinClause>& clauses) {
  JoinList list;
  list.visit(query);
  AsofRewriter(context, std::move(list.joins)).run(clauses);
}

}  // namespace laminar::sql
