// The engine of one database: its objects, its core, the thread that runs ticks, and what SQL asks of them.
//
// Threads: any thread may call; one lock guards objects and core ("the core's lock"). Whoever holds it is the core. The
//          tick thread runs the ticks of sources that bring rows by themselves and gives way to waiting callers.
// Owns:    all stages. Objects handed out are immutable.
// Bounds:  a tick takes at most kTickRowsMax rows; feeds, subscriptions and sinks have their own bounds.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "engine/lookup_stage.h"
#include "engine/recovery/journal.h"
#include "engine/recovery/pinned_clock.h"
#include "engine/sink_stage.h"
#include "engine/source_stage.h"
#include "engine/subscription.h"
#include "engine/table_store.h"
#include "engine/view_stage.h"
#include "engine/watermark_group_stage.h"
#include "sql/backend.h"
#include "storage/checkpoint/checkpoint_store.h"
#include "stream/runtime/core.h"

namespace laminar::engine {

struct DatabaseOptions {
  bool manual_clock = false;
  int64_t manual_clock_start_us = 0;
  uint64_t subscription_rows_max = 1 << 20;
  bool recovers = false;  // nothing runs before recover()
  int64_t sink_patience_ms = 3000;  // DRAIN and CHECKPOINT wait so long for a sink that fails
  SinkOptions sinks;
  uint32_t cores = 0;     // of all views, also of those that are recovered; 0: as they were, and SET cores
};

enum class PartitionMove : uint8_t { kJoin, kLeave, kAdvance };

struct MetricValue {
  std::string name, object;
  double value = 0;
};

struct TableStage final : stream::Stage {
  TableStage(std::shared_ptr<const sql::Object> object_) : object(std::move(object_)), store(object->columns, object->primary_key) {
    name = object->name;
    store.label = name;
    operators = {&store};
  }
  std::shared_ptr<const sql::Object> object;
  TableStore store;
};

// The relation of LATE DATA TO: holds the late rows of a view and passes them on.
struct LateStage final : stream::Stage {
  LateStage(std::shared_ptr<const sql::Object> object_, std::vector<data::Type> types)
      : object(std::move(object_)), store(std::move(types), true) {
    name = object->name;
    operators = {&store};
  }
  std::shared_ptr<const sql::Object> object;
  stream::ViewStoreOperator store;
};

class Database final : public sql::Backend {
 public:
  static constexpr uint32_t kTickRowsMax = 16 * 1024;
  static constexpr size_t kSmallRecordBytes = 64 * 1024;  // no record without rows is larger

  explicit Database(DatabaseOptions options);
  ~Database() override;

  // sql::Backend
  std::shared_ptr<const sql::Object> find(const std::string& name) override;
  std::vector<std::shared_ptr<const sql::Object>> list() override;
  uint64_t version() override { return version_.load(); }
  Status create_source(const sql::CreateSource& statement, data::Schema columns) override;
  Status create_lookup(const sql::CreateLookup& statement, data::Schema columns) override;
  Status create_table(const sql::TableSpec& spec, bool or_replace, bool if_not_exists) override;
  Status create_view(const sql::CreateView& statement, plan::ViewPlan plan) override;
  Status create_sink(const sql::CreateSink& statement, std::unique_ptr<plan::ViewPlan> query) override;
  Status create_watermark_group(const sql::CreateWatermarkGroup& statement) override;
  Status drop(sql::ObjectKind kind, const sql::ObjectName& name, bool if_exists, bool cascade) override;
  void begin_group() override;
  Status commit_group(std::span<const sql::Change> changes) override;
  void rollback_group() override;
  Result<std::vector<std::unique_ptr<sql::Snapshot>>> snapshot(const std::vector<std::string>& objects,
                                                               const std::function<bool()>& interrupted) override;
  Result<uint64_t> insert(const std::string& object, std::span<const data::Batch> rows, sql::ConflictAction on_conflict) override;
  Result<uint64_t> update(const std::string& table, std::span<const uint64_t> row_ids, std::span<const data::Batch> new_rows) override;
  Result<uint64_t> erase(const std::string& table, std::span<const uint64_t> row_ids) override;
  Result<uint64_t> apply(std::span<const sql::Change> changes) override { return apply_stoppable(changes, {}); }
  Result<uint64_t> apply_stoppable(std::span<const sql::Change> changes, const std::function<bool()>& interrupted) override;
  // Changes that joins have made so far of what a statement changes in the running tick; 0 between ticks. From any thread.
  uint64_t changes_in_tick() const { return changes_in_tick_.load(std::memory_order_relaxed); }
  std::optional<uint64_t> estimate_rows(const std::string& object) override;
  std::vector<Function> functions() override;
  Result<data::Schema> function_schema(const std::string& function, const std::string& argument) override;
  Result<sql::Relation> call_function(const std::string& function, const std::string& argument) override;
  Result<sql::Relation> show(const sql::ShowStatement& statement) override;
  Result<std::string> explain(const std::string& object, bool analyze) override;
  Result<uint64_t> reapply_late_rows(const sql::ReapplyStatement& statement, expr::ExprPtr where) override;
  Result<sql::Relation> checkpoint() override;
  Status backup(const std::string& folder) override;
  Status drain(const std::function<bool()>& interrupted) override;
  Status set(const sql::OptionText& option) override;
  Status advance_watermark(const sql::ObjectName& source, int64_t watermark_us) override;
  Result<std::unique_ptr<sql::ChangeReader>> subscribe(const sql::SubscribeStatement& statement, expr::ExprPtr where) override;

  // For the C++ interface.
  // A source that takes rows by append, held by the appender; dropped sources refuse.
  Result<SourceStage*> appendable_source(const std::string& name);
  // One tick per kTickRowsMax rows. `batch.rows` may exceed the batch bound: it is cut.
  Status append(const std::shared_ptr<const sql::Object>& source, const data::Batch& batch, uint32_t partition = 0);
  // The same for rows in buffers, whose PROCTIME() columns it fills.
  Status append_buffers(const std::shared_ptr<const sql::Object>& source, std::span<const std::unique_ptr<data::BatchBuffer>> buffers,
                        uint32_t partition = 0);
  Status advance_watermark(const std::shared_ptr<const sql::Object>& source, int64_t watermark_us);
  // A partition of a source that rows are appended to comes, goes, or says how far it is.
  Status move_partition(const std::shared_ptr<const sql::Object>& source, PartitionMove move, uint32_t partition, int64_t watermark_us);
  Result<std::shared_ptr<Subscription>> follow(const std::string& view, Subscription::Callback callback, bool with_snapshot);
  void unfollow(const std::shared_ptr<Subscription>& subscription);
  std::vector<MetricValue> metrics();
  uint64_t tick();
  Status run_tick();
  Status advance_clock(int64_t us);
  void close();

  // Brings back what the journal holds, then records what comes and starts to run; see recovery/replay.cc. `run_sql`
  // executes one of our statements; `progress` gets a line now and then when it takes longer than 2 s.
  using RunSql = std::function<Status(const std::string& statement)>;
  using Progress = std::function<void(const std::string& line)>;
  Status recover(std::unique_ptr<Journal> journal, const RunSql& run_sql, const Progress& progress);
  Journal* journal() { return journal_.get(); }

 private:
  struct Entry {
    std::shared_ptr<const sql::Object> object;
    std::unique_ptr<SourceStage> source;
    std::unique_ptr<TableStage> table;
    std::unique_ptr<ViewStage> view;
    std::unique_ptr<LateStage> late;
    std::unique_ptr<SinkStage> sink;
    std::unique_ptr<LookupStage> lookup;
    std::unique_ptr<WatermarkGroupStage> group;
    std::vector<std::string> inputs;  // objects it reads
    std::string owner;                // the view that made it (LATE DATA TO)
    uint32_t id = 0;                  // in checkpoints
    bool saved = false;               // the collecting store of checkpoints holds its state
    bool ahead = false;               // ... of this checkpoint's, begun anew, what can be saved ahead
    std::string record;               // of the journal that made it; empty: goes with its owner, or nothing is recorded
    stream::Stage* stage() const;
    const std::vector<data::Type>& types() const;
    bool live() const;
  };
  // Holds the core's lock; the tick thread sees that somebody waits and gives way.
  class Lock {
   public:
    explicit Lock(Database& database);
    ~Lock();
    std::unique_lock<std::mutex> held;

   private:
    Database& database_;
  };

  // All below: under the lock.
  Entry* entry(const std::string& name);
  // The source that rows are appended to, when it is there and there is room for a tick.
  Result<SourceStage*> source_with_room(Lock& lock, const std::string& name);
  Result<Entry*> entry_of(const std::string& name, int64_t offset);
  Status check_new_name(const sql::ObjectName& name, bool or_replace, bool if_not_exists, bool& exists);
  Entry& add_entry(std::shared_ptr<const sql::Object> object);
  std::vector<std::string> dependents_of(const std::string& name);
  void remove_entry(const std::string& name);
  // The late rows of a view as an object for conditions: Backend::late_rows_of().
  std::shared_ptr<const sql::Object> late_rows_object(const std::string& name);
  // Lets the view's late rows say which of them are late because of where their partition began.
  void name_late_causes(ViewStage& view);
  // Why late rows of the view cannot be applied again; empty when they can.
  std::string why_not_reapplied(Entry& item, std::vector<stream::Operator*>& corrected);
  void scan_entry(Entry& entry, const stream::BatchVisitor& visit);
  Status make_sink(const sql::CreateSink& statement, const std::string& from);
  CoreLayout core_layout();
  void connect(ViewStage& view, const stream::Pipeline::Scan& scan);
  void disconnect(ViewStage& view, const stream::Pipeline::Scan& scan);
  Status set_cores(const sql::OptionText& option);

  // What a command needs to be recorded: room on the disk first, the clock and the tick that it began with.
  struct Command {
    explicit Command(Database& database) : pin(database.clock_), tick(database.core_.tick()) {}
    PinnedClock::Pin pin;
    uint64_t tick;
    uint64_t sequence = 0;  // of its last record
    int64_t now_us() const { return pin.now_us(); }
  };
  bool recording() const { return journal_ && journal_->recording(); }
  Status room_to_record(size_t bytes);
  ByteWriter& begin_record(const Command& command, RecordKind kind);
  Status append_record(Command& command);
  // The record of rows appended to a source.
  Status record_append(Command& command, const SourceStage& source, uint32_t partition);
  // DDL: recorded after it went through. `item`: what it made, or null.
  Status record_ddl(Command& command, Entry* item, RecordKind kind, const std::function<void(ByteWriter&)>& body);
  Status record_kind(Command& command, RecordKind kind) { return record_ddl(command, nullptr, kind, [](ByteWriter&) {}); }
  // Gives the lock back and waits for what durability promises.
  Status settle(Lock& lock, const Command& command);
  void record_source_rows(Command& command);
  SinkLinks sink_links();
  // The group of a sink that is being made: those with the same transaction share one.
  std::shared_ptr<SinkGroup> sink_group(const stream::SinkDefinition& definition);

  // Replaying: each takes the body of a record.
  struct Replay {
    const RunSql& run_sql;
    const Progress& progress;
    uint64_t first = 0, last = 0;  // records
    int64_t began_ns = monotonic_ns(), said_ns = 0;
    void say(uint64_t sequence, uint64_t tick);
  };
  Status replay_record(Replay& replay, std::string_view record);
  Status replay_append(ByteReader& in, uint32_t partition);
  Status replay_partition(ByteReader& in);
  Status replay_apply(ByteReader& in, bool commits_group);
  Status replay_source_rows(ByteReader& in);
  Status replay_caught_up(const std::string& view);
  Status replay_catch_up_slice(ByteReader& in);
  Status replay_answers(ByteReader& in);
  Status start_recovered_sinks();
  sql::Relation durability_relation();

  // Checkpoints, recovery/checkpoint.cc.
  std::string why_not_saved();
  void save_entry(Entry& item, storage::CheckpointBatch& batch);
  std::vector<RejectStore*> reject_stores(Entry& item);
  Status load_entry(Entry& item, storage::CheckpointReader& reader);
  Status skip_rows(SourceStage& source);
  Status restore(Replay& replay, uint64_t& first_record);
  Status restore_objects(Replay& replay, storage::CheckpointReader& reader);
  Status take_checkpoint(bool asked, uint64_t& id, std::string& note);
  Status save_ahead();
  void run_checkpoints();
  sql::Relation checkpoints_relation();
  void checkpoint_when_due(std::unique_lock<std::mutex>& lock);

  // Starting views.
  Status start_views(const std::vector<std::string>& names);
  // All changes in one tick or none. kTry: whether they can be made; nothing has changed then. kDoRecorded: they are in
  // the log already.
  enum class Apply { kTry, kDo, kDoRecorded };
  Result<uint64_t> change_tables(std::span<const sql::Change> changes, Apply mode, Command& command, const std::function<bool()>& interrupted = {});
  void undo_group();
  // Sinks of views that catch up wait for their first tick.
  void hold_sinks();
  // The sink gets no more changes of its input.
  void detach(SinkStage& sink);
  Status prepare_start(ViewStage& view);
  void go_live(const std::vector<ViewStage*>& views);
  bool inputs_live(const ViewStage& view);
  // `up_to`: rows of each reader, of a slice that is done again.
  bool run_catch_up(ViewStage& view, const std::vector<uint64_t>* up_to = nullptr);
  bool held_by_catch_up(const SourceStage& source);

  // Lookup tables.
  Status bind_lookups(ViewStage& view);
  void unbind_lookups(ViewStage& view);
  bool run_lookups();
  void enter_arrivals();
  void fail_view(ViewStage& view, const Error& error);
  // Whether no view that the stage's rows reach has as many rows waiting for lookups as it may.
  bool lookups_have_room(const stream::Stage& stage) const;
  // Rows of views that wait for answers.
  uint64_t rows_waiting();
  // The objects for which a caller will run a tick: those whose rows may have to wait for lookups.
  Status wait_for_lookups(Lock& lock, std::span<const std::string> objects, const std::function<bool()>& interrupted);
  sql::Relation lookups_relation();

  // Watermark groups: until none holds the source back.
  Status wait_while_held(Lock& lock, const std::string& source);
  // Whether a view that catches up has read more of one source than a group of its sources lets it.
  bool is_ahead(const ViewStage& view, const CatchUp& reader);
  sql::Relation groups_relation();
  void add_group_metrics(Entry& item, std::vector<MetricValue>& list);

  // The tick thread.
  void run();
  bool run_sources();
  bool room_for_tick();
  // Whether the state of all and of each view is within its limit. Looks every few ms, and each time while it is not.
  Status check_memory(bool look_now = false);
  Status wait_for_room(Lock& lock, const std::function<bool()>& interrupted);
  void wake();         // from a reader thread
  void wake_locked();  // under the lock
  void after_tick();

  // Relations.
  sql::Relation changes_relation(ViewStage& view);
  sql::Relation late_relation(std::span<RejectStore* const> rejects);
  sql::Relation errors_relation(std::span<RejectStore* const> rejects);
  sql::Relation dead_letters_relation(DeadLetterStore& records);
  sql::Relation conservation_relation();
  sql::Relation operators_relation();
  sql::Relation sources_relation();
  sql::Relation views_relation();
  sql::Relation sinks_relation();
  sql::Relation watermarks_relation();
  sql::Relation dependencies_relation(const std::string& of);
  sql::Relation ticks_relation();
  sql::Relation cores_relation();
  sql::Relation exchanges_relation();
  sql::Relation overruns_relation();
  friend class SubscribeReader;

  const DatabaseOptions options_;
  const uint64_t instance_id_;  // of a database in memory
  SystemClock system_clock_;
  ManualClock manual_clock_;
  PinnedClock clock_;
  std::unique_ptr<Journal> journal_;
  bool replaying_ = false, restoring_ = false;
  std::mutex checkpoint_mutex_;  // taken before the core's lock
  std::unique_ptr<storage::CheckpointStore> checkpoints_;
  uint64_t next_checkpoint_ = 1, checkpoint_tick_ = 0;
  uint32_t next_object_id_ = 1;
  std::vector<uint32_t> dropped_ids_;            // since the last checkpoint
  std::map<std::string, std::string> settings_;  // records of SET by key
  int64_t checkpoint_interval_us_ = 10'000'000;
  int64_t checkpoint_after_ns_ = 0;     // none is due before; of the steady clock
  int64_t last_checkpoint_ns_ = monotonic_ns();
  int64_t checkpoint_held_ns_ = 0;      // for how long the last one held up ticks
  uint64_t checkpointed_log_bytes_ = 0; // what the log of this process had then
  uint64_t checkpoints_kept_ = 2, checkpointed_record_ = 0;
  uint64_t recovered_records_ = 0;
  int64_t recovery_ms_ = 0;
  std::vector<SourceRows> recorded_rows_;  // of the running tick
  size_t recorded_rows_used_ = 0;
  std::mutex mutex_;
  std::atomic<int> waiters_{0};
  std::atomic<uint64_t> changes_in_tick_{0};
  std::condition_variable gave_way_;
  std::condition_variable live_changed_;
  std::condition_variable work_;
  std::atomic<bool> work_waiting_{false};
  std::atomic<uint64_t> version_{1};
  stream::Core core_;
  std::map<std::string, Entry> entries_;  // by lower-case name
  std::vector<std::string> creation_order_;
  // Objects of dropped entries may be in use by queries: they are shared. Stages are not, and go with the entry.
  bool group_open_ = false;
  std::vector<std::string> group_views_, group_created_;
  std::vector<std::shared_ptr<Subscription>> followers_;
  std::map<std::string, std::weak_ptr<SinkGroup>> sink_groups_;  // by transaction
  std::vector<stream::Core::Input> inputs_, lookup_inputs_;
  std::vector<std::pair<std::string, LookupStage::Arrival>> arrivals_;  // of lookup tables by name, for the next tick
  std::vector<std::pair<SourceStage*, stream::SourceFeed::Item>> taken_;
  std::vector<data::Batch> batches_;
  std::vector<data::Column> cut_columns_;
  std::vector<stream::Stage*> ended_stages_;
  uint64_t memory_limit_ = 0;  // bytes of state; 0: none
  bool memory_limited_ = false;  // something has a limit
  int64_t memory_looked_ns_ = 0;
  Status memory_status_;
  uint32_t cores_ = 1;  // of views created from now on
  int64_t last_clock_tick_us_ = 0;
  int64_t future_skew_us_ = 86'400'000'000;
  int64_t idle_timeout_us_ = 30'000'000;
  std::atomic<bool> stopping_{false};
  bool closed_ = false;
  std::thread thread_, checkpoint_thread_;
  std::condition_variable checkpoint_wake_;
  std::atomic<uint64_t> checkpoint_bytes_{0};
  std::atomic<bool> checkpoint_running_{false};
};

}  // namespace laminar::engine
