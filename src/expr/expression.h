// An expression over the columns of one batch, as plain data: sql/ writes it, expr/ compiles it, plan/ prints it.
//
// Semantics are DuckDB's, bit for bit: NULL handling, overflow errors, division by zero is NULL, decimals stay exact.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/value.h"
#include "expr/foreign.h"

namespace laminar::expr {

enum class ExprKind : uint8_t {
  kColumn,    // column
  kConstant,  // constant
  kCall,      // op over args
  kCase,      // args: when1, then1, when2, then2, ..., else
  kCast,      // args[0] to type; try_cast gives NULL instead of an error
  kForeign,   // foreign over args: DuckDB evaluates it
};

// Operators with native kernels. Arguments have been cast by the binder: both sides of an arithmetic or comparison have
// one type, except the date and time forms.
enum class Op : uint8_t {
  kNone,
  kAdd, kSubtract, kMultiply, kDivide, kIntegerDivide, kModulo, kNegate, kAbs,
  kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIsDistinctFrom, kIsNotDistinctFrom,
  kAnd, kOr, kNot, kIsNull, kIsNotNull, kCoalesce, kIn,
  kLike, kNotLike, kStartsWith, kEndsWith, kContains, kConcat, kSubstring, kLength, kLower, kUpper,
  kEpochUs,         // TIMESTAMP to BIGINT
  kDatePartHour, kDatePartMinute, kDatePartSecond, kDatePartDay, kDatePartMonth, kDatePartYear,  // TIMESTAMP to BIGINT
  kNormalizedInterval,  // INTERVAL with at most 29 days and less than a day of time, where the months have room
  kTumbleStart,     // (TIMESTAMP, size us BIGINT constant, offset us BIGINT constant) to TIMESTAMP
  // (BIGINT, DATE or TIMESTAMP of any unit, factor BIGINT constant) to TIMESTAMP, floor where the factor is -1000
  // (nanoseconds); what does not fit is infinite.
  kEventTime,
};

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  data::Type type;
  uint32_t column = 0;
  data::Value constant;
  Op op = Op::kNone;
  bool try_cast = false;
  std::vector<ExprPtr> args;
  std::shared_ptr<const ForeignFunction> foreign;
  std::string text;     // SQL text for EXPLAIN and errors, may be empty
  int64_t offset = -1;  // byte offset in the script
};

ExprPtr column_ref(uint32_t column, data::Type type, std::string text = {});
ExprPtr constant(data::Value value);
ExprPtr call(Op op, data::Type type, std::vector<ExprPtr> args);
// SQL text; columns by `names` where given.
std::string to_text(const Expr& expr, const std::vector<std::string>* names = nullptr);
// Whether compile() has a native kernel for this node (children not considered).
bool has_kernel(const Expr& expr);
// Marks each column that the tree reads.
void collect_columns(const Expr& expr, std::vector<bool>& used);
// A copy with column i replaced by column map[i].
ExprPtr remap_columns(const ExprPtr& expr, const std::vector<uint32_t>& map);

}  // namespace laminar::expr
