#include "engine/database.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <unordered_set>

#include "base/check.h"
#include "engine/names.h"
#include "engine/snapshot_rows.h"

namespace laminar::engine {

using data::Batch;
using data::BatchBuffer;

namespace {

constexpr auto kWaitStep = std::chrono::milliseconds(5);
constexpr int64_t kClockStepUs = 20'000;  // how often clock-driven stages look at the clock
constexpr int64_t kRoomPatienceMs = 10'000;

uint64_t random_id() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

}  // namespace

stream::Stage* Database::Entry::stage() const {
  if (source) return source.get();
  if (table) return table.get();
  if (view) return view.get();
  if (late) return late.get();
  if (lookup) return lookup.get();
  if (group) return group.get();
  return nullptr;
}

const std::vector<data::Type>& Database::Entry::types() const {
  if (source) return source->op.types();
  if (table) return table->store.types();
  if (view) return view->types();
  CHECK(late);
  return late->store.types();
}

bool Database::Entry::live() const { return !view || view->state == ViewStage::State::kLive; }

Database::Lock::Lock(Database& database) : database_(database) {
  database_.waiters_.fetch_add(1);
  held = std::unique_lock(database_.mutex_);
  database_.waiters_.fetch_sub(1);
}

Database::Lock::~Lock() {
  if (held.owns_lock()) held.unlock();
  database_.gave_way_.notify_one();
}

Database::Database(DatabaseOptions options)
    : options_(options), instance_id_(random_id()), manual_clock_(options.manual_clock_start_us),
      clock_(options.manual_clock ? static_cast<Clock&>(manual_clock_) : system_clock_), core_(clock_) {
  if (options.cores > 0) {
    cores_ = options.cores;
    core_.crew().resize(cores_);
  }
  if (!options.recovers) thread_ = std::thread([this] { run(); });
}

Database::~Database() { close(); }

void Database::close() {
  {
    Lock lock(*this);
    if (closed_) return;
    closed_ = true;
    stopping_.store(true);
    work_.notify_all();
    live_changed_.notify_all();
    checkpoint_wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  if (checkpoint_thread_.joinable()) checkpoint_thread_.join();
  // Readers and sinks stop without the lock: their threads may be waiting for it.
  std::vector<std::unique_ptr<SinkStage>> sinks;
  std::vector<std::unique_ptr<stream::SourceFeed>> feeds;
  {
    Lock lock(*this);
    for (auto& [name, entry] : entries_) {
      if (entry.source && entry.source->feed) feeds.push_back(std::move(entry.source->feed));
      if (entry.view) {
        for (auto& catch_up : entry.view->catch_up) feeds.push_back(std::move(catch_up->feed));
        entry.view->catch_up.clear();
      }
      if (entry.sink) sinks.push_back(std::move(entry.sink));
    }
    for (auto& follower : followers_) follower->close();
    // Before the sources that they point at.
    for (auto& [name, entry] : entries_) {
      if (!entry.group) continue;
      core_.remove(entry.group.get());
      entry.group.reset();
    }
  }
  feeds.clear();
  {
    // Their threads end without the lock: a view gives back what it holds of a lookup table first.
    std::vector<std::unique_ptr<LookupStage>> lookups;
    Lock lock(*this);
    for (auto& [name, item] : entries_) {
      if (item.view) unbind_lookups(*item.view);
    }
    for (auto& [name, item] : entries_) {
      if (!item.lookup) continue;
      core_.remove(item.lookup.get());
      lookups.push_back(std::move(item.lookup));
    }
    lock.held.unlock();
    lookups.clear();
  }
  for (auto& sink : sinks) sink->stop();
  {
    // Whoever opens the folder next may do so before the last of this object's owners has gone.
    std::lock_guard one(checkpoint_mutex_);
    checkpoints_.reset();
  }
  if (journal_) journal_->close();
}

// Objects ------------------------------------------------------------------------------------------------------------

Database::Entry* Database::entry(const std::string& name) {
  auto found = entries_.find(lower(name));
  return found == entries_.end() ? nullptr : &found->second;
}

Result<Database::Entry*> Database::entry_of(const std::string& name, int64_t offset) {
  if (Entry* found = entry(name)) return found;
  std::vector<std::string> names;
  for (auto& [key, item] : entries_) names.push_back(item.object->name);
  const std::string near = nearest_name(name, names);
  return Status(ErrorCode::kUnknownObject, "there is no object named " + name + (near.empty() ? "" : "; did you mean " + near + "?"), offset);
}

std::shared_ptr<const sql::Object> Database::find(const std::string& name) {
  Lock lock(*this);
  Entry* found = entry(name);
  return found ? found->object : late_rows_object(name);
}

std::vector<std::shared_ptr<const sql::Object>> Database::list() {
  Lock lock(*this);
  std::vector<std::shared_ptr<const sql::Object>> objects;
  for (auto& [name, entry] : entries_) objects.push_back(entry.object);
  return objects;
}

std::optional<uint64_t> Database::estimate_rows(const std::string& object) {
  Lock lock(*this);
  Entry* found = entry(object);
  if (!found) return std::nullopt;
  if (found->table) return found->table->store.state_rows();
  if (found->view) return found->view->content_rows();
  return std::nullopt;
}

// Ticks --------------------------------------------------------------------------------------------------------------

void Database::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_.load()) {
    if (waiters_.load() > 0) {
      // Let callers in: they wake us when they are done.
      gave_way_.wait_for(lock, kWaitStep, [this] { return waiters_.load() == 0 || stopping_.load(); });
    }
    work_waiting_.store(false);
    bool worked = false;
    if (room_for_tick() && check_memory().ok()) {
      worked = run_lookups();
      worked |= run_sources();
      for (size_t i = 0; i < creation_order_.size(); ++i) {
        Entry* item = entry(creation_order_[i]);
        if (!item || !item->view) continue;
        if (item->view->state == ViewStage::State::kCatchingUp) worked |= run_catch_up(*item->view);
        else if (item->view->state == ViewStage::State::kWaiting && !group_open_ && inputs_live(*item->view)) {
          const std::string name = item->view->name;
          Command command(*this);
          if (!room_to_record(kSmallRecordBytes).ok()) continue;
          (void)start_views({name});
          if (item->view->state == ViewStage::State::kWaiting) continue;
          (void)record_ddl(command, nullptr, RecordKind::kStartViews, [&](ByteWriter& out) { out.put(uint32_t{1}).text(name); });
        }
      }
      const int64_t now_us = clock_.now_us();
      if (!options_.manual_clock && now_us - last_clock_tick_us_ >= kClockStepUs) {
        last_clock_tick_us_ = now_us;
        const bool any = std::any_of(entries_.begin(), entries_.end(), [now_us](auto& item) {
          stream::Stage* stage = item.second.stage();
          return stage && stage->clock_due(now_us) && item.second.live();
        });
        Command command(*this);
        if (any && room_to_record(kSmallRecordBytes).ok() && record_kind(command, RecordKind::kTick).ok()) core_.run({}, {}, true);
      }
    }
    if (worked || work_waiting_.load()) {
      lock.unlock();
      lock.lock();
    } else {
      work_.wait_for(lock, std::chrono::milliseconds(10), [this] { return work_waiting_.load() || stopping_.load(); });
    }
  }
}

void Database::wake() {
  // Without the lock: the core may be waiting for this very thread to end. A wake-up that falls between the core's last
  // look and its sleep is made good by the bound of that sleep.
  if (!work_waiting_.exchange(true)) work_.notify_one();
}

void Database::wake_locked() {
  work_waiting_.store(true);
  work_.notify_one();
}

bool Database::room_for_tick() {
  if (replaying_) return true;
  for (auto& follower : followers_) {
    if (!follower->has_room()) return false;
  }
  for (auto& [name, item] : entries_) {
    if (item.sink && !item.sink->subscription().has_room()) return false;
  }
  return true;
}

Status Database::wait_for_room(Lock& lock, const std::function<bool()>& interrupted) {
  const int64_t begin_ms = monotonic_ns() / 1'000'000;
  while (!room_for_tick()) {
    if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
    if (interrupted && interrupted()) return Status(ErrorCode::kInterrupted, "interrupted while a subscription or sink is full");
    if (monotonic_ns() / 1'000'000 - begin_ms > kRoomPatienceMs) {
      return Status(ErrorCode::kLimitExceeded,
                    "a subscription or sink has been full for 10 seconds: poll or close the subscription, or mend the sink");
    }
    live_changed_.wait_for(lock.held, kWaitStep);
  }
  return {};
}

Status Database::check_memory(bool look_now) {
  if (!memory_limited_ || replaying_) return {};
  constexpr int64_t kLookNs = 5'000'000;
  const int64_t now_ns = monotonic_ns();
  if (!look_now && memory_status_.ok() && now_ns - memory_looked_ns_ < kLookNs) return {};
  memory_looked_ns_ = now_ns;
  memory_status_ = {};
  const auto over = [](const std::string& what, uint64_t bytes, uint64_t limit) {
    return Status(ErrorCode::kLimitExceeded, "the state of " + what + " holds " + std::to_string(bytes) + " bytes, over its limit of " +
                                                 std::to_string(limit) + ": no more rows are taken; raise the limit, drop views, or delete rows of tables");
  };
  uint64_t all = 0;
  for (auto& [name, item] : entries_) {
    if (item.table) all += item.table->store.state_bytes();
    if (item.late) all += item.late->store.state_bytes();
    if (!item.view) continue;
    const uint64_t bytes = item.view->state_bytes(), limit = item.view->memory_limit_bytes;
    all += bytes;
    if (limit > 0 && bytes > limit && memory_status_.ok()) memory_status_ = over("view " + item.object->name, bytes, limit);
  }
  if (memory_limit_ > 0 && all > memory_limit_ && memory_status_.ok()) memory_status_ = over("all views and tables", all, memory_limit_);
  return memory_status_;
}

// One tick of what waits in the feeds of running sources.
bool Database::run_sources() {
  inputs_.clear();
  taken_.clear();
  batches_.clear();
  ended_stages_.clear();
  batches_.reserve(kTickRowsMax / 64);
  Command command(*this);
  const int64_t now_us = command.now_us();
  recorded_rows_used_ = 0;
  if (!room_to_record(kSmallRecordBytes).ok()) return false;  // the sources wait
  std::unique_ptr<stream::SourceFeed> finished;
  for (auto& name : creation_order_) {
    Entry* item = entry(name);
    if (!item || !item->source || !item->source->feed) continue;
    SourceStage& source = *item->source;
    if (source.op.held() || held_by_catch_up(source) || !lookups_have_room(source)) continue;
    const int64_t limit = source.op.pausing_limit();
    uint32_t rows = 0;
    stream::SourceFeed::Item next;
    bool begun = false;
    while (rows < kTickRowsMax && batches_.size() < batches_.capacity() && source.poll(next)) {
      if (!begun) {
        source.op.begin_tick({core_.tick() + 1, now_us});
        begun = true;
        if (recording()) {
          if (recorded_rows_used_ == recorded_rows_.size()) recorded_rows_.emplace_back();
          SourceRows& recorded = recorded_rows_[recorded_rows_used_++];
          recorded.source = source.name;
          recorded.rows = 0;
          recorded.ended = false;
          recorded.error.clear();
        }
      }
      if (recording()) {
        SourceRows& recorded = recorded_rows_[recorded_rows_used_ - 1];
        recorded.rows += next.buffer->rows;
        recorded.ended |= next.ended && !next.error;
        if (next.error) recorded.error = next.error->message;
      }
      source.fill_processing_time(*next.buffer, now_us);
      rows += next.buffer->rows;
      source.rows += next.buffer->rows;
      const bool ended = next.ended;
      const bool far = limit != data::kWatermarkEnded && next.buffer->rows > 0 && source.op.watermark_with(next.buffer->view()) > limit;
      if (next.error) {
        source.state = SourceStage::State::kFailed;
        source.failure = *next.error;
      } else if (ended) {
        source.state = SourceStage::State::kEnded;
        source.op.end_all();
        ended_stages_.push_back(&source);
      }
      if (next.buffer->rows > 0) {
        for (const uint32_t partition : next.ended_before) {
          batches_.push_back({});
          inputs_.push_back({&source, &source.op, stream::SourceOperator::end_port(partition), nullptr});
        }
        batches_.push_back(next.buffer->view());
        inputs_.push_back({&source, &source.op, next.partition, nullptr});
      }
      taken_.emplace_back(&source, std::move(next));
      if (ended || far) break;
    }
  }
  if (taken_.empty()) return false;
  record_source_rows(command);
  for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].batch = &batches_[i];
  core_.run(inputs_, ended_stages_, false);
  for (auto& [source, item] : taken_) {
    source->recycle(item.buffer);
    if (item.ended) finished = std::move(source->feed);
  }
  after_tick();
  return true;
}

void Database::after_tick() { live_changed_.notify_all(); }

uint64_t Database::tick() {
  Lock lock(*this);
  return core_.tick();
}

Status Database::run_tick() {
  Lock lock(*this);
  Command command(*this);
  RETURN_IF_ERROR(room_to_record(kSmallRecordBytes));
  RETURN_IF_ERROR(record_kind(command, RecordKind::kTick));
  core_.run({}, {}, true);
  after_tick();
  return settle(lock, command);
}

Status Database::advance_clock(int64_t us) {
  CHECK(options_.manual_clock);
  manual_clock_.advance_us(us);
  const Status status = run_tick();
  Lock lock(*this);
  for (auto& [name, item] : entries_) {
    if (item.lookup) item.lookup->refresh_if_due();
  }
  return status;
}

Result<SourceStage*> Database::source_with_room(Lock& lock, const std::string& name) {
  if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
  if (!room_for_tick()) RETURN_IF_ERROR(wait_for_room(lock, {}));
  RETURN_IF_ERROR(check_memory());
  RETURN_IF_ERROR(wait_for_lookups(lock, {&name, 1}, {}));
  RETURN_IF_ERROR(wait_while_held(lock, name));
  Entry* item = entry(name);
  if (!item || !item->source) return Status(ErrorCode::kUnknownObject, "the source was dropped: " + name);
  return item->source.get();
}

Status Database::append_buffers(const std::shared_ptr<const sql::Object>& source, std::span<const std::unique_ptr<BatchBuffer>> buffers,
                                uint32_t partition) {
  Lock lock(*this);
  Result<SourceStage*> stage = source_with_room(lock, source->name);
  if (!stage.ok()) return stage.status();
  Command command(*this);
  const int64_t now_us = command.now_us();
  for (size_t done = 0; done < buffers.size();) {
    inputs_.clear();
    batches_.clear();
    batches_.reserve(kTickRowsMax / data::kBatchRowsMax);
    for (; done < buffers.size() && batches_.size() < kTickRowsMax / data::kBatchRowsMax; ++done) {
      if (buffers[done]->rows == 0) continue;
      (*stage)->fill_processing_time(*buffers[done], now_us);
      (*stage)->rows += buffers[done]->rows;
      batches_.push_back(buffers[done]->view());
      inputs_.push_back({*stage, &(*stage)->op, partition, nullptr});
    }
    if (batches_.empty()) break;
    if (recording()) {
      if (Status status = record_append(command, **stage, partition); !status.ok()) {
        for (const Batch& batch : batches_) (*stage)->rows -= batch.rows;
        return status;
      }
    }
    for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].batch = &batches_[i];
    (*stage)->op.begin_tick({core_.tick() + 1, now_us});
    core_.run(inputs_, {}, false);
  }
  return settle(lock, command);
}

Status Database::append(const std::shared_ptr<const sql::Object>& source, const Batch& batch, uint32_t partition) {
  Lock lock(*this);
  Result<SourceStage*> found = source_with_room(lock, source->name);
  if (!found.ok()) return found.status();
  SourceStage& stage = **found;
  Command command(*this);
  const int64_t now_us = command.now_us();
  // Cuts fall on whole validity words. A tick's cuts have their columns in one array that is kept.
  static_assert(data::kBatchRowsMax % 64 == 0);
  constexpr uint32_t kCutsMax = kTickRowsMax / data::kBatchRowsMax;
  const size_t width = batch.columns.size() + stage.processing_time_columns.size();
  cut_columns_.resize(width * kCutsMax);
  const int64_t* processing_times = stage.processing_times(now_us);
  for (uint32_t done = 0; done < batch.rows;) {
    inputs_.clear();
    batches_.clear();
    batches_.reserve(kCutsMax);
    while (batches_.size() < kCutsMax && done < batch.rows) {
      data::Column* columns = cut_columns_.data() + batches_.size() * width;
      for (size_t c = 0; c < batch.columns.size(); ++c) {
        columns[c] = batch.columns[c];
        columns[c].data = static_cast<char*>(columns[c].data) + size_t{done} * data::physical_size(columns[c].physical);
        if (columns[c].validity) columns[c].validity += done / 64;
      }
      for (size_t c = batch.columns.size(); c < width; ++c) {
        columns[c] = {const_cast<int64_t*>(processing_times), nullptr, data::Physical::kI64};
      }
      Batch cut;
      cut.rows = std::min(data::kBatchRowsMax, batch.rows - done);
      cut.columns = {columns, width};
      batches_.push_back(cut);
      inputs_.push_back({&stage, &stage.op, partition, nullptr});
      done += cut.rows;
    }
    if (recording()) RETURN_IF_ERROR(record_append(command, stage, partition));
    for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].batch = &batches_[i];
    stage.op.begin_tick({core_.tick() + 1, now_us});
    core_.run(inputs_, {}, false);
    for (const Batch& cut : batches_) stage.rows += cut.rows;
  }
  return settle(lock, command);
}

Result<SourceStage*> Database::appendable_source(const std::string& name) {
  Lock lock(*this);
  ASSIGN_OR_RETURN(Entry * item, entry_of(name, -1));
  if (!item->source) return Status(ErrorCode::kWrongObjectKind, name + " is not a source; rows are appended to sources with connector = 'memory'");
  if (item->source->connector != "memory") {
    return Status(ErrorCode::kWrongObjectKind, "source " + name + " reads from connector " + item->source->connector +
                                                   "; rows are appended to sources with connector = 'memory'");
  }
  return item->source.get();
}

// DML ----------------------------------------------------------------------------------------------------------------

Result<uint64_t> Database::insert(const std::string& object, std::span<const Batch> rows, sql::ConflictAction on_conflict) {
  sql::Change change;
  change.object = object;
  change.rows = rows;
  change.on_conflict = on_conflict;
  return apply({&change, 1});
}

Result<uint64_t> Database::update(const std::string& table, std::span<const uint64_t> row_ids, std::span<const Batch> new_rows) {
  sql::Change change;
  change.kind = sql::Change::Kind::kUpdate;
  change.object = table;
  change.rows = new_rows;
  change.row_ids = row_ids;
  return apply({&change, 1});
}

Result<uint64_t> Database::erase(const std::string& table, std::span<const uint64_t> row_ids) {
  sql::Change change;
  change.kind = sql::Change::Kind::kErase;
  change.object = table;
  change.row_ids = row_ids;
  return apply({&change, 1});
}

Result<uint64_t> Database::apply_stoppable(std::span<const sql::Change> changes, const std::function<bool()>& interrupted) {
  Lock lock(*this);
  if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
  RETURN_IF_ERROR(wait_for_room(lock, {}));
  for (const sql::Change& change : changes) {
    RETURN_IF_ERROR(wait_for_lookups(lock, {&change.object, 1}, {}));
    RETURN_IF_ERROR(wait_while_held(lock, change.object));
  }
  Command command(*this);
  ASSIGN_OR_RETURN(const uint64_t affected, change_tables(changes, Apply::kDo, command, interrupted));
  RETURN_IF_ERROR(settle(lock, command));
  return affected;
}

Result<uint64_t> Database::change_tables(std::span<const sql::Change> changes, Apply mode, Command& command,
                                         const std::function<bool()>& interrupted) {
  // What takes rows away may go on.
  const bool adds = std::any_of(changes.begin(), changes.end(), [](const sql::Change& c) { return c.kind != sql::Change::Kind::kErase; });
  if (adds && mode != Apply::kDoRecorded) RETURN_IF_ERROR(check_memory(true));
  struct Done {
    TableStage* table;
    std::unique_ptr<ChangeList> list;
  };
  std::vector<Done> done;
  std::vector<std::unique_ptr<BatchBuffer>> stamped;  // source rows with PROCTIME() columns filled in
  std::vector<stream::Core::Input> inputs;
  std::vector<std::unique_ptr<Batch>> views;
  const int64_t now_us = command.now_us();
  uint64_t affected = 0;
  Status status;
  const auto push = [&](stream::Stage* stage, stream::Operator* op, const Batch& batch) {
    if (batch.rows == 0) return;
    views.push_back(std::make_unique<Batch>(batch));
    inputs.push_back({stage, op, 0, views.back().get()});
  };
  // The row ids of a change. What the changes before it have placed is found by its number.
  std::vector<uint64_t> resolved;
  bool own_rows = false;
  const auto ids_of = [&](const sql::Change& change, TableStage& table) -> std::span<const uint64_t> {
    if (std::none_of(change.row_ids.begin(), change.row_ids.end(), [](uint64_t id) { return id >= sql::kPlacedRow; })) return change.row_ids;
    own_rows = true;
    std::vector<uint64_t> placed;
    for (const Done& before : done) {
      if (before.table == &table) before.list->each_row([&](uint64_t id, int64_t weight) { if (weight > 0) placed.push_back(id); });
    }
    resolved.clear();
    for (const uint64_t id : change.row_ids) {
      CHECK(id < sql::kPlacedRow || id - sql::kPlacedRow < placed.size());
      resolved.push_back(id < sql::kPlacedRow ? id : placed[id - sql::kPlacedRow]);
    }
    return resolved;
  };
  std::unique_lock<std::mutex> decisions;
  std::vector<std::pair<SourceStage*, uint64_t>> source_rows;
  for (const sql::Change& change : changes) {
    Entry* item = entry(change.object);
    if (!item) {
      status = Status(ErrorCode::kUnknownObject, "there is no object named " + change.object);
      break;
    }
    if (change.expected && item->object != change.expected) {
      status = Status(ErrorCode::kUnknownObject, "the object was changed or dropped meanwhile: " + change.object);
      break;
    }
    if (item->source && change.kind == sql::Change::Kind::kInsert) {
      SourceStage& source = *item->source;
      if (source.connector != "memory") {
        status = Status(ErrorCode::kWrongObjectKind, "source " + source.name + " takes its rows from connector " + source.connector +
                                                         "; INSERT needs a source with connector = 'memory'");
        break;
      }
      for (const Batch& batch : change.rows) {
        affected += batch.rows;
        source_rows.emplace_back(&source, batch.rows);
        if (source.processing_time_columns.empty()) {
          push(&source, &source.op, batch);
          continue;
        }
        auto buffer = std::make_unique<BatchBuffer>(source.object->columns);
        for (uint32_t i = 0; i < batch.rows; ++i) buffer->append_row(batch, i, 1);
        source.fill_processing_time(*buffer, now_us);
        push(&source, &source.op, buffer->view());
        stamped.push_back(std::move(buffer));
      }
      continue;
    }
    if (!item->table) {
      status = Status(ErrorCode::kWrongObjectKind, change.object + " cannot be changed by this statement");
      break;
    }
    TableStage& table = *item->table;
    done.push_back({&table, std::make_unique<ChangeList>(table.store.types())});
    ChangeList& list = *done.back().list;
    Result<uint64_t> rows = uint64_t{0};
    switch (change.kind) {
      case sql::Change::Kind::kInsert: {
        const OnConflict on_conflict = change.on_conflict == sql::ConflictAction::kReplace  ? OnConflict::kReplace
                                       : change.on_conflict == sql::ConflictAction::kIgnore ? OnConflict::kIgnore
                                                                                            : OnConflict::kError;
        rows = table.store.insert(change.rows, on_conflict, list);
        break;
      }
      case sql::Change::Kind::kUpdate: rows = table.store.update(ids_of(change, table), change.rows, list); break;
      case sql::Change::Kind::kErase: rows = table.store.erase(ids_of(change, table), list); break;
    }
    if (!rows.ok()) {
      done.pop_back();
      status = rows.status();
      break;
    }
    affected += *rows;
    for (auto& buffer : list.batches()) push(&table, &table.store, buffer->view());
  }
  if (status.ok() && mode == Apply::kDo && recording() && !inputs.empty()) {
    // Recorded when it is done, for it may be stopped; there must be room, and sinks must not record first what comes of it.
    ByteWriter& record = begin_record(command, RecordKind::kApply);
    encode_changes(changes, record);
    status = room_to_record(record.size());
    decisions = journal_->hold_decisions();
  }
  if (!status.ok() || mode == Apply::kTry) {
    while (!done.empty()) {
      done.back().table->store.revert(*done.back().list);
      done.pop_back();
    }
    RETURN_IF_ERROR(status);
    return affected;
  }
  if (inputs.empty()) return affected;
  // A row that came and went in one tick has never been there for the views.
  std::vector<std::unique_ptr<ChangeList>> net;
  if (own_rows) {
    std::map<TableStage*, std::unordered_set<uint64_t>> placed, passing;
    for (const Done& step : done) {
      step.list->each_row([&](uint64_t id, int64_t weight) {
        if (weight > 0) placed[step.table].insert(id);
        else if (placed[step.table].contains(id)) passing[step.table].insert(id);
      });
    }
    std::erase_if(inputs, [](const stream::Core::Input& input) { return dynamic_cast<TableStore*>(input.op) != nullptr; });
    for (const Done& step : done) {
      net.push_back(step.list->without(passing[step.table]));
      for (auto& buffer : net.back()->batches()) push(step.table, &step.table->store, buffer->view());
    }
  }
  for (auto& [source, rows] : source_rows) {
    source->op.begin_tick({core_.tick() + 1, now_us});
    source->rows += rows;
  }
  // Rows of a source cannot be taken back.
  stream::ChangeRun run(source_rows.empty() ? interrupted : nullptr, &changes_in_tick_);
  changes_in_tick_ = 1;
  const bool done_all = core_.run(inputs, {}, false, &run);
  changes_in_tick_ = 0;
  if (!done_all) {
    while (!done.empty()) {
      done.back().table->store.revert(*done.back().list);
      done.pop_back();
    }
    after_tick();
    return Status(ErrorCode::kInterrupted, "interrupted: what had been changed is as before");
  }
  if (mode == Apply::kDo && recording()) RETURN_IF_ERROR(append_record(command));
  after_tick();
  return affected;
}

// Reading ------------------------------------------------------------------------------------------------------------

void Database::scan_entry(Entry& item, const stream::BatchVisitor& visit) {
  if (item.table) item.table->store.scan_content(visit);
  else if (item.lookup) item.lookup->scan(visit);
  else if (item.late) item.late->store.scan_content(visit);
  else if (item.view && item.view->holds_content()) item.view->scan(visit);
}

Result<std::vector<std::unique_ptr<sql::Snapshot>>> Database::snapshot(const std::vector<std::string>& objects,
                                                                       const std::function<bool()>& interrupted) {
  Lock lock(*this);
  for (;;) {
    bool all_live = true;
    for (const std::string& name : objects) {
      ASSIGN_OR_RETURN(Entry * item, entry_of(name, -1));
      if (item->view && item->view->state == ViewStage::State::kFailed) return Status(*item->view->failure);
      if (item->source) return Status(ErrorCode::kWrongObjectKind, "source " + name + " keeps no rows; create a view over it");
      if (item->view && !item->view->holds_content()) {
        return Status(ErrorCode::kWrongObjectKind, "stream " + name + " keeps no rows; create a materialized view over it");
      }
      if (item->lookup) {
        if (item->lookup->on_demand()) {
          return Status(ErrorCode::kWrongObjectKind, "lookup table " + name + " is asked on demand and has no rows of its own; join it "
                                                     "in a view, or create it with mode = 'full'");
        }
        if (auto failure = item->lookup->failure()) return Status(*failure);
        if (!item->lookup->has_copy()) all_live = false;
      }
      // Views of this group start at COMMIT; until then they are empty.
      if (!item->live() && !(group_open_ && std::find(group_views_.begin(), group_views_.end(), item->view->name) != group_views_.end())) {
        all_live = false;
      }
    }
    if (all_live) break;
    if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
    if (interrupted && interrupted()) return Status(ErrorCode::kInterrupted, "interrupted while a view catches up");
    live_changed_.wait_for(lock.held, kWaitStep);
  }
  std::vector<std::unique_ptr<sql::Snapshot>> snapshots;
  for (const std::string& name : objects) {
    Entry& item = *entry(name);
    auto rows = std::make_shared<SnapshotRows>(core_.tick(), data::types_of(item.object->columns));
    const auto copy = [&](const Batch& batch) { rows->copy(batch); };
    if (item.view) item.view->share([&](const Batch& batch, const auto& memory) { rows->share(batch, memory); }, copy);
    else scan_entry(item, copy);
    snapshots.push_back(read_rows(std::move(rows)));
  }
  return snapshots;
}

Status Database::drain(const std::function<bool()>& interrupted) {
  std::vector<SinkStage*> sinks;
  uint64_t recorded = 0;
  {
    Lock lock(*this);
    for (;;) {
      bool done = true, moves = false;
      const SourceStage* held = nullptr;
      for (auto& [name, item] : entries_) {
        if (item.source && item.source->feed && item.source->op.held()) held = item.source.get();
        else if (item.source && item.source->feed) moves = true;
        if (item.source) {
          if (item.source->state == SourceStage::State::kFailed) return Status(*item.source->failure);
          if (item.source->state == SourceStage::State::kRunning && item.source->definition->bounded()) done = false;
        }
        if (item.view && item.view->state == ViewStage::State::kFailed) return Status(*item.view->failure);
        if (item.lookup && item.lookup->is_busy()) done = false;
        if (item.view && item.view->state != ViewStage::State::kLive && !group_open_) {
          // A view that waits for an endless source's past still catches up; it ends when it has.
          done = false;
          moves = true;
        }
      }
      // A group holds it, and with a clock that stands still nobody will let it go.
      if (!done && held && !moves && options_.manual_clock) RETURN_IF_ERROR(wait_while_held(lock, held->name));
      if (rows_waiting() > 0) done = false;
      if (done) break;
      RETURN_IF_ERROR(check_memory());
      if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
      if (interrupted && interrupted()) return Status(ErrorCode::kInterrupted, "interrupted while sources drain");
      live_changed_.wait_for(lock.held, kWaitStep);
    }
    Command command(*this);
    RETURN_IF_ERROR(room_to_record(kSmallRecordBytes));
    RETURN_IF_ERROR(record_kind(command, RecordKind::kTick));
    core_.run({}, {}, true);
    recorded = command.sequence;
    after_tick();
    for (auto& [name, item] : entries_) {
      if (item.sink) sinks.push_back(item.sink.get());
    }
  }
  for (SinkStage* sink : sinks) RETURN_IF_ERROR(sink->flush(interrupted, options_.sink_patience_ms));
  // The tick of this very command is promised too. A sink that decided an epoch has taken it to disk with its decision; with
  // none, or none that had rows, nobody has.
  return journal_ ? journal_->wait(recorded) : Status();
}

Result<std::shared_ptr<Subscription>> Database::follow(const std::string& view, Subscription::Callback callback, bool with_snapshot) {
  Lock lock(*this);
  ASSIGN_OR_RETURN(Entry * item, entry_of(view, -1));
  if (!item->view) return Status(ErrorCode::kWrongObjectKind, view + " is not a view or stream; only those can be followed");
  auto subscription = std::make_shared<Subscription>(item->view->types(), std::move(callback), options_.subscription_rows_max);
  if (with_snapshot) {
    scan_entry(*item, [&](const Batch& batch) { subscription->push(0, batch); });
    subscription->finish({core_.tick(), clock_.now_us()});
  }
  item->view->attach(subscription.get());
  if (item->view->watermark() == data::kWatermarkEnded) subscription->close();
  followers_.push_back(subscription);
  return subscription;
}

void Database::unfollow(const std::shared_ptr<Subscription>& subscription) {
  Lock lock(*this);
  subscription->close();
  std::erase(followers_, subscription);
  for (auto& [name, item] : entries_) {
    if (!item.view) continue;
    auto& list = item.view->subscriptions;
    if (std::find(list.begin(), list.end(), subscription.get()) != list.end()) item.view->detach(subscription.get());
  }
  live_changed_.notify_all();
}

Status Database::advance_watermark(const sql::ObjectName& source, int64_t watermark_us) {
  std::shared_ptr<const sql::Object> object;
  {
    Lock lock(*this);
    ASSIGN_OR_RETURN(Entry * item, entry_of(source.name, source.offset));
    if (!item->source) {
      return Status(ErrorCode::kWrongObjectKind, source.name + " is no source; a watermark is advanced at a source", source.offset);
    }
    object = item->object;
  }
  return advance_watermark(object, watermark_us);
}

Status Database::advance_watermark(const std::shared_ptr<const sql::Object>& source, int64_t watermark_us) {
  Lock lock(*this);
  Entry* item = entry(source->name);
  if (!item || !item->source) return Status(ErrorCode::kUnknownObject, "the source was dropped: " + source->name);
  if (!item->source->time) return Status(ErrorCode::kNeedsWatermark, "source " + source->name + " has no WATERMARK FOR a column");
  if (item->source->connector != "memory") {
    return Status(ErrorCode::kWrongObjectKind, "the watermark of source " + source->name + " follows what connector " + item->source->connector +
                                                   " reads; it is advanced by hand for connector = 'memory'");
  }
  Command command(*this);
  if (recording()) {
    begin_record(command, RecordKind::kWatermark).text(item->source->name).put(watermark_us);
    RETURN_IF_ERROR(append_record(command));
  }
  item->source->op.begin_tick({core_.tick() + 1, clock_.now_us()});
  for (uint32_t p = 0; p < item->source->op.partition_count(); ++p) {
    if (!item->source->op.partition_ended(p)) item->source->op.advance_watermark(p, watermark_us);
  }
  stream::Stage* stage = item->source.get();
  core_.run({}, {&stage, 1}, false);
  after_tick();
  return settle(lock, command);
}

Status Database::move_partition(const std::shared_ptr<const sql::Object>& source, PartitionMove move, uint32_t partition, int64_t watermark_us) {
  Lock lock(*this);
  Entry* item = entry(source->name);
  if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
  if (!item || !item->source) return Status(ErrorCode::kUnknownObject, "the source was dropped: " + source->name);
  SourceStage& stage = *item->source;
  if (partition >= stream::SourceOperator::kPartitionsMax) {
    return Status(ErrorCode::kLimitExceeded, "partitions of a source count from 0 to " + std::to_string(stream::SourceOperator::kPartitionsMax - 1) +
                                                 ": " + std::to_string(partition));
  }
  if (stage.time && stage.time->partition_column) {
    return Status(ErrorCode::kWrongArguments, "the rows of source " + stage.name + " tell their partition themselves (partition_by): name none");
  }
  if (stage.time && !stage.time->key_columns.empty()) {
    return Status(ErrorCode::kWrongArguments, "source " + stage.name + " has a watermark PER KEY: its partitions need none, name none");
  }
  if (move == PartitionMove::kAdvance && !stage.time) {
    return Status(ErrorCode::kNeedsWatermark, "source " + stage.name + " has no WATERMARK FOR a column");
  }
  Command command(*this);
  if (recording()) {
    begin_record(command, RecordKind::kPartition).text(stage.name).put(move).put(partition).put(watermark_us);
    RETURN_IF_ERROR(append_record(command));
  }
  stage.op.begin_tick({core_.tick() + 1, command.now_us()});
  stage.op.ensure_partitions(partition + 1, command.now_us());
  if (move == PartitionMove::kLeave) stage.op.leave_partition(partition);
  if (move == PartitionMove::kAdvance) stage.op.advance_watermark(partition, watermark_us);
  if (move != PartitionMove::kJoin) {
    stream::Stage* first = &stage;
    core_.run({}, {&first, 1}, false);
    after_tick();
  }
  return settle(lock, command);
}

}  // namespace laminar::engine
