// Programs without DuckDB: no allocation, errors and branches, filters, division by constants, the calendar.
// Results against DuckDB are compared in src/duck/kernels_test.cc. LAMINAR_SEED repeats a run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "base/heap_calls_testing.h"
#include "base/seed_testing.h"
#include "expr/calendar.h"
#include "expr/divider.h"
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
           kText = Type::of(TypeKind::kVarchar), kTimestamp = Type::of(TypeKind::kTimestamp);

ExprPtr big(int64_t value) { return constant(Value::of(kBigint, value)); }
ExprPtr make(ExprKind kind, Type type, std::vector<ExprPtr> args) {
  auto e = std::make_shared<Expr>();
  e->kind = kind;
  e->type = std::move(type);
  e->args = std::move(args);
  return e;
}

// Columns: 0 a BIGINT, 1 b BIGINT, 2 d DOUBLE, 3 s VARCHAR, 4 t TIMESTAMP, 5 n BIGINT with NULLs.
const std::vector<Type> kTypes = {kBigint, kBigint, kDouble, kText, kTimestamp, kBigint};
ExprPtr col(uint32_t i) { return column_ref(i, kTypes[i]); }

struct Input {
  BatchBuffer buffer{kTypes};
  data::Batch batch;
  explicit Input(uint32_t rows, uint64_t salt = 0) {
    std::mt19937_64 random(test_seed() + salt);
    for (uint32_t r = 0; r < rows; ++r) {
      buffer.column(0).values<int64_t>()[r] = static_cast<int64_t>(random() % 100000) - 50000;
      buffer.column(1).values<int64_t>()[r] = static_cast<int64_t>(random() % 100) - 10;
      buffer.column(2).values<double>()[r] = static_cast<double>(random() % 1000) / 8;
      buffer.column(3).values<StringRef>()[r] =
          buffer.strings().copy(random() % 2 ? "short" : "a longer string " + std::to_string(random() % 100));
      buffer.column(4).values<int64_t>()[r] =
          static_cast<int64_t>(random() % 2'000'000'000'000'000) - 1'000'000'000'000'000;
      buffer.column(5).values<int64_t>()[r] = static_cast<int64_t>(random() % 10);
      if (random() % 4 == 0) data::set_null(buffer.column(5).validity, r);
    }
    buffer.rows = rows;
    batch = buffer.view();
  }
};

std::unique_ptr<Program> program(std::vector<ExprPtr> expressions) {
  auto compiled = Program::compile(std::move(expressions), kTypes);
  EXPECT_TRUE(compiled.ok()) << compiled.status().text();
  return compiled.take();
}

ExprPtr less(ExprPtr a, ExprPtr b) { return call(Op::kLess, kBool, {std::move(a), std::move(b)}); }
ExprPtr add(ExprPtr a, ExprPtr b) { return call(Op::kAdd, kBigint, {std::move(a), std::move(b)}); }

TEST(Program, AllocatesNothingAfterWarmUp) {
  const ExprPtr interval = constant(Value::of(Type::of(TypeKind::kInterval), Interval{1, 2, 3}));
  const ExprPtr filter = call(Op::kAnd, kBool,
                              {less(col(0), big(40000)), less(add(col(1), col(0)), big(1000)),
                               call(Op::kNotLike, kBool, {col(3), constant(Value::string("%9"))}),
                               call(Op::kIn, kBool, {col(5), big(1), big(2), constant(Value::null(kBigint))})});
  auto p = program(
      {col(0), add(col(0), col(1)), call(Op::kConcat, kText, {col(3), constant(Value::string(" and more text"))}),
       call(Op::kSubstring, kText, {col(3), big(2), big(30)}), call(Op::kAdd, kTimestamp, {col(4), interval}),
       make(ExprKind::kCase, kBigint,
            {less(col(0), col(1)), call(Op::kMultiply, kBigint, {col(0), col(1)}),
             call(Op::kModulo, kBigint, {col(0), col(1)})}),
       call(Op::kCoalesce, kBigint, {col(5), col(0)}), make(ExprKind::kCast, kText, {col(0)}), filter});
  auto q = program({filter});
  Input one(1), full(2048), half(1000, 7);
  RowErrors errors;
  std::vector<uint32_t> selection(2048);
  auto run = [&] {
    for (const Input* input : {&one, &full, &half}) {
      p->evaluate(input->batch, errors);
      q->select(input->batch, selection.data(), errors);
    }
  };
  for (int i = 0; i < 3; ++i) run();
  ASSERT_TRUE(heap_calls_are_counted());
  const uint64_t before = heap_calls();
  for (int i = 0; i < 20; ++i) run();
  EXPECT_EQ(heap_calls() - before, 0u);
}

TEST(Program, PassesColumnsByReference) {
  Input input(100);
  auto p = program({col(3), col(5)});
  RowErrors errors;
  const auto columns = p->evaluate(input.batch, errors);
  EXPECT_EQ(columns[0].data, input.batch.columns[3].data);
  EXPECT_EQ(columns[1].validity, input.batch.columns[5].validity);
}

TEST(Program, ReportsFailingRowsInOrderWithTheirFirstMessage) {
  Input input(500);
  int64_t* a = input.buffer.column(0).values<int64_t>();
  for (uint32_t r = 0; r < 500; r += 100) a[r] = std::numeric_limits<int64_t>::max() - r;
  auto p =
      program({call(Op::kMultiply, kBigint, {add(col(0), big(500)), big(1)}), call(Op::kNegate, kBigint, {col(1)})});
  RowErrors errors;
  const auto columns = p->evaluate(input.buffer.view(), errors);
  ASSERT_EQ(errors.items.size(), 5u);
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(errors.items[i].row, i * 100);
    EXPECT_TRUE(columns[0].is_null(i * 100));
    EXPECT_TRUE(columns[1].is_null(i * 100));
  }
  EXPECT_EQ(*errors.items[1].message, "Overflow in addition of INT64 (9223372036854775707 + 500)!");
  EXPECT_FALSE(columns[0].is_null(1));
  for (uint32_t r = 0; r < 500; r += 100) a[r] = 1;
  EXPECT_FALSE(p->evaluate(input.buffer.view(), errors)[0].is_null(100));
  EXPECT_FALSE(errors.any());
}

TEST(Program, BranchesNotTakenDoNotFail) {
  Input input(1000);
  int64_t* a = input.buffer.column(0).values<int64_t>();
  for (uint32_t r = 0; r < 1000; r += 3) a[r] = std::numeric_limits<int64_t>::max();
  const data::Batch batch = input.buffer.view();
  const ExprPtr small = less(col(0), big(1'000'000)), risky = less(add(col(0), big(1)), big(1'000'000));
  RowErrors errors;
  std::vector<uint32_t> selection(1000);
  for (const ExprPtr& safe :
       {call(Op::kAnd, kBool, {small, risky}), call(Op::kOr, kBool, {call(Op::kNot, kBool, {small}), risky}),
        make(ExprKind::kCase, kBool, {small, risky, constant(Value::of(kBool, false))})}) {
    auto p = program({safe});
    p->evaluate(batch, errors);
    EXPECT_FALSE(errors.any()) << to_text(*safe);
    p->select(batch, selection.data(), errors);
    EXPECT_FALSE(errors.any()) << to_text(*safe);
  }
  auto p = program({call(Op::kAnd, kBool, {risky, small})});
  EXPECT_EQ(p->select(batch, selection.data(), errors), 666u);
  EXPECT_EQ(errors.items.size(), 334u);
}

TEST(Program, RefusesWhatItCannotCompile) {
  auto wrong_column = Program::compile({column_ref(9, kBigint)}, kTypes);
  EXPECT_FALSE(wrong_column.ok());
  const ExprPtr upper = call(Op::kUpper, kText, {col(3)});
  EXPECT_FALSE(has_kernel(*upper));
  auto no_kernel = Program::compile({upper}, kTypes);
  ASSERT_FALSE(no_kernel.ok());
  EXPECT_EQ(no_kernel.error().code, ErrorCode::kInternal);
}

TEST(Expression, TextColumnsAndRemapping) {
  const ExprPtr e =
      call(Op::kAnd, kBool, {less(col(0), big(7)), call(Op::kLike, kBool, {col(3), constant(Value::string("it's%"))})});
  EXPECT_EQ(to_text(*e), "((#0 < 7) AND (#3 LIKE 'it''s%'))");
  const std::vector<std::string> names = {"price", "", "", "channel"};
  EXPECT_EQ(to_text(*e, &names), "((price < 7) AND (channel LIKE 'it''s%'))");
  std::vector<bool> used(6);
  collect_columns(*e, used);
  EXPECT_EQ(used, (std::vector<bool>{true, false, false, true, false, false}));
  EXPECT_EQ(to_text(*remap_columns(e, {4, 0, 0, 1})), "((#4 < 7) AND (#1 LIKE 'it''s%'))");
  EXPECT_EQ(to_text(*constant(Value::of(Type::decimal(9, 3), int32_t{-50}))), "-0.050");
}

// ---- division by constants ------------------------------------------------------------------------------------------

TEST(Divider, AgreesWithDivision) {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < 3000; ++i) {
    const int64_t divisor = static_cast<int64_t>(random() >> (1 + random() % 63)) | (i % 3 == 0 ? 1 : 0);
    if (divisor <= 0) continue;
    const SignedDivider by(divisor);
    const UnsignedDivider unsigned_by(static_cast<uint64_t>(divisor) * (i % 2 ? 1 : 2));
    for (int k = 0; k < 200; ++k) {
      int64_t n = static_cast<int64_t>(random() >> (random() % 64));
      if (k % 2) n = -n;
      if (k < 6) n = (k % 2 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max() - 3) + k / 2;
      if (k >= 6 && k < 30)
        n = divisor % (int64_t{1} << 60) * (static_cast<int64_t>(random() % 7) - 3) +
            static_cast<int64_t>(random() % 3) - 1;
      ASSERT_EQ(by.divide(n), n / divisor) << n << " / " << divisor;
      ASSERT_EQ(by.floor(n), n / divisor - (n % divisor < 0)) << n << " / " << divisor;
      const uint64_t u = static_cast<uint64_t>(n), d = static_cast<uint64_t>(divisor) * (i % 2 ? 1 : 2);
      ASSERT_EQ(unsigned_by.divide(u), u / d) << u << " / " << d;
    }
  }
}

TEST(Program, FiltersByDivisibility) {
  std::mt19937_64 random(test_seed());
  BatchBuffer buffer(std::vector<Type>{kBigint});
  buffer.rows = 2048;
  RowErrors errors;
  std::vector<uint32_t> selection(2048);
  for (int i = 0; i < 300; ++i) {
    const int64_t divisor = std::max<int64_t>(
        1, i % 3 == 0 ? int64_t{1} << (random() % 63) : static_cast<int64_t>(random() >> (1 + random() % 63)));
    int64_t* values = buffer.column(0).values<int64_t>();
    for (uint32_t r = 0; r < 2048; ++r) {
      const int64_t any = static_cast<int64_t>(random());
      values[r] = r % 3 == 0 ? any : any / divisor * divisor;
    }
    values[0] = std::numeric_limits<int64_t>::min();
    values[1] = std::numeric_limits<int64_t>::max();
    values[2] = 0;
    const ExprPtr remainder = call(Op::kModulo, kBigint, {column_ref(0, kBigint), big(divisor)});
    auto p = Program::compile({call(Op::kEqual, kBool, {remainder, big(0)})}, std::vector<Type>{kBigint});
    const uint32_t count = (*p)->select(buffer.view(), selection.data(), errors);
    uint32_t k = 0;
    for (uint32_t r = 0; r < 2048; ++r) {
      if (values[r] % divisor != 0) continue;
      ASSERT_LT(k, count);
      ASSERT_EQ(selection[k++], r) << values[r] << " % " << divisor;
    }
    ASSERT_EQ(k, count) << divisor;
  }
}

TEST(Calendar, DaysGoThereAndBack) {
  for (int64_t day = -106'751'991; day < 106'751'991; day += 12'347) {
    const CivilDate date = civil_from_days(day);
    ASSERT_EQ(days_from_civil(date.year, date.month, date.day), day);
    ASSERT_GE(date.day, 1);
    ASSERT_LE(date.day, days_in_month(date.year, date.month));
  }
  EXPECT_EQ(days_from_civil(1970, 1, 1), 0);
  EXPECT_EQ(days_from_civil(2000, 2, 29), 11016);
}

}  // namespace
}  // namespace laminar::expr
