#include "stream/build/column_use.h"

namespace laminar::stream {

using data::TypeKind;
using expr::ExprKind;
using expr::Op;

std::vector<bool> input_columns_used(const plan::Node& node, size_t input, const std::vector<bool>& needed) {
  const size_t columns = node.inputs[input]->columns.size();
  switch (node.kind) {
    case plan::NodeKind::kFilter: {
      // The whole row goes to errors('view') when the predicate fails.
      const expr::Expr& predicate = *static_cast<const plan::FilterNode&>(node).predicate;
      if (!never_fails(predicate)) break;
      std::vector<bool> used = needed;
      expr::collect_columns(predicate, used);
      return used;
    }
    case plan::NodeKind::kProject: {
      std::vector<bool> used(columns, false);
      for (const expr::ExprPtr& e : static_cast<const plan::ProjectNode&>(node).expressions) {
        if (!never_fails(*e)) return std::vector<bool>(columns, true);
        expr::collect_columns(*e, used);
      }
      return used;
    }
    default:
      break;  // what keeps rows or reports them reads everything
  }
  return std::vector<bool>(columns, true);
}

namespace {

bool is_floating(const data::Type& type) { return type.kind == TypeKind::kDouble || type.kind == TypeKind::kFloat; }

// The number of bits of an integer type, negative when it is unsigned, 0 when it is none.
int integer_bits(const data::Type& type) {
  switch (type.kind) {
    case TypeKind::kInt8: return 8;
    case TypeKind::kInt16: return 16;
    case TypeKind::kInt32: return 32;
    case TypeKind::kInt64: return 64;
    case TypeKind::kInt128: return 128;
    case TypeKind::kUInt8: return -8;
    case TypeKind::kUInt16: return -16;
    case TypeKind::kUInt32: return -32;
    case TypeKind::kUInt64: return -64;
    default: return 0;
  }
}

bool cast_never_fails(const data::Type& from, const data::Type& to) {
  if (from == to || to.kind == TypeKind::kVarchar) return from.kind != TypeKind::kBoxed || from == to;
  const int from_bits = integer_bits(from), to_bits = integer_bits(to);
  if (from_bits != 0 && is_floating(to)) return true;
  if (from_bits > 0 && to_bits > 0) return from_bits <= to_bits;
  if (from_bits < 0 && to_bits > 0) return -from_bits < to_bits;
  return from.kind == TypeKind::kFloat && to.kind == TypeKind::kDouble;
}

bool call_never_fails(const expr::Expr& call) {
  switch (call.op) {
    case Op::kAdd: case Op::kSubtract: case Op::kMultiply:
      // DuckDB raises an error for a float that is not finite only in casts.
      return is_floating(call.type);
    case Op::kEqual: case Op::kNotEqual: case Op::kLess: case Op::kLessEqual: case Op::kGreater: case Op::kGreaterEqual:
    case Op::kIsDistinctFrom: case Op::kIsNotDistinctFrom: case Op::kAnd: case Op::kOr: case Op::kNot: case Op::kIsNull:
    case Op::kIsNotNull: case Op::kCoalesce: case Op::kIn: case Op::kStartsWith: case Op::kEndsWith: case Op::kContains:
    case Op::kLength: case Op::kEventTime:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool never_fails(const expr::Expr& expr) {
  for (const expr::ExprPtr& arg : expr.args) {
    if (!never_fails(*arg)) return false;
  }
  switch (expr.kind) {
    case ExprKind::kColumn: case ExprKind::kConstant: case ExprKind::kCase: return true;
    case ExprKind::kCast: return expr.try_cast || cast_never_fails(expr.args[0]->type, expr.type);
    case ExprKind::kCall: return call_never_fails(expr);
    case ExprKind::kForeign: return false;
  }
  return false;
}

}  // namespace laminar::stream
