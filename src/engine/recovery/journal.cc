#include "engine/recovery/journal.h"

#include <chrono>
#include <random>

#include "base/check.h"
#include "data/codec.h"

namespace laminar::engine {

namespace {

constexpr std::string_view kIdentity = "laminar database, format ";
constexpr uint32_t kFormat = 1;

// The file that says what the folder is: one line, "laminar database, format 1, id <number>".
Result<uint64_t> identity(io::Disk& disk, const std::string& folder) {
  const std::string path = io::join_path(folder, "laminar");
  ASSIGN_OR_RETURN(const std::string text, io::read_whole(disk, path));
  if (text.empty()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> logs, disk.list(io::join_path(folder, "log")));
    if (!logs.empty()) {
      return Status(ErrorCode::kCannotRecover, "file laminar is missing in a folder that has a log: " + folder);
    }
    std::random_device random;
    const uint64_t id = uint64_t{random()} << 32 | random();
    RETURN_IF_ERROR(io::write_whole(disk, path, std::string(kIdentity) + std::to_string(kFormat) + ", id " + std::to_string(id) + "\n"));
    return id;
  }
  const size_t id = text.rfind("id ");
  if (!text.starts_with(kIdentity) || id == std::string::npos) {
    return Status(ErrorCode::kCannotRecover, "this is no database folder: file laminar of " + folder + " says something else");
  }
  const unsigned long format = std::strtoul(text.c_str() + kIdentity.size(), nullptr, 10);
  if (format != kFormat) {
    return Status(ErrorCode::kCannotRecover, "database " + folder + " has format " + std::to_string(format) + ", this program reads format " +
                                                 std::to_string(kFormat));
  }
  return static_cast<uint64_t>(std::strtoull(text.c_str() + id + 3, nullptr, 10));
}

}  // namespace

const char* to_text(Durability durability) {
  switch (durability) {
    case Durability::kNone: return "none";
    case Durability::kBatch: return "batch";
    case Durability::kSync: return "sync";
  }
  return "";
}

std::optional<Durability> durability_named(std::string_view text) {
  for (const Durability d : {Durability::kNone, Durability::kBatch, Durability::kSync}) {
    if (text == to_text(d)) return d;
  }
  return std::nullopt;
}

Result<std::unique_ptr<Journal>> Journal::open(io::Disk& disk, const std::string& folder, JournalOptions options) {
  RETURN_IF_ERROR(disk.make_folders(io::join_path(folder, "log")));
  std::unique_ptr<Journal> journal(new Journal(disk, folder, options));
  journal->durability_ = options.durability;
  ASSIGN_OR_RETURN(journal->database_id_, identity(disk, folder));
  ASSIGN_OR_RETURN(journal->log_, storage::Log::open(disk, io::join_path(folder, "log"), journal->database_id_, options.log,
                                                     options.accept_damage, &journal->found_));
  return journal;
}

Journal::~Journal() { close(); }

void Journal::close() {
  if (closed_) return;
  closed_ = true;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  if (!recording_) return;
  recording_ = false;
  // The mark proves that everything before it was durable: a later damage of the last records shows.
  if (log_->flush(true).ok() && log_->appended() >= found_.next_sequence) {
    begin({});
    if (log_->append(record_.view()).ok()) (void)log_->flush(true);
  }
}

Status Journal::use_backend(std::string_view name) {
  const std::string before = disk_.backend();
  RETURN_IF_ERROR(disk_.use_backend(name, io::join_path(folder_, "log")));
  begins_segment_ |= disk_.backend() != before;
  if (!recording_ || !begins_segment_) return {};
  begins_segment_ = false;
  (void)log_->begin_segment();  // on a full disk the next one will do
  return {};
}

void Journal::start_recording() {
  if (begins_segment_) (void)log_->begin_segment();
  begins_segment_ = false;
  recording_ = true;
  if (options_.flush_interval_ms > 0) thread_ = std::thread([this] { run(); });
}

void Journal::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, std::chrono::milliseconds(options_.flush_interval_ms), [this] { return stopping_; });
    lock.unlock();
    // A failure shows to the next command; the bytes are kept and tried again.
    (void)log_->flush(durability_.load() != Durability::kNone);
    lock.lock();
  }
}

ByteWriter& Journal::begin(const RecordHead& head) {
  record_.clear();
  record_.put(head.kind).put(head.tick).put(head.now_us);
  return record_;
}

Result<uint64_t> Journal::append() { return log_->append(record_.view()); }
Status Journal::make_room(size_t bytes) { return log_->make_room(bytes); }

Status Journal::wait(uint64_t sequence) {
  if (sequence == 0 || durability_.load() != Durability::kSync) return {};
  const Status status = log_->commit(sequence);
  if (status.ok()) return {};
  return Status(status.error().code, "done in memory, but not on disk yet: " + status.text() + "; it is written when the disk takes it");
}

Status Journal::flush() { return log_->flush(true); }

Result<uint64_t> Journal::decide(const SinkDecision& decision) {
  ByteWriter record;
  record.put(RecordKind::kSinkDecision).put(uint64_t{0}).put(int64_t{0});
  record.text(decision.sink).put(decision.epoch).put(decision.tick).put(decision.rows).text(decision.prepared);
  std::lock_guard lock(decisions_);
  return log_->append(record.view());
}

void encode_source(const sql::CreateSource& statement, const data::Schema& columns, ByteWriter& out) {
  out.text(statement.name.name).put(static_cast<uint8_t>(statement.or_replace)).put(static_cast<uint8_t>(statement.if_not_exists));
  out.put(static_cast<uint32_t>(statement.columns.size()));
  for (const sql::SourceColumn& column : statement.columns) {
    out.text(column.name).text(column.type_text).put(static_cast<uint8_t>(column.not_null)).put(static_cast<uint8_t>(column.is_processing_time));
  }
  out.put(static_cast<uint32_t>(statement.primary_key.size()));
  for (const std::string& name : statement.primary_key) out.text(name);
  // 0: no watermark, 1: one, 2: one per key.
  out.put(static_cast<uint8_t>(!statement.watermark ? 0 : statement.watermark->key.empty() ? 1 : 2));
  if (statement.watermark) {
    out.text(statement.watermark->column).put(statement.watermark->delay_us);
    if (!statement.watermark->key.empty()) out.put(static_cast<uint32_t>(statement.watermark->key.size()));
    for (const std::string& name : statement.watermark->key) out.text(name);
  }
  out.put(static_cast<uint32_t>(statement.options.size()));
  for (const sql::OptionText& option : statement.options) {
    out.text(option.key).text(option.value).put(static_cast<uint8_t>(option.kind)).put(option.interval_us);
  }
  out.text(statement.statement_text);
  data::encode_schema(columns, out);
}

bool decode_source(ByteReader& in, sql::CreateSource& statement, data::Schema& columns) {
  statement.name.name = in.text();
  statement.or_replace = in.get<uint8_t>() != 0;
  statement.if_not_exists = in.get<uint8_t>() != 0;
  statement.columns.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
  for (sql::SourceColumn& column : statement.columns) {
    column.name = in.text();
    column.type_text = in.text();
    column.not_null = in.get<uint8_t>() != 0;
    column.is_processing_time = in.get<uint8_t>() != 0;
  }
  statement.primary_key.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
  for (std::string& name : statement.primary_key) name = in.text();
  if (const uint8_t watermark = in.get<uint8_t>(); watermark != 0) {
    statement.watermark.emplace();
    statement.watermark->column = in.text();
    statement.watermark->delay_us = in.get<int64_t>();
    if (watermark == 2) statement.watermark->key.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (std::string& name : statement.watermark->key) name = in.text();
  }
  statement.options.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
  for (sql::OptionText& option : statement.options) {
    option.key = in.text();
    option.value = in.text();
    option.kind = static_cast<sql::OptionText::Kind>(in.get<uint8_t>());
    option.interval_us = in.get<int64_t>();
  }
  statement.statement_text = in.text();
  columns = data::decode_schema(in);
  return in.ok();
}

void encode_table(const sql::TableSpec& spec, bool or_replace, bool if_not_exists, ByteWriter& out) {
  out.text(spec.name.name).put(static_cast<uint8_t>(or_replace)).put(static_cast<uint8_t>(if_not_exists));
  data::encode_schema(spec.columns, out);
  out.put(static_cast<uint32_t>(spec.primary_key.size()));
  for (const uint32_t column : spec.primary_key) out.put(column);
  for (const auto* texts : {&spec.column_defaults, &spec.checks}) {
    out.put(static_cast<uint32_t>(texts->size()));
    for (const std::string& text : *texts) out.text(text);
  }
  out.text(spec.sql);
}

bool decode_table(ByteReader& in, sql::TableSpec& spec, bool& or_replace, bool& if_not_exists) {
  spec.name.name = in.text();
  or_replace = in.get<uint8_t>() != 0;
  if_not_exists = in.get<uint8_t>() != 0;
  spec.columns = data::decode_schema(in);
  spec.primary_key.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
  for (uint32_t& column : spec.primary_key) column = in.get<uint32_t>();
  for (auto* texts : {&spec.column_defaults, &spec.checks}) {
    texts->resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (std::string& text : *texts) text = in.text();
  }
  spec.sql = in.text();
  return in.ok();
}

void encode_batches(std::span<const data::Batch> batches, ByteWriter& out) {
  out.put(static_cast<uint32_t>(batches.size()));
  for (const data::Batch& batch : batches) {
    out.put(static_cast<uint16_t>(batch.columns.size()));
    data::encode_batch(batch, batch.columns.size(), out);
  }
}

void encode_changes(std::span<const sql::Change> changes, ByteWriter& out) {
  out.put(static_cast<uint32_t>(changes.size()));
  for (const sql::Change& change : changes) {
    out.put(change.kind).put(change.on_conflict).text(change.object);
    out.put(static_cast<uint32_t>(change.row_ids.size())).raw(change.row_ids.data(), change.row_ids.size_bytes());
    encode_batches(change.rows, out);
  }
}

std::string set_record(const sql::OptionText& option) {
  ByteWriter out;
  out.put(RecordKind::kSet).put(uint64_t{0}).put(int64_t{0});
  out.text(option.key).text(option.value).put(static_cast<uint8_t>(option.kind)).put(option.interval_us);
  return std::string(out.view());
}

Status decode_batches(ByteReader& in, const data::Schema& columns, std::vector<std::unique_ptr<data::BatchBuffer>>& out) {
  const uint32_t count = in.get<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const uint16_t width = in.get<uint16_t>();
    uint32_t rows = 0;
    if (in.rest().size() >= 4) std::memcpy(&rows, in.rest().data(), 4);
    auto buffer = std::make_unique<data::BatchBuffer>(columns, std::max(rows, data::kBatchRowsMax));
    RETURN_IF_ERROR(data::decode_batch(in, width, *buffer));
    out.push_back(std::move(buffer));
  }
  return in.ok() ? Status() : Status(ErrorCode::kCannotRecover, "a record of the log does not decode");
}

}  // namespace laminar::engine
