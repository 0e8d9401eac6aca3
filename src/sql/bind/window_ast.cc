#include "sql/bind/window_ast.h"

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/parser/expression/list.hpp>
#include <duckdb/parser/parsed_expression_iterator.hpp>
#include <duckdb/parser/query_node/list.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/list.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression_binder/constant_binder.hpp>
#include <functional>
#include <set>

#include "plan/calendar.h"
#include "sql/bind/bind_failure.h"
#include "sql/functions/time_zone.h"
#include "sql/functions/window_functions.h"

namespace laminar::sql {
namespace {

using duckdb::make_uniq;
using duckdb::ParsedExpression;
using duckdb::ParsedExpressionIterator;
using duckdb::StringUtil;
using ExpressionPtr = duckdb::unique_ptr<ParsedExpression>;
using plan::WindowKind;

// A row in more windows than this is taken for a mistake in the intervals.
constexpr int64_t kWindowsPerRowMax = 10'000;
// The lateral relation that holds the windows of one SELECT.
constexpr const char* kWindowRelation = "laminar_window";

int64_t location_of(const ParsedExpression& expression) {
  return expression.GetQueryLocation().IsValid() ? static_cast<int64_t>(expression.GetQueryLocation().GetIndex()) : -1;
}

int64_t location_of(const duckdb::TableRef& ref) {
  return ref.query_location.IsValid() ? static_cast<int64_t>(ref.query_location.GetIndex()) : -1;
}

// The call of a window function by its plain name, or null.
const duckdb::FunctionExpression* as_window_call(const ParsedExpression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::FUNCTION) return nullptr;
  const auto& call = expression.Cast<duckdb::FunctionExpression>();
  if (!call.schema.empty() || !find_window_function(StringUtil::Lower(call.function_name))) return nullptr;
  return &call;
}

WindowFunctionName name_of(const duckdb::FunctionExpression& call) {
  return *find_window_function(StringUtil::Lower(call.function_name));
}

bool is_window_column(const ParsedExpression& expression, const char* name) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::COLUMN_REF) return false;
  const auto& column = expression.Cast<duckdb::ColumnRefExpression>();
  return !column.IsQualified() && StringUtil::CIEquals(column.GetColumnName(), name);
}

// Intervals of one call, checked.
struct WindowArguments {
  WindowKind kind = WindowKind::kTumble;
  int64_t size_us = 0, slide_us = 0, offset_us = 0;
  bool months = false;  // lengths are in the time of plan/calendar.h
  std::string zone;  // timezone => '...', empty without
};

class Rewriter {
 public:
  Rewriter(duckdb::ClientContext& context, QueryUse use) : context_(context), use_(use) {}

  void visit(duckdb::QueryNode& node);
  bool rewrote() const { return rewrote_; }

 private:
  void visit_select(duckdb::SelectNode& select);
  void visit_ref(duckdb::unique_ptr<duckdb::TableRef>& ref);
  void visit_expression(ExpressionPtr& expression);
  void rewrite_table_form(duckdb::unique_ptr<duckdb::TableRef>& ref);
  void refuse_window_columns(const duckdb::TableRef& input, const std::string& function);
  void rewrite_group_by(duckdb::SelectNode& select);

  WindowArguments check_arguments(const duckdb::FunctionExpression& call, size_t first_interval);
  std::string zone_name(const ParsedExpression& argument, const duckdb::FunctionExpression& call, WindowKind kind, bool last);
  // In microseconds; months in those of plan/calendar.h, where `months` may be set.
  int64_t constant_interval(const ParsedExpression& argument, const duckdb::FunctionExpression& call, const char* what, bool* months);
  ExpressionPtr window_list(const char* function, const WindowArguments& arguments, const ParsedExpression& time,
                            const duckdb::FunctionExpression& call, const char* alias);

  duckdb::ClientContext& context_;
  const QueryUse use_;
  bool rewrote_ = false;
};

void Rewriter::visit(duckdb::QueryNode& node) {
  for (auto& cte : node.cte_map.map) visit(*cte.second->query->node);
  switch (node.type) {
    case duckdb::QueryNodeType::SELECT_NODE:
      visit_select(node.Cast<duckdb::SelectNode>());
      break;
    case duckdb::QueryNodeType::SET_OPERATION_NODE:
      for (auto& child : node.Cast<duckdb::SetOperationNode>().children) visit(*child);
      break;
    case duckdb::QueryNodeType::RECURSIVE_CTE_NODE: {
      auto& recursive = node.Cast<duckdb::RecursiveCTENode>();
      visit(*recursive.left);
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
  ParsedExpressionIterator::EnumerateQueryNodeModifiers(node, [&](ExpressionPtr& child) { visit_expression(child); });
}

void Rewriter::visit_select(duckdb::SelectNode& select) {
  if (select.from_table) visit_ref(select.from_table);
  rewrite_group_by(select);
  for (auto& expression : select.select_list) visit_expression(expression);
  if (select.where_clause) visit_expression(select.where_clause);
  for (auto& expression : select.groups.group_expressions) visit_expression(expression);
  if (select.having) visit_expression(select.having);
  if (select.qualify) visit_expression(select.qualify);
}

void Rewriter::visit_ref(duckdb::unique_ptr<duckdb::TableRef>& ref) {
  switch (ref->type) {
    case duckdb::TableReferenceType::JOIN: {
      auto& join = ref->Cast<duckdb::JoinRef>();
      visit_ref(join.left);
      visit_ref(join.right);
      if (join.condition) visit_expression(join.condition);
      break;
    }
    case duckdb::TableReferenceType::SUBQUERY:
      visit(*ref->Cast<duckdb::SubqueryRef>().subquery->node);
      break;
    case duckdb::TableReferenceType::TABLE_FUNCTION: {
      auto& function = ref->Cast<duckdb::TableFunctionRef>();
      if (as_window_call(*function.function)) {
        rewrite_table_form(ref);
      } else {
        ParsedExpressionIterator::EnumerateChildren(*function.function,
                                                    [&](ExpressionPtr& child) { visit_expression(child); });
      }
      break;
    }
    case duckdb::TableReferenceType::PIVOT:
      visit_ref(ref->Cast<duckdb::PivotRef>().source);
      break;
    case duckdb::TableReferenceType::BASE_TABLE:
      if (use_ == QueryUse::kView && ref->Cast<duckdb::BaseTableRef>().at_clause) {
        throw BindFailure(ErrorCode::kNotIncremental, "a view always reads the newest state: leave out AT (...)",
                          location_of(*ref));
      }
      break;
    default:
      break;
  }
}

void Rewriter::visit_expression(ExpressionPtr& expression) {
  if (expression->GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY) {
    auto& subquery = expression->Cast<duckdb::SubqueryExpression>();
    visit(*subquery.subquery->node);
    if (subquery.child) visit_expression(subquery.child);
    return;
  }
  if (expression->GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
    const auto& call = expression->Cast<duckdb::FunctionExpression>();
    if (use_ == QueryUse::kView && call.schema.empty() && StringUtil::CIEquals(call.function_name, "proctime")) {
      throw BindFailure(ErrorCode::kNotDeterministic,
                        "PROCTIME() has no place in a query: declare a column `p TIMESTAMP AS PROCTIME()` in the "
                        "source and use that",
                        location_of(*expression));
    }
    if (as_window_call(*expression)) {
      const WindowFunctionName name = name_of(call);
      if (name.kind != WindowKind::kTumble) {
        throw BindFailure(ErrorCode::kWrongArguments,
                          StringUtil::Upper(call.function_name) +
                              " gives several windows a row: use it in GROUP BY, or as a table in FROM, and select "
                              "window_start and window_end",
                          location_of(*expression));
      }
      if (StringUtil::CIEquals(call.function_name, "tumble")) {
        throw BindFailure(ErrorCode::kWrongArguments,
                          "TUMBLE cuts rows into windows: use it in GROUP BY, or as a table in FROM, and select window_start "
                          "and window_end; TUMBLE_START and TUMBLE_END give the ends of a time's window anywhere",
                          location_of(*expression));
      }
      const WindowArguments arguments = check_arguments(call, 1);
      if (!arguments.zone.empty() || arguments.months) {
        throw BindFailure(ErrorCode::kWrongArguments,
                          std::string(arguments.months ? "a window of months" : "a window of a time zone") +
                              " has no place in an expression: use it in GROUP BY, or as a table in FROM, "
                          "and select window_start and window_end",
                          location_of(*expression));
      }
    }
  }
  ParsedExpressionIterator::EnumerateChildren(*expression, [&](ExpressionPtr& child) { visit_expression(child); });
}

int64_t Rewriter::constant_interval(const ParsedExpression& argument, const duckdb::FunctionExpression& call,
                                    const char* what, bool* months) {
  const std::string function = StringUtil::Upper(call.function_name);
  const int64_t offset = location_of(argument) >= 0 ? location_of(argument) : location_of(call);
  bool constant = true;
  const std::function<void(const ParsedExpression&)> look = [&](const ParsedExpression& expression) {
    const auto cls = expression.GetExpressionClass();
    if (cls == duckdb::ExpressionClass::COLUMN_REF || cls == duckdb::ExpressionClass::SUBQUERY ||
        cls == duckdb::ExpressionClass::PARAMETER || cls == duckdb::ExpressionClass::STAR) {
      constant = false;
    }
    ParsedExpressionIterator::EnumerateChildren(expression, look);
  };
  look(argument);
  if (!constant) {
    throw BindFailure(ErrorCode::kWrongArguments,
                      std::string("the ") + what + " of " + function + " must be a constant: " + argument.ToString(),
                      offset);
  }
  auto copy = argument.Copy();
  auto binder = duckdb::Binder::CreateBinder(context_);
  duckdb::ConstantBinder constant_binder(*binder, context_, function);
  auto bound = constant_binder.Bind(copy);
  const duckdb::Value value = duckdb::ExpressionExecutor::EvaluateScalar(context_, *bound);
  if (value.type().id() != duckdb::LogicalTypeId::INTERVAL) {
    throw BindFailure(ErrorCode::kWrongArguments,
                      std::string("the ") + what + " of " + function +
                          " must be an INTERVAL, such as INTERVAL '10 seconds'; "
                          "it is " +
                          value.type().ToString(),
                      offset);
  }
  if (value.IsNull()) {
    throw BindFailure(ErrorCode::kInvalidInterval, std::string("the ") + what + " of " + function + " is NULL", offset);
  }
  const auto interval = value.GetValue<duckdb::interval_t>();
  if (interval.months != 0 && !months) {
    throw BindFailure(ErrorCode::kInvalidInterval,
                      std::string("the ") + what + " of " + function +
                          " has months or years, which have no fixed length: " + value.ToString(),
                      offset);
  }
  // 36,000 years: twice that, and the arithmetic of windows could leave its range.
  constexpr int64_t kLongestUs = int64_t{1} << 60;
  int64_t microseconds = 0;
  if (interval.months != 0) {
    if (interval.days != 0 || interval.micros != 0) {
      throw BindFailure(ErrorCode::kInvalidInterval,
                        std::string("the ") + what + " of " + function + " has months and days or less: " + value.ToString() +
                            "; months have no fixed length, so whole months it must be",
                        offset);
    }
    *months = true;
    if (!__builtin_mul_overflow(int64_t{interval.months}, plan::kCalendarMonthUs, &microseconds) && microseconds <= kLongestUs &&
        microseconds >= -kLongestUs) {
      return microseconds;
    }
    throw BindFailure(ErrorCode::kInvalidInterval,
                      std::string("the ") + what + " of " + function + " is too long: " + value.ToString(), offset);
  }
  if (!duckdb::Interval::TryGetMicro(interval, microseconds) || microseconds > kLongestUs || microseconds < -kLongestUs) {
    throw BindFailure(ErrorCode::kInvalidInterval,
                      std::string("the ") + what + " of " + function + " is too long: " + value.ToString(), offset);
  }
  return microseconds;
}

// timezone => 'Europe/Paris', the last argument.
std::string Rewriter::zone_name(const ParsedExpression& argument, const duckdb::FunctionExpression& call, WindowKind kind,
                                bool last) {
  const std::string function = StringUtil::Upper(call.function_name);
  const int64_t offset = location_of(argument) >= 0 ? location_of(argument) : location_of(call);
  if (kind == WindowKind::kSession) {
    throw BindFailure(ErrorCode::kWrongArguments, "SESSION takes no timezone: its gaps are lengths of time", offset);
  }
  if (!last) throw BindFailure(ErrorCode::kWrongArguments, "timezone must be the last argument of " + function, offset);
  if (argument.GetExpressionClass() != duckdb::ExpressionClass::CONSTANT ||
      argument.Cast<duckdb::ConstantExpression>().value.type().id() != duckdb::LogicalTypeId::VARCHAR ||
      argument.Cast<duckdb::ConstantExpression>().value.IsNull()) {
    throw BindFailure(ErrorCode::kWrongArguments,
                      "the timezone of " + function + " must be a name, such as 'Europe/Paris'", offset);
  }
  const std::string name = argument.Cast<duckdb::ConstantExpression>().value.ToString();
  try {
    find_time_zone(context_, name);
  } catch (const std::exception&) {
    throw BindFailure(ErrorCode::kWrongArguments,
                      "there is no time zone of this name: '" + name + "'; pg_timezone_names() lists them", offset);
  }
  return name;
}

// Arguments from `first_interval` on are the intervals.
WindowArguments Rewriter::check_arguments(const duckdb::FunctionExpression& call, size_t first_interval) {
  WindowArguments arguments;
  arguments.kind = name_of(call).kind;
  const std::string function = StringUtil::Upper(call.function_name);
  const size_t required = arguments.kind == WindowKind::kHop || arguments.kind == WindowKind::kCumulate ? 2 : 1;
  const size_t allowed = arguments.kind == WindowKind::kSession ? 1 : required + 1;
  size_t given = call.children.size();
  for (size_t i = first_interval; i < call.children.size(); i++) {
    const ParsedExpression& child = *call.children[i];
    if (!StringUtil::CIEquals(child.GetAlias(), "timezone")) continue;
    arguments.zone = zone_name(child, call, arguments.kind, i + 1 == call.children.size());
    given--;
  }
  if (given < first_interval + required || given > first_interval + allowed) {
    throw BindFailure(ErrorCode::kWrongArguments,
                      function + " takes " + std::string(window_signature(arguments.kind)) + ", not " +
                          std::to_string(given) + " argument" + (given == 1 ? "" : "s"),
                      location_of(call));
  }
  if (call.distinct || call.filter || (call.order_bys && !call.order_bys->orders.empty())) {
    throw BindFailure(ErrorCode::kWrongArguments, function + " takes no DISTINCT, FILTER or ORDER BY",
                      location_of(call));
  }
  const auto interval = [&](size_t i, const char* what, bool positive) {
    const ParsedExpression& argument = *call.children[first_interval + i];
    bool months = false;
    const int64_t microseconds = constant_interval(argument, call, what, arguments.kind == WindowKind::kSession ? nullptr : &months);
    if (i > 0 && microseconds != 0 && months != arguments.months) {
      throw BindFailure(ErrorCode::kInvalidInterval, function + " takes months in all of its intervals or in none",
                        location_of(argument) >= 0 ? location_of(argument) : location_of(call));
    }
    if (i == 0) arguments.months = months;
    if (positive && microseconds <= 0) {
      throw BindFailure(ErrorCode::kInvalidInterval,
                        std::string("the ") + what + " of " + function + " must be positive",
                        location_of(argument) >= 0 ? location_of(argument) : location_of(call));
    }
    return microseconds;
  };
  switch (arguments.kind) {
    case WindowKind::kTumble:
      arguments.size_us = arguments.slide_us = interval(0, "size", true);
      break;
    case WindowKind::kHop:
      arguments.slide_us = interval(0, "slide", true);
      arguments.size_us = interval(1, "size", true);
      break;
    case WindowKind::kSession:
      arguments.size_us = arguments.slide_us = interval(0, "gap", true);
      break;
    case WindowKind::kCumulate:
      arguments.slide_us = interval(0, "step", true);
      arguments.size_us = interval(1, "size", true);
      if (arguments.size_us % arguments.slide_us != 0) {
        throw BindFailure(ErrorCode::kInvalidInterval, "the size of CUMULATE must be a multiple of its step",
                          location_of(call));
      }
      break;
  }
  if (arguments.size_us / arguments.slide_us > kWindowsPerRowMax) {
    throw BindFailure(ErrorCode::kInvalidInterval,
                      function + " would put each row into " + std::to_string(arguments.size_us / arguments.slide_us) +
                          " windows; at most " + std::to_string(kWindowsPerRowMax) + " are allowed",
                      location_of(call));
  }
  if (given == first_interval + required + 1) {
    arguments.offset_us = interval(required, "offset", false);
    const int64_t modulus = arguments.kind == WindowKind::kHop ? arguments.slide_us : arguments.size_us;
    arguments.offset_us = ((arguments.offset_us % modulus) + modulus) % modulus;
  }
  return arguments;
}

// unnest(function('hop', time, size, slide, offset)) AS alias
ExpressionPtr Rewriter::window_list(const char* function, const WindowArguments& arguments,
                                    const ParsedExpression& time, const duckdb::FunctionExpression& call,
                                    const char* alias) {
  const auto number = [](int64_t value) { return make_uniq<duckdb::ConstantExpression>(duckdb::Value::BIGINT(value)); };
  duckdb::vector<ExpressionPtr> inner;
  inner.push_back(make_uniq<duckdb::ConstantExpression>(duckdb::Value(std::string(window_name(arguments.kind)))));
  inner.push_back(time.Copy());
  inner.push_back(number(arguments.size_us));
  inner.push_back(number(arguments.slide_us));
  inner.push_back(number(arguments.offset_us));
  inner.push_back(make_uniq<duckdb::ConstantExpression>(duckdb::Value(arguments.zone)));
  inner.push_back(make_uniq<duckdb::ConstantExpression>(duckdb::Value::BOOLEAN(arguments.months)));
  auto list = make_uniq<duckdb::FunctionExpression>(function, std::move(inner));
  list->SetQueryLocation(call.GetQueryLocation());
  duckdb::vector<ExpressionPtr> outer;
  outer.push_back(std::move(list));
  auto unnest = make_uniq<duckdb::FunctionExpression>("unnest", std::move(outer));
  unnest->SetQueryLocation(call.GetQueryLocation());
  unnest->SetAlias(alias);
  return unnest;
}

void refuse_ad_hoc_session(QueryUse use, WindowKind kind, int64_t offset) {
  if (use == QueryUse::kAdHoc && kind == WindowKind::kSession) {
    throw BindFailure(ErrorCode::kNotImplemented,
                      "SESSION windows depend on other rows: create a materialized view with them and select from that",
                      offset);
  }
}

// A table of windows has columns window_start and window_end; an input that has them already needs a subquery.
void Rewriter::refuse_window_columns(const duckdb::TableRef& input, const std::string& function) {
  const auto refuse = [&](const std::string& name) {
    if (!StringUtil::CIEquals(name, kWindowStart) && !StringUtil::CIEquals(name, kWindowEnd)) return;
    throw BindFailure(
        ErrorCode::kBindError,
        "the table of " + function + " has a column " + name + " already: give it another name in a subquery",
        location_of(input));
  };
  if (input.type == duckdb::TableReferenceType::BASE_TABLE) {
    const auto& base = input.Cast<duckdb::BaseTableRef>();
    const auto entry = duckdb::Catalog::GetEntry<duckdb::TableCatalogEntry>(
        context_, base.catalog_name, base.schema_name, base.table_name, duckdb::OnEntryNotFound::RETURN_NULL);
    if (!entry) return;
    for (const auto& column : entry->GetColumns().Logical()) refuse(column.Name());
  } else if (input.type == duckdb::TableReferenceType::SUBQUERY) {
    const auto& node = *input.Cast<duckdb::SubqueryRef>().subquery->node;
    if (node.type != duckdb::QueryNodeType::SELECT_NODE) return;
    for (const auto& item : node.Cast<duckdb::SelectNode>().select_list) refuse(item->GetName());
  }
}

// FROM HOP(TABLE bids, DESCRIPTOR(ts), slide, size): the parser has blanked TABLE, so that bids is a column reference.
void Rewriter::rewrite_table_form(duckdb::unique_ptr<duckdb::TableRef>& ref) {
  auto& table_function = ref->Cast<duckdb::TableFunctionRef>();
  auto& call = table_function.function->Cast<duckdb::FunctionExpression>();
  const WindowFunctionName name = name_of(call);
  const std::string function = StringUtil::Upper(call.function_name);
  const auto wrong = [&](const std::string& message, int64_t offset) {
    return BindFailure(ErrorCode::kWrongArguments, message, offset >= 0 ? offset : location_of(call));
  };
  if (name.end || StringUtil::EndsWith(function, "_START")) {
    throw wrong(function + " is no table: use " + StringUtil::Upper(std::string(window_name(name.kind))), -1);
  }
  if (call.children.size() < 2) {
    throw wrong(function + " in FROM takes a table, DESCRIPTOR(time) and its intervals, such as " + function +
                    "(TABLE bids, DESCRIPTOR(ts), ...)",
                -1);
  }
  const WindowArguments arguments = check_arguments(call, 2);
  refuse_ad_hoc_session(use_, arguments.kind, location_of(call));

  const ParsedExpression& descriptor = *call.children[1];
  const ParsedExpression* time = nullptr;
  if (descriptor.GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
    const auto& inner = descriptor.Cast<duckdb::FunctionExpression>();
    if (StringUtil::CIEquals(inner.function_name, "descriptor") && inner.children.size() == 1 &&
        inner.children[0]->GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF) {
      time = inner.children[0].get();
    }
  }
  if (!time) {
    throw wrong("the second argument of " + function + " must name the time column: DESCRIPTOR(ts)",
                location_of(descriptor));
  }

  duckdb::unique_ptr<duckdb::TableRef> input;
  std::string alias = ref->alias;
  ParsedExpression& table = *call.children[0];
  if (table.GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF) {
    const auto& names = table.Cast<duckdb::ColumnRefExpression>().column_names;
    if (names.size() > 3) throw wrong("not a table: " + table.ToString(), location_of(table));
    auto base = make_uniq<duckdb::BaseTableRef>();
    base->table_name = names.back();
    if (names.size() >= 2) base->schema_name = names[names.size() - 2];
    if (names.size() == 3) base->catalog_name = names[0];
    base->query_location = table.GetQueryLocation();
    if (alias.empty()) alias = names.back();
    input = std::move(base);
  } else if (table.GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY &&
             table.Cast<duckdb::SubqueryExpression>().subquery_type == duckdb::SubqueryType::SCALAR) {
    auto subquery = make_uniq<duckdb::SubqueryRef>(std::move(table.Cast<duckdb::SubqueryExpression>().subquery));
    subquery->query_location = table.GetQueryLocation();
    input = std::move(subquery);
  } else {
    throw wrong("the first argument of " + function + " must be a table or a subquery: " + function +
                    "(TABLE bids, DESCRIPTOR(ts), ...)",
                location_of(table));
  }
  visit_ref(input);
  refuse_window_columns(*input, function);

  auto select = make_uniq<duckdb::SelectNode>();
  select->select_list.push_back(make_uniq<duckdb::StarExpression>());
  select->select_list.push_back(window_list(kWindowStarts, arguments, *time, call, kWindowStart));
  select->select_list.push_back(window_list(kWindowEnds, arguments, *time, call, kWindowEnd));
  select->from_table = std::move(input);
  auto statement = make_uniq<duckdb::SelectStatement>();
  statement->node = std::move(select);
  auto windows = make_uniq<duckdb::SubqueryRef>(std::move(statement), alias.empty() ? kWindowRelation : alias);
  windows->query_location = ref->query_location;
  windows->column_name_alias = ref->column_name_alias;
  windows->sample = std::move(ref->sample);
  ref = std::move(windows);
  rewrote_ = true;
}

bool same_arguments(const duckdb::FunctionExpression& left, const duckdb::FunctionExpression& right) {
  if (name_of(left).kind != name_of(right).kind || left.children.size() != right.children.size()) return false;
  for (size_t i = 0; i < left.children.size(); i++) {
    if (!ParsedExpression::Equals(left.children[i], right.children[i])) return false;
  }
  return true;
}

ExpressionPtr window_column(const char* name, const ParsedExpression& at) {
  auto column = make_uniq<duckdb::ColumnRefExpression>(name, kWindowRelation);
  column->SetQueryLocation(at.GetQueryLocation());
  column->SetAlias(at.GetAlias());
  return column;
}

// Replaces the call and the names window_start and window_end in an expression by columns of the lateral relation.
void replace_window_columns(ExpressionPtr& expression, const duckdb::FunctionExpression& call) {
  if (is_window_column(*expression, kWindowStart)) {
    expression = window_column(kWindowStart, *expression);
    return;
  }
  if (is_window_column(*expression, kWindowEnd)) {
    expression = window_column(kWindowEnd, *expression);
    return;
  }
  if (const auto* other = as_window_call(*expression); other && same_arguments(*other, call)) {
    expression = window_column(name_of(*other).end ? kWindowEnd : kWindowStart, *expression);
    return;
  }
  ParsedExpressionIterator::EnumerateChildren(*expression,
                                              [&](ExpressionPtr& child) { replace_window_columns(child, call); });
}

// The window call that a group expression stands for, through a position or an alias of the SELECT list.
const duckdb::FunctionExpression* group_window_call(const ParsedExpression& group, const duckdb::SelectNode& select) {
  if (const auto* call = as_window_call(group)) return call;
  if (group.GetExpressionClass() == duckdb::ExpressionClass::CONSTANT) {
    const auto& value = group.Cast<duckdb::ConstantExpression>().value;
    if (!value.type().IsIntegral() || value.IsNull()) return nullptr;
    const int64_t position = value.GetValue<int64_t>();
    if (position < 1 || position > static_cast<int64_t>(select.select_list.size())) return nullptr;
    return as_window_call(*select.select_list[position - 1]);
  }
  if (group.GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF) {
    const auto& column = group.Cast<duckdb::ColumnRefExpression>();
    if (column.IsQualified()) return nullptr;
    for (const auto& item : select.select_list) {
      if (StringUtil::CIEquals(item->GetAlias(), column.GetColumnName())) return as_window_call(*item);
    }
  }
  return nullptr;
}

void Rewriter::rewrite_group_by(duckdb::SelectNode& select) {
  auto& groups = select.groups.group_expressions;
  duckdb::unique_ptr<duckdb::FunctionExpression> call;
  std::set<size_t> windows;
  const auto found = [&](const duckdb::FunctionExpression& candidate) {
    if (!call) {
      call = duckdb::unique_ptr_cast<ParsedExpression, duckdb::FunctionExpression>(candidate.Copy());
    } else if (!same_arguments(candidate, *call)) {
      throw BindFailure(ErrorCode::kNotIncremental,
                        "one GROUP BY can have one window: group by the second in a query over this one",
                        location_of(candidate));
    }
  };
  for (size_t i = 0; i < groups.size(); i++) {
    if (const auto* candidate = group_window_call(*groups[i], select)) {
      found(*candidate);
      windows.insert(i);
    }
  }
  const bool group_by_all = select.aggregate_handling == duckdb::AggregateHandling::FORCE_AGGREGATES;
  if (group_by_all) {
    for (const auto& item : select.select_list) {
      if (const auto* candidate = as_window_call(*item)) found(*candidate);
    }
  }
  if (!call) return;
  if (!select.from_table || select.from_table->type == duckdb::TableReferenceType::EMPTY_FROM) {
    throw BindFailure(ErrorCode::kWrongArguments, StringUtil::Upper(call->function_name) + " needs a table in FROM",
                      location_of(*call));
  }
  const WindowArguments arguments = check_arguments(*call, 1);
  refuse_ad_hoc_session(use_, arguments.kind, location_of(*call));
  bool has_column = false;
  const std::function<void(const ParsedExpression&)> look = [&](const ParsedExpression& expression) {
    if (expression.GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF) has_column = true;
    ParsedExpressionIterator::EnumerateChildren(expression, look);
  };
  look(*call->children[0]);
  if (!has_column) {
    throw BindFailure(ErrorCode::kWrongArguments,
                      "the time of " + StringUtil::Upper(call->function_name) + " must be a column",
                      location_of(*call->children[0]) >= 0 ? location_of(*call->children[0]) : location_of(*call));
  }

  // Groups: the window's two columns in place of the call, and grouping sets follow.
  duckdb::vector<ExpressionPtr> new_groups;
  std::vector<std::vector<size_t>> moved(groups.size());
  std::optional<size_t> window_at;
  for (size_t i = 0; i < groups.size(); i++) {
    if (!windows.count(i)) {
      moved[i] = {new_groups.size()};
      new_groups.push_back(std::move(groups[i]));
      continue;
    }
    if (!window_at) {
      window_at = new_groups.size();
      new_groups.push_back(window_column(kWindowStart, *call));
      new_groups.push_back(window_column(kWindowEnd, *call));
      new_groups[*window_at]->ClearAlias();
      new_groups[*window_at + 1]->ClearAlias();
    }
    moved[i] = {*window_at, *window_at + 1};
  }
  groups = std::move(new_groups);
  for (auto& set : select.groups.grouping_sets) {
    duckdb::GroupingSet remapped;
    for (const idx_t group : set) remapped.insert(moved[group].begin(), moved[group].end());
    set = std::move(remapped);
  }
  const auto replace = [&](ExpressionPtr& expression) { replace_window_columns(expression, *call); };
  for (size_t i = 0; i < groups.size(); i++) replace(groups[i]);
  for (auto& item : select.select_list) replace(item);
  if (select.having) replace(select.having);
  if (select.qualify) replace(select.qualify);
  ParsedExpressionIterator::EnumerateQueryNodeModifiers(select, replace);

  auto lateral = make_uniq<duckdb::SelectNode>();
  // Named from outside: inside, the names would hide columns of the input that the time may be.
  lateral->select_list.push_back(window_list(kWindowStarts, arguments, *call->children[0], *call, "laminar_start"));
  lateral->select_list.push_back(window_list(kWindowEnds, arguments, *call->children[0], *call, "laminar_end"));
  lateral->from_table = make_uniq<duckdb::EmptyTableRef>();
  auto statement = make_uniq<duckdb::SelectStatement>();
  statement->node = std::move(lateral);
  auto join = make_uniq<duckdb::JoinRef>(duckdb::JoinRefType::CROSS);
  join->is_implicit = true;
  join->left = std::move(select.from_table);
  join->right = make_uniq<duckdb::SubqueryRef>(std::move(statement), kWindowRelation);
  join->right->column_name_alias = {kWindowStart, kWindowEnd};
  select.from_table = std::move(join);
  rewrote_ = true;
}

}  // namespace

bool rewrite_windows(duckdb::ClientContext& context, duckdb::QueryNode& query, QueryUse use) {
  Rewriter rewriter(context, use);
  rewriter.visit(query);
  return rewriter.rewrote();
}

}  // namespace laminar::sql
