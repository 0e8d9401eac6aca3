// A Backend that keeps rows in vectors, for tests of the SQL layer: no streams run here. A view over one table or source
// whose plan passes all columns on holds the rows that its input got.
//
// Threads: any.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "sql/backend.h"

namespace laminar::sql {

class FakeBackend : public Backend {
 public:
  FakeBackend();

  std::shared_ptr<const Object> find(const std::string& name) override;
  std::vector<std::shared_ptr<const Object>> list() override;
  uint64_t version() override;
  Status create_source(const CreateSource& statement, data::Schema columns) override;
  Status create_table(const TableSpec& spec, bool or_replace, bool if_not_exists) override;
  Status create_view(const CreateView& statement, plan::ViewPlan plan) override;
  Status create_sink(const CreateSink& statement, std::unique_ptr<plan::ViewPlan> query) override;
  Status drop(ObjectKind kind, const ObjectName& name, bool if_exists, bool cascade) override;
  void begin_group() override;
  Status commit_group(std::span<const Change> changes) override;
  void rollback_group() override;
  Result<std::vector<std::unique_ptr<Snapshot>>> snapshot(const std::vector<std::string>& objects,
                                                          const std::function<bool()>& interrupted) override;
  Result<uint64_t> insert(const std::string& object, std::span<const data::Batch> rows, ConflictAction on_conflict) override;
  Result<uint64_t> update(const std::string& table, std::span<const uint64_t> row_ids,
                          std::span<const data::Batch> new_rows) override;
  Result<uint64_t> erase(const std::string& table, std::span<const uint64_t> row_ids) override;
  Result<uint64_t> apply(std::span<const Change> changes) override;
  std::optional<uint64_t> estimate_rows(const std::string& object) override;
  std::vector<Function> functions() override;
  Result<data::Schema> function_schema(const std::string& function, const std::string& argument) override;
  Result<Relation> call_function(const std::string& function, const std::string& argument) override;
  Result<Relation> show(const ShowStatement& statement) override;
  Result<std::string> explain(const std::string& object, bool analyze) override;
  Result<uint64_t> reapply_late_rows(const ReapplyStatement&, expr::ExprPtr) override { return uint64_t{0}; }
  Status drain(const std::function<bool()>& interrupted) override;
  Status set(const OptionText& option) override;
  Result<std::unique_ptr<ChangeReader>> subscribe(const SubscribeStatement& statement, expr::ExprPtr where) override;

  // What happened, for tests to look at.
  struct Log {
    uint64_t ticks = 0;
    std::vector<std::vector<std::string>> snapshots;
    std::vector<std::string> groups;  // "begin", "commit", "rollback"
    std::vector<std::string> settings;
    CreateSource last_source;
    uint64_t reopened = 0;  // snapshots read again
  };
  Log log();
  void set_weight(const std::string& object, uint64_t row_id, int64_t weight);
  // Whether snapshots can be read again; if not, the SQL layer copies.
  bool can_reopen = true;
  // DRAIN waits for an interrupt.
  bool drain_blocks = false;
  // Set when DRAIN or a subscription finds nothing to do but wait.
  std::atomic<bool> waiting{false};
  // Changes of a subscription end after those there are.
  bool subscription_ends = true;

  struct Row {
    uint64_t id = 0;
    int64_t weight = 1;
    std::vector<data::Value> values;
  };

 private:
  struct Stored {
    std::shared_ptr<const Object> object;
    std::vector<Row> rows;
    std::vector<std::string> inputs;
    bool passes_on = false;
  };
  struct State {
    std::map<std::string, Stored> objects;  // by lower-case name
    uint64_t next_id = 1;
  };
  Stored* stored(const std::string& name);
  Status insert_rows(const std::string& object, std::span<const data::Batch> rows, ConflictAction on_conflict, uint64_t* changed);
  Status check_key(Stored& table, const Row& row, uint64_t besides_id);
  Status put(const ObjectName& name, bool or_replace, bool if_not_exists, Stored stored);

  std::mutex mutex_;
  State state_;
  State before_group_;
  uint64_t version_ = 1;
  Log log_;
};

}  // namespace laminar::sql
