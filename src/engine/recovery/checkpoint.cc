// Checkpoints: the state of all objects between two ticks, so that recovery begins there and the log before it can go.
//
// Records of an object: those of its operators (recovery/operator_state.h); part 65535 table 0 holds what the engine knows of
// the object, table 1 its rejected rows by core. The manifest: version, tick, clock, the last record of the log that is in it,
// settings, and the objects in the order of their creation with the records that made them and the cores they run on.
#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "data/codec.h"
#include "engine/database.h"
#include "engine/names.h"
#include "engine/recovery/operator_state.h"
#include "engine/relation.h"

namespace laminar::engine {

using storage::CheckpointBatch;
using storage::CheckpointInfo;
using storage::CheckpointReader;
using storage::CheckpointStore;

namespace {

constexpr uint32_t kVersion = 2, kVersionOneCore = 1;
constexpr uint16_t kObjectPart = 0xffff;
constexpr auto kFeedWait = std::chrono::milliseconds(2);
// When one is taken by itself.
constexpr auto kLookStep = std::chrono::milliseconds(100);
constexpr int64_t kSinkPatienceMs = 100;  // after a failure
constexpr int kAheadRounds = 4;
constexpr uint64_t kAheadRecords = 1024;  // between two ticks
constexpr int64_t kRetryNs = 10'000'000'000;           // after one that failed
constexpr uint64_t kWorthwhileLogBytes = 256 * 1024;   // less than this waits
constexpr int64_t kPatience = 6;                       // ... for so many intervals
constexpr int64_t kHeldShare = 20;                     // ticks are held up for at most this part of the time

struct Manifest {
  uint32_t version = kVersion;
  uint64_t tick = 0, record = 0;  // the last record of the log that is in it
  int64_t now_us = 0;
  uint64_t put_bytes = 0;  // of records
  int64_t held_us = 0;     // for how long ticks waited for the cut
  uint32_t next_object_id = 1;
  std::vector<std::string> settings;
  struct Object {
    uint32_t id = 0;
    uint32_t cores = 1;
    std::string name, record;
  };
  std::vector<Object> objects;

  std::string encode() const {
    ByteWriter out;
    out.put(kVersion).put(tick).put(record).put(now_us).put(put_bytes).put(held_us).put(next_object_id).put(static_cast<uint32_t>(settings.size()));
    for (const std::string& setting : settings) out.text(setting);
    out.put(static_cast<uint32_t>(objects.size()));
    for (const Object& object : objects) out.put(object.id).put(object.cores).text(object.name).text(object.record);
    return std::string(out.view());
  }
  bool decode(std::string_view bytes) {
    ByteReader in(bytes);
    version = in.get<uint32_t>();
    if (version != kVersion && version != kVersionOneCore) return false;
    tick = in.get<uint64_t>();
    record = in.get<uint64_t>();
    now_us = in.get<int64_t>();
    if (version != kVersionOneCore) {
      put_bytes = in.get<uint64_t>();
      held_us = in.get<int64_t>();
    }
    next_object_id = in.get<uint32_t>();
    settings.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (std::string& setting : settings) setting = in.text();
    objects.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (Object& object : objects) {
      object.id = in.get<uint32_t>();
      if (version != kVersionOneCore) object.cores = in.get<uint32_t>();
      object.name = in.text();
      object.record = in.text();
    }
    return in.ok();
  }
};

void put_failure(const std::optional<Error>& failure, ByteWriter& out) {
  out.put(static_cast<uint8_t>(failure.has_value()));
  if (failure) out.put(failure->code).text(failure->message);
}

std::optional<Error> get_failure(ByteReader& in) {
  if (in.get<uint8_t>() == 0) return std::nullopt;
  Error error;
  error.code = in.get<ErrorCode>();
  error.message = in.text();
  return error;
}

}  // namespace

// Taking -------------------------------------------------------------------------------------------------------------

std::string Database::why_not_saved() {
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (item.view && item.view->state == ViewStage::State::kCatchingUp && !item.view->pipeline.lookups.empty()) {
      return item.object->name + " catches up through a lookup table: a checkpoint is taken when it has";
    }
    if (!item.stage() || !item.live() || item.lookup) continue;
    const std::vector<SavedOperator> operators = saved_operators(*item.stage(), item.view.get());
    if (operators.size() > kOperatorsMax) return item.object->name + " has too many operators to be saved: recovery does the whole log again";
    for (const SavedOperator& op : operators) {
      if (!op.on[0]->saves_state()) return "operator " + op.on[0]->label + " of " + item.object->name + " cannot be saved: recovery does the whole log again";
    }
  }
  return {};
}

void Database::save_entry(Entry& item, CheckpointBatch& batch) {
  const bool full = !item.saved || item.ahead, ahead = item.ahead;
  if (full && !ahead) batch.clear_object(item.id);
  item.saved = true;
  item.ahead = false;
  ByteWriter out;
  if (item.source) {
    out.put(item.source->state).put(item.source->rows);
    put_failure(item.source->failure, out);
  } else if (item.view) {
    out.put(item.view->state);
    put_failure(item.view->failure, out);
  } else if (item.sink) {
    const SinkStage::Progress progress = item.sink->progress();
    out.put(progress.epoch).put(progress.rows_committed);
  }
  batch.put({item.id, kObjectPart, 0}, "", out.view());
  const std::vector<RejectStore*> rejects = reject_stores(item);
  for (size_t core = 0; core < rejects.size(); ++core) {
    out.clear();
    rejects[core]->save(out);
    // Core 0 has the empty key.
    batch.put({item.id, kObjectPart, 1}, std::string(core, '\1'), out.view());
  }
  if (item.lookup) return item.lookup->save(item.id, batch, full);
  if (!item.stage() || !item.live()) return;  // a view that catches up begins anew
  save_operators(saved_operators(*item.stage(), item.view.get()), item.id, full, ahead, batch);
}

// Brings the states into the collecting store while ticks go on, a little between two of them, so that the cut itself has little
// to do. Each round leaves what changed meanwhile to the next, which is shorter.
Status Database::save_ahead() {
  using Ahead = stream::Operator::Ahead;
  std::vector<std::string> names;
  {
    Lock lock(*this);
    names = creation_order_;
  }
  uint64_t before = ~uint64_t{0};
  for (int round = 0; round < kAheadRounds; ++round) {
    uint64_t records = 0;
    for (const std::string& name : names) {
      bool begun = false, more = true;
      while (more) {
        CheckpointBatch batch;
        {
          Lock lock(*this);
          Entry* item = entry(name);
          if (closed_ || !item || !item->stage() || !item->live() || item->lookup) break;
          const std::vector<SavedOperator> operators = saved_operators(*item->stage(), item->view.get());
          const bool any = std::any_of(operators.begin(), operators.end(), [](const SavedOperator& op) { return op.on[0]->saves_ahead(); });
          if (!any) break;
          Ahead how = begun ? Ahead::kGoOn : Ahead::kChanged;
          if (!item->saved) {
            how = Ahead::kAll;
            batch.clear_object(item->id);
            item->saved = item->ahead = true;
          }
          begun = true;
          more = save_operators_ahead(operators, item->id, how, kAheadRecords, batch);
        }
        records += batch.records();
        checkpoint_bytes_.fetch_add(batch.bytes());
        RETURN_IF_ERROR(checkpoints_->add(batch));
      }
    }
    // Keys that change all the time are left to the cut.
    if (records < 2 * kAheadRecords || records > before / 2) break;
    before = records;
  }
  return {};
}

std::vector<RejectStore*> Database::reject_stores(Entry& item) {
  if (item.source) return {&item.source->rejects};
  std::vector<RejectStore*> list;
  if (item.view) {
    for (auto& store : item.view->rejects) list.push_back(store.get());
  }
  return list;
}

Status Database::take_checkpoint(bool asked, uint64_t& id, std::string& note) {
  std::lock_guard one(checkpoint_mutex_);
  const std::string folder = io::join_path(journal_->folder(), "checkpoint");
  struct Running {
    std::atomic<bool>& flag;
    ~Running() { flag = false; }
  } running{checkpoint_running_};
  CheckpointBatch batch;
  Manifest manifest;
  const auto give_up = [&](const Status& status) {
    // The collecting store holds part of this one at most: the next checkpoint is a full one.
    Lock lock(*this);
    for (auto& [name, item] : entries_) item.saved = item.ahead = false;
    return status;
  };
  const int64_t patience_ms = asked ? options_.sink_patience_ms : kSinkPatienceMs;
  {
    Lock lock(*this);
    if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
    note = why_not_saved();
    for (auto& [name, item] : entries_) {
      if (asked || !item.sink || item.sink->progress().last_error.empty()) continue;
      return Status(ErrorCode::kFileWrite, "sink " + item.object->name + " cannot commit");
    }
  }
  if (!checkpoints_) {
    ASSIGN_OR_RETURN(checkpoints_, CheckpointStore::open(folder));
  }
  checkpoint_bytes_ = 0;
  checkpoint_running_ = note.empty();
  if (note.empty()) {
    if (const Status status = save_ahead(); !status.ok()) return give_up(status);
  }
  {
    Lock lock(*this);
    if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
    if (group_open_) return Status(ErrorCode::kNotImplemented, "CHECKPOINT while a transaction changes the catalog: try again after its COMMIT");
    const int64_t held_ns = last_checkpoint_ns_ = monotonic_ns();
    checkpointed_log_bytes_ = journal_->log().appended_bytes();
    note = why_not_saved();
    if (!note.empty()) {
      id = 0;
      manifest.record = journal_->log().appended();
    } else {
      // What sinks have not committed is in no state: nothing runs until it is. One that fails is not waited for by a checkpoint
      // that nobody has asked for.
      for (auto& [name, item] : entries_) {
        if (item.sink) RETURN_IF_ERROR(item.sink->flush({}, patience_ms));
      }
      Command command(*this);
      id = next_checkpoint_++;
      manifest.tick = core_.tick();
      manifest.now_us = command.now_us();
      manifest.record = journal_->log().appended();
      manifest.next_object_id = next_object_id_;
      for (auto& [key, record] : settings_) manifest.settings.push_back(record);
      for (const uint32_t dropped : dropped_ids_) batch.clear_object(dropped);
      dropped_ids_.clear();
      for (const std::string& name : creation_order_) {
        Entry& item = entries_.at(name);
        manifest.objects.push_back({item.id, item.view ? item.view->layout_cores : 1, name, item.record});
        save_entry(item, batch);
      }
      checkpoint_tick_ = manifest.tick;
      checkpoint_held_ns_ = monotonic_ns() - held_ns;
    }
  }
  Status status = journal_->log().commit(manifest.record);
  if (id == 0) return status;
  manifest.put_bytes = checkpoint_bytes_.fetch_add(batch.bytes()) + batch.bytes();
  manifest.held_us = checkpoint_held_ns_ / 1000;
  if (status.ok()) status = checkpoints_->write(id, batch, manifest.encode());
  if (!status.ok()) return give_up(status);
  checkpointed_record_ = manifest.record;
  // The log stays as long as the oldest checkpoint that is kept may need it.
  ASSIGN_OR_RETURN(const std::vector<CheckpointInfo> list, CheckpointStore::list(folder));
  Manifest oldest;
  for (size_t i = 0; i < list.size(); ++i) {
    if (i >= checkpoints_kept_) {
      RETURN_IF_ERROR(checkpoints_->remove(list[i].id));
    } else if (!oldest.decode(list[i].manifest)) {
      return {};
    }
  }
  if (list.size() < checkpoints_kept_) return {};
  return journal_->log().free_before(oldest.record + 1);
}

Result<sql::Relation> Database::checkpoint() {
  if (!journal_) return Status(ErrorCode::kWrongObjectKind, "a database in memory has no checkpoints: open one in a folder, as in laminar DB_DIR");
  uint64_t id = 0;
  std::string note;
  RETURN_IF_ERROR(take_checkpoint(true, id, note));
  RelationBuilder out({integer_field("checkpoint"), integer_field("tick"), text_field("note")});
  out.row();
  id == 0 ? out.null() : out.integer(static_cast<int64_t>(id));
  out.integer(static_cast<int64_t>(id == 0 ? tick() : checkpoint_tick_));
  note.empty() ? out.null() : out.text(note);
  return out.take();
}

void Database::run_checkpoints() {
  std::unique_lock lock(mutex_);
  while (!stopping_.load()) {
    checkpoint_wake_.wait_for(lock, kLookStep, [this] { return stopping_.load(); });
    if (!stopping_.load()) checkpoint_when_due(lock);
  }
}

void Database::checkpoint_when_due(std::unique_lock<std::mutex>& lock) {
  const int64_t now_ns = monotonic_ns(), interval_ns = checkpoint_interval_us_ * 1000;
  if (interval_ns == 0 || now_ns - last_checkpoint_ns_ < interval_ns || now_ns < checkpoint_after_ns_ || group_open_) return;
  if (journal_->log().appended() == checkpointed_record_ || journal_->disk().backend() == "simulated") return;
  const bool little = journal_->log().appended_bytes() - checkpointed_log_bytes_ < kWorthwhileLogBytes;
  if (little && now_ns - last_checkpoint_ns_ < kPatience * interval_ns) return;
  lock.unlock();
  uint64_t id = 0;
  std::string note;
  const Status status = take_checkpoint(false, id, note);
  lock.lock();
  if (status.ok() && id == 0) checkpointed_record_ = journal_->log().appended();  // nothing to gain before something changes
  checkpoint_after_ns_ = monotonic_ns() + (status.ok() ? kHeldShare * checkpoint_held_ns_ : kRetryNs);
}

sql::Relation Database::checkpoints_relation() {
  RelationBuilder out({integer_field("checkpoint"), integer_field("tick"), time_field("at"), integer_field("log_record"), integer_field("objects"),
                       integer_field("bytes"), integer_field("changed_bytes"), integer_field("held_us"), text_field("state")});
  if (!journal_) return out.take();
  if (checkpoint_running_) {
    out.row().integer(static_cast<int64_t>(next_checkpoint_)).null().null().null().null().null();
    out.integer(static_cast<int64_t>(checkpoint_bytes_.load())).null().text("running");
  }
  const Result<std::vector<CheckpointInfo>> list = CheckpointStore::list(io::join_path(journal_->folder(), "checkpoint"));
  if (!list.ok()) return out.take();
  for (const CheckpointInfo& info : *list) {
    Manifest manifest;
    if (!manifest.decode(info.manifest)) continue;
    out.row().integer(static_cast<int64_t>(info.id)).integer(static_cast<int64_t>(manifest.tick)).integer(manifest.now_us)
        .integer(static_cast<int64_t>(manifest.record)).integer(static_cast<int64_t>(manifest.objects.size())).integer(static_cast<int64_t>(info.bytes))
        .integer(static_cast<int64_t>(manifest.put_bytes)).integer(manifest.held_us).text("kept");
  }
  return out.take();
}

Status Database::backup(const std::string& to) {
  if (!journal_) return Status(ErrorCode::kWrongObjectKind, "a database in memory cannot be backed up: open one in a folder, as in laminar DB_DIR");
  std::lock_guard one(checkpoint_mutex_);
  Lock lock(*this);
  RETURN_IF_ERROR(journal_->flush());
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(to, error) && !fs::is_empty(to, error)) return Status(ErrorCode::kFileWrite, "BACKUP TO needs a folder that is empty or not there: " + to);
  RETURN_IF_ERROR(io::make_folders(to));
  // No tick runs and nothing is freed meanwhile, so the copy stands at this tick.
  for (const char* part : {"log", "checkpoint"}) {
    const fs::path from = fs::path(journal_->folder()) / part;
    if (!fs::exists(from, error)) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(from, error)) {
      if (entry.path().filename() == "live" || entry.path().extension() == ".new") continue;
      fs::create_directories(fs::path(to) / part, error);
      fs::copy(entry.path(), fs::path(to) / part / entry.path().filename(), fs::copy_options::recursive, error);
      if (error) break;
    }
    if (error) return Status(ErrorCode::kFileWrite, "backup cannot be written: " + to + " (" + error.message() + ")");
  }
  // Last, since it makes the folder a database.
  fs::copy_file(fs::path(journal_->folder()) / "laminar", fs::path(to) / "laminar", error);
  if (error) return Status(ErrorCode::kFileWrite, "backup cannot be written: " + to + " (" + error.message() + ")");
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(to, error)) {
    RETURN_IF_ERROR(entry.is_directory() ? io::sync_folder(entry.path()) : io::sync_file(entry.path()));
  }
  return io::sync_folder(to);
}

// Restoring ----------------------------------------------------------------------------------------------------------

Status Database::restore(Replay& replay, uint64_t& first_record) {
  const std::string folder = io::join_path(journal_->folder(), "checkpoint");
  if (journal_->disk().backend() == "simulated") return {};
  ASSIGN_OR_RETURN(const std::vector<CheckpointInfo> list, CheckpointStore::list(folder));
  std::string why;
  for (const CheckpointInfo& info : list) {
    next_checkpoint_ = std::max(next_checkpoint_, info.id + 1);
    Manifest manifest;
    if (!manifest.decode(info.manifest) || manifest.record >= journal_->found().next_sequence || manifest.record + 1 < first_record) continue;
    Result<std::unique_ptr<CheckpointReader>> reader = CheckpointReader::open(folder, info.id);
    if (!reader.ok()) {
      why = reader.status().text();
      continue;
    }
    restoring_ = true;
    const Status status = restore_objects(replay, **reader);
    restoring_ = false;
    if (!status.ok()) return Status(ErrorCode::kCannotRecover, "checkpoint " + std::to_string(info.id) + " cannot be restored: " + status.text());
    first_record = manifest.record + 1;
    checkpointed_record_ = manifest.record;
    checkpoint_tick_ = manifest.tick;
    // What caught up then begins again.
    std::vector<std::string> waiting;
    Lock lock(*this);
    for (const std::string& name : creation_order_) {
      Entry& item = entries_.at(name);
      if (item.view && item.view->state == ViewStage::State::kCatchingUp) waiting.push_back(item.view->name);
    }
    for (const std::string& name : waiting) {
      entry(name)->view->state = ViewStage::State::kWaiting;
      RETURN_IF_ERROR(start_views({name}));
    }
    return {};
  }
  if (first_record > 1) {
    return Status(ErrorCode::kDamagedState, "no checkpoint can be read, and the log begins at record " + std::to_string(first_record) + ": " +
                                                (why.empty() ? "there is none in " + folder : why));
  }
  return {};
}

Status Database::restore_objects(Replay& replay, CheckpointReader& reader) {
  Manifest manifest;
  if (!manifest.decode(reader.manifest())) return Status(ErrorCode::kDamagedState, "its manifest does not decode");
  for (const std::string& setting : manifest.settings) RETURN_IF_ERROR(replay_record(replay, setting));
  // Each view on as many cores as it was, unless the number is given anew.
  const uint32_t cores = cores_;
  for (const Manifest::Object& object : manifest.objects) {
    if (options_.cores == 0) cores_ = object.cores;
    if (!object.record.empty()) RETURN_IF_ERROR(replay_record(replay, object.record));
  }
  cores_ = cores;
  Lock lock(*this);
  PinnedClock::Pin pin(clock_, manifest.now_us);
  core_.set_tick(manifest.tick);
  for (const Manifest::Object& object : manifest.objects) {
    Entry* item = entry(object.name);
    if (!item) return Status(ErrorCode::kDamagedState, "object " + object.name + " was not made again");
    item->id = object.id;
  }
  next_object_id_ = std::max(next_object_id_, manifest.next_object_id);
  // All are wired before any state comes: watermarks and what operators keep depend on who listens.
  for (const Manifest::Object& object : manifest.objects) {
    Entry& item = *entry(object.name);
    RETURN_IF_ERROR(reader.scan({item.id, kObjectPart, 0}, [&](std::string_view, std::string_view value) -> Status {
      ByteReader in(value);
      if (item.source) {
        item.source->state = in.get<SourceStage::State>();
        item.source->rows = in.get<uint64_t>();
        item.source->failure = get_failure(in);
      } else if (item.view) {
        item.view->state = in.get<ViewStage::State>();
        item.view->failure = get_failure(in);
      } else if (item.sink) {
        item.sink->recovered.sink = item.object->name;
        item.sink->recovered.epoch = in.get<uint64_t>();
        item.sink->recovered.rows = in.get<uint64_t>();
        item.sink->recovered.tick = manifest.tick;
      }
      return in.ok() ? Status() : Status(ErrorCode::kDamagedState, "object " + item.object->name + " does not decode");
    }));
    if (!item.view || item.view->state != ViewStage::State::kLive) continue;
    for (const stream::Pipeline::Scan& scan : item.view->pipeline.scans) {
      if (!entry(scan.object)) return Status(ErrorCode::kDamagedState, "an input of " + item.object->name + " was not made again");
      connect(*item.view, scan);
    }
  }
  for (const Manifest::Object& object : manifest.objects) RETURN_IF_ERROR(load_entry(*entry(object.name), reader));
  for (const Manifest::Object& object : manifest.objects) {
    Entry& item = *entry(object.name);
    if (!item.source || item.source->state != SourceStage::State::kRunning || item.source->connector == "memory") continue;
    ASSIGN_OR_RETURN(item.source->feed, item.source->open_feed([this] { wake(); }));
    const uint64_t rows = item.source->rows;
    while (item.source->feed && item.source->rows_skipped < rows) {
      RETURN_IF_ERROR(skip_rows(*item.source));
      if (item.source->feed && item.source->rows_skipped < rows) work_.wait_for(lock.held, kFeedWait);
    }
  }
  hold_sinks();
  version_.fetch_add(1);
  return {};
}

// Reads on towards the place where the source stood.
Status Database::skip_rows(SourceStage& source) {
  stream::SourceFeed::Item next;
  while (source.rows_skipped < source.rows && source.poll(next)) {
    const auto rows = static_cast<uint32_t>(std::min<uint64_t>(source.rows - source.rows_skipped, next.buffer->rows));
    source.rows_skipped += rows;
    next.ended_before.clear();  // the checkpoint knows
    if (rows < next.buffer->rows) {
      source.keep_rest(std::move(next), rows);
      return {};
    }
    const bool ended = next.ended && (next.error || source.rows_skipped < source.rows);
    if (next.ended && !ended) {
      // Its end has not been seen by a tick yet.
      source.keep_rest(std::move(next), rows);
      return {};
    }
    source.recycle(next.buffer);
    if (!ended) continue;
    source.state = SourceStage::State::kFailed;
    source.failure = Error{ErrorCode::kSourceChanged, "source " + source.name + " no longer gives the rows that were read of it before the restart"};
    source.feed.reset();
    return {};
  }
  return {};
}

Status Database::load_entry(Entry& item, CheckpointReader& reader) {
  const std::vector<RejectStore*> rejects = reject_stores(item);
  RETURN_IF_ERROR(reader.scan({item.id, kObjectPart, 1}, [&](std::string_view key, std::string_view value) -> Status {
    ByteReader in(value);
    return rejects.empty() ? Status() : rejects[key.size() % rejects.size()]->load(in);
  }));
  if (item.lookup) return item.lookup->load(item.id, reader);
  if (!item.stage() || !item.live()) return {};
  RETURN_IF_ERROR(load_operators(saved_operators(*item.stage(), item.view.get()), item.id, item.object->name, reader));
  if (item.view) item.view->restart_exchanges();
  return {};
}

}  // namespace laminar::engine
