// Types and values, chunks, readers, foreign functions and aggregates, Arrow: everything of src/duck but the kernels.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "duck/arrow.h"
#include "duck/bound_aggregate_test.h"
#include "duck/bound_pair_test.h"
#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb.hpp"
#include "expr/program.h"

namespace laminar::duck {
namespace {

using data::Type;
using data::TypeKind;

std::shared_ptr<Database> database() {
  static std::shared_ptr<Database> db = Database::open({.threads = 1, .configure = {}}).take();
  return db;
}

// One query with every kind of type: 5,000 rows, NULLs, long strings.
const char* kAllTypes = R"(
  SELECT CASE WHEN i % 7 = 3 THEN NULL ELSE i % 2 = 0 END AS bool, (i % 100)::TINYINT AS i8, i::SMALLINT AS i16, i::INTEGER AS i32, -i AS i64,
         (i % 200)::UTINYINT AS u8, i::USMALLINT AS u16, i::UINTEGER AS u32, i::UBIGINT AS u64, (i * -1000000000000::HUGEINT) * i AS i128,
         i::UHUGEINT AS u128, i::FLOAT / 3 AS f, i::DOUBLE / 7 AS d, (i % 90)::DECIMAL(4,2) AS d4, i::DECIMAL(9,2) AS d9, i::DECIMAL(18,3) AS d18,
         i::DECIMAL(38,5) AS d38, DATE '1970-01-01' + i::INTEGER AS day, TIME '00:00:01' + to_seconds(i) AS time,
         TIMESTAMP '1969-12-31' + to_seconds(i) AS ts, (TIMESTAMP '1969-12-31' + to_seconds(i))::TIMESTAMP_S AS ts_s,
         (TIMESTAMP '1969-12-31' + to_seconds(i))::TIMESTAMP_MS AS ts_ms, (TIMESTAMP '1969-12-31' + to_seconds(i))::TIMESTAMP_NS AS ts_ns,
         (TIMESTAMP '1969-12-31' + to_seconds(i))::TIMESTAMPTZ AS ts_tz, to_days(i::INTEGER) AS span, CASE WHEN i % 5 = 0 THEN NULL ELSE repeat('x', (i % 40)::INTEGER) END AS text,
         ('blob ' || i)::BLOB AS bytes, md5(i::VARCHAR)::UUID AS uuid,
         [i, NULL, i + 1] AS list, {'a': i, 'b c': [i::VARCHAR]} AS struct, MAP {'k' || i: i::DOUBLE} AS map, (['x', 'y''', 'z'])[i % 3 + 1]::ENUM('x', 'y''', 'z') AS enum,
         ARRAY[i, i]::INTEGER[2] AS arr, '10101'::BIT AS bits, union_value(num := i) AS tagged, i::BIGNUM AS big, TIMETZ '12:00:00+01' AS tz,
         CASE WHEN i % 3 = 0 THEN NULL ELSE [{'a': 'deep ' || i}] END AS deep
  FROM range(5000) t(i))";

TEST(Types, EveryTypeGoesThereAndBack) {
  auto reader = Reader::open(database(), kAllTypes);
  ASSERT_TRUE(reader.ok()) << reader.status().text();
  for (const data::Field& field : (*reader)->schema()) {
    EXPECT_EQ(type_from_duckdb(type_to_duckdb(field.type)), field.type) << field.name;
    auto parsed = parse_type(field.type.text());
    ASSERT_TRUE(parsed.ok()) << field.name << ": " << parsed.status().text();
    EXPECT_EQ(*parsed, field.type) << field.name;
  }
  EXPECT_FALSE(parse_type("NO SUCH TYPE").ok());
}

// Reads the query, wraps the batches as chunks again, and compares every value with what DuckDB says itself.
TEST(Chunk, EveryTypeGoesThereAndBack) {
  auto rows = query_to_batches(database(), kAllTypes);
  ASSERT_TRUE(rows.ok()) << rows.status().text();
  EXPECT_EQ(rows->row_count(), 5000u);
  auto expected = database()->connect()->Query(kAllTypes);
  std::vector<Type> types;
  for (const data::Field& field : rows->schema) types.push_back(field.type);
  ChunkView view(types);
  uint64_t row = 0;
  for (data::BatchBuffer& buffer : rows->batches) {
    const data::Batch batch = buffer.view();
    duckdb::DataChunk& chunk = view.wrap(batch);
    for (uint32_t r = 0; r < batch.rows; r += 13) {
      for (uint32_t c = 0; c < types.size(); ++c) {
        const duckdb::Value want = expected->GetValue(c, row + r);
        const duckdb::Value got = chunk.GetValue(c, r);
        ASSERT_TRUE(duckdb::Value::NotDistinctFrom(want, got))
            << rows->schema[c].name << ": " << want.ToString() << " " << got.ToString();
        const data::Value ours = data::Value::from_column(types[c], batch.columns[c], r);
        ASSERT_EQ(ours, value_from_duckdb(want)) << rows->schema[c].name;
        ASSERT_EQ(to_text(ours), want.ToString()) << rows->schema[c].name;
      }
    }
    row += batch.rows;
  }
}

TEST(Chunk, RowsComeAsOftenAsTheirWeight) {
  data::BatchBuffer buffer(data::Schema{{"i", Type::of(TypeKind::kInt64)}, {"s", Type::of(TypeKind::kVarchar)}});
  uint64_t total = 0;
  for (uint32_t r = 0; r < 2000; ++r) {
    buffer.column(0).values<int64_t>()[r] = r;
    buffer.column(1).values<data::StringRef>()[r] =
        buffer.strings().copy("a string of more than twelve bytes " + std::to_string(r));
    if (r % 5 == 0) data::set_null(buffer.column(1).validity, r);
    buffer.weights()[r] = r % 4;
    total += r % 4;
  }
  buffer.rows = 2000;
  buffer.has_weights = true;
  BatchScan scan({Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar)}, {1, 0});
  duckdb::DataChunk chunk;
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {duckdb::LogicalType::VARCHAR, duckdb::LogicalType::BIGINT});
  scan.start(buffer.view());
  uint64_t seen = 0, sum = 0;
  chunk.Reset();
  while (scan.next(chunk)) {
    for (duckdb::idx_t r = 0; r < chunk.size(); ++r) {
      const int64_t i = chunk.GetValue(1, r).GetValue<int64_t>();
      sum += static_cast<uint64_t>(i);
      EXPECT_EQ(chunk.GetValue(0, r).IsNull(), i % 5 == 0);
    }
    seen += chunk.size();
    chunk.Reset();
  }
  EXPECT_EQ(seen, total);
  uint64_t want = 0;
  for (uint64_t r = 0; r < 2000; ++r) want += r * (r % 4);
  EXPECT_EQ(sum, want);
}

TEST(Types, EqualBoxedValuesHaveEqualBytes) {
  auto packed = [](const char* sql) {
    auto rows = query_to_batches(database(), sql);
    EXPECT_TRUE(rows.ok());
    return std::string(rows->batches[0].column(0).values<data::StringRef>()[0].view());
  };
  EXPECT_EQ(packed("SELECT [0.0::DOUBLE, 'nan'::DOUBLE]"), packed("SELECT [-0.0::DOUBLE, -('nan'::DOUBLE)]"));
  EXPECT_EQ(packed("SELECT {'a': 1, 'b': 'x'}"), packed("SELECT struct_pack(a := 3 - 2, b := substr('axa', 2, 1))"));
  EXPECT_NE(packed("SELECT [1, NULL]"), packed("SELECT [NULL, 1]"));
  EXPECT_NE(packed("SELECT ['a', 'b']"), packed("SELECT ['ab', '']"));
}

TEST(Types, CastOfAValue) {
  auto cast = cast_value(data::Value::string("2020-02-03"), Type::of(TypeKind::kDate));
  ASSERT_TRUE(cast.ok());
  EXPECT_EQ(to_text(*cast), "2020-02-03");
  auto refused = cast_value(data::Value::string("x"), Type::of(TypeKind::kInt32));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kTypeMismatch);
}

TEST(Reader, CastsToTheTypesAskedFor) {
  auto rows = query_to_batches(database(), "SELECT i, i::VARCHAR AS s, [i] AS l FROM range(3000) t(i)",
                               {Type::of(TypeKind::kInt32), Type::of(TypeKind::kDouble), Type::of(TypeKind::kVarchar)});
  ASSERT_TRUE(rows.ok()) << rows.status().text();
  EXPECT_EQ(rows->row_count(), 3000u);
  EXPECT_EQ(rows->batches[0].column(0).values<int32_t>()[7], 7);
  EXPECT_EQ(rows->batches[0].column(1).values<double>()[7], 7.0);
  EXPECT_EQ(rows->batches[0].column(2).values<data::StringRef>()[7].view(), "[7]");
  auto wrong = query_to_batches(database(), "SELECT 'x' || i FROM range(3000) t(i)", {Type::of(TypeKind::kInt32)});
  EXPECT_FALSE(wrong.ok());
  EXPECT_FALSE(query_to_batches(database(), "SELECT * FROM nothing").ok());
}

TEST(Reader, SmallBuffersAndManyReaders) {
  auto a = Reader::open(database(), "SELECT i FROM range(10000) t(i)"),
       b = Reader::open(database(), "SELECT i FROM range(10000) t(i)");
  ASSERT_TRUE(a.ok() && b.ok());
  data::BatchBuffer small((*a)->schema(), 100), large((*b)->schema());
  int64_t next_a = 0, next_b = 0;
  while (true) {
    const uint32_t n = *(*a)->next(small), m = *(*b)->next(large);
    for (uint32_t r = 0; r < n; ++r) ASSERT_EQ(small.column(0).values<int64_t>()[r], next_a++);
    for (uint32_t r = 0; r < m; ++r) ASSERT_EQ(large.column(0).values<int64_t>()[r], next_b++);
    if (n == 0) break;
  }
  EXPECT_EQ(next_a, 10000);
  EXPECT_EQ(next_b, 10000);
}

// ---- foreign expressions --------------------------------------------------------------------------------------------

struct Inputs {
  data::BatchBuffer buffer{data::Schema{{"i", Type::of(TypeKind::kInt64)}, {"s", Type::of(TypeKind::kVarchar)}}};
  explicit Inputs(uint32_t rows) {
    for (uint32_t r = 0; r < rows; ++r) {
      buffer.column(0).values<int64_t>()[r] = r;
      buffer.column(1).values<data::StringRef>()[r] =
          buffer.strings().copy(r % 10 == 3 ? "not a number at all" : std::to_string(r));
    }
    buffer.rows = rows;
  }
  std::vector<Type> types() const { return {Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar)}; }
};

TEST(ForeignFunction, FailsOnItsBadRowsOnly) {
  Inputs inputs(1000);
  ExpressionBinder binder(database(), {"i", "s"}, inputs.types());
  auto program = expr::Program::compile(
      {binder.bind("s::BIGINT + i").foreign, binder.bind("list_value(i, i + 1)").foreign}, inputs.types());
  ASSERT_TRUE(program.ok());
  EXPECT_TRUE((*program)->uses_foreign());
  expr::RowErrors errors;
  auto columns = (*program)->evaluate(inputs.buffer.view(), errors);
  EXPECT_EQ(errors.items.size(), 100u);
  for (const auto& item : errors.items) {
    EXPECT_EQ(item.row % 10, 3u);
    EXPECT_NE(item.message->find("not a number at all"), std::string::npos) << *item.message;
  }
  for (uint32_t r = 0; r < 1000; ++r) {
    EXPECT_EQ(columns[0].is_null(r), r % 10 == 3);
    if (r % 10 != 3) {
      EXPECT_EQ(columns[0].values<int64_t>()[r], 2 * r);
      const data::Value list = data::Value::from_column(program.ok() ? *parse_type("BIGINT[]") : Type(), columns[1], r);
      EXPECT_EQ(to_text(list), "[" + std::to_string(r) + ", " + std::to_string(r + 1) + "]");
    }
  }
}

TEST(ForeignFunction, NotCalledForRowsThatDoNotTakeTheBranch) {
  Inputs inputs(1000);
  ExpressionBinder binder(database(), {"i", "s"}, inputs.types());
  const expr::ExprPtr guard = binder.bind("i % 10 <> 3").native, number = binder.bind("s::BIGINT").foreign;
  ASSERT_TRUE(guard);
  auto choice = std::make_shared<expr::Expr>();
  choice->kind = expr::ExprKind::kCase;
  choice->type = Type::of(TypeKind::kInt64);
  choice->args = {guard, number, expr::constant(data::Value::of(choice->type, int64_t{-1}))};
  auto conjunction =
      expr::call(expr::Op::kAnd, Type::of(TypeKind::kBoolean),
                 {guard, expr::call(expr::Op::kGreater, Type::of(TypeKind::kBoolean),
                                    {number, expr::constant(data::Value::of(choice->type, int64_t{500}))})});
  expr::RowErrors errors;
  auto program = expr::Program::compile({choice}, inputs.types());
  const data::Column column = (*program)->evaluate(inputs.buffer.view(), errors)[0];
  EXPECT_FALSE(errors.any());
  for (uint32_t r = 0; r < 1000; ++r)
    EXPECT_EQ(column.values<int64_t>()[r], r % 10 == 3 ? -1 : static_cast<int64_t>(r));
  auto filter = expr::Program::compile({conjunction}, inputs.types());
  std::vector<uint32_t> selection(1000);
  EXPECT_EQ((*filter)->select(inputs.buffer.view(), selection.data(), errors), 449u);
  EXPECT_FALSE(errors.any());
}

TEST(ForeignFunction, OutlivesItsBinder) {
  Inputs inputs(10);
  expr::ExprPtr foreign;
  {
    ExpressionBinder binder(database(), {"i", "s"}, inputs.types());
    foreign = binder.bind("upper(md5(s))").foreign;
  }
  auto program = expr::Program::compile({foreign}, inputs.types());
  expr::RowErrors errors;
  EXPECT_EQ((*program)->evaluate(inputs.buffer.view(), errors)[0].values<data::StringRef>()[1].view(),
            "C4CA4238A0B923820DCC509A6F75849B");
}

// ---- aggregates -----------------------------------------------------------------------------------------------------

TEST(ForeignAggregate, StatesAgreeWithDuckDb) {
  constexpr uint32_t kGroups = 7, kRows = 2000;
  for (const char* sql : {"sum(i)", "count(s)", "avg(i)", "min(s)", "max(s)", "stddev_samp(i)", "string_agg(s, ',')",
                          "list(i)", "quantile_cont(i, 0.5)", "approx_count_distinct(s)", "arg_max(s, i)", "first(s)",
                          "bool_or(i > 100)", "histogram(i)"}) {
    SCOPED_TRACE(sql);
    auto aggregate = bind_aggregate(database(), sql);
    ASSERT_TRUE(aggregate) << sql;
    auto inputs =
        query_to_batches(database(), std::string("SELECT ") + aggregate->arguments +
                                         " FROM (SELECT i, 'string number ' || (i % 97) AS s FROM range(2000) t(i))");
    ASSERT_TRUE(inputs.ok()) << inputs.status().text();
    auto instance = aggregate->function->instantiate();
    std::vector<std::unique_ptr<char[]>> memory;
    std::vector<char*> states, of_row(kRows);
    for (uint32_t g = 0; g < kGroups; ++g) {
      memory.emplace_back(new char[aggregate->function->state_size()]);
      states.push_back(memory.back().get());
      instance->initialize(states.back());
    }
    for (uint32_t r = 0; r < kRows; ++r) of_row[r] = states[r % kGroups];
    ASSERT_TRUE(instance->update(inputs->batches[0].view().columns, of_row.data(), kRows).ok());
    data::BatchBuffer out(std::vector<Type>{aggregate->function->result_type()});
    ASSERT_TRUE(instance->finalize(states.data(), kGroups, out.column(0), out.strings()).ok());
    auto want = query_to_batches(
        database(),
        std::string("SELECT ") + sql +
            " FROM (SELECT i, 'string number ' || (i % 97) AS s FROM range(2000) t(i)) GROUP BY i % 7 ORDER BY i % 7");
    ASSERT_TRUE(want.ok()) << want.status().text();
    for (uint32_t g = 0; g < kGroups; ++g) {
      EXPECT_EQ(to_text(data::Value::from_column(want->schema[0].type, out.column(0), g)),
                to_text(data::Value::from_column(want->schema[0].type, want->batches[0].column(0), g)));
    }
    instance->destroy(states.data(), kGroups);
  }
  EXPECT_TRUE(bind_aggregate(database(), "sum(i)")->function->plain_state());
  EXPECT_FALSE(bind_aggregate(database(), "string_agg(s, ',')")->function->plain_state());
  EXPECT_FALSE(bind_aggregate(database(), "quantile_cont(i, 0.5)")->function->plain_state());
}

// ---- Arrow ----------------------------------------------------------------------------------------------------------

TEST(Arrow, OutAndInAgain) {
  auto rows = query_to_batches(database(), kAllTypes);
  ASSERT_TRUE(rows.ok());
  ArrowExporter exporter(database(), rows->schema);
  ArrowSchema schema;
  ArrowArray array;
  ASSERT_TRUE(exporter.export_schema(&schema).ok());
  std::vector<data::Batch> batches;
  for (data::BatchBuffer& buffer : rows->batches) batches.push_back(buffer.view());
  const Status exported = exporter.export_rows(batches, &array);
  ASSERT_TRUE(exported.ok()) << exported.text();
  EXPECT_EQ(array.length, 5000);
  auto importer = ArrowImporter::open(database(), schema, rows->schema);
  ASSERT_TRUE(importer.ok()) << importer.status().text();
  auto again = (*importer)->import_rows(&array);
  ASSERT_TRUE(again.ok()) << again.status().text();
  EXPECT_EQ(array.release, nullptr);
  ASSERT_EQ(again->size(), rows->batches.size());
  for (size_t b = 0; b < again->size(); ++b) {
    for (uint32_t c = 0; c < rows->schema.size(); ++c) {
      // Arrow has no such types: DuckDB exports their text.
      const std::string& name = rows->schema[c].name;
      if (name == "bits" || name == "big" || name == "tz") continue;
      for (uint32_t r = 0; r < rows->batches[b].rows; r += 17) {
        ASSERT_EQ(data::Value::from_column(rows->schema[c].type, (*again)[b].column(c), r),
                  data::Value::from_column(rows->schema[c].type, rows->batches[b].column(c), r))
            << rows->schema[c].name << " row " << r;
      }
    }
  }
  schema.release(&schema);
}

}  // namespace
}  // namespace laminar::duck
