// The public interface over engine and SQL sessions.
#include "laminar/laminar.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <mutex>

#include "base/check.h"
#include "data/batch.h"
#include "engine/database.h"
#include "engine/directory.h"
#include "io/system_disk.h"
#include "sql/parse/script.h"
#include "sql/session.h"

namespace laminar {

namespace {

std::vector<ColumnInfo> column_infos(const data::Schema& schema) {
  std::vector<ColumnInfo> infos;
  for (const data::Field& field : schema) {
    infos.push_back({field.name, field.type.text(), static_cast<ColumnLayout>(field.type.physical())});
  }
  return infos;
}
static_assert(static_cast<int>(ColumnLayout::kString) == static_cast<int>(data::Physical::kString));
static_assert(static_cast<int>(ColumnLayout::kInt64) == static_cast<int>(data::Physical::kI64));

}  // namespace

std::string_view ColumnView::string(size_t row) const { return static_cast<const data::StringRef*>(data)[row].view(); }

// Rows ---------------------------------------------------------------------------------------------------------------

struct Rows::Impl {
  std::shared_ptr<sql::Session> session;  // kept for rows of Database::query()
  std::unique_ptr<sql::Rows> owned;
  sql::Rows* rows = nullptr;
  std::vector<ColumnInfo> columns;
  sql::TextRows text;
  uint32_t row = 0;
  std::string empty;
};

Rows::Rows(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  for (const sql::ResultColumn& column : impl_->rows->columns()) {
    impl_->columns.push_back({column.name, column.type_text, static_cast<ColumnLayout>(column.type.physical())});
  }
}
Rows::~Rows() = default;
const std::vector<ColumnInfo>& Rows::columns() const { return impl_->columns; }
bool Rows::silent() const { return impl_->rows->silent(); }

Result<bool> Rows::next() {
  if (impl_->row + 1 < impl_->text.rows) {
    ++impl_->row;
    return true;
  }
  for (;;) {
    ASSIGN_OR_RETURN(bool more, impl_->rows->next(impl_->text));
    if (!more) {
      impl_->text.rows = 0;
      return false;
    }
    if (impl_->text.rows > 0) break;
  }
  impl_->row = 0;
  return true;
}

bool Rows::is_null(size_t column) const { return impl_->text.is_null(impl_->row, static_cast<uint32_t>(column)); }
const std::string& Rows::text(size_t column) const { return impl_->text.cell(impl_->row, static_cast<uint32_t>(column)); }
int64_t Rows::int64(size_t column) const { return std::strtoll(text(column).c_str(), nullptr, 10); }
double Rows::float64(size_t column) const { return std::strtod(text(column).c_str(), nullptr); }
Status Rows::arrow_schema(ArrowSchema* schema) { return impl_->rows->arrow_schema(schema); }
Result<bool> Rows::next_arrow(ArrowArray* array) { return impl_->rows->next_arrow(array); }

// Connection ---------------------------------------------------------------------------------------------------------

struct Connection::Impl {
  std::shared_ptr<sql::Session> session;
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;
Status Connection::execute(std::string_view script) { return impl_->session->execute(script); }

Status Connection::execute(std::string_view script, const std::function<Status(Rows&, std::string_view)>& each) {
  return impl_->session->execute(script, [&each](sql::Rows& rows, std::string_view statement) {
    auto impl = std::make_unique<Rows::Impl>();
    impl->rows = &rows;
    Rows view(std::move(impl));
    return each(view, statement);
  });
}

Result<std::unique_ptr<Rows>> Connection::query(std::string_view script) {
  ASSIGN_OR_RETURN(auto rows, impl_->session->query(script));
  auto impl = std::make_unique<Rows::Impl>();
  impl->session = impl_->session;
  impl->owned = std::move(rows);
  impl->rows = impl->owned.get();
  return std::make_unique<Rows>(std::move(impl));
}

void Connection::interrupt() { impl_->session->interrupt(); }

std::vector<Connection::Completion> Connection::complete(std::string_view text, size_t cursor) {
  std::vector<Completion> list;
  for (sql::Completion& item : impl_->session->complete(text, cursor)) list.push_back({std::move(item.text), static_cast<size_t>(item.begin)});
  return list;
}

// Database -----------------------------------------------------------------------------------------------------------

struct Database::Impl {
  std::unique_ptr<engine::Directory> directory;
  std::unique_ptr<io::Disk> disk;
  std::shared_ptr<engine::Database> database;
  std::shared_ptr<sql::Engine> engine;
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::~Database() { close(); }

void Database::close() {
  if (impl_->database) impl_->database->close();
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) { return open(path, Options{}); }

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const Options& options) {
  auto impl = std::make_unique<Impl>();
  if (!path.empty()) {
    ASSIGN_OR_RETURN(impl->directory, engine::Directory::open(path));
  }
  std::unique_ptr<engine::Journal> journal;
  if (!path.empty()) {
    impl->disk = std::make_unique<io::SystemDisk>();
    engine::JournalOptions journal_options;
    journal_options.accept_damage = options.accept_damage;
    ASSIGN_OR_RETURN(journal, engine::Journal::open(*impl->disk, path, journal_options));
  }
  engine::DatabaseOptions engine_options;
  engine_options.recovers = journal != nullptr;
  engine_options.manual_clock = options.manual_clock;
  engine_options.manual_clock_start_us = options.manual_clock_start_us;
  if (options.cores > 64) return Status(ErrorCode::kInvalidOption, "cores takes a number from 1 to 64");
  engine_options.cores = options.cores;
  engine_options.subscription_rows_max = options.subscription_rows_max;
  impl->database = std::make_shared<engine::Database>(engine_options);
  sql::EngineOptions sql_options;
  sql_options.threads = options.query_threads;
  ASSIGN_OR_RETURN(impl->engine, sql::Engine::open(impl->database, sql_options));
  if (journal) {
    const std::unique_ptr<sql::Session> session = impl->engine->connect();
    const auto run_sql = [&session](const std::string& statement) { return session->execute(statement); };
    RETURN_IF_ERROR(impl->database->recover(std::move(journal), run_sql, options.on_recovery));
  }
  return std::make_unique<Database>(std::move(impl));
}

std::unique_ptr<Connection> Database::connect() {
  auto connection = std::make_unique<Connection::Impl>();
  connection->session = impl_->engine->connect();
  return std::make_unique<Connection>(std::move(connection));
}

Status Database::execute(std::string_view script) { return connect()->execute(script); }
Result<std::unique_ptr<Rows>> Database::query(std::string_view script) { return connect()->query(script); }

uint64_t Database::changes_in_tick() const { return impl_->database->changes_in_tick(); }

std::vector<Metric> Database::metrics() {
  std::vector<Metric> list;
  for (engine::MetricValue& value : impl_->database->metrics()) list.push_back({std::move(value.name), std::move(value.object), value.value});
  return list;
}

uint64_t Database::tick() { return impl_->database->tick(); }
Status Database::run_tick() { return impl_->database->run_tick(); }
Status Database::advance_clock(int64_t microseconds) { return impl_->database->advance_clock(microseconds); }
Status Database::drain() { return impl_->database->drain({}); }

// Appender -----------------------------------------------------------------------------------------------------------

struct Appender::Impl {
  std::shared_ptr<engine::Database> database;
  std::shared_ptr<const sql::Object> source;
  std::optional<uint32_t> partition;
  std::vector<uint32_t> processing_time;
  std::vector<ColumnInfo> columns;
  std::vector<std::unique_ptr<data::BatchBuffer>> buffers;  // rows since the last flush
  size_t used = 0;                                          // buffers that hold rows
  uint32_t column = 0;
  bool row_failed = false;
  ErrorCode failure_code = ErrorCode::kTypeMismatch;
  std::string failure;
  std::vector<data::Column> view_columns;

  data::BatchBuffer& buffer() {
    if (used == 0 || buffers[used - 1]->full()) {
      if (used == buffers.size()) buffers.push_back(std::make_unique<data::BatchBuffer>(source->columns));
      buffers[used]->clear();
      ++used;
    }
    return *buffers[used - 1];
  }
  bool accepts() {
    if (column < columns.size()) return !row_failed;
    fail("too many values for a row of " + source->name + ", which has " + std::to_string(columns.size()) + " columns");
    return false;
  }
  void fail(std::string message, ErrorCode code = ErrorCode::kTypeMismatch) {
    if (!row_failed) {
      failure = std::move(message);
      failure_code = code;
    }
    row_failed = true;
  }
  void mismatch(const char* what) { fail(std::string(what) + " does not fit column " + source->name + "." + columns[column].name + " (" + columns[column].type + ")"); }
  template <class T>
  void put(T value) { buffer_column().template values<T>()[row()] = value; }
  data::Column& buffer_column() { return buffer().column(column); }
  uint32_t row() { return buffer().rows; }
};

namespace {

Result<std::unique_ptr<Appender>> make_appender(const std::shared_ptr<engine::Database>& database, const std::string& source,
                                                std::optional<uint32_t> partition) {
  ASSIGN_OR_RETURN(engine::SourceStage * stage, database->appendable_source(source));
  if (partition) RETURN_IF_ERROR(database->move_partition(stage->object, engine::PartitionMove::kJoin, *partition, 0));
  auto impl = std::make_unique<Appender::Impl>();
  impl->database = database;
  impl->partition = partition;
  impl->source = stage->object;
  impl->processing_time = stage->processing_time_columns;
  impl->columns = column_infos(stage->object->columns);
  return std::make_unique<Appender>(std::move(impl));
}

}  // namespace

Result<std::unique_ptr<Appender>> Database::appender(const std::string& source) { return make_appender(impl_->database, source, std::nullopt); }

Result<std::unique_ptr<Appender>> Database::appender(const std::string& source, uint32_t partition) {
  return make_appender(impl_->database, source, partition);
}

Appender::Appender(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Appender::~Appender() = default;
const std::vector<ColumnInfo>& Appender::columns() const { return impl_->columns; }

namespace {
template <class T>
bool fits(int64_t value) { return value >= static_cast<int64_t>(std::numeric_limits<T>::min()) && value <= static_cast<int64_t>(std::numeric_limits<T>::max()); }
}  // namespace

Appender& Appender::add(int64_t value) {
  Impl& impl = *impl_;
  if (!impl.accepts()) return *this;
  bool ok = true;
  switch (impl.buffer_column().physical) {
    case data::Physical::kI64: impl.put<int64_t>(value); break;
    case data::Physical::kI32: ok = fits<int32_t>(value); impl.put(static_cast<int32_t>(value)); break;
    case data::Physical::kI16: ok = fits<int16_t>(value); impl.put(static_cast<int16_t>(value)); break;
    case data::Physical::kI8: ok = fits<int8_t>(value); impl.put(static_cast<int8_t>(value)); break;
    case data::Physical::kU64: ok = value >= 0; impl.put(static_cast<uint64_t>(value)); break;
    case data::Physical::kU32: ok = fits<uint32_t>(value); impl.put(static_cast<uint32_t>(value)); break;
    case data::Physical::kU16: ok = fits<uint16_t>(value); impl.put(static_cast<uint16_t>(value)); break;
    case data::Physical::kU8: ok = fits<uint8_t>(value); impl.put(static_cast<uint8_t>(value)); break;
    case data::Physical::kBool: ok = value == 0 || value == 1; impl.put(static_cast<uint8_t>(value)); break;
    case data::Physical::kI128: impl.put(static_cast<__int128>(value)); break;
    case data::Physical::kF64: impl.put(static_cast<double>(value)); break;
    case data::Physical::kF32: impl.put(static_cast<float>(value)); break;
    default: ok = false;
  }
  if (!ok) impl.mismatch("an integer");
  ++impl.column;
  return *this;
}

Appender& Appender::add(double value) {
  Impl& impl = *impl_;
  if (!impl.accepts()) return *this;
  switch (impl.buffer_column().physical) {
    case data::Physical::kF64: impl.put(value); break;
    case data::Physical::kF32: impl.put(static_cast<float>(value)); break;
    default: impl.mismatch("a floating-point number");
  }
  ++impl.column;
  return *this;
}

Appender& Appender::add(std::string_view value) {
  Impl& impl = *impl_;
  if (!impl.accepts()) return *this;
  if (impl.source->columns[impl.column].type.kind != data::TypeKind::kVarchar &&
      impl.source->columns[impl.column].type.kind != data::TypeKind::kBlob) {
    impl.mismatch("a string");
  } else {
    impl.put(impl.buffer().strings().copy(value));
  }
  ++impl.column;
  return *this;
}

Appender& Appender::add_null() {
  Impl& impl = *impl_;
  if (!impl.accepts()) return *this;
  if (impl.source->columns[impl.column].not_null) {
    impl.fail("NOT NULL constraint violated: " + impl.source->name + "." + impl.columns[impl.column].name, ErrorCode::kConstraintViolated);
  } else {
    data::Column& column = impl.buffer_column();
    data::set_null(column.validity, impl.row());
    std::memset(static_cast<char*>(column.data) + size_t{impl.row()} * data::physical_size(column.physical), 0, data::physical_size(column.physical));
  }
  ++impl.column;
  return *this;
}

Status Appender::end_row() {
  Impl& impl = *impl_;
  if (!impl.row_failed && impl.column + impl.processing_time.size() < impl.columns.size()) {
    impl.fail("too few values for a row of " + impl.source->name + ": " + std::to_string(impl.column) + " of " + std::to_string(impl.columns.size()));
  }
  const bool failed = impl.row_failed;
  data::BatchBuffer& buffer = impl.buffer();
  if (failed) {
    for (uint32_t c = 0; c < buffer.column_count(); ++c) data::set_valid(buffer.column(c).validity, buffer.rows);
  } else {
    ++buffer.rows;
  }
  impl.column = 0;
  impl.row_failed = false;
  if (failed) return Status(impl.failure_code, std::move(impl.failure));
  return {};
}

Status Appender::flush() {
  Impl& impl = *impl_;
  const size_t used = impl.used;
  impl.used = 0;
  return impl.database->append_buffers(impl.source, std::span(impl.buffers).first(used), impl.partition.value_or(0));
}

Status Appender::append_columns(std::span<const ColumnView> columns, size_t rows) {
  Impl& impl = *impl_;
  const size_t expected = impl.columns.size() - impl.processing_time.size();
  if (columns.size() != expected) {
    return Status(ErrorCode::kTypeMismatch, "append_columns takes the " + std::to_string(expected) + " columns of " + impl.source->name +
                                                (impl.processing_time.empty() ? "" : " that are not PROCTIME()"));
  }
  impl.view_columns.resize(columns.size());
  for (size_t c = 0; c < columns.size(); ++c) {
    impl.view_columns[c] = {const_cast<void*>(columns[c].data), const_cast<uint64_t*>(columns[c].validity),
                            impl.source->columns[c].type.physical()};
    if (impl.source->columns[c].not_null && columns[c].validity) {
      for (size_t i = 0; i < rows; ++i) {
        if (columns[c].is_null(i)) {
          return Status(ErrorCode::kConstraintViolated, "NOT NULL constraint violated: " + impl.source->name + "." + impl.columns[c].name);
        }
      }
    }
  }
  data::Batch batch;
  batch.rows = static_cast<uint32_t>(rows);
  batch.columns = impl.view_columns;
  return impl.database->append(impl.source, batch, impl.partition.value_or(0));
}

Status Appender::advance_watermark(int64_t watermark_us) {
  if (impl_->partition) return impl_->database->move_partition(impl_->source, engine::PartitionMove::kAdvance, *impl_->partition, watermark_us);
  return impl_->database->advance_watermark(impl_->source, watermark_us);
}

Status Appender::leave_partition() {
  if (!impl_->partition) return Status(ErrorCode::kWrongArguments, "this appender is of no partition: name one when it is made");
  return impl_->database->move_partition(impl_->source, engine::PartitionMove::kLeave, *impl_->partition, 0);
}

// Subscription -------------------------------------------------------------------------------------------------------

struct Subscription::Impl {
  std::shared_ptr<engine::Database> database;
  std::shared_ptr<engine::Subscription> subscription;
  std::vector<ColumnInfo> columns;
  std::unique_ptr<engine::TickRows> rows;
  // Views of the tick that is shown.
  std::vector<ChangeBatch> batches;
  std::vector<ColumnView> views;

  void show(engine::TickRows& tick, TickChanges& changes) {
    const size_t width = columns.size();
    batches.clear();
    views.clear();
    views.reserve(width * tick.used);
    for (size_t i = 0; i < tick.used; ++i) {
      const data::Batch batch = tick.buffers[i]->view();
      const size_t first = views.size();
      for (const data::Column& column : batch.columns) views.push_back({column.data, column.validity});
      batches.push_back({batch.rows, std::span(views).subspan(first, width), tick.buffers[i]->weights()});
    }
    changes.tick = tick.tick;
    changes.watermark_us = tick.watermark;
    changes.batches = batches;
  }
};

Subscription::Subscription(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Subscription::~Subscription() { impl_->database->unfollow(impl_->subscription); }
const std::vector<ColumnInfo>& Subscription::columns() const { return impl_->columns; }
bool Subscription::ended() const { return impl_->subscription->ended(); }

Result<std::unique_ptr<Subscription>> Database::subscribe(const std::string& view, Callback callback, bool with_snapshot) {
  auto impl = std::make_unique<Subscription::Impl>();
  Subscription::Impl* shown = impl.get();
  impl->database = impl_->database;
  engine::Subscription::Callback on_tick;
  if (callback) {
    on_tick = [shown, callback = std::move(callback)](engine::TickRows& tick) {
      TickChanges changes;
      shown->show(tick, changes);
      callback(changes);
    };
  }
  const std::shared_ptr<const sql::Object> object = impl_->database->find(view);
  if (object) impl->columns = column_infos(object->columns);
  ASSIGN_OR_RETURN(impl->subscription, impl_->database->follow(view, std::move(on_tick), with_snapshot));
  return std::make_unique<Subscription>(std::move(impl));
}

Result<bool> Subscription::poll(TickChanges& changes, int timeout_ms) {
  switch (impl_->subscription->poll(impl_->rows, timeout_ms)) {
    case engine::Subscription::State::kChanges: impl_->show(*impl_->rows, changes); return true;
    case engine::Subscription::State::kTimeout:
    case engine::Subscription::State::kEnded: break;
  }
  changes = {};
  return false;
}

// Texts --------------------------------------------------------------------------------------------------------------

std::optional<size_t> statement_end(std::string_view text) { return sql::complete_statement_end(text); }

TextPosition text_position(std::string_view text, int64_t offset) {
  const sql::TextPosition position = sql::position_of(text, offset);
  return {position.line, position.column};
}

}  // namespace laminar
