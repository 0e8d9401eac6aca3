#include "sql/catalog/fake_backend.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <thread>

#include "base/check.h"

namespace laminar::sql {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::vector<std::unique_ptr<data::BatchBuffer>> to_buffers(const data::Schema& schema,
                                                           const std::vector<FakeBackend::Row>& rows) {
  std::vector<std::unique_ptr<data::BatchBuffer>> buffers;
  for (const FakeBackend::Row& row : rows) {
    if (buffers.empty() || buffers.back()->full()) {
      buffers.push_back(std::make_unique<data::BatchBuffer>(schema));
      buffers.back()->has_sequence = buffers.back()->has_weights = true;
    }
    data::BatchBuffer& buffer = *buffers.back();
    for (uint32_t i = 0; i < schema.size(); ++i) row.values[i].to_column(buffer.column(i), buffer.rows, buffer.strings());
    buffer.weights()[buffer.rows] = row.weight;
    buffer.sequence()[buffer.rows] = row.id;
    ++buffer.rows;
  }
  return buffers;
}

class FakeSnapshot final : public Snapshot {
 public:
  FakeSnapshot(data::Schema schema, std::vector<FakeBackend::Row> rows, uint64_t tick, bool can_reopen,
               std::function<void()> on_reopen)
      : schema_(std::move(schema)), rows_(std::move(rows)), tick_(tick), can_reopen_(can_reopen), on_reopen_(std::move(on_reopen)),
        buffers_(to_buffers(schema_, rows_)) {}
  uint64_t tick() const override { return tick_; }
  bool next(data::Batch& batch) override {
    if (next_ == buffers_.size()) return false;
    batch = buffers_[next_++]->view();
    return true;
  }
  uint64_t row_count() const override { return rows_.size(); }
  std::unique_ptr<Snapshot> again() override {
    if (!can_reopen_) return nullptr;
    on_reopen_();
    return std::make_unique<FakeSnapshot>(schema_, rows_, tick_, can_reopen_, on_reopen_);
  }

 private:
  data::Schema schema_;
  std::vector<FakeBackend::Row> rows_;
  uint64_t tick_;
  bool can_reopen_;
  std::function<void()> on_reopen_;
  std::vector<std::unique_ptr<data::BatchBuffer>> buffers_;
  size_t next_ = 0;
};

class FakeReader final : public ChangeReader {
 public:
  FakeReader(std::unique_ptr<Snapshot> content, bool ends, std::atomic<bool>* waiting)
      : content_(std::move(content)), ends_(ends), waiting_(waiting) {}
  Result<State> next(data::Batch& batch, uint64_t& tick, int timeout_ms) override {
    tick = content_->tick();
    if (content_->next(batch)) return State::kChanges;
    if (ends_) return State::kEnded;
    *waiting_ = true;
    std::this_thread::yield();
    return State::kTimeout;
  }

 private:
  std::unique_ptr<Snapshot> content_;
  bool ends_;
  std::atomic<bool>* waiting_;
};

data::Schema changes_schema(const data::Schema& columns) {
  data::Schema schema{{"weight", data::Type::of(data::TypeKind::kInt64), false}};
  schema.insert(schema.end(), columns.begin(), columns.end());
  return schema;
}

}  // namespace

FakeBackend::FakeBackend() = default;

FakeBackend::Stored* FakeBackend::stored(const std::string& name) {
  const auto found = state_.objects.find(lower(name));
  return found == state_.objects.end() ? nullptr : &found->second;
}

std::shared_ptr<const Object> FakeBackend::find(const std::string& name) {
  std::lock_guard lock(mutex_);
  const Stored* found = stored(name);
  return found ? found->object : nullptr;
}

std::vector<std::shared_ptr<const Object>> FakeBackend::list() {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const Object>> objects;
  for (const auto& [name, one] : state_.objects) objects.push_back(one.object);
  return objects;
}

uint64_t FakeBackend::version() {
  std::lock_guard lock(mutex_);
  return version_;
}

Status FakeBackend::put(const ObjectName& name, bool or_replace, bool if_not_exists, Stored added) {
  std::lock_guard lock(mutex_);
  if (stored(name.name)) {
    if (if_not_exists) return {};
    if (!or_replace) return Status(ErrorCode::kObjectExists, "there is an object of this name: " + name.name, name.offset);
  }
  state_.objects[lower(name.name)] = std::move(added);
  ++version_;
  return {};
}

Status FakeBackend::create_source(const CreateSource& statement, data::Schema columns) {
  auto object = std::make_shared<Object>();
  object->kind = ObjectKind::kSource;
  object->name = statement.name.name;
  object->columns = std::move(columns);
  object->append_only = true;
  object->time_offset_us.resize(object->columns.size());
  for (size_t i = 0; i < object->columns.size(); ++i) {
    if (statement.watermark && lower(statement.watermark->column) == lower(object->columns[i].name)) {
      object->time_offset_us[i] = statement.watermark->delay_us;
    }
  }
  {
    std::lock_guard lock(mutex_);
    log_.last_source = statement;
  }
  return put(statement.name, statement.or_replace, statement.if_not_exists, {object, {}, {}, false});
}

Status FakeBackend::create_table(const TableSpec& spec, bool or_replace, bool if_not_exists) {
  auto object = std::make_shared<Object>();
  object->kind = ObjectKind::kTable;
  object->name = spec.name.name;
  object->columns = spec.columns;
  object->primary_key = spec.primary_key;
  object->holds_content = true;
  object->sql = spec.sql;
  object->column_defaults = spec.column_defaults;
  object->checks = spec.checks;
  object->time_offset_us.resize(object->columns.size());
  return put(spec.name, or_replace, if_not_exists, {object, {}, {}, false});
}

Status FakeBackend::create_view(const CreateView& statement, plan::ViewPlan plan) {
  auto object = std::make_shared<Object>();
  object->kind = statement.is_stream ? ObjectKind::kStream : ObjectKind::kView;
  object->name = statement.name.name;
  for (const plan::OutputColumn& column : plan.root->columns) {
    object->columns.push_back({column.name, column.type, false});
    object->time_offset_us.push_back(column.time_offset_us);
  }
  object->holds_content = !statement.is_stream;
  object->sql = statement.statement_text;
  Stored added{object, {}, plan.inputs, false};
  {
    std::lock_guard lock(mutex_);
    if (plan.inputs.size() == 1) {
      const Stored* input = stored(plan.inputs[0]);
      CHECK(input != nullptr);
      added.passes_on = input->object->columns.size() == object->columns.size();
      if (added.passes_on) added.rows = input->rows;
    }
  }
  return put(statement.name, statement.or_replace, statement.if_not_exists, std::move(added));
}

Status FakeBackend::create_sink(const CreateSink& statement, std::unique_ptr<plan::ViewPlan> query) {
  auto object = std::make_shared<Object>();
  object->kind = ObjectKind::kSink;
  object->name = statement.name.name;
  object->sql = statement.statement_text;
  return put(statement.name, statement.or_replace, statement.if_not_exists,
             {object, {}, query ? query->inputs : std::vector<std::string>{statement.from.name}, false});
}

Status FakeBackend::drop(ObjectKind kind, const ObjectName& name, bool if_exists, bool cascade) {
  std::lock_guard lock(mutex_);
  const Stored* found = stored(name.name);
  if (!found) {
    if (if_exists) return {};
    return Status(ErrorCode::kUnknownObject, "there is no object of this name: " + name.name);
  }
  if (found->object->kind != kind) return Status(ErrorCode::kWrongObjectKind, "another kind of object: " + name.name);
  std::vector<std::string> dropped{lower(name.name)};
  for (size_t i = 0; i < dropped.size(); ++i) {
    for (const auto& [other, one] : state_.objects) {
      const bool depends = std::any_of(one.inputs.begin(), one.inputs.end(),
                                       [&](const std::string& input) { return lower(input) == dropped[i]; });
      if (!depends) continue;
      if (!cascade) {
        return Status(ErrorCode::kDependentObjects, "other objects depend on it: " + name.name + " (" + other + ")");
      }
      dropped.push_back(other);
    }
  }
  for (const std::string& one : dropped) state_.objects.erase(one);
  ++version_;
  return {};
}

void FakeBackend::begin_group() {
  std::lock_guard lock(mutex_);
  log_.groups.push_back("begin");
  before_group_ = state_;
}

Status FakeBackend::commit_group(std::span<const Change> changes) {
  {
    std::lock_guard lock(mutex_);
    log_.groups.push_back("commit");
  }
  return changes.empty() ? Status() : apply(changes).status();
}

void FakeBackend::rollback_group() {
  std::lock_guard lock(mutex_);
  log_.groups.push_back("rollback");
  state_ = std::move(before_group_);
  ++version_;
}

Result<std::vector<std::unique_ptr<Snapshot>>> FakeBackend::snapshot(const std::vector<std::string>& objects,
                                                                     const std::function<bool()>&) {
  std::lock_guard lock(mutex_);
  log_.snapshots.push_back(objects);
  std::vector<std::unique_ptr<Snapshot>> snapshots;
  for (const std::string& name : objects) {
    const Stored* found = stored(name);
    if (!found) return Status(ErrorCode::kUnknownObject, "there is no object of this name: " + name);
    snapshots.push_back(std::make_unique<FakeSnapshot>(found->object->columns, found->rows, log_.ticks, can_reopen, [this] {
      std::lock_guard lock(mutex_);
      ++log_.reopened;
    }));
  }
  return snapshots;
}

Status FakeBackend::check_key(Stored& table, const Row& row, uint64_t besides_id) {
  const auto& key = table.object->primary_key;
  if (key.empty()) return {};
  for (const Row& other : table.rows) {
    const bool same = other.id != besides_id && std::all_of(key.begin(), key.end(), [&](uint32_t column) {
      return other.values[column] == row.values[column];
    });
    if (same) return Status(ErrorCode::kConstraintViolated, "duplicate key: " + table.object->name);
  }
  return {};
}

Status FakeBackend::insert_rows(const std::string& object, std::span<const data::Batch> rows, ConflictAction on_conflict,
                                uint64_t* changed) {
  Stored* target = stored(object);
  if (!target) return Status(ErrorCode::kUnknownObject, "there is no object of this name: " + object);
  for (const data::Batch& batch : rows) {
    for (uint32_t i = 0; i < batch.rows; ++i) {
      Row row;
      row.id = state_.next_id++;
      for (size_t column = 0; column < target->object->columns.size(); ++column) {
        row.values.push_back(data::Value::from_column(target->object->columns[column].type, batch.columns[column], i));
      }
      if (const Status status = check_key(*target, row, 0); !status.ok()) {
        if (on_conflict == ConflictAction::kIgnore) continue;
        return status;
      }
      for (auto& [name, one] : state_.objects) {
        const bool reads = one.passes_on && lower(one.inputs[0]) == lower(object);
        if (reads) one.rows.push_back(row);
      }
      if (target->object->kind == ObjectKind::kTable) target->rows.push_back(std::move(row));
      ++*changed;
    }
  }
  return {};
}

Result<uint64_t> FakeBackend::insert(const std::string& object, std::span<const data::Batch> rows, ConflictAction on_conflict) {
  Change change;
  change.object = object;
  change.rows = rows;
  change.on_conflict = on_conflict;
  return apply({&change, 1});
}

Result<uint64_t> FakeBackend::update(const std::string& table, std::span<const uint64_t> row_ids,
                                     std::span<const data::Batch> new_rows) {
  Change change;
  change.kind = Change::Kind::kUpdate;
  change.object = table;
  change.rows = new_rows;
  change.row_ids = row_ids;
  return apply({&change, 1});
}

Result<uint64_t> FakeBackend::erase(const std::string& table, std::span<const uint64_t> row_ids) {
  Change change;
  change.kind = Change::Kind::kErase;
  change.object = table;
  change.row_ids = row_ids;
  return apply({&change, 1});
}

Result<uint64_t> FakeBackend::apply(std::span<const Change> changes) {
  std::lock_guard lock(mutex_);
  const State before = state_;
  uint64_t changed = 0;
  Status status;
  for (const Change& change : changes) {
    Stored* target = stored(change.object);
    if (!target) {
      status = Status(ErrorCode::kUnknownObject, "there is no object of this name: " + change.object);
    } else if (change.kind == Change::Kind::kInsert) {
      status = insert_rows(change.object, change.rows, change.on_conflict, &changed);
    } else if (change.kind == Change::Kind::kErase) {
      changed += std::erase_if(target->rows, [&](const Row& row) {
        return std::find(change.row_ids.begin(), change.row_ids.end(), row.id) != change.row_ids.end();
      });
    } else {
      size_t next = 0;
      std::vector<Row*> updated;
      for (const data::Batch& batch : change.rows) {
        for (uint32_t i = 0; i < batch.rows; ++i) {
          const uint64_t id = change.row_ids[next++];
          for (Row& row : target->rows) {
            if (row.id != id) continue;
            for (size_t column = 0; column < row.values.size(); ++column) {
              row.values[column] = data::Value::from_column(target->object->columns[column].type, batch.columns[column], i);
            }
            updated.push_back(&row);
            ++changed;
          }
        }
      }
      CHECK(next == change.row_ids.size());
      for (Row* row : updated) {
        if (status.ok()) status = check_key(*target, *row, row->id);
      }
    }
    if (!status.ok()) break;
  }
  if (!status.ok()) {
    state_ = before;
    return status;
  }
  ++log_.ticks;
  return changed;
}

std::optional<uint64_t> FakeBackend::estimate_rows(const std::string& object) {
  std::lock_guard lock(mutex_);
  const Stored* found = stored(object);
  if (!found) return std::nullopt;
  return found->rows.size();
}

std::vector<Backend::Function> FakeBackend::functions() {
  return {{"changes", true, "The changes of an object."}, {"laminar_objects", false, "The objects there are."}};
}

Result<data::Schema> FakeBackend::function_schema(const std::string& function, const std::string& argument) {
  if (function == "laminar_objects") return data::Schema{{"name", data::Type::of(data::TypeKind::kVarchar), false}};
  std::lock_guard lock(mutex_);
  const Stored* found = stored(argument);
  if (!found) return Status(ErrorCode::kUnknownObject, "there is no object of this name: " + argument);
  return changes_schema(found->object->columns);
}

Result<Relation> FakeBackend::call_function(const std::string& function, const std::string& argument) {
  ASSIGN_OR_RETURN(data::Schema schema, function_schema(function, argument));
  std::lock_guard lock(mutex_);
  std::vector<Row> rows;
  if (function == "laminar_objects") {
    for (const auto& [name, one] : state_.objects) rows.push_back({0, 1, {data::Value::string(one.object->name)}});
  } else {
    for (const Row& row : stored(argument)->rows) {
      Row change{0, 1, {data::Value::of(data::Type::of(data::TypeKind::kInt64), row.weight)}};
      change.values.insert(change.values.end(), row.values.begin(), row.values.end());
      rows.push_back(std::move(change));
    }
  }
  return Relation{schema, to_buffers(schema, rows)};
}

Result<Relation> FakeBackend::show(const ShowStatement& statement) {
  const data::Schema schema{{"name", data::Type::of(data::TypeKind::kVarchar), false}};
  std::lock_guard lock(mutex_);
  std::vector<Row> rows;
  for (const auto& [name, one] : state_.objects) {
    const bool wanted = (statement.what == "SOURCES" && one.object->kind == ObjectKind::kSource) ||
                        (statement.what == "MATERIALIZED VIEWS" && one.object->kind == ObjectKind::kView);
    if (wanted) rows.push_back({0, 1, {data::Value::string(one.object->name)}});
  }
  return Relation{schema, to_buffers(schema, rows)};
}

Result<std::string> FakeBackend::explain(const std::string& object, bool analyze) {
  return "plan of " + object + (analyze ? " with counters\n" : "\n") + "  scan\n";
}

Status FakeBackend::drain(const std::function<bool()>& interrupted) {
  while (drain_blocks) {
    if (interrupted()) return Status(ErrorCode::kInterrupted, "interrupted");
    waiting = true;
    std::this_thread::yield();
  }
  return {};
}

Status FakeBackend::set(const OptionText& option) {
  std::lock_guard lock(mutex_);
  log_.settings.push_back(option.key + "=" + option.value);
  return {};
}

Result<std::unique_ptr<ChangeReader>> FakeBackend::subscribe(const SubscribeStatement& statement, expr::ExprPtr) {
  std::lock_guard lock(mutex_);
  const Stored* found = stored(statement.view.name);
  if (!found) return Status(ErrorCode::kUnknownObject, "there is no object of this name: " + statement.view.name);
  auto content = std::make_unique<FakeSnapshot>(found->object->columns, found->rows, log_.ticks, false, [] {});
  return std::unique_ptr<ChangeReader>(std::make_unique<FakeReader>(std::move(content), subscription_ends, &waiting));
}

FakeBackend::Log FakeBackend::log() {
  std::lock_guard lock(mutex_);
  return log_;
}

void FakeBackend::set_weight(const std::string& object, uint64_t row_id, int64_t weight) {
  std::lock_guard lock(mutex_);
  for (Row& row : stored(object)->rows) {
    if (row.id == row_id) row.weight = weight;
  }
}

}  // namespace laminar::sql
