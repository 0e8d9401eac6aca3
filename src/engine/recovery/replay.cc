// Recording commands in the journal, and running them again when a database is opened.
//
// A record says what was asked, at which tick and at what time, not what came of it: the engine is deterministic, so the same
// commands with the same clock give the same ticks, late rows and histories. Rows of sources that can be read again are
// recorded as a number; the replay reads as many.
#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "engine/database.h"
#include "engine/names.h"
#include "engine/recovery/reopening_writer.h"
#include "engine/relation.h"
#include "sql/statements/surroundings.h"

namespace laminar::engine {

using data::Batch;
using data::BatchBuffer;

namespace {

constexpr auto kFeedWait = std::chrono::milliseconds(2);
constexpr int64_t kQuietNs = 2'000'000'000, kProgressNs = 1'000'000'000;

Status undecodable() { return Status(ErrorCode::kCannotRecover, "a record of the log does not decode"); }

Error source_changed(const std::string& source) {
  return Error{ErrorCode::kSourceChanged, "source " + source + " no longer gives the rows that were read of it before the restart; its views stand "
                                                             "as far as those could be read again"};
}

}  // namespace

// Recording ----------------------------------------------------------------------------------------------------------

Status Database::room_to_record(size_t bytes) { return recording() ? journal_->make_room(bytes) : Status(); }

ByteWriter& Database::begin_record(const Command& command, RecordKind kind) {
  return journal_->begin({kind, core_.tick(), command.now_us()});
}

Status Database::append_record(Command& command) {
  ASSIGN_OR_RETURN(command.sequence, journal_->append());
  return {};
}

Status Database::record_append(Command& command, const SourceStage& source, uint32_t partition) {
  ByteWriter& record = begin_record(command, partition == 0 ? RecordKind::kAppend : RecordKind::kAppendTo);
  if (partition != 0) record.put(partition);
  encode_batches(batches_, record.text(source.name));
  return append_record(command);
}

Status Database::record_ddl(Command& command, Entry* item, RecordKind kind, const std::function<void(ByteWriter&)>& body) {
  if (!journal_) return {};
  ByteWriter& record = journal_->begin({kind, command.tick, command.now_us()});
  body(record);
  if (item) item->record = record.view();
  return recording() ? append_record(command) : Status();
}

Status Database::settle(Lock& lock, const Command& command) {
  if (!recording()) return {};
  Journal& journal = *journal_;
  lock.held.unlock();
  return journal.wait(command.sequence);
}

void Database::record_source_rows(Command& command) {
  if (!recording()) return;
  ByteWriter& record = begin_record(command, RecordKind::kSourceRows);
  record.put(static_cast<uint32_t>(recorded_rows_used_));
  for (size_t i = 0; i < recorded_rows_used_; ++i) {
    const SourceRows& rows = recorded_rows_[i];
    record.text(rows.source).put(rows.rows).put(static_cast<uint8_t>(rows.ended)).text(rows.error);
  }
  CHECK(append_record(command).ok() || record.size() > kSmallRecordBytes);  // room was made
}

SinkLinks Database::sink_links() {
  SinkLinks links;
  links.whole_tick = [this] { return core_.whole_tick(); };
  if (!journal_) return links;
  links.decide = [journal = journal_.get()](const SinkDecision& decision) { return journal->decide(decision); };
  links.wait = [journal = journal_.get()](uint64_t sequence) { return journal->log().commit(sequence); };
  links.appended = [journal = journal_.get()] { return journal->log().appended(); };
  return links;
}

// Replaying ----------------------------------------------------------------------------------------------------------

void Database::Replay::say(uint64_t sequence, uint64_t tick) {
  if (!progress || sequence % 256 != 0) return;
  const int64_t now_ns = monotonic_ns();
  if (now_ns - began_ns < kQuietNs || now_ns - said_ns < kProgressNs) return;
  said_ns = now_ns;
  progress("recovering: record " + std::to_string(sequence - first + 1) + " of " + std::to_string(last - first + 1) + ", tick " + std::to_string(tick));
}

Status Database::recover(std::unique_ptr<Journal> journal, const RunSql& run_sql, const Progress& progress) {
  CHECK(options_.recovers && !journal_);
  journal_ = std::move(journal);
  replaying_ = true;
  storage::Log& log = journal_->log();
  Replay replay{run_sql, progress};
  replay.first = log.first_sequence();
  replay.last = journal_->found().next_sequence - 1;
  RETURN_IF_ERROR(restore(replay, replay.first));
  const Status status = log.replay(replay.first, [&](uint64_t sequence, std::string_view payload) -> Status {
    replay.say(sequence, core_.tick());
    const Status done = replay_record(replay, payload);
    if (done.ok()) return done;
    return Status(done.error().code == ErrorCode::kSourceChanged ? ErrorCode::kSourceChanged : ErrorCode::kCannotRecover,
                  "record " + std::to_string(sequence) + " of the log cannot be done again: " + done.text());
  });
  RETURN_IF_ERROR(status);
  recovered_records_ = replay.last + 1 - replay.first;
  const bool group_was_open = group_open_;
  if (group_was_open) rollback_group();
  {
    Lock lock(*this);
    manual_clock_.set_us(std::max(manual_clock_.now_us(), options_.manual_clock ? clock_.now_us() : int64_t{0}));
  }
  RETURN_IF_ERROR(start_recovered_sinks());
  replaying_ = false;
  journal_->start_recording();
  {
    Lock lock(*this);
    for (auto& [name, item] : entries_) {
      if (item.lookup) item.lookup->resume();
    }
  }
  if (group_was_open) {
    Lock lock(*this);
    Command command(*this);
    RETURN_IF_ERROR(record_kind(command, RecordKind::kRollbackGroup));
  }
  if (options_.cores > 0) {
    sql::OptionText option;
    option.key = "cores";
    option.value = std::to_string(options_.cores);
    RETURN_IF_ERROR(set(option));
  }
  recovery_ms_ = (monotonic_ns() - replay.began_ns) / 1'000'000;
  thread_ = std::thread([this] { run(); });
  if (journal_->disk().backend() != "simulated") checkpoint_thread_ = std::thread([this] { run_checkpoints(); });
  return {};
}

Status Database::replay_record(Replay& replay, std::string_view record) {
  if (record.size() < RecordHead::kBytes) return undecodable();
  ByteReader in(record);
  RecordHead head;
  head.kind = in.get<RecordKind>();
  head.tick = in.get<uint64_t>();
  head.now_us = in.get<int64_t>();
  if (head.kind == RecordKind::kMark) return {};
  if (head.kind == RecordKind::kSinkDecision) {
    SinkDecision decision;
    decision.sink = in.text();
    decision.epoch = in.get<uint64_t>();
    decision.tick = in.get<uint64_t>();
    decision.rows = in.get<uint64_t>();
    decision.prepared = in.text();
    Entry* item = entry(decision.sink);
    if (!in.ok()) return undecodable();
    // A sink that was dropped while it wrote may decide after its DROP.
    if (!item || !item->sink) return {};
    item->sink->subscription().drop_through(decision.tick);
    item->sink->recovered = std::move(decision);
    return {};
  }
  // A command that failed half-way may have used ticks without a record.
  if (head.tick > core_.tick()) core_.set_tick(head.tick);
  PinnedClock::Pin pin(clock_, head.now_us);
  switch (head.kind) {
    case RecordKind::kMark:
    case RecordKind::kSinkDecision:
      return {};
    case RecordKind::kSource: {
      sql::CreateSource statement;
      data::Schema columns;
      if (!decode_source(in, statement, columns)) return undecodable();
      return create_source(statement, std::move(columns));
    }
    case RecordKind::kLookup: {
      sql::CreateLookup statement;
      data::Schema columns;
      if (!decode_source(in, statement, columns)) return undecodable();
      return create_lookup(statement, std::move(columns));
    }
    case RecordKind::kAnswers:
      return replay_answers(in);
    case RecordKind::kCatchUpSlice:
      return replay_catch_up_slice(in);
    case RecordKind::kTable: {
      sql::TableSpec spec;
      bool or_replace = false, if_not_exists = false;
      if (!decode_table(in, spec, or_replace, if_not_exists)) return undecodable();
      return create_table(spec, or_replace, if_not_exists);
    }
    case RecordKind::kStatement: {
      sql::SurroundedStatement recorded;
      if (!recorded.read(in)) return undecodable();
      // What fails here and is needed makes the statement fail.
      for (const std::string& text : recorded.before) (void)replay.run_sql(text);
      const Status status = replay.run_sql(recorded.statement);
      for (const std::string& text : recorded.after) (void)replay.run_sql(text);
      if (status.ok()) return status;
      return Status(ErrorCode::kCannotRecover, status.error().code_text() + " " + status.text() + ", in: " + recorded.statement);
    }
    case RecordKind::kDrop: {
      const auto kind = static_cast<sql::ObjectKind>(in.get<uint8_t>());
      sql::ObjectName name;
      name.name = in.text();
      const bool if_exists = in.get<uint8_t>() != 0, cascade = in.get<uint8_t>() != 0;
      return in.ok() ? drop(kind, name, if_exists, cascade) : undecodable();
    }
    case RecordKind::kBeginGroup:
      begin_group();
      return {};
    case RecordKind::kCommitGroup:
      return replay_apply(in, true);
    case RecordKind::kRollbackGroup:
      rollback_group();
      return {};
    case RecordKind::kSet: {
      sql::OptionText option;
      option.key = in.text();
      option.value = in.text();
      option.kind = static_cast<sql::OptionText::Kind>(in.get<uint8_t>());
      option.interval_us = in.get<int64_t>();
      return in.ok() ? set(option) : undecodable();
    }
    case RecordKind::kAppend:
      return replay_append(in, 0);
    case RecordKind::kAppendTo:
      return replay_append(in, in.get<uint32_t>());
    case RecordKind::kPartition:
      return replay_partition(in);
    case RecordKind::kApply:
      return replay_apply(in, false);
    case RecordKind::kWatermark: {
      const std::shared_ptr<const sql::Object> source = find(std::string(in.text()));
      const int64_t watermark_us = in.get<int64_t>();
      return in.ok() && source ? advance_watermark(source, watermark_us) : undecodable();
    }
    case RecordKind::kTick:
      return run_tick();
    case RecordKind::kSourceRows:
      return replay_source_rows(in);
    case RecordKind::kStartViews: {
      std::vector<std::string> names(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
      for (std::string& name : names) name = in.text();
      Lock lock(*this);
      return in.ok() ? start_views(names) : undecodable();
    }
    case RecordKind::kCaughtUp:
      return replay_caught_up(std::string(in.text()));
  }
  return undecodable();
}

Status Database::replay_append(ByteReader& in, uint32_t partition) {
  const std::shared_ptr<const sql::Object> source = find(std::string(in.text()));
  if (!source) return undecodable();
  std::vector<std::unique_ptr<BatchBuffer>> buffers;
  RETURN_IF_ERROR(decode_batches(in, source->columns, buffers));
  return append_buffers(source, buffers, partition);
}

Status Database::replay_partition(ByteReader& in) {
  const std::shared_ptr<const sql::Object> source = find(std::string(in.text()));
  const auto move = in.get<PartitionMove>();
  const uint32_t partition = in.get<uint32_t>();
  const int64_t watermark_us = in.get<int64_t>();
  return in.ok() && source ? move_partition(source, move, partition, watermark_us) : undecodable();
}

Status Database::replay_apply(ByteReader& in, bool commits_group) {
  const uint32_t count = in.get<uint32_t>();
  struct Rows {
    std::vector<uint64_t> row_ids;
    std::vector<std::unique_ptr<BatchBuffer>> buffers;
    std::vector<Batch> batches;
  };
  std::vector<Rows> rows(std::min<size_t>(count, in.rest().size()));
  std::vector<sql::Change> changes(rows.size());
  for (size_t i = 0; i < changes.size(); ++i) {
    sql::Change& change = changes[i];
    change.kind = in.get<sql::Change::Kind>();
    change.on_conflict = in.get<sql::ConflictAction>();
    change.object = in.text();
    const std::string_view ids = in.raw(size_t{in.get<uint32_t>()} * sizeof(uint64_t));
    const std::shared_ptr<const sql::Object> object = find(change.object);
    if (!in.ok() || !object) return undecodable();
    rows[i].row_ids.resize(ids.size() / sizeof(uint64_t));
    if (!ids.empty()) std::memcpy(rows[i].row_ids.data(), ids.data(), ids.size());
    RETURN_IF_ERROR(decode_batches(in, object->columns, rows[i].buffers));
    for (auto& buffer : rows[i].buffers) rows[i].batches.push_back(buffer->view());
    change.row_ids = rows[i].row_ids;
    change.rows = rows[i].batches;
  }
  return commits_group ? commit_group(changes) : apply(changes).status();
}

// The tick of run_sources(), with the numbers of rows that it took then.
Status Database::replay_source_rows(ByteReader& in) {
  Lock lock(*this);
  const int64_t now_us = clock_.now_us();
  std::vector<std::unique_ptr<BatchBuffer>> rows_of_tick;
  std::vector<SourceStage*> source_of;
  std::vector<uint32_t> partition_of;
  std::vector<std::unique_ptr<stream::SourceFeed>> finished;
  ended_stages_.clear();
  const uint32_t count = in.get<uint32_t>();
  for (uint32_t s = 0; s < count && in.ok(); ++s) {
    SourceRows wanted;
    wanted.source = in.text();
    wanted.rows = in.get<uint64_t>();
    wanted.ended = in.get<uint8_t>() != 0;
    wanted.error = in.text();
    Entry* item = entry(wanted.source);
    if (!in.ok() || !item || !item->source) return undecodable();
    SourceStage& source = *item->source;
    if (source.state == SourceStage::State::kFailed) continue;
    if (!source.feed) return undecodable();
    source.op.begin_tick({core_.tick() + 1, now_us});
    uint64_t left = wanted.rows;
    bool ended = false, changed = false;
    while (!changed && (left > 0 || (wanted.ended && !ended))) {
      stream::SourceFeed::Item next;
      if (!source.poll(next)) {
        work_.wait_for(lock.held, kFeedWait);
        continue;
      }
      source.fill_processing_time(*next.buffer, now_us);
      const auto rows = static_cast<uint32_t>(std::min<uint64_t>(left, next.buffer->rows));
      const Batch whole = next.buffer->view();
      // A copy: the feed may have fewer buffers than this tick had batches.
      auto part = std::make_unique<BatchBuffer>(source.object->columns);
      for (uint32_t i = 0; i < rows; ++i) part->append_row(whole, i, 1);
      left -= rows;
      source.rows += rows;
      for (const uint32_t partition : rows > 0 ? next.ended_before : std::vector<uint32_t>()) {
        source_of.push_back(&source);
        partition_of.push_back(stream::SourceOperator::end_port(partition));
        rows_of_tick.push_back(nullptr);
      }
      if (rows > 0) next.ended_before.clear();
      source_of.push_back(&source);
      partition_of.push_back(next.partition);
      rows_of_tick.push_back(std::move(part));
      const bool last = next.ended;
      if (rows < next.buffer->rows) {
        changed = wanted.ended && left == 0;
        source.keep_rest(std::move(next), rows);
        continue;
      }
      ended = last && !next.error;
      changed = last && (left > 0 || (next.error && wanted.error.empty()));
      source.recycle(next.buffer);
      if (last) finished.push_back(std::move(source.feed));
    }
    if (changed || !wanted.error.empty()) {
      source.state = SourceStage::State::kFailed;
      source.failure = changed ? source_changed(source.name) : Error{ErrorCode::kBadRecord, wanted.error};
      if (source.feed) finished.push_back(std::move(source.feed));
    } else if (ended) {
      source.state = SourceStage::State::kEnded;
      source.op.end_all();
      ended_stages_.push_back(&source);
    }
  }
  if (!in.ok()) return undecodable();
  inputs_.clear();
  std::vector<Batch> views(rows_of_tick.size());
  for (size_t i = 0; i < rows_of_tick.size(); ++i) {
    if (rows_of_tick[i] && rows_of_tick[i]->rows == 0) continue;
    if (rows_of_tick[i]) views[i] = rows_of_tick[i]->view();
    inputs_.push_back({source_of[i], &source_of[i]->op, partition_of[i], &views[i]});
  }
  core_.run(inputs_, ended_stages_, false);
  return {};
}

Status Database::replay_caught_up(const std::string& name) {
  Lock lock(*this);
  Entry* item = entry(name);
  if (!item || !item->view) return undecodable();
  while (item->view->state == ViewStage::State::kCatchingUp) {
    if (!run_catch_up(*item->view)) work_.wait_for(lock.held, kFeedWait);
  }
  return {};
}

Status Database::replay_catch_up_slice(ByteReader& in) {
  Lock lock(*this);
  Entry* item = entry(std::string(in.text()));
  std::vector<uint64_t> up_to(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
  for (uint64_t& rows : up_to) rows = in.get<uint64_t>();
  if (!in.ok() || !item || !item->view || item->view->catch_up.size() != up_to.size()) return undecodable();
  ViewStage& view = *item->view;
  const auto behind = [&] {
    for (size_t i = 0; i < up_to.size(); ++i) {
      if (view.catch_up[i]->rows < up_to[i]) return true;
    }
    return false;
  };
  while (view.state == ViewStage::State::kCatchingUp && behind()) {
    if (!run_catch_up(view, &up_to)) work_.wait_for(lock.held, kFeedWait);
  }
  return {};
}

Status Database::start_recovered_sinks() {
  Lock lock(*this);
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.sink) continue;
    SinkStage& sink = *item.sink;
    const SinkDecision& decided = sink.recovered;
    if (sink.definition->transaction().empty()) {
      // A folder that is gone does not keep the database closed.
      const auto open = [&sink] { return sink.definition->reopen(sink.recovered.epoch, sink.recovered.prepared); };
      Result<std::unique_ptr<stream::SinkWriter>> writer = open();
      if (!writer.ok()) sink.show_error(writer.error());
      sink.prepare(sink.group(), writer.ok() ? writer.take() : std::make_unique<ReopeningWriter>(open));
    }
    sink.start({decided.epoch, decided.tick, decided.rows}, core_.tick());
  }
  return {};
}

sql::Relation Database::durability_relation() {
  RelationBuilder out({text_field("folder"), text_field("durability"), text_field("io_backend"), integer_field("log_records"), integer_field("log_durable"),
                       integer_field("log_bytes"), integer_field("log_segments"), integer_field("flushes"), integer_field("written_bytes"), integer_field("recovered_records"),
                       integer_field("recovery_ms"), text_field("damage"), text_field("io_note")});
  if (!journal_) return out.take();
  storage::Log& log = journal_->log();
  out.row().text(journal_->folder()).text(to_text(journal_->durability())).text(journal_->disk().backend())
      .integer(static_cast<int64_t>(log.appended())).integer(static_cast<int64_t>(log.durable())).integer(static_cast<int64_t>(log.bytes_on_disk()))
      .integer(static_cast<int64_t>(log.segment_count())).integer(static_cast<int64_t>(log.flushes())).integer(static_cast<int64_t>(log.bytes_written()))
      .integer(static_cast<int64_t>(recovered_records_)).integer(recovery_ms_);
  journal_->found().damage.empty() ? out.null() : out.text(journal_->found().damage);
  const std::string note = journal_->disk().note();
  note.empty() ? out.null() : out.text(note);
  return out.take();
}

}  // namespace laminar::engine
