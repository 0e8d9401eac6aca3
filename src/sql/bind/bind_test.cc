// Queries and the plans they are bound to, and what is refused: code and place.
#include "sql/bind/bind_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <duckdb.hpp>
#include <fstream>
#include <map>

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
  Status commit_group() override { return no(); }
  void rollback_group() override {}
  Result<std::vector<std::unique_ptr<Snapshot>>> snapshot(const std::vector<std::string>&,
                                                          const std::function<bool()>&) override { return no(); }
  Result<uint64_t> insert(const std::string&, std::span<const data::Batch>, ConflictAction) override { return no(); }
  Result<uint64_t> update(const std::string&, std::span<const uint64_t>, std::span<const data::Batch>) override { return no(); }
  Result<uint64_t> erase(const std::string&, std::span<const uint64_t>) override { return no(); }
  std::vector<Function> functions() override { return {}; }
  Result<data::Schema> function_schema(const std::string&, const std::string&) override { return no(); }
  Result<Relation> call_function(const std::string&, const std::string&) override { return no(); }
  Result<Relation> show(const ShowStatement&) override { return no(); }
  Result<std::string> explain(const std::string&, bool) override { return no(); }
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
               {{"auction", "BIGINT"}, {"bidder", "BIGINT"}, {"price", "BIGINT"}, {"channel", "VARCHAR"}, {"url", "VARCHAR"},
                {"ts", "TIMESTAMP"}, {"extra", "VARCHAR"}},
               true, {{"ts", 0}}));
    add(object(ObjectKind::kSource, "auctions",
               {{"id", "BIGINT"}, {"item_name", "VARCHAR"}, {"seller", "BIGINT"}, {"category", "BIGINT"}, {"reserve", "BIGINT"},
                {"expires", "TIMESTAMP"}, {"ts", "TIMESTAMP"}},
               true, {{"ts", 0}}));
    add(object(ObjectKind::kSource, "readings", {{"sensor", "VARCHAR"}, {"v", "DOUBLE"}, {"d", "DECIMAL(9,2)"}, {"t", "TIMESTAMP"},
                                                 {"tags", "VARCHAR[]"}, {"day", "DATE"}},
               true));
    add(object(ObjectKind::kTable, "people", {{"id", "BIGINT"}, {"name", "VARCHAR"}, {"state", "VARCHAR"}}, false, {}, {0}));
    add(object(ObjectKind::kView, "per_minute",
               {{"auction", "BIGINT"}, {"window_start", "TIMESTAMP"}, {"window_end", "TIMESTAMP"}, {"n", "BIGINT"}}, false,
               {{"window_start", 0}, {"window_end", 60 * kSecondUs}}, {0, 1}));
    add(object(ObjectKind::kStream, "closed",
               {{"auction", "BIGINT"}, {"window_start", "TIMESTAMP"}, {"window_end", "TIMESTAMP"}, {"n", "BIGINT"}}, true,
               {{"window_start", 0}, {"window_end", 60 * kSecondUs}}, {0, 1}));

    duckdb::DBConfig config;
    config.SetOptionByName("threads", duckdb::Value::INTEGER(1));
    register_catalog(config, *backend_);
    database_ = new duckdb::DuckDB(nullptr, &config);
    register_functions(*database_->instance);
    ASSERT_TRUE(attach_catalog(*database_->instance, **backend_).ok());
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
                                         : plan.error().code_text() + " at " + std::to_string(plan.error().offset) + ": " +
                                               plan.error().message + "\n";
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

}  // namespace
}  // namespace laminar::sql
