#include "sql/catalog/transaction.h"

#include <algorithm>

#include "base/check.h"
#include "duckdb/main/attached_database.hpp"
#include "duckdb/main/client_context.hpp"
#include "sql/catalog/catalog.h"
#include "sql/catalog/duck_error.h"

namespace laminar::sql {
namespace {

const std::string kChangedMessage = "the object was changed or dropped meanwhile: ";

// Reads rows that were copied because the backend gives each snapshot only once.
class CopiedSnapshot final : public Snapshot {
 public:
  explicit CopiedSnapshot(std::shared_ptr<CopiedRows> rows) : rows_(std::move(rows)) {}
  uint64_t tick() const override { return rows_->tick; }
  bool next(data::Batch& batch) override {
    if (next_ == rows_->views.size()) return false;
    batch = rows_->views[next_++];
    return true;
  }
  uint64_t row_count() const override { return rows_->row_count; }

 private:
  std::shared_ptr<CopiedRows> rows_;
  size_t next_ = 0;
};

void append_copy(const data::Batch& batch, uint32_t row, uint64_t id, const data::Schema& schema,
                 std::vector<std::unique_ptr<data::BatchBuffer>>& out) {
  if (out.empty() || out.back()->full()) {
    out.push_back(std::make_unique<data::BatchBuffer>(schema));
    out.back()->has_weights = out.back()->has_sequence = true;
  }
  data::BatchBuffer& buffer = *out.back();
  buffer.append_row(batch, row, batch.weight(row));
  buffer.sequence()[buffer.rows - 1] = id;
}

// A tick with the transaction's own changes over it.
class ChangedSnapshot final : public Snapshot {
 public:
  ChangedSnapshot(std::unique_ptr<Snapshot> root, std::shared_ptr<const OwnChanges> own, const data::Schema& schema)
      : root_(std::move(root)), own_(std::move(own)), left_(schema) {}
  uint64_t tick() const override { return root_->tick(); }
  bool next(data::Batch& batch) override {
    if (root_->next(batch)) {
      leave_out_gone(batch);
      return true;
    }
    if (next_ == own_->placed.views.size()) return false;
    batch = own_->placed.views[next_++];
    return true;
  }
  uint64_t row_count() const override { return root_->row_count() + own_->placed.row_count; }

 private:
  void leave_out_gone(data::Batch& batch) {
    const auto gone = [&](uint32_t row) { return own_->gone.contains(batch.sequence_of(row)); };
    uint32_t first = 0;
    while (first < batch.rows && !gone(first)) ++first;
    if (first == batch.rows) return;
    left_.clear();
    left_.has_weights = left_.has_sequence = true;
    for (uint32_t row = 0; row < batch.rows; ++row) {
      if (gone(row)) continue;
      left_.append_row(batch, row, batch.weight(row));
      left_.sequence()[left_.rows - 1] = batch.sequence_of(row);
    }
    batch = left_.view();
  }

  std::unique_ptr<Snapshot> root_;
  std::shared_ptr<const OwnChanges> own_;
  data::BatchBuffer left_;
  size_t next_ = 0;
};

}  // namespace

void ScanGroup::add(const std::string& object) {
  std::lock_guard lock(mutex);
  if (std::find(objects.begin(), objects.end(), object) == objects.end()) objects.push_back(object);
}

PinnedObject::PinnedObject(std::unique_ptr<Snapshot> root, std::shared_ptr<const Object> object,
                           std::shared_ptr<const OwnChanges> own)
    : root_(std::move(root)), object_(std::move(object)), own_(std::move(own)) {}

std::unique_ptr<Snapshot> PinnedObject::open() {
  std::lock_guard lock(mutex_);
  auto reader = open_root();
  if (!own_) return reader;
  return std::make_unique<ChangedSnapshot>(std::move(reader), own_, object_->columns);
}

std::unique_ptr<Snapshot> PinnedObject::open_root() {
  if (!copy_) {
    if (auto reader = root_->again()) return reader;
    auto copy = std::make_shared<CopiedRows>();
    copy->tick = root_->tick();
    copy->row_count = root_->row_count();
    data::Batch batch;
    while (root_->next(batch)) {
      for (uint32_t row = 0; row < batch.rows; ++row) append_copy(batch, row, batch.sequence_of(row), object_->columns, copy->buffers);
    }
    // Views are made once, here: readers may be on several threads.
    for (auto& buffer : copy->buffers) copy->views.push_back(buffer->view());
    root_.reset();
    copy_ = std::move(copy);
  }
  return std::make_unique<CopiedSnapshot>(copy_);
}

LaminarTransaction::LaminarTransaction(LaminarTransactionManager& manager, duckdb::ClientContext& context,
                                       Backend& backend, uint64_t id)
    : duckdb::Transaction(manager, context), backend_(backend), manager_(manager), id_(id) {}

LaminarTransaction::~LaminarTransaction() = default;

LaminarTransaction& LaminarTransaction::get(duckdb::ClientContext& context, duckdb::Catalog& catalog) {
  return static_cast<LaminarTransaction&>(duckdb::Transaction::Get(context, catalog));
}

std::shared_ptr<ScanGroup> LaminarTransaction::bind_group() {
  std::lock_guard lock(mutex_);
  const duckdb::transaction_t query = active_query;
  if (!bind_group_ || bind_query_ != query) {
    bind_group_ = std::make_shared<ScanGroup>();
    bind_query_ = query;
  }
  return bind_group_;
}

std::unique_ptr<Snapshot> LaminarTransaction::read(duckdb::ClientContext& context,
                                                   const std::shared_ptr<const Object>& object, ScanGroup& group) {
  std::lock_guard lock(mutex_);
  const duckdb::transaction_t query = active_query;
  if (read_query_ != query) {
    pinned_.clear();
    read_query_ = query;
  }
  if (!pinned_.contains(object->name)) pin(context, object->name, group);
  const auto& pinned = pinned_[object->name];
  if (pinned->object() != object) raise_changed(context, object->name);
  return pinned->open();
}

void LaminarTransaction::pin(duckdb::ClientContext& context, const std::string& object, ScanGroup& group) {
  std::vector<std::string> names{object};
  {
    std::lock_guard lock(group.mutex);
    for (const std::string& name : group.objects) {
      if (name == object || pinned_.contains(name)) continue;
      // A group may name what was only bound, for a view, or has been dropped since.
      const auto description = backend_.find(name);
      if (description && description->holds_content) names.push_back(name);
    }
  }
  if (!backend_.find(object)) raise_changed(context, object);
  auto snapshots = take_or_raise(backend_.snapshot(names, [&] { return context.IsInterrupted(); }));
  CHECK(snapshots.size() == names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    // Looked up behind the snapshot: what is still the object of the binding was it in between, too.
    auto description = backend_.find(names[i]);
    pinned_[names[i]] = std::make_shared<PinnedObject>(std::move(snapshots[i]), description, own_changes(names[i]));
  }
}

std::shared_ptr<const OwnChanges> LaminarTransaction::own_changes(const std::string& object) const {
  std::shared_ptr<OwnChanges> own;
  const auto description = backend_.find(object);
  std::vector<std::pair<const PendingChange*, size_t>> buffer_of;  // of each placed row
  std::vector<uint32_t> row_of;
  std::vector<bool> live;
  for (const PendingChange& change : pending_) {
    if (change.object != object || !description || description->kind != ObjectKind::kTable) continue;
    if (!own) own = std::make_shared<OwnChanges>();
    for (const uint64_t id : change.row_ids) {
      if (id < kPlacedRow) own->gone.insert(id);
      else live[id - kPlacedRow] = false;
    }
    for (size_t b = 0; b < change.rows.size(); ++b) {
      for (uint32_t row = 0; row < change.rows[b]->rows; ++row) {
        buffer_of.emplace_back(&change, b);
        row_of.push_back(row);
        live.push_back(true);
      }
    }
  }
  for (size_t n = 0; n < live.size(); ++n) {
    if (!live[n]) continue;
    append_copy(buffer_of[n].first->rows[buffer_of[n].second]->view(), row_of[n], kPlacedRow + n, description->columns, own->placed.buffers);
    ++own->placed.row_count;
  }
  if (own) {
    for (auto& buffer : own->placed.buffers) own->placed.views.push_back(buffer->view());
  }
  return own;
}

void LaminarTransaction::add_change(PendingChange change) {
  if (change.rows.empty() && change.row_ids.empty()) return;
  uint64_t rows = change.row_ids.size();
  if (change.kind == Change::Kind::kInsert) {
    for (const auto& buffer : change.rows) rows += buffer->rows;
  }
  std::lock_guard lock(mutex_);
  if (change_query_ != active_query) {
    change_query_ = active_query;
    statement_begin_ = pending_.size();
  }
  // Earlier statements have taken their rows out of sight: only two actions of one MERGE can meet.
  for (size_t i = statement_begin_; i < pending_.size(); ++i) {
    const PendingChange& before = pending_[i];
    if (before.object != change.object || before.row_ids.empty() || change.row_ids.empty()) continue;
    const std::unordered_set<uint64_t> taken(before.row_ids.begin(), before.row_ids.end());
    if (std::any_of(change.row_ids.begin(), change.row_ids.end(), [&](uint64_t id) { return taken.contains(id); })) {
      raise(ErrorCode::kConstraintViolated, "MERGE cannot change a row twice: " + change.object);
    }
  }
  pending_since_flush_ += rows;
  if (!pending_.empty()) {
    PendingChange& last = pending_.back();
    if (last.kind == change.kind && last.object == change.object && last.expected == change.expected &&
        last.on_conflict == change.on_conflict && change.kind == Change::Kind::kInsert) {
      std::move(change.rows.begin(), change.rows.end(), std::back_inserter(last.rows));
      return;
    }
  }
  pending_.push_back(std::move(change));
}

uint64_t LaminarTransaction::flush(duckdb::ClientContext& context, bool may_merge) {
  std::lock_guard lock(mutex_);
  uint64_t rows = pending_since_flush_;
  pending_since_flush_ = 0;
  if (!context.transaction.IsAutoCommit()) return rows;
  const Status status = apply_pending([&](std::span<const Change> changes) -> Status {
    if (changes.empty()) return {};
    ASSIGN_OR_RETURN(rows, backend_.apply_stoppable(changes, [&context] { return context.IsInterrupted(); }));
    return {};
  });
  // Another session was faster: the rows are chosen anew. A MERGE, which INSERT ... ON CONFLICT is too, inserts what it
  // did not find.
  if (!status.ok() && (status.error().code == ErrorCode::kConflict ||
                       (may_merge && status.error().code == ErrorCode::kConstraintViolated)))
    ConnectionState::get(context).object_changed = true;
  raise_if_error(status);
  return rows;
}

Status LaminarTransaction::apply_pending(const std::function<Status(std::span<const Change>)>& apply) {
  std::vector<PendingChange> pending = std::move(pending_);
  pending_.clear();
  std::vector<std::vector<data::Batch>> batches(pending.size());
  std::vector<Change> changes;
  for (size_t i = 0; i < pending.size(); ++i) {
    for (auto& buffer : pending[i].rows) batches[i].push_back(buffer->view());
    Change change;
    change.kind = pending[i].kind;
    change.object = pending[i].object;
    change.expected = pending[i].expected;
    change.rows = batches[i];
    change.row_ids = pending[i].row_ids;
    change.on_conflict = pending[i].on_conflict;
    changes.push_back(std::move(change));
  }
  return apply(changes);
}

void LaminarTransaction::begin_ddl(duckdb::ClientContext& context) {
  std::lock_guard lock(mutex_);
  if (in_group_) return;
  const bool own_transaction = !context.transaction.IsAutoCommit();
  if (!manager_.enter_ddl(id_, own_transaction)) {
    raise(ErrorCode::kNotImplemented, "another session is changing the catalog in a transaction: try again after its COMMIT");
  }
  if (!own_transaction) return;
  in_group_ = true;
  backend_.begin_group();
}

Status LaminarTransaction::commit() {
  std::lock_guard lock(mutex_);
  if (in_group_) {
    const Status status = apply_pending([this](std::span<const Change> changes) { return backend_.commit_group(changes); });
    in_group_ = false;
    manager_.release_group(id_);
    return status;
  }
  return apply_pending([this](std::span<const Change> changes) { return changes.empty() ? Status() : backend_.apply(changes).status(); });
}

void LaminarTransaction::rollback() {
  std::lock_guard lock(mutex_);
  pending_.clear();
  if (!in_group_) return;
  backend_.rollback_group();
  in_group_ = false;
  manager_.release_group(id_);
}

LaminarTransactionManager::LaminarTransactionManager(duckdb::AttachedDatabase& db, LaminarCatalog& catalog,
                                                     Backend& backend)
    : duckdb::TransactionManager(db), catalog_(catalog), backend_(backend) {}

duckdb::Transaction& LaminarTransactionManager::StartTransaction(duckdb::ClientContext& context) {
  std::lock_guard lock(mutex_);
  const uint64_t id = next_id_++;
  auto transaction = duckdb::make_uniq<LaminarTransaction>(*this, context, backend_, id);
  LaminarTransaction& result = *transaction;
  active_[id] = std::move(transaction);
  return result;
}

duckdb::ErrorData LaminarTransactionManager::CommitTransaction(duckdb::ClientContext& context,
                                                               duckdb::Transaction& transaction) {
  auto& ours = static_cast<LaminarTransaction&>(transaction);
  const Status status = ours.commit();
  finish(ours);
  if (status.ok()) return {};
  ConnectionState& state = ConnectionState::get(context);
  std::lock_guard lock(state.mutex);
  state.commit_error = status.error();
  return duckdb::ErrorData(duckdb::ExceptionType::TRANSACTION, status.error().message);
}

void LaminarTransactionManager::RollbackTransaction(duckdb::Transaction& transaction) {
  auto& ours = static_cast<LaminarTransaction&>(transaction);
  ours.rollback();
  finish(ours);
}

void LaminarTransactionManager::Checkpoint(duckdb::ClientContext&, bool) {}

void LaminarTransactionManager::finish(LaminarTransaction& transaction) {
  duckdb::unique_ptr<LaminarTransaction> ended;
  uint64_t oldest = 0;
  {
    std::lock_guard lock(mutex_);
    const auto found = active_.find(transaction.id());
    CHECK(found != active_.end());
    ended = std::move(found->second);
    active_.erase(found);
    oldest = active_.empty() ? next_id_ : active_.begin()->first;
  }
  ended.reset();
  catalog_.schema().release_retired(oldest);
}

bool LaminarTransactionManager::enter_ddl(uint64_t transaction_id, bool take_group) {
  std::lock_guard lock(mutex_);
  if (group_owner_ != 0 && group_owner_ != transaction_id) return false;
  if (take_group) group_owner_ = transaction_id;
  return true;
}

void LaminarTransactionManager::release_group(uint64_t transaction_id) {
  std::lock_guard lock(mutex_);
  if (group_owner_ == transaction_id) group_owner_ = 0;
}

uint64_t LaminarTransactionManager::next_id() {
  std::lock_guard lock(mutex_);
  return next_id_;
}

void raise_changed(duckdb::ClientContext& context, const std::string& object) {
  ConnectionState::get(context).object_changed = true;
  raise(ErrorCode::kUnknownObject, kChangedMessage + object);
}

ConnectionState& ConnectionState::get(duckdb::ClientContext& context) {
  // The context keeps it as long as it lives.
  return *context.registered_state->GetOrCreate<ConnectionState>("laminar");
}

}  // namespace laminar::sql
