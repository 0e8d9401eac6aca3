#include "duck/bound_pair_test.h"

#include <map>

#include "duck/comparison.h"
#include "duck/foreign_function.h"
#include "duck/types.h"
#include "duckdb.hpp"
#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/planner/expression/list.hpp"
#include "duckdb/planner/expression_iterator.hpp"
#include "duckdb/planner/operator/logical_projection.hpp"
#include "duckdb/planner/planner.hpp"

namespace laminar::duck {

namespace {

using duckdb::Expression;
using duckdb::ExpressionType;
using expr::Expr;
using expr::ExprKind;
using expr::ExprPtr;
using expr::Op;

Op function_op(const std::string& name, size_t args) {
  static const std::map<std::string, Op> kOps = {{"+", Op::kAdd},
                                                 {"-", Op::kSubtract},
                                                 {"*", Op::kMultiply},
                                                 {"/", Op::kDivide},
                                                 {"//", Op::kIntegerDivide},
                                                 {"%", Op::kModulo},
                                                 {"abs", Op::kAbs},
                                                 {"@", Op::kAbs},
                                                 {"~~", Op::kLike},
                                                 {"!~~", Op::kNotLike},
                                                 {"prefix", Op::kStartsWith},
                                                 {"starts_with", Op::kStartsWith},
                                                 {"suffix", Op::kEndsWith},
                                                 {"ends_with", Op::kEndsWith},
                                                 {"contains", Op::kContains},
                                                 {"||", Op::kConcat},
                                                 {"substring", Op::kSubstring},
                                                 {"substr", Op::kSubstring},
                                                 {"length", Op::kLength},
                                                 {"lower", Op::kLower},
                                                 {"upper", Op::kUpper},
                                                 {"epoch_us", Op::kEpochUs},
                                                 {"normalized_interval", Op::kNormalizedInterval},
                                                 {"hour", Op::kDatePartHour},
                                                 {"minute", Op::kDatePartMinute},
                                                 {"second", Op::kDatePartSecond},
                                                 {"day", Op::kDatePartDay},
                                                 {"month", Op::kDatePartMonth},
                                                 {"year", Op::kDatePartYear}};
  const auto found = kOps.find(name);
  if (found == kOps.end()) return Op::kNone;
  return found->second == Op::kSubtract && args == 1 ? Op::kNegate : found->second;
}

Op operator_op(ExpressionType type) {
  switch (type) {
    case ExpressionType::OPERATOR_NOT:
      return Op::kNot;
    case ExpressionType::OPERATOR_IS_NULL:
      return Op::kIsNull;
    case ExpressionType::OPERATOR_IS_NOT_NULL:
      return Op::kIsNotNull;
    case ExpressionType::OPERATOR_COALESCE:
      return Op::kCoalesce;
    case ExpressionType::COMPARE_IN:
      return Op::kIn;
    default:
      return Op::kNone;
  }
}

struct Unsupported {
  std::string what;
};

class Translation {
 public:
  explicit Translation(duckdb::ClientContext& context) : context_(context) {}

  ExprPtr operator()(const Expression& e) {
    auto node = std::make_shared<Expr>();
    node->type = type_from_duckdb(e.return_type);
    if (e.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
      return expr::column_ref(static_cast<uint32_t>(e.Cast<duckdb::BoundReferenceExpression>().index), node->type);
    }
    if (e.IsFoldable()) return fold(e);
    duckdb::ExpressionIterator::EnumerateChildren(
        e, [&](const Expression& child) { node->args.push_back((*this)(child)); });
    node->kind = ExprKind::kCall;
    switch (e.GetExpressionClass()) {
      case duckdb::ExpressionClass::BOUND_FUNCTION: {
        const auto& function = e.Cast<duckdb::BoundFunctionExpression>();
        node->op = function_op(function.function.name, function.children.size());
        break;
      }
      case duckdb::ExpressionClass::BOUND_COMPARISON:
        node->op = comparison_op(e.GetExpressionType());
        break;
      case duckdb::ExpressionClass::BOUND_CONJUNCTION:
        node->op = e.GetExpressionType() == ExpressionType::CONJUNCTION_AND ? Op::kAnd : Op::kOr;
        break;
      case duckdb::ExpressionClass::BOUND_OPERATOR:
        node->op = operator_op(e.GetExpressionType());
        break;
      case duckdb::ExpressionClass::BOUND_CASE:
        node->kind = ExprKind::kCase;
        break;
      case duckdb::ExpressionClass::BOUND_CAST:
        node->kind = ExprKind::kCast;
        node->try_cast = e.Cast<duckdb::BoundCastExpression>().try_cast;
        break;
      default:
        throw Unsupported{e.ToString()};
    }
    if (e.GetExpressionType() == ExpressionType::COMPARE_NOT_IN) {
      node->op = Op::kIn;
      if (!expr::has_kernel(*node)) throw Unsupported{e.ToString()};
      return expr::call(Op::kNot, node->type, {node});
    }
    if (!expr::has_kernel(*node)) throw Unsupported{e.ToString() + " [" + node->type.text() + "]"};
    return node;
  }

 private:
  ExprPtr fold(const Expression& e) {
    duckdb::Value value = duckdb::ExpressionExecutor::EvaluateScalar(context_, e, true);
    return expr::constant(value_from_duckdb(value.IsNull() ? duckdb::Value(e.return_type) : value));
  }

  duckdb::ClientContext& context_;
};

}  // namespace

ExpressionBinder::ExpressionBinder(std::shared_ptr<Database> database, std::vector<std::string> names,
                                   std::vector<data::Type> types)
    : database_(std::move(database)),
      names_(std::move(names)),
      types_(std::move(types)),
      connection_(database_->connect()) {
  std::string sql = "CREATE TEMP TABLE input (";
  for (size_t i = 0; i < names_.size(); ++i)
    sql += (i ? ", " : "") + names_[i] + " " + type_to_duckdb(types_[i]).ToString();
  connection_->Query(sql + ")");
}
ExpressionBinder::~ExpressionBinder() = default;

BoundPair ExpressionBinder::bind(const std::string& sql) {
  duckdb::Parser parser;
  parser.ParseQuery("SELECT " + sql + " FROM input");
  BoundPair pair;
  duckdb::unique_ptr<Expression> bound;
  connection_->context->RunFunctionInTransaction([&] {
    duckdb::Planner planner(*connection_->context);
    planner.CreatePlan(std::move(parser.statements[0]));
    bound = std::move(planner.plan->expressions.at(0));
    std::function<void(duckdb::unique_ptr<Expression>&)> resolve = [&](duckdb::unique_ptr<Expression>& e) {
      if (e->GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF) {
        for (size_t i = 0; i < names_.size(); ++i) {
          if (e->GetName() == names_[i]) {
            e = duckdb::make_uniq<duckdb::BoundReferenceExpression>(e->return_type, i);
            return;
          }
        }
      }
      duckdb::ExpressionIterator::EnumerateChildren(*e, resolve);
    };
    resolve(bound);
    try {
      pair.native = Translation(*connection_->context)(*bound);
    } catch (const Unsupported& unsupported) {
      pair.missing = unsupported.what;
    }
  });
  auto foreign = std::make_shared<Expr>();
  foreign->kind = ExprKind::kForeign;
  foreign->type = type_from_duckdb(bound->return_type);
  foreign->foreign = make_foreign_function(*connection_->context, *bound, types_);
  for (uint32_t i = 0; i < types_.size(); ++i) foreign->args.push_back(expr::column_ref(i, types_[i]));
  pair.foreign = foreign;
  return pair;
}

}  // namespace laminar::duck
