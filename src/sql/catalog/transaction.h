// Our part of a DuckDB transaction: the tick that a query reads, the changes that wait for COMMIT, the open DDL group.
//
// Threads: scans of one query may start on several of DuckDB's threads; everything here is under the lock.
// Owns:    the snapshots of the running query and the rows of changes not yet applied.
// Errors:  throws DuckDB exceptions, see parse/session_parser.h.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/status.h"
#include "duckdb/common/reference_map.hpp"
#include "duckdb/main/client_context_state.hpp"
#include "duckdb/transaction/transaction.hpp"
#include "duckdb/transaction/transaction_manager.hpp"
#include "sql/backend.h"

namespace laminar::sql {

class LaminarCatalog;
class LaminarTransactionManager;

// The objects that one statement scans, gathered while it is bound, so that all of them are read at one tick.
struct ScanGroup {
  std::mutex mutex;
  std::vector<std::string> objects;

  void add(const std::string& object);
};

struct CopiedRows {
  std::vector<std::unique_ptr<data::BatchBuffer>> buffers;
  std::vector<data::Batch> views;
  uint64_t tick = 0, row_count = 0;
};

// What the statements of a transaction have changed in a table so far.
struct OwnChanges {
  std::unordered_set<uint64_t> gone;  // ids of rows of the tick
  CopiedRows placed;                  // and what came, with ids from kPlacedRow on
};

// One object at the tick of the running query. Opens any number of readers.
class PinnedObject {
 public:
  // `own`: null when the transaction has not changed the object.
  PinnedObject(std::unique_ptr<Snapshot> root, std::shared_ptr<const Object> object, std::shared_ptr<const OwnChanges> own);
  const std::shared_ptr<const Object>& object() const { return object_; }
  std::unique_ptr<Snapshot> open();

 private:
  std::unique_ptr<Snapshot> open_root();

  std::mutex mutex_;
  std::unique_ptr<Snapshot> root_;
  std::shared_ptr<const Object> object_;
  std::shared_ptr<const OwnChanges> own_;
  std::shared_ptr<CopiedRows> copy_;  // where the backend reads only once
};

// A change with the rows that it owns.
struct PendingChange {
  Change::Kind kind = Change::Kind::kInsert;
  std::string object;
  std::shared_ptr<const Object> expected;  // null: whatever has the name
  ConflictAction on_conflict = ConflictAction::kError;
  std::vector<std::unique_ptr<data::BatchBuffer>> rows;
  std::vector<uint64_t> row_ids;
};

class LaminarTransaction : public duckdb::Transaction {
 public:
  LaminarTransaction(LaminarTransactionManager& manager, duckdb::ClientContext& context, Backend& backend, uint64_t id);
  ~LaminarTransaction() override;
  static LaminarTransaction& get(duckdb::ClientContext& context, duckdb::Catalog& catalog);

  uint64_t id() const { return id_; }
  // The group that scans bound for the running statement belong to.
  std::shared_ptr<ScanGroup> bind_group();
  // `object` at the running query's tick, with what earlier statements of the transaction changed in it; the first call
  // pins all of `group`. Throws when it is not the object that the
  // query was bound to any more.
  std::unique_ptr<Snapshot> read(duckdb::ClientContext& context, const std::shared_ptr<const Object>& object, ScanGroup& group);

  // Keeps the change until flush(), or until COMMIT in a transaction that the user began.
  void add_change(PendingChange change);
  // Applies what waits as one tick, unless the user began the transaction. Returns the rows changed, counting rows that
  // still wait.
  uint64_t flush(duckdb::ClientContext& context, bool may_merge = false);
  // Before DDL: opens the group when the user began the transaction. Throws while another session's group is open.
  void begin_ddl(duckdb::ClientContext& context);

  Status commit();
  void rollback();

 private:
  void pin(duckdb::ClientContext& context, const std::string& object, ScanGroup& group);
  std::shared_ptr<const OwnChanges> own_changes(const std::string& object) const;
  // Gives what waits to `apply`, which takes all of it or nothing.
  Status apply_pending(const std::function<Status(std::span<const Change>)>& apply);

  Backend& backend_;
  LaminarTransactionManager& manager_;
  const uint64_t id_;
  std::mutex mutex_;
  duckdb::transaction_t bind_query_ = 0;
  std::shared_ptr<ScanGroup> bind_group_;
  duckdb::transaction_t read_query_ = 0;
  std::map<std::string, std::shared_ptr<PinnedObject>> pinned_;
  std::vector<PendingChange> pending_;
  duckdb::transaction_t change_query_ = 0;
  size_t statement_begin_ = 0;  // where the changes of that query begin
  uint64_t pending_since_flush_ = 0;
  bool in_group_ = false;
};

class LaminarTransactionManager : public duckdb::TransactionManager {
 public:
  LaminarTransactionManager(duckdb::AttachedDatabase& db, LaminarCatalog& catalog, Backend& backend);

  duckdb::Transaction& StartTransaction(duckdb::ClientContext& context) override;
  duckdb::ErrorData CommitTransaction(duckdb::ClientContext& context, duckdb::Transaction& transaction) override;
  void RollbackTransaction(duckdb::Transaction& transaction) override;
  void Checkpoint(duckdb::ClientContext& context, bool force) override;

  // One DDL group at a time: false while another transaction has it. With take_group it is the caller's from now on.
  bool enter_ddl(uint64_t transaction_id, bool take_group);
  void release_group(uint64_t transaction_id);
  // The id that the next transaction gets.
  uint64_t next_id();

 private:
  void finish(LaminarTransaction& transaction);

  LaminarCatalog& catalog_;
  Backend& backend_;
  std::mutex mutex_;
  uint64_t next_id_ = 1;
  uint64_t group_owner_ = 0;
  std::map<uint64_t, duckdb::unique_ptr<LaminarTransaction>> active_;
};

// What a connection remembers for us.
struct ConnectionState : duckdb::ClientContextState {
  // Above 0 while a view or sink is bound: scans of sources and streams are allowed.
  std::atomic<int> binding_view{0};
  // An object was replaced between the binding of a statement and its run: it may be bound again.
  std::atomic<bool> object_changed{false};
  // Why the last COMMIT failed: DuckDB passes on only the text.
  std::mutex mutex;
  std::optional<Error> commit_error;

  static ConnectionState& get(duckdb::ClientContext& context);
};

// Throws that the object is not the one the statement was bound to.
[[noreturn]] void raise_changed(duckdb::ClientContext& context, const std::string& object);

// Allows scans of sources and streams in the scope.
class ViewBindingScope {
 public:
  explicit ViewBindingScope(duckdb::ClientContext& context) : state_(ConnectionState::get(context)) { ++state_.binding_view; }
  ~ViewBindingScope() { --state_.binding_view; }
  ViewBindingScope(const ViewBindingScope&) = delete;

 private:
  ConnectionState& state_;
};

}  // namespace laminar::sql
