// Typical expressions over full batches; the counter ns_per_row is CPU time, its printed "s" stands for nanoseconds.
#include <benchmark/benchmark.h>

#include <random>

#include "expr/interval.h"
#include "expr/program.h"

namespace laminar::expr {
namespace {

using data::BatchBuffer;
using data::StringRef;
using data::Type;
using data::TypeKind;
using data::Value;

const Type kBool = Type::of(TypeKind::kBoolean), kBigint = Type::of(TypeKind::kInt64),
           kInteger = Type::of(TypeKind::kInt32), kDouble = Type::of(TypeKind::kDouble),
           kText = Type::of(TypeKind::kVarchar), kTimestamp = Type::of(TypeKind::kTimestamp),
           kDecimal9 = Type::decimal(9, 2);
// 0 auction BIGINT, 1 price BIGINT, 2 ratio DOUBLE, 3 channel VARCHAR, 4 ts TIMESTAMP, 5 maybe BIGINT with NULLs, 6
// amount DECIMAL(9,2), 7 code INTEGER.
const std::vector<Type> kTypes = {kBigint, kBigint, kDouble, kText, kTimestamp, kBigint, kDecimal9, kInteger};
ExprPtr col(uint32_t i) { return column_ref(i, kTypes[i]); }
ExprPtr big(int64_t v) { return constant(Value::of(kBigint, v)); }

BatchBuffer& input() {
  static BatchBuffer buffer = [] {
    BatchBuffer b(kTypes);
    std::mt19937_64 random(7);
    for (uint32_t r = 0; r < data::kBatchRowsMax; ++r) {
      b.column(0).values<int64_t>()[r] = static_cast<int64_t>(random() % 100000);
      b.column(1).values<int64_t>()[r] = static_cast<int64_t>(random() % 10'000'000);
      b.column(2).values<double>()[r] = static_cast<double>(random() % 1000) / 8;
      b.column(3).values<StringRef>()[r] =
          b.strings().copy(random() % 2 ? "Google" : "channel-" + std::to_string(random() % 10000));
      b.column(4).values<int64_t>()[r] = 1'700'000'000'000'000 + r * 1000;
      b.column(5).values<int64_t>()[r] = static_cast<int64_t>(random() % 10);
      if (random() % 4 == 0) data::set_null(b.column(5).validity, r);
      b.column(6).values<int32_t>()[r] = static_cast<int32_t>(random() % 1'000'000);
      b.column(7).values<int32_t>()[r] = static_cast<int32_t>(random() % 1'000'000);
    }
    b.rows = data::kBatchRowsMax;
    return b;
  }();
  return buffer;
}

void per_row(benchmark::State& state) {
  state.counters["ns_per_row"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * data::kBatchRowsMax * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void evaluate(benchmark::State& state, const ExprPtr& e) {
  auto program = Program::compile({e}, kTypes).take();
  const data::Batch batch = input().view();
  RowErrors errors;
  for (auto _ : state) benchmark::DoNotOptimize(program->evaluate(batch, errors).data());
  per_row(state);
}
void select(benchmark::State& state, const ExprPtr& e) {
  auto program = Program::compile({e}, kTypes).take();
  const data::Batch batch = input().view();
  RowErrors errors;
  std::vector<uint32_t> selection(data::kBatchRowsMax);
  for (auto _ : state) benchmark::DoNotOptimize(program->select(batch, selection.data(), errors));
  per_row(state);
}

ExprPtr binary(Op op, const Type& type, ExprPtr a, ExprPtr b) { return call(op, type, {std::move(a), std::move(b)}); }
ExprPtr cast(const Type& type, ExprPtr a) {
  auto e = std::make_shared<Expr>();
  e->kind = ExprKind::kCast;
  e->type = type;
  e->args = {std::move(a)};
  return e;
}
ExprPtr choose(ExprPtr when, ExprPtr then, ExprPtr otherwise) {
  auto e = std::make_shared<Expr>();
  e->kind = ExprKind::kCase;
  e->type = then->type;
  e->args = {std::move(when), std::move(then), std::move(otherwise)};
  return e;
}
ExprPtr wide(int64_t value, uint8_t width, uint8_t scale) {
  return constant(Value::of(Type::decimal(width, scale), static_cast<__int128>(value)));
}

const auto kExpressions = std::vector<std::pair<const char*, ExprPtr>>{
    {"bigint + bigint", binary(Op::kAdd, kBigint, col(0), col(1))},
    {"bigint + 1", binary(Op::kAdd, kBigint, col(0), big(1))},
    {"bigint * bigint", binary(Op::kMultiply, kBigint, col(0), col(1))},
    {"bigint // 123", binary(Op::kIntegerDivide, kBigint, col(0), big(123))},
    {"bigint % 123", binary(Op::kModulo, kBigint, col(0), big(123))},
    {"integer % 123", binary(Op::kModulo, kInteger, col(7), constant(Value::of(kInteger, int32_t{123})))},
    {"bigint < bigint", binary(Op::kLess, kBool, col(0), col(1))},
    {"nullable + bigint", binary(Op::kAdd, kBigint, col(5), col(0))},
    {"double * double", binary(Op::kMultiply, kDouble, col(2), col(2))},
    {"decimal(9,2) * 3 digits as decimal(12,5)",
     binary(Op::kMultiply, Type::decimal(12, 5), cast(Type::decimal(12, 2), col(6)),
            constant(Value::of(Type::decimal(12, 3), int64_t{908})))},
    {"bigint * 0.908 as decimal(23,3)",
     binary(Op::kMultiply, Type::decimal(23, 3), cast(Type::decimal(19, 0), col(1)), wide(908, 23, 3))},
    {"cast bigint to double", cast(kDouble, col(1))},
    {"cast bigint to varchar", cast(kText, col(1))},
    {"tumble_start 10 s", call(Op::kTumbleStart, kTimestamp, {col(4), big(10'000'000), big(0)})},
    {"ts + interval", binary(Op::kAdd, kTimestamp, col(4),
                             constant(Value::of(Type::of(TypeKind::kInterval), Interval{0, 0, 5'000'000})))},
    {"ts + 1 month",
     binary(Op::kAdd, kTimestamp, col(4), constant(Value::of(Type::of(TypeKind::kInterval), Interval{1, 0, 0})))},
    {"hour(ts)", call(Op::kDatePartHour, kBigint, {col(4)})},
    {"varchar = 'Google'", binary(Op::kEqual, kBool, col(3), constant(Value::string("Google")))},
    {"varchar like '%nel%7'", binary(Op::kLike, kBool, col(3), constant(Value::string("%nel%7")))},
    {"varchar || varchar", binary(Op::kConcat, kText, col(3), col(3))},
    {"substring(varchar, 1, 4)", call(Op::kSubstring, kText, {col(3), big(1), big(4)})},
    {"case when bigint < c then a else b", choose(binary(Op::kLess, kBool, col(0), big(50000)), col(0), col(1))},
    {"coalesce(nullable, bigint)", call(Op::kCoalesce, kBigint, {col(5), col(0)})},
};
const auto kFilters = std::vector<std::pair<const char*, ExprPtr>>{
    {"where bigint % 123 = 0", binary(Op::kEqual, kBool, binary(Op::kModulo, kBigint, col(0), big(123)), big(0))},
    {"where bigint > c (half)", binary(Op::kGreater, kBool, col(0), big(50000))},
    {"where nullable > c", binary(Op::kGreater, kBool, col(5), big(4))},
    {"where double > c", binary(Op::kGreater, kBool, col(2), constant(Value::of(kDouble, 60.0)))},
    {"where a > c and b < d",
     call(Op::kAnd, kBool,
          {binary(Op::kGreater, kBool, col(0), big(50000)), binary(Op::kLess, kBool, col(1), big(5'000'000))})},
    {"where a > c or b < d",
     call(Op::kOr, kBool,
          {binary(Op::kGreater, kBool, col(0), big(50000)), binary(Op::kLess, kBool, col(1), big(5'000'000))})},
    {"where varchar = 'Google'", binary(Op::kEqual, kBool, col(3), constant(Value::string("Google")))},
};

const bool kRegistered = [] {
  for (const auto& [name, e] : kExpressions)
    benchmark::RegisterBenchmark(name, [&e = e](benchmark::State& state) { evaluate(state, e); });
  for (const auto& [name, e] : kFilters)
    benchmark::RegisterBenchmark(name, [&e = e](benchmark::State& state) { select(state, e); });
  return true;
}();

}  // namespace
}  // namespace laminar::expr
