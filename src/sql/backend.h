// What the SQL layer asks of the engine: objects to bind against, DDL to carry out, content to scan, changes to apply.
// engine/ implements it; sql/ knows nothing of operators.
//
// Threads: any thread, several sessions at once; the backend locks. Snapshots and readers belong to their caller.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "data/batch.h"
#include "plan/node.h"
#include "sql/parse/statement.h"

namespace laminar::sql {

// An entry of our catalog as binding sees it. Immutable; a changed object is a new one.
struct Object {
  ObjectKind kind = ObjectKind::kSource;
  std::string name;
  data::Schema columns;
  std::vector<uint32_t> primary_key;
  bool append_only = false;
  bool settles = false;  // plan::settles(): no row changes behind the watermark
  // Per column: the offset of an event-time column from the object's watermark (OutputColumn::time_offset_us).
  std::vector<std::optional<int64_t>> time_offset_us;
  std::vector<plan::TimeForm> time_form;  // OutputColumn::time_form, empty where no column has one
  std::vector<uint32_t> time_key;          // Node::time_key
  bool time_by_key_only = false;           // Node::time_by_key_only
  // Bounds a join or GROUP BY may rely on: content is a finite relation (table, view), not an endless stream.
  bool holds_content = false;  // sources and streams: false, SELECT from them is refused or reads the live rest
  std::string sql;             // the statement that made it
  std::vector<std::string> column_defaults;  // tables: SQL text or empty
  std::vector<std::string> checks;           // tables: CHECK expressions as SQL text
  std::string lookup;                        // lookup tables: where rows come from, for EXPLAIN
};

struct TableSpec {
  ObjectName name;
  data::Schema columns;
  std::vector<uint32_t> primary_key;
  std::vector<std::string> column_defaults;
  std::vector<std::string> checks;
  std::string sql;
};

// Rows of one tick, read batch by batch. Batches may carry weights above 1: the reader repeats such rows.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual uint64_t tick() const = 0;
  // False at the end. The batch lives until the next call. Row ids of tables are in batch.sequence.
  virtual bool next(data::Batch& batch) = 0;
  virtual uint64_t row_count() const = 0;
  // Another reader of the same object at the same tick, from its first row, for queries that read an object twice. A
  // backend without it returns null: such a query then copies the rows.
  virtual std::unique_ptr<Snapshot> again() { return nullptr; }
};

// Changes as ticks complete. Columns: the view's, weights in the batch.
class ChangeReader {
 public:
  virtual ~ChangeReader() = default;
  enum class State { kChanges, kTimeout, kEnded };
  // Waits up to timeout_ms. Batches of one tick come in order; `tick` is theirs.
  virtual Result<State> next(data::Batch& batch, uint64_t& tick, int timeout_ms) = 0;
};

// A small relation made on the spot: SHOW, changes('v'), late_rows('v'), counters.
struct Relation {
  data::Schema columns;
  std::vector<std::unique_ptr<data::BatchBuffer>> batches;
};

enum class ConflictAction : uint8_t { kError, kIgnore, kReplace };

// A row id from here on is the n-th row that the changes before it in the same apply() have placed in the table: a
// transaction changes rows that it has made itself, and those have no id yet.
inline constexpr uint64_t kPlacedRow = uint64_t{1} << 62;

// One change of a tick that holds several: MERGE, and what a transaction changed, at its COMMIT.
struct Change {
  enum class Kind : uint8_t { kErase, kUpdate, kInsert } kind = Kind::kInsert;
  std::string object;
  std::span<const data::Batch> rows;      // kInsert, kUpdate: as in insert() and update()
  std::span<const uint64_t> row_ids;      // kErase, kUpdate
  ConflictAction on_conflict = ConflictAction::kError;
  // What the statement was bound to: when the object is another one by now, its columns may be others too.
  std::shared_ptr<const Object> expected;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Objects by name, case-insensitively; null when there is none. Inside an open group the group's own are seen.
  virtual std::shared_ptr<const Object> find(const std::string& name) = 0;
  virtual std::vector<std::shared_ptr<const Object>> list() = 0;
  // Rises at every DDL.
  virtual uint64_t version() = 0;

  // DDL. Sources arrive with column types resolved. Views arrive bound. `plan` of a sink over a query is a stream
  // made for it; null for FROM name.
  virtual Status create_source(const CreateSource& statement, data::Schema columns) = 0;
  virtual Status create_lookup(const CreateLookup& statement, data::Schema columns) {
    (void)columns;
    return Status(ErrorCode::kNotImplemented, "lookup tables are not implemented here", statement.name.offset);
  }
  virtual Status create_table(const TableSpec& spec, bool or_replace, bool if_not_exists) = 0;
  virtual Status create_view(const CreateView& statement, plan::ViewPlan plan) = 0;
  virtual Status create_sink(const CreateSink& statement, std::unique_ptr<plan::ViewPlan> query) = 0;
  virtual Status create_watermark_group(const CreateWatermarkGroup& statement) {
    return Status(ErrorCode::kNotImplemented, "watermark groups are not implemented here", statement.name.offset);
  }
  virtual Status drop(ObjectKind kind, const ObjectName& name, bool if_exists, bool cascade) = 0;

  // BEGIN ... COMMIT: views created between start together at one tick, and the transaction's changes are the next one;
  // rollback undoes the group's DDL. A commit that fails has undone it too.
  virtual void begin_group() = 0;
  virtual Status commit_group(std::span<const Change> changes) = 0;
  virtual void rollback_group() = 0;

  // One tick for all named objects, waiting until views have caught up; `interrupted` is polled while waiting.
  virtual Result<std::vector<std::unique_ptr<Snapshot>>> snapshot(const std::vector<std::string>& objects,
                                                                  const std::function<bool()>& interrupted) = 0;

  // DML, each call one tick. Into a source (memory connector) or a table. Returns the rows changed.
  virtual Result<uint64_t> insert(const std::string& object, std::span<const data::Batch> rows, ConflictAction on_conflict) = 0;
  // Tables: row ids from a snapshot; new_rows parallel to row_ids (one batch list in the same order), empty for DELETE.
  virtual Result<uint64_t> update(const std::string& table, std::span<const uint64_t> row_ids, std::span<const data::Batch> new_rows) = 0;
  virtual Result<uint64_t> erase(const std::string& table, std::span<const uint64_t> row_ids) = 0;
  // All changes in their order as one tick, or none of them; views see the net change of each row. Returns the rows changed. A backend that does not override
  // it does one change at a time and refuses more.
  virtual Result<uint64_t> apply(std::span<const Change> changes) {
    if (changes.empty()) return uint64_t{0};
    if (changes.size() > 1) {
      return Status(ErrorCode::kNotImplemented, "several changes cannot be made in one tick: " + changes[0].object);
    }
    const Change& change = changes[0];
    switch (change.kind) {
      case Change::Kind::kErase:
        return erase(change.object, change.row_ids);
      case Change::Kind::kUpdate:
        return update(change.object, change.row_ids, change.rows);
      case Change::Kind::kInsert:
        break;
    }
    return insert(change.object, change.rows, change.on_conflict);
  }
  // The same, given up when `interrupted` says so while it is being made: then nothing has changed.
  virtual Result<uint64_t> apply_stoppable(std::span<const Change> changes, const std::function<bool()>& interrupted) {
    (void)interrupted;
    return apply(changes);
  }
  // About how many rows an object holds, for DuckDB's join order; null when that is not known cheaply.
  virtual std::optional<uint64_t> estimate_rows(const std::string& object) {
    (void)object;
    return std::nullopt;
  }

  // Table functions: changes, late_rows, errors, dead_letters, laminar_conservation, laminar_operators, ...
  struct Function {
    std::string name;
    bool takes_object = false;  // one VARCHAR argument: an object's name
    std::string doc;
  };
  virtual std::vector<Function> functions() = 0;
  virtual Result<data::Schema> function_schema(const std::string& function, const std::string& argument) = 0;
  virtual Result<Relation> call_function(const std::string& function, const std::string& argument) = 0;

  // The name under which find() gives the rows of late_rows('view'), for conditions on them.
  static std::string late_rows_of(const std::string& view) { return "late_rows('" + view + "')"; }
  // REAPPLY LATE ROWS: takes them out of late_rows('view') and corrects the view and those over it in one tick; how many.
  virtual Result<uint64_t> reapply_late_rows(const ReapplyStatement& statement, expr::ExprPtr where) = 0;

  // SHOW <what> and EXPLAIN of what exists (ANALYZE with counters), DRAIN, SET, SUBSCRIBE.
  virtual Result<Relation> show(const ShowStatement& statement) = 0;
  virtual Result<std::string> explain(const std::string& object, bool analyze) = 0;
  // CHECKPOINT; BACKUP TO a folder.
  virtual Result<Relation> checkpoint() { return Status(ErrorCode::kNotImplemented, "CHECKPOINT is not implemented"); }
  virtual Status backup(const std::string& folder) {
    (void)folder;
    return Status(ErrorCode::kNotImplemented, "BACKUP TO is not implemented");
  }
  virtual Status drain(const std::function<bool()>& interrupted) = 0;
  virtual Status set(const OptionText& option) = 0;
  // ADVANCE WATERMARK: no row of the source is earlier from now on.
  virtual Status advance_watermark(const ObjectName& source, int64_t) {
    return Status(ErrorCode::kNotImplemented, "ADVANCE WATERMARK", source.offset);
  }
  // `plan`: the subscription's own filter over the view, or null.
  virtual Result<std::unique_ptr<ChangeReader>> subscribe(const SubscribeStatement& statement, expr::ExprPtr where) = 0;
};

}  // namespace laminar::sql
