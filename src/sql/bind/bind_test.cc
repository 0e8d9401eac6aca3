// Queries and the plans they are bound to, and what is refused: code and place.
#include "sql/bind/bind_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <fstream>
#include <iostream>
#include <map>
#include <random>

#include "duck/types.h"
#include "sql/bind/window_ast.h"
#include "sql/catalog/catalog.h"
#include "sql/catalog/transaction.h"
#include "sql/functions/window_functions.h"
#include "sql/parse/script.h"

namespace laminar::sql {
namespace {

using data::Type;
using data::TypeKind;

// Knows objects, does nothing.
class ObjectsBackend : public Backend {
 public:
  std::map<std::string, std::shared_ptr<const Object>> objects;

  std::shared_ptr<const Object> find(const std::string& name) override {
    const auto found = objects.find(duckdb::StringUtil::Lower(name));
    return found == objects.end() ? nullptr : found->second;
  }
  std::vector<std::shared_ptr<const Object>> list() override {
    std::vector<std::shared_ptr<const Object>> all;
    for (const auto& [name, object] : objects) all.push_back(object);
    return all;
  }
  uint64_t version() override { return 1; }
  Status create_source(const CreateSource&, data::Schema) override { return no(); }
  Status create_table(const TableSpec&, bool, bool) override { return no(); }
  Status create_view(const CreateView&, plan::ViewPlan) override { return no(); }
  Status create_sink(const CreateSink&, std::unique_ptr<plan::ViewPlan>) override { return no(); }
  Status drop(ObjectKind, const ObjectName&, bool, bool) override { return no(); }
  void begin_group() override {}
  Status commit_group(std::span<const Change>) override { return no(); }
  void rollback_group() override {}
  Result<std::vector<std::unique_ptr<Snapshot>>> snapshot(const std::vector<std::string>&,
                                                          const std::function<bool()>&) override {
    return no();
  }
  Result<uint64_t> insert(const std::string&, std::span<const data::Batch>, ConflictAction) override { return no(); }
  Result<uint64_t> update(const std::string&, std::span<const uint64_t>, std::span<const data::Batch>) override {
    return no();
  }
  Result<uint64_t> erase(const std::string&, std::span<const uint64_t>) override { return no(); }
  std::vector<Function> functions() override { return {}; }
  Result<data::Schema> function_schema(const std::string&, const std::string&) override { return no(); }
  Result<Relation> call_function(const std::string&, const std::string&) override { return no(); }
  Result<Relation> show(const ShowStatement&) override { return no(); }
  Result<std::string> explain(const std::string&, bool) override { return no(); }
  Result<uint64_t> reapply_late_rows(const ReapplyStatement&, expr::ExprPtr) override { return no(); }
  Status drain(const std::function<bool()>&) override { return no(); }
  Status set(const OptionText&) override { return no(); }
  Result<std::unique_ptr<ChangeReader>> subscribe(const SubscribeStatement&, expr::ExprPtr) override { return no(); }

 private:
  static Status no() { return Status(ErrorCode::kInternal, "not in this test"); }
};

std::shared_ptr<Object> object(ObjectKind kind, const std::string& name,
                               const std::vector<std::pair<std::string, std::string>>& columns, bool append_only,
                               const std::map<std::string, int64_t>& time = {}, const std::vector<uint32_t>& key = {}) {
  auto made = std::make_shared<Object>();
  made->kind = kind;
  made->name = name;
  for (const auto& [column, type] : columns) {
    made->columns.push_back({column, *duck::parse_type(type), false});
    const auto offset = time.find(column);
    made->time_offset_us.push_back(offset == time.end() ? std::nullopt : std::optional<int64_t>(offset->second));
  }
  made->append_only = append_only;
  made->settles = kind == ObjectKind::kSource;
  made->primary_key = key;
  made->holds_content = kind == ObjectKind::kTable || kind == ObjectKind::kView;
  return made;
}

constexpr int64_t kSecondUs = 1'000'000;

// DuckDB with our catalog over objects in the manner of Nexmark.
class BindTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    backend_ = new std::shared_ptr<ObjectsBackend>(std::make_shared<ObjectsBackend>());
    const auto add = [](std::shared_ptr<Object> made) { (*backend_)->objects[made->name] = made; };
    add(object(ObjectKind::kSource, "bids",
               {{"auction", "BIGINT"},
                {"bidder", "BIGINT"},
                {"price", "BIGINT"},
                {"channel", "VARCHAR"},
                {"url", "VARCHAR"},
                {"ts", "TIMESTAMP"},
                {"extra", "VARCHAR"}},
               true, {{"ts", 0}}));
    add(object(ObjectKind::kSource, "auctions",
               {{"id", "BIGINT"},
                {"item_name", "VARCHAR"},
                {"seller", "BIGINT"},
                {"category", "BIGINT"},
                {"reserve", "BIGINT"},
                {"expires", "TIMESTAMP"},
                {"ts", "TIMESTAMP"}},
               true, {{"ts", 0}}));
    add(object(ObjectKind::kSource, "readings",
               {{"sensor", "VARCHAR"},
                {"v", "DOUBLE"},
                {"d", "DECIMAL(9,2)"},
                {"t", "TIMESTAMP"},
                {"tags", "VARCHAR[]"},
                {"day", "DATE"}},
               true));
    add(object(ObjectKind::kTable, "people", {{"id", "BIGINT"}, {"name", "VARCHAR"}, {"state", "VARCHAR"}}, false, {},
               {0}));
    add(object(ObjectKind::kView, "per_minute",
               {{"auction", "BIGINT"}, {"window_start", "TIMESTAMP"}, {"window_end", "TIMESTAMP"}, {"n", "BIGINT"}},
               false, {{"window_start", 0}, {"window_end", 60 * kSecondUs}}, {0, 1}));
    add(object(ObjectKind::kStream, "closed",
               {{"auction", "BIGINT"}, {"window_start", "TIMESTAMP"}, {"window_end", "TIMESTAMP"}, {"n", "BIGINT"}},
               true, {{"window_start", 0}, {"window_end", 60 * kSecondUs}}, {0, 1}));

    duckdb::DBConfig config;
    config.SetOptionByName("threads", duckdb::Value::INTEGER(1));
    register_catalog(config, *backend_);
    database_ = new duckdb::DuckDB(nullptr, &config);
    register_functions(*database_->instance);
    ASSERT_TRUE(attach_catalog(*database_->instance, **backend_).ok());
    duckdb::Connection connection(*database_);
    ASSERT_FALSE(connection.Query("CREATE TABLE memory.main.duck_table AS SELECT 1 AS i")->HasError());
  }
  static void TearDownTestSuite() {
    delete database_;
    delete backend_;
  }

  // What binding a CREATE statement gives.
  static Result<plan::ViewPlan> bind(const std::string& sql) {
    Script script = parse_script(sql);
    if (script.error) return *script.error;
    if (script.statements.size() != 1 || !script.statements[0].ours) {
      return Status(ErrorCode::kInternal, "the test needs one statement of ours: " + sql);
    }
    const auto* create = std::get_if<CreateView>(&script.statements[0].ours->body);
    if (!create) return Status(ErrorCode::kInternal, "the test needs a CREATE: " + sql);
    std::optional<Result<plan::ViewPlan>> result;
    duckdb::Connection connection(*database_);
    connection.context->RunFunctionInTransaction([&] {
      ViewBindingScope scope(*connection.context);
      result.emplace(bind_view(*connection.context, **backend_, *create));
    });
    return std::move(*result);
  }

  static std::shared_ptr<ObjectsBackend>* backend_;
  static duckdb::DuckDB* database_;
};
std::shared_ptr<ObjectsBackend>* BindTest::backend_ = nullptr;
duckdb::DuckDB* BindTest::database_ = nullptr;

// bind_plans.txt holds statements, each with the plan it has: `statement`, `----`, plan, blank line. With
// LAMINAR_UPDATE_PLANS set the file is written anew.
constexpr const char* kPlansFile = "src/sql/bind/bind_plans.txt";

TEST_F(BindTest, PlansAreAsWritten) {
  std::ifstream in(kPlansFile);
  ASSERT_TRUE(in) << kPlansFile << ": run from the root of the tree";
  std::string updated, head, statement, expected;
  bool in_plan = false;
  int count = 0;
  const auto finish = [&] {
    if (statement.empty()) return;
    count++;
    const auto plan = bind(statement);
    const std::string actual = plan.ok() ? plan::explain(*plan)
                                         : plan.error().code_text() + " at " + std::to_string(plan.error().offset) +
                                               ": " + plan.error().message + "\n";
    EXPECT_EQ(actual, expected) << statement;
    updated += statement + "----\n" + actual + "\n";
    statement.clear();
    expected.clear();
    in_plan = false;
  };
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#")) {
      updated += line + "\n";
    } else if (in_plan && line.empty()) {
      finish();
    } else if (line == "----") {
      in_plan = true;
    } else if (in_plan) {
      expected += line + "\n";
    } else if (!line.empty()) {
      statement += line + "\n";
    } else if (statement.empty()) {
      updated += "\n";
    } else {
      finish();
    }
  }
  finish();
  EXPECT_GE(count, 60);
  if (std::getenv("LAMINAR_UPDATE_PLANS")) std::ofstream(kPlansFile) << updated;
}

// A statement with ^ before the place of the error, its code, and a part of the message.
struct Refusal {
  const char* statement;
  ErrorCode code;
  const char* part;
};

const Refusal kRefusals[] = {
    // Intervals and arguments of windows.
    {"SELECT count(*) FROM bids GROUP BY ^TUMBLE(ts)", ErrorCode::kWrongArguments,
     "TUMBLE takes TUMBLE(time, size [, offset]"},
    {"SELECT count(*) FROM bids GROUP BY ^HOP(ts, INTERVAL '1 minute')", ErrorCode::kWrongArguments, "not 2 arguments"},
    {"SELECT count(*) FROM bids GROUP BY ^SESSION(ts, INTERVAL '1 minute', INTERVAL '1 minute')",
     ErrorCode::kWrongArguments, ""},
    {"SELECT count(*) FROM bids GROUP BY TUMBLE(ts, ^10)", ErrorCode::kWrongArguments, "must be an INTERVAL"},
    {"SELECT count(*) FROM bids GROUP BY TUMBLE(ts, ^'10 seconds')", ErrorCode::kWrongArguments, "must be an INTERVAL"},
    {"SELECT count(*) FROM bids GROUP BY TUMBLE(ts, INTERVAL ^'0 seconds')", ErrorCode::kInvalidInterval,
     "must be positive"},
    {"SELECT count(*) FROM bids GROUP BY TUMBLE(ts, INTERVAL ^'-5 seconds')", ErrorCode::kInvalidInterval,
     "must be positive"},
    {"SELECT count(*) FROM bids GROUP BY HOP(ts, INTERVAL '1 day', INTERVAL ^'1 month')", ErrorCode::kInvalidInterval,
     "months"},
    {"SELECT count(*) FROM bids GROUP BY TUMBLE(ts, ^to_seconds(price))", ErrorCode::kWrongArguments, "constant"},
    {"SELECT count(*) FROM bids GROUP BY ^CUMULATE(ts, INTERVAL '7 minutes', INTERVAL '1 hour')",
     ErrorCode::kInvalidInterval, "multiple of its step"},
    {"SELECT count(*) FROM bids GROUP BY ^HOP(ts, INTERVAL '1 millisecond', INTERVAL '1 day')",
     ErrorCode::kInvalidInterval, "at most 10000"},
    {"SELECT count(*) FROM bids GROUP BY ^TUMBLE(TIMESTAMP '2026-01-01', INTERVAL '1 day')", ErrorCode::kWrongArguments,
     "must be a column"},
    {"SELECT count(*) FROM bids GROUP BY ^TUMBLE(price, INTERVAL '1 day')", ErrorCode::kNeedsWatermark,
     "price has no watermark"},
    {"SELECT count(*) FROM bids GROUP BY TUMBLE(^nothing, INTERVAL '1 day')", ErrorCode::kBindError, "nothing"},
    {"SELECT ^HOP(ts, INTERVAL '1 minute', INTERVAL '2 minutes') FROM bids", ErrorCode::kWrongArguments,
     "several windows a row"},
    {"SELECT count(*) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1 day'), ^HOP(ts, INTERVAL '1 day', INTERVAL '2 days')",
     ErrorCode::kNotIncremental, "one window"},
    {"SELECT * FROM ^TUMBLE(TABLE bids, INTERVAL '1 day')", ErrorCode::kWrongArguments, ""},
    {"SELECT * FROM TUMBLE(TABLE bids, ^ts, INTERVAL '1 day')", ErrorCode::kWrongArguments, "DESCRIPTOR(ts)"},
    {"SELECT * FROM TUMBLE(TABLE ^nobody, DESCRIPTOR(ts), INTERVAL '1 day')", ErrorCode::kUnknownObject, "nobody"},
    {"SELECT * FROM TUMBLE(TABLE ^per_minute, DESCRIPTOR(window_end), INTERVAL '1 day')", ErrorCode::kBindError,
     "has a column window_start already"},
    {"SELECT * FROM ^SESSION(TABLE bids, DESCRIPTOR(ts), INTERVAL '1 minute')", ErrorCode::kNotIncremental,
     "SESSION needs a GROUP BY"},
    {"SELECT bidder, max(window_end) FROM ^SESSION(TABLE bids, DESCRIPTOR(ts), INTERVAL '1 minute') GROUP BY bidder",
     ErrorCode::kNotIncremental, "SESSION needs a GROUP BY"},

    // Event time.
    {"SELECT count(*) FROM readings GROUP BY ^TUMBLE(t, INTERVAL '1 day')", ErrorCode::kNeedsWatermark,
     "t has no watermark"},
    {"SELECT count(*) FROM readings GROUP BY ^TUMBLE(day, INTERVAL '1 day')", ErrorCode::kNeedsWatermark, "watermark"},
    {"SELECT bidder, count(*) FROM bids GROUP BY bidder ^EMIT ON WINDOW CLOSE", ErrorCode::kNeedsWatermark,
     "needs a window"},
    {"SELECT bidder, count(*) FROM bids GROUP BY bidder ^EMIT FINAL", ErrorCode::kNeedsWatermark,
     "EMIT FINAL needs a window"},
    {"SELECT * FROM bids ^EMIT AFTER WATERMARK", ErrorCode::kNeedsWatermark, "needs a window"},
    {"SELECT * FROM bids ^ALLOW LATENESS INTERVAL '1 minute'", ErrorCode::kNeedsWatermark, "needs a window"},
    {"SELECT * FROM bids LATE DATA TO ^late", ErrorCode::kNeedsWatermark, "needs a window"},
    {"SELECT n, count(*) FROM (SELECT bidder, count(*) AS n FROM bids GROUP BY bidder, TUMBLE(ts, INTERVAL '1 day')) "
     "GROUP BY n "
     "^EMIT ON WINDOW CLOSE",
     ErrorCode::kNotIncremental, "groups by keys without time"},
    {"SELECT window_start, sum(n) FROM closed GROUP BY window_start ORDER BY sum(n) LIMIT 3 ^EMIT FINAL",
     ErrorCode::kNotIncremental, "ranks rows without time"},

    // What gives another result each time.
    {"SELECT *, ^now() FROM bids", ErrorCode::kNotDeterministic, "now()"},
    {"SELECT *, ^random() FROM bids", ErrorCode::kNotDeterministic, "random()"},
    {"SELECT * FROM bids WHERE ts > ^current_timestamp - INTERVAL '1 day'", ErrorCode::kNotDeterministic,
     "another result"},
    {"SELECT *, ^PROCTIME() FROM bids", ErrorCode::kNotDeterministic, "AS PROCTIME()"},

    // Operators.
    {"SELECT * FROM bids b ^JOIN people p ON b.bidder = p.id", ErrorCode::kUnboundedState, "stream"},
    {"SELECT * FROM bids, ^people", ErrorCode::kUnboundedState, "join of a stream"},
    {"SELECT * FROM bids WHERE bidder ^IN (SELECT id FROM people)", ErrorCode::kUnboundedState, "stream"},
    {"SELECT auction, ^(SELECT max(price) FROM bids) FROM bids", ErrorCode::kUnboundedState, "join of a stream"},
    {"SELECT auction FROM bids ORDER BY ^price", ErrorCode::kNotIncremental, "no order of its own"},
    {"SELECT auction FROM bids LIMIT ^10", ErrorCode::kNotIncremental, "LIMIT needs ORDER BY"},
    {"SELECT auction FROM bids ORDER BY ^price LIMIT 10%", ErrorCode::kNotIncremental, "constant number"},
    {"SELECT auction FROM bids ORDER BY price OFFSET ^10", ErrorCode::kNotIncremental, "OFFSET without LIMIT"},
    {"SELECT auction, ^row_number() OVER (ORDER BY price) FROM bids", ErrorCode::kNotIncremental, "upper bound"},
    {"SELECT auction, ^sum(price) OVER (PARTITION BY auction ORDER BY ts) FROM bids", ErrorCode::kNotIncremental,
     "sum() OVER"},
    {"SELECT auction, ^lag(price) OVER (PARTITION BY auction ORDER BY ts) FROM bids", ErrorCode::kNotIncremental,
     "OVER"},
    {"SELECT id FROM people EXCEPT SELECT ^auction FROM bids", ErrorCode::kNotImplemented, "EXCEPT"},
    {"SELECT id FROM people INTERSECT SELECT ^auction FROM bids", ErrorCode::kNotImplemented, "INTERSECT"},
    {"SELECT auction, bidder, count(*) FROM bids GROUP BY ROLLUP (^auction, bidder)", ErrorCode::kNotImplemented,
     "ROLLUP"},
    {"SELECT ^unnest(tags) FROM readings", ErrorCode::kNotIncremental, "UNNEST"},
    {"SELECT * FROM ^range(10)", ErrorCode::kNotIncremental, "range()"},
    {"SELECT * FROM ^bids USING SAMPLE 10 ROWS", ErrorCode::kNotIncremental, "sample"},
    {"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n ^+ 1 FROM t WHERE n < 9) SELECT * FROM t",
     ErrorCode::kNotIncremental, "RECURSIVE"},
    {"SELECT * FROM bids WHERE ^price > $1", ErrorCode::kBindError, "parameters"},
    {"SELECT n FROM ^'history.parquet'", ErrorCode::kFileNotFound, ""},
    {"SELECT i FROM ^duck_table", ErrorCode::kNotIncremental, "DuckDB's table duck_table"},
    {"SELECT ^rowid FROM people", ErrorCode::kNotIncremental, "rowid"},

    // DuckDB's own.
    {"SELECT ^nothing FROM bids", ErrorCode::kBindError, "nothing"},
    {"SELECT * FROM ^nobody", ErrorCode::kUnknownObject, "nobody"},
    {"SELECT ^nofunction(price) FROM bids", ErrorCode::kUnknownFunction, "nofunction"},
    {"SELECT price, ^bidder FROM bids GROUP BY price", ErrorCode::kBindError, "GROUP BY"},
    {"SELECT * FROM bids WITH (^retain_histroy = '64 MB')", ErrorCode::kUnknownOption, "retain_history"},
    {"SELECT * FROM bids WITH (retain_history = ^'many')", ErrorCode::kInvalidOption, ""},
    {"SELECT * FROM bids WITH (^retention = '1 day')", ErrorCode::kInvalidOption, "retention"},
};

void expect_refused(const Result<plan::ViewPlan>& plan, const Refusal& refusal, int64_t offset) {
  if (plan.ok()) {
    ADD_FAILURE() << "accepted: " << refusal.statement << "\n" << plan::explain(*plan);
    return;
  }
  const Error& error = plan.error();
  EXPECT_EQ(static_cast<int>(error.code), static_cast<int>(refusal.code)) << refusal.statement << ": " << error.message;
  EXPECT_EQ(error.offset, offset) << refusal.statement << ": " << error.message;
  EXPECT_NE(error.message.find(refusal.part), std::string::npos) << refusal.statement << ": " << error.message;
}

TEST_F(BindTest, RefusalsHaveCodeAndPlace) {
  for (const Refusal& refusal : kRefusals) {
    std::string statement = std::string("CREATE MATERIALIZED VIEW v AS ") + refusal.statement;
    const size_t offset = statement.find('^');
    ASSERT_NE(offset, std::string::npos) << refusal.statement;
    statement.erase(offset, 1);
    expect_refused(bind(statement), refusal, static_cast<int64_t>(offset));
  }
}

TEST_F(BindTest, StateOfStreamsIsBounded) {
  const Refusal groups = {"groups", ErrorCode::kUnboundedState, "bounded by event time"};
  expect_refused(bind("CREATE STREAM s AS SELECT bidder, count(*) FROM bids GROUP BY bidder"), groups, 34);
  expect_refused(
      bind(
          "CREATE STREAM s AS SELECT * FROM bids QUALIFY row_number() OVER (PARTITION BY auction ORDER BY price) <= 3"),
      groups, 46);
  expect_refused(bind("CREATE STREAM s AS SELECT count(DISTINCT bidder) FROM bids"), groups, 26);
  EXPECT_TRUE(bind("CREATE STREAM s AS SELECT count(*), max(price) FROM bids").ok());
  EXPECT_TRUE(
      bind("CREATE STREAM s AS SELECT bidder, count(*) FROM bids GROUP BY bidder, TUMBLE(ts, INTERVAL '1 day')").ok());
  EXPECT_TRUE(bind("CREATE STREAM s AS SELECT bidder FROM bids WHERE price > 3").ok());
}

// The functions behind ad-hoc windows against the definition: [start, end), aligned, floor before 1970.
TEST_F(BindTest, WindowsOfAnAdHocQuery) {
  duckdb::Connection connection(*database_);
  const auto rows = [&](const std::string& sql) {
    duckdb::ParserOptions options;
    options.extensions = nullptr;
    duckdb::Parser parser(options);
    Script script = parse_script(sql);
    parser.ParseQuery(script.stock_text);
    connection.context->RunFunctionInTransaction([&] {
      rewrite_windows(*connection.context, *parser.statements[0]->Cast<duckdb::SelectStatement>().node,
                      QueryUse::kAdHoc);
    });
    auto result = connection.Query(std::move(parser.statements[0]));
    if (result->HasError()) return result->GetError();
    std::string out;
    for (auto& row : *result) {
      for (duckdb::idx_t i = 0; i < result->ColumnCount(); i++) {
        out += (i ? " " : "") + row.GetBaseValue(i).ToString();
      }
      out += "; ";
    }
    return out;
  };
  ASSERT_FALSE(
      connection
          .Query("CREATE OR REPLACE TABLE memory.main.e AS SELECT * FROM (VALUES (1, TIMESTAMP '1969-12-31 23:59:55'), "
                 "(1, TIMESTAMP '1970-01-01 00:00:00'), (2, TIMESTAMP '1970-01-01 00:00:09.999999'), (2, NULL), "
                 "(3, TIMESTAMP '1970-01-01 00:00:10')) v(k, ts)")
          ->HasError());
  EXPECT_EQ(rows("SELECT window_start, window_end, count(*) FROM memory.e GROUP BY TUMBLE(ts, INTERVAL '10 seconds') "
                 "ORDER BY 1"),
            "1969-12-31 23:59:50 1970-01-01 00:00:00 1; 1970-01-01 00:00:00 1970-01-01 00:00:10 2; "
            "1970-01-01 00:00:10 1970-01-01 00:00:20 1; ");
  EXPECT_EQ(rows("SELECT k, TUMBLE_START(ts, INTERVAL '10 seconds', INTERVAL '3 seconds') AS s, count(*) AS n FROM "
                 "memory.e GROUP BY "
                 "ALL ORDER BY s, k"),
            "1 1969-12-31 23:59:53 2; 2 1970-01-01 00:00:03 1; 3 1970-01-01 00:00:03 1; ");
  EXPECT_EQ(
      rows("SELECT window_start, count(*) FROM memory.e GROUP BY HOP(ts, INTERVAL '5 seconds', INTERVAL '10 seconds') "
           "HAVING window_start < TIMESTAMP '1970-01-01 00:00:05' ORDER BY window_start"),
      "1969-12-31 23:59:50 1; 1969-12-31 23:59:55 2; 1970-01-01 00:00:00 2; ");
  EXPECT_EQ(rows("SELECT window_end, count(*) FROM CUMULATE(TABLE memory.e, DESCRIPTOR(ts), INTERVAL '5 seconds', "
                 "INTERVAL '10 "
                 "seconds') GROUP BY window_end ORDER BY window_end"),
            "1970-01-01 00:00:00 1; 1970-01-01 00:00:05 1; 1970-01-01 00:00:10 2; 1970-01-01 00:00:15 1; 1970-01-01 "
            "00:00:20 1; ");
  EXPECT_EQ(rows("SELECT k, epoch(TUMBLE_END(ts, INTERVAL '1 day')) FROM memory.e WHERE k = 1 ORDER BY ts"),
            "1 0.0; 1 86400.0; ");
  EXPECT_EQ(rows("SELECT k, window_start, count(*) FROM memory.e GROUP BY GROUPING SETS ((k), (TUMBLE(ts, INTERVAL '10 "
                 "seconds'))) "
                 "ORDER BY ALL"),
            "1 NULL 2; 2 NULL 1; 3 NULL 1; NULL 1969-12-31 23:59:50 1; NULL 1970-01-01 00:00:00 2; NULL 1970-01-01 "
            "00:00:10 1; ");
  EXPECT_THROW(rows("SELECT count(*) FROM memory.e GROUP BY SESSION(ts, INTERVAL '10 seconds')"), std::exception);

  // Every window form over random rows, against the definition as a join with all windows.
  const unsigned seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (int round = 0; round < 20; round++) {
    const int64_t slide = 1 + random() % 9, size = slide * (1 + random() % 5) + (round % 2 ? random() % slide : 0);
    const int64_t offset = static_cast<int64_t>(random() % 30) - 15;
    ASSERT_FALSE(connection
                     .Query("CREATE OR REPLACE TABLE memory.main.r AS SELECT make_timestamp(((hash(i + " +
                            std::to_string(random() % 1000) +
                            ") % 200)::BIGINT - 100) * 1000000) AS ts FROM range(60) t(i)")
                     ->HasError());
    const auto seconds = [](int64_t n) { return "to_seconds(" + std::to_string(n) + ")"; };
    const std::string hop =
        rows("SELECT epoch(window_start)::BIGINT, epoch(window_end)::BIGINT, count(*) FROM memory.r GROUP BY HOP(ts, " +
             seconds(slide) + ", " + seconds(size) + ", " + seconds(offset) + ") ORDER BY 1, 2");
    EXPECT_EQ(hop, rows("SELECT s, s + " + std::to_string(size) + ", count(*) FROM memory.r, (SELECT i * " +
                        std::to_string(slide) + " + " + std::to_string(offset) +
                        " AS s FROM range(-300, 300) t(i)) WHERE epoch(ts) >= s AND epoch(ts) < s + " +
                        std::to_string(size) + " GROUP BY s ORDER BY 1, 2"))
        << "slide " << slide << " size " << size << " offset " << offset;
  }
}

TEST_F(BindTest, PlanKnowsInputsNamesAndProperties) {
  const auto plan = bind(
      "CREATE MATERIALIZED VIEW v AS SELECT id AS k FROM people UNION ALL SELECT auction FROM bids UNION ALL SELECT "
      "bidder FROM bids");
  ASSERT_TRUE(plan.ok()) << plan.status().text();
  EXPECT_EQ(plan->name, "v");
  EXPECT_EQ(plan->inputs, (std::vector<std::string>{"people", "bids"}));
  EXPECT_EQ(plan->root->columns[0].name, "k");
  EXPECT_FALSE(plan->root->append_only);
  EXPECT_TRUE(bind("CREATE MATERIALIZED VIEW v AS SELECT auction, ts FROM bids")->root->append_only);
}

// A condition on an object: the blanks stand for SUBSCRIBE name WHERE.
TEST_F(BindTest, Predicates) {
  const auto predicate = [](const std::string& text) -> Result<std::string> {
    std::optional<Result<std::string>> result;
    duckdb::Connection connection(*database_);
    connection.context->RunFunctionInTransaction([&] {
      ViewBindingScope scope(*connection.context);
      const auto bound = bind_predicate(*connection.context, **backend_, *(*backend_)->objects["bids"], text);
      if (bound.ok()) {
        result.emplace(expr::to_text(**bound));
      } else {
        result.emplace(bound.status());
      }
    });
    return *result;
  };
  const std::string blanks(21, ' ');
  EXPECT_EQ(*predicate(blanks + "price > 3 AND bidder = 7"), "((price > 3) AND (bidder = 7))");
  EXPECT_EQ(*predicate(blanks + "channel LIKE 'a%'"), "starts_with(channel, 'a')");
  EXPECT_EQ(*predicate(blanks + "1 = 1"), "true");
  EXPECT_EQ(*predicate(blanks + "price > 3 AND price < 3"), "false");
  EXPECT_EQ(predicate(blanks + "price > 3 AND nothing = 7").error().offset, 35);
  EXPECT_EQ(predicate(blanks + "price > 3 AND nothing = 7").error().code, ErrorCode::kBindError);
  EXPECT_EQ(predicate(blanks + "ts > now()").error().code, ErrorCode::kNotDeterministic);
  EXPECT_EQ(predicate(blanks + "price IN (SELECT 1)").error().code, ErrorCode::kNotImplemented);
  EXPECT_EQ(predicate(blanks + "price > ").error().code, ErrorCode::kSyntaxError);
}

}  // namespace
}  // namespace laminar::sql
