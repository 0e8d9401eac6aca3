// Checkpoints: the state of all objects between two ticks, so that recovery begins there and the log before it can go.
//
// Records of an object: operator i of its stage has part i, its tables are the operator's own; table 255 of it holds the
// format version, the operator's label, counters and watermarks. Part 65535 table 0 holds what the engine knows of the object;
// table 1 its rejected rows. The manifest: version, tick, clock, the last record of the log that is in it, settings, and the
// objects in the order of their creation with the records that made them.
#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "engine/database.h"
#include "engine/names.h"
#include "engine/relation.h"

namespace laminar::engine {

using storage::CheckpointBatch;
using storage::CheckpointInfo;
using storage::CheckpointReader;
using storage::CheckpointStore;
using storage::RecordPlace;

namespace {

constexpr uint32_t kVersion = 1;
constexpr uint16_t kObjectPart = 0xffff;
constexpr uint8_t kCommonTable = 255;
constexpr auto kFeedWait = std::chrono::milliseconds(2);
constexpr int64_t kRetryUs = 10'000'000;  // after a checkpoint that failed

class Sink final : public stream::StateSink {
 public:
  Sink(CheckpointBatch& batch, uint32_t object, uint16_t part) : batch_(batch), object_(object), part_(part) {}
  void put(uint8_t table, std::string_view key, std::string_view value) override { batch_.put({object_, part_, table}, key, value); }
  void erase(uint8_t table, std::string_view key) override { batch_.erase({object_, part_, table}, key); }
  void erase_prefix(uint8_t table, std::string_view prefix) override { batch_.erase_prefix({object_, part_, table}, prefix); }

 private:
  CheckpointBatch& batch_;
  const uint32_t object_;
  const uint16_t part_;
};

class Source final : public stream::StateSource {
 public:
  Source(CheckpointReader& reader, uint32_t object, uint16_t part, uint32_t version)
      : reader_(reader), object_(object), part_(part), version_(version) {}
  Status scan(uint8_t table, const Visitor& visit) override { return reader_.scan({object_, part_, table}, visit); }
  uint32_t version() const override { return version_; }

 private:
  CheckpointReader& reader_;
  const uint32_t object_;
  const uint16_t part_;
  const uint32_t version_;
};

struct Manifest {
  uint64_t tick = 0, record = 0;  // the last record of the log that is in it
  int64_t now_us = 0;
  uint32_t next_object_id = 1;
  std::vector<std::string> settings;
  struct Object {
    uint32_t id = 0;
    std::string name, record;
  };
  std::vector<Object> objects;

  std::string encode() const {
    ByteWriter out;
    out.put(kVersion).put(tick).put(record).put(now_us).put(next_object_id).put(static_cast<uint32_t>(settings.size()));
    for (const std::string& setting : settings) out.text(setting);
    out.put(static_cast<uint32_t>(objects.size()));
    for (const Object& object : objects) out.put(object.id).text(object.name).text(object.record);
    return std::string(out.view());
  }
  bool decode(std::string_view bytes) {
    ByteReader in(bytes);
    if (in.get<uint32_t>() != kVersion) return false;
    tick = in.get<uint64_t>();
    record = in.get<uint64_t>();
    now_us = in.get<int64_t>();
    next_object_id = in.get<uint32_t>();
    settings.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (std::string& setting : settings) setting = in.text();
    objects.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (Object& object : objects) {
      object.id = in.get<uint32_t>();
      object.name = in.text();
      object.record = in.text();
    }
    return in.ok();
  }
};

// The operators whose state is the object's: followers come and go.
std::vector<stream::Operator*> own_operators(stream::Stage& stage) {
  std::vector<stream::Operator*> list;
  for (stream::Operator* op : stage.operators) {
    if (!dynamic_cast<Subscription*>(op)) list.push_back(op);
  }
  return list;
}

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
    if (!item.stage() || !item.live()) continue;
    if (!item.stage()->parts.empty()) return item.object->name + " runs on several cores, whose state cannot be saved: recovery does the whole log again";
    for (stream::Operator* op : own_operators(*item.stage())) {
      if (!op->saves_state()) return "operator " + op->label + " of " + item.object->name + " cannot be saved: recovery does the whole log again";
    }
  }
  return {};
}

void Database::save_entry(Entry& item, CheckpointBatch& batch) {
  const bool full = !item.saved;
  if (full) batch.clear_object(item.id);
  item.saved = true;
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
  if (RejectStore* rejects = item.source ? &item.source->rejects : item.view ? item.view->rejects[0].get() : nullptr) {
    out.clear();
    rejects->save(out);
    batch.put({item.id, kObjectPart, 1}, "", out.view());
  }
  if (!item.stage() || !item.live()) return;  // a view that catches up begins anew
  const std::vector<stream::Operator*> operators = own_operators(*item.stage());
  for (size_t i = 0; i < operators.size(); ++i) {
    const auto part = static_cast<uint16_t>(i);
    Sink sink(batch, item.id, part);
    operators[i]->save_state(sink, full);
    out.clear();
    out.put(operators[i]->state_version()).text(operators[i]->label);
    operators[i]->save_common(out);
    batch.put({item.id, part, kCommonTable}, "", out.view());
  }
}

Status Database::take_checkpoint(uint64_t& id, std::string& note) {
  std::lock_guard one(checkpoint_mutex_);
  const std::string folder = io::join_path(journal_->folder(), "checkpoint");
  if (!checkpoints_) {
    ASSIGN_OR_RETURN(checkpoints_, CheckpointStore::open(folder));
  }
  CheckpointBatch batch;
  Manifest manifest;
  const auto give_up = [&](const Status& status) {
    // The collecting store holds part of this one at most: the next checkpoint is a full one.
    Lock lock(*this);
    for (auto& [name, item] : entries_) item.saved = false;
    return status;
  };
  {
    Lock lock(*this);
    if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
    if (group_open_) return Status(ErrorCode::kNotImplemented, "CHECKPOINT while a transaction changes the catalog: try again after its COMMIT");
    last_checkpoint_us_ = clock_.now_us();
    note = why_not_saved();
    if (!note.empty()) {
      id = 0;
      manifest.record = journal_->log().appended();
    } else {
      // What sinks have not committed is in no state: nothing runs until it is.
      for (auto& [name, item] : entries_) {
        if (item.sink) RETURN_IF_ERROR(item.sink->flush({}, options_.sink_patience_ms));
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
        manifest.objects.push_back({item.id, name, item.record});
        save_entry(item, batch);
      }
      checkpoint_tick_ = manifest.tick;
    }
  }
  Status status = journal_->log().commit(manifest.record);
  if (id == 0) return status;
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
  RETURN_IF_ERROR(take_checkpoint(id, note));
  RelationBuilder out({integer_field("checkpoint"), integer_field("tick"), text_field("note")});
  out.row();
  id == 0 ? out.null() : out.integer(static_cast<int64_t>(id));
  out.integer(static_cast<int64_t>(id == 0 ? tick() : checkpoint_tick_));
  note.empty() ? out.null() : out.text(note);
  return out.take();
}

void Database::checkpoint_when_due(std::unique_lock<std::mutex>& lock) {
  const int64_t now_us = clock_.now_us();
  if (now_us - last_checkpoint_us_ < checkpoint_interval_us_) return;
  if (journal_->log().appended() == checkpointed_record_ || group_open_) return;
  lock.unlock();
  uint64_t id = 0;
  std::string note;
  const Status status = take_checkpoint(id, note);
  lock.lock();
  if (status.ok() && id == 0) checkpointed_record_ = journal_->log().appended();  // nothing to gain before something changes
  if (!status.ok()) last_checkpoint_us_ = now_us - checkpoint_interval_us_ + kRetryUs;
}

sql::Relation Database::checkpoints_relation() {
  RelationBuilder out({integer_field("checkpoint"), integer_field("tick"), time_field("at"), integer_field("log_record"), integer_field("objects"),
                       integer_field("bytes")});
  if (!journal_) return out.take();
  const Result<std::vector<CheckpointInfo>> list = CheckpointStore::list(io::join_path(journal_->folder(), "checkpoint"));
  if (!list.ok()) return out.take();
  for (const CheckpointInfo& info : *list) {
    Manifest manifest;
    if (!manifest.decode(info.manifest)) continue;
    out.row().integer(static_cast<int64_t>(info.id)).integer(static_cast<int64_t>(manifest.tick)).integer(manifest.now_us)
        .integer(static_cast<int64_t>(manifest.record)).integer(static_cast<int64_t>(manifest.objects.size())).integer(static_cast<int64_t>(info.bytes));
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
  for (const Manifest::Object& object : manifest.objects) {
    if (!object.record.empty()) RETURN_IF_ERROR(replay_record(replay, object.record));
  }
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
  if (RejectStore* rejects = item.source ? &item.source->rejects : item.view ? item.view->rejects[0].get() : nullptr) {
    RETURN_IF_ERROR(reader.scan({item.id, kObjectPart, 1}, [&](std::string_view, std::string_view value) -> Status {
      ByteReader in(value);
      return rejects->load(in);
    }));
  }
  if (!item.stage() || !item.live()) return {};
  const std::vector<stream::Operator*> operators = own_operators(*item.stage());
  for (size_t i = 0; i < operators.size(); ++i) {
    stream::Operator& op = *operators[i];
    const auto part = static_cast<uint16_t>(i);
    std::string common;
    bool found = false;
    RETURN_IF_ERROR(reader.scan({item.id, part, kCommonTable}, [&](std::string_view, std::string_view value) -> Status {
      common = value;
      found = true;
      return {};
    }));
    ByteReader in(common);
    const uint32_t version = in.get<uint32_t>();
    if (!found || in.text() != op.label) return stream::damaged_state(item.object->name + ": " + op.label);
    Source source(reader, item.id, part, version);
    RETURN_IF_ERROR(op.load_state(source));
    if (!op.load_common(in)) return stream::damaged_state(item.object->name + ": " + op.label);
  }
  return {};
}

}  // namespace laminar::engine
