#include "connectors/postgres/postgres_sink.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "connectors/common_options.h"
#include "connectors/postgres/copy_text.h"
#include "connectors/postgres/postgres_connection.h"
#include "connectors/postgres/postgres_types.h"
#include "connectors/postgres/upsert_changes.h"

namespace laminar::connectors {
namespace {

using stream::SinkIdentity;
using stream::SinkMode;
using stream::SinkPlace;

using Parameter = std::optional<std::string>;

constexpr size_t kPieceBytes = 64 << 10;  // of a COPY
constexpr char kGone[] = "laminar gone";  // column of the temporary table

struct Spec {
  std::string name, table, epoch_table;
  PostgresAddress address;
  data::Schema schema;
  SinkMode mode = SinkMode::kAppend;
  std::vector<uint32_t> primary_key;  // upsert
  bool create_table = false, check = true;
  int64_t query_timeout_us = 30'000'000;

  std::string quoted_table() const { return PostgresConnection::quoted_qualified(table); }
  std::string quoted_epochs() const { return PostgresConnection::quoted_qualified(epoch_table); }
  std::string quoted(uint32_t column) const { return PostgresConnection::quoted_name(schema[column].name); }
  bool is_key(uint32_t column) const { return std::find(primary_key.begin(), primary_key.end(), column) != primary_key.end(); }
  std::string key_list() const {
    std::string list;
    for (const uint32_t column : primary_key) list += (list.empty() ? "" : ", ") + quoted(column);
    return list;
  }
  std::string column_list() const {
    std::string list;
    for (uint32_t c = 0; c < schema.size(); ++c) list += (c ? ", " : "") + quoted(c);
    return list;
  }
};

uint64_t number(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// One connection of a group of sinks, and its transaction.
class Session final : public stream::SinkSession {
 public:
  Session(PostgresAddress address, int64_t timeout_us) : address_(std::move(address)), timeout_us_(timeout_us) {}

  // The first writer of an epoch begins the transaction for all.
  Status begin() {
    if (in_transaction_) return {};
    if (!connection.is_open()) RETURN_IF_ERROR(connection.open(address_));
    RETURN_IF_ERROR(connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED", {}, timeout_us_).status());
    in_transaction_ = true;
    return {};
  }
  Status commit() {
    if (!in_transaction_) return {};
    in_transaction_ = false;
    const Status status = connection.execute("COMMIT", {}, timeout_us_).status();
    // Whether it is done is asked of the server, by another connection.
    if (!status.ok()) connection.close();
    return status;
  }
  void abort() {
    if (!in_transaction_) return;
    in_transaction_ = false;
    if (!connection.is_open() || !connection.execute("ROLLBACK", {}, timeout_us_).ok()) connection.close();
  }
  void cancel() override { connection.cancel(); }

  PostgresConnection connection;

 private:
  const PostgresAddress address_;
  const int64_t timeout_us_;
  bool in_transaction_ = false;
};

class PostgresWriter final : public stream::SinkWriter {
 public:
  PostgresWriter(std::shared_ptr<const Spec> spec, std::shared_ptr<Session> session, const SinkIdentity& identity)
      : spec_(std::move(spec)), session_(std::move(session)), identity_(identity), text_(spec_->schema) {}

  Status begin(uint64_t) override {
    place_ = next_ = {};
    copying_ = false;
    piece_.clear();
    changes_.clear();
    RETURN_IF_ERROR(session_->begin());
    return read_place();
  }
  SinkPlace place() const override { return place_; }

  Status write(const data::Batch& batch, uint64_t tick) override {
    if (next_.epoch == 0) next_ = {place_.epoch + 1, tick, place_.rows};
    next_.rows += batch.rows;
    if (spec_->mode == SinkMode::kUpsert) {
      if (tick != next_.tick) RETURN_IF_ERROR(changes_.end_tick());
      next_.tick = tick;
      return take_changes(batch);
    }
    next_.tick = tick;
    return copy_rows(batch, tick);
  }

  Status prepare() override {
    if (next_.epoch == 0) return {};
    if (spec_->mode == SinkMode::kUpsert) {
      RETURN_IF_ERROR(changes_.end_tick());
      RETURN_IF_ERROR(apply_changes());
    }
    RETURN_IF_ERROR(end_copy());
    return write_place();
  }

  Status commit() override { return session_->commit(); }
  void abort() override { session_->abort(); }

  Status close() override {
    session_->abort();
    // Nobody will ask for the place of a sink of a database that was in memory.
    if (!identity_.durable && session_->connection.is_open()) {
      const std::vector<Parameter> who = identity_texts();
      (void)session_->connection.execute("DELETE FROM " + spec_->quoted_epochs() + " WHERE database = $1 AND sink = $2", who, spec_->query_timeout_us);
    }
    return {};
  }

 private:
  PostgresConnection& connection() { return session_->connection; }
  std::vector<Parameter> identity_texts() const { return {std::to_string(identity_.database), spec_->name}; }

  Status read_place() {
    const std::vector<Parameter> who = identity_texts();
    for (int attempt = 0; attempt < 2; ++attempt) {
      ASSIGN_OR_RETURN(const PostgresResult row,
                       connection().execute("SELECT created, epoch, tick, rows FROM " + spec_->quoted_epochs() +
                                                " WHERE database = $1 AND sink = $2 FOR UPDATE", who, spec_->query_timeout_us));
      if (row.rows() > 0) {
        // Of another sink by the same name that is gone.
        if (row.text(0, 0) != std::to_string(identity_.created_us)) return {};
        place_ = {number(row.text(0, 1)), number(row.text(0, 2)), number(row.text(0, 3))};
        return {};
      }
      // Waits for one that another transaction inserts.
      std::vector<Parameter> values = who;
      values.emplace_back(std::to_string(identity_.created_us));
      RETURN_IF_ERROR(connection().execute("INSERT INTO " + spec_->quoted_epochs() + " (database, sink, created, epoch, tick, rows) "
                                           "VALUES ($1, $2, $3, 0, 0, 0) ON CONFLICT (database, sink) DO NOTHING", values, spec_->query_timeout_us).status());
    }
    return {};
  }

  Status write_place() {
    std::vector<Parameter> values = identity_texts();
    for (const uint64_t value : {next_.epoch, next_.tick, next_.rows}) values.emplace_back(std::to_string(value));
    values.emplace_back(std::to_string(identity_.created_us));
    ASSIGN_OR_RETURN(const PostgresResult result,
                     connection().execute("UPDATE " + spec_->quoted_epochs() + " SET epoch = $3, tick = $4, rows = $5, created = $6, committed = now() "
                                          "WHERE database = $1 AND sink = $2", values, spec_->query_timeout_us));
    if (result.rows_affected() == 1) return {};
    return Status(ErrorCode::kServerRefused, "PostgreSQL: the row of this sink is gone from " + spec_->epoch_table);
  }

  // Rows go to the server as they come.
  Status copy_rows(const data::Batch& batch, uint64_t tick) {
    const bool changelog = spec_->mode == SinkMode::kChangelog;
    if (!copying_) {
      const std::string more = changelog ? ", \"tick\", \"weight\"" : "";
      RETURN_IF_ERROR(connection().begin_copy("COPY " + spec_->quoted_table() + " (" + spec_->column_list() + more + ") FROM STDIN", spec_->query_timeout_us));
      copying_ = true;
    }
    for (uint32_t row = 0; row < batch.rows; ++row) {
      const int64_t weight = batch.weight(row);
      if (changelog) {
        RETURN_IF_ERROR(text_.row(batch, row, piece_));
        piece_ += '\t' + std::to_string(tick) + '\t' + std::to_string(weight) + '\n';
      } else {
        if (weight < 0) return Status(ErrorCode::kInternal, "a row is taken back in an append-only sink");
        for (int64_t i = 0; i < weight; ++i) {
          RETURN_IF_ERROR(text_.row(batch, row, piece_));
          piece_ += '\n';
        }
      }
      if (piece_.size() >= kPieceBytes) RETURN_IF_ERROR(send_piece());
    }
    return {};
  }
  Status send_piece() {
    const Status status = piece_.empty() ? Status() : connection().copy(piece_, spec_->query_timeout_us);
    piece_.clear();
    return status;
  }
  Status end_copy() {
    if (!copying_) return {};
    RETURN_IF_ERROR(send_piece());
    copying_ = false;
    return connection().end_copy(spec_->query_timeout_us).status();
  }

  Status take_changes(const data::Batch& batch) {
    std::string key, line;
    for (uint32_t row = 0; row < batch.rows; ++row) {
      for (const uint32_t column : spec_->primary_key) {
        if (!batch.columns[column].is_null(row)) continue;
        return Status(ErrorCode::kConstraintViolated, "primary key column " + spec_->schema[column].name + " is NULL; leave such rows out in the view");
      }
      key.clear();
      line.clear();
      RETURN_IF_ERROR(text_.columns(batch, row, spec_->primary_key, key));
      RETURN_IF_ERROR(text_.row(batch, row, line));
      changes_.add(key, std::move(line), batch.weight(row));
    }
    return {};
  }

  Status apply_changes() {
    if (changes_.changes().empty()) return {};
    const std::string fresh = "pg_temp." + PostgresConnection::quoted_name("laminar_" + std::to_string(identity_.created_us) + "_" + spec_->name);
    const std::string columns = spec_->column_list();
    const std::string gone = PostgresConnection::quoted_name(kGone);
    RETURN_IF_ERROR(connection().execute("CREATE TEMPORARY TABLE " + fresh.substr(8) + " ON COMMIT DROP AS SELECT " + columns + ", true AS " + gone +
                                             " FROM " + spec_->quoted_table() + " WITH NO DATA", {}, spec_->query_timeout_us).status());
    RETURN_IF_ERROR(connection().begin_copy("COPY " + fresh + " FROM STDIN", spec_->query_timeout_us));
    copying_ = true;
    bool any_gone = false, any_there = false;
    for (const auto& [key, change] : changes_.changes()) {
      piece_ += change.line;
      piece_ += change.gone ? "\tt\n" : "\tf\n";
      (change.gone ? any_gone : any_there) = true;
      if (piece_.size() >= kPieceBytes) RETURN_IF_ERROR(send_piece());
    }
    RETURN_IF_ERROR(end_copy());
    if (any_gone) {
      std::string same;
      for (const uint32_t column : spec_->primary_key) same += (same.empty() ? "t." : " AND t.") + spec_->quoted(column) + " = c." + spec_->quoted(column);
      RETURN_IF_ERROR(connection().execute("DELETE FROM " + spec_->quoted_table() + " t USING " + fresh + " c WHERE c." + gone + " AND " + same, {},
                                           spec_->query_timeout_us).status());
    }
    if (!any_there) return {};
    std::string set;
    for (uint32_t c = 0; c < spec_->schema.size(); ++c) {
      if (!spec_->is_key(c)) set += (set.empty() ? "" : ", ") + spec_->quoted(c) + " = EXCLUDED." + spec_->quoted(c);
    }
    return connection().execute("INSERT INTO " + spec_->quoted_table() + " (" + columns + ") SELECT " + columns + " FROM " + fresh + " WHERE NOT " + gone +
                                    " ON CONFLICT (" + spec_->key_list() + ") DO " + (set.empty() ? "NOTHING" : "UPDATE SET " + set), {},
                                spec_->query_timeout_us).status();
  }

  const std::shared_ptr<const Spec> spec_;
  const std::shared_ptr<Session> session_;
  const SinkIdentity identity_;
  CopyText text_;
  SinkPlace place_, next_;  // next_: of the open epoch, none before its first row
  bool copying_ = false;
  std::string piece_;
  UpsertChanges changes_;
};

// The table, made or compared.
class TableCheck {
 public:
  TableCheck(const Spec& spec, PostgresConnection& connection) : spec_(spec), connection_(connection) {}

  Status run() {
    const Parameter table = spec_.quoted_table();
    ASSIGN_OR_RETURN(const PostgresResult found, connection_.execute("SELECT to_regclass($1)", {&table, 1}, spec_.query_timeout_us));
    if (!found.is_null(0, 0)) return compare();
    if (spec_.create_table) return create();
    return Status(ErrorCode::kServerRefused, "PostgreSQL has no table " + spec_.table + " for sink " + spec_.name + "; create it, or say create_table = true");
  }

 private:
  struct Theirs {
    uint32_t type = 0;
    std::string type_name;
    char category = 0;
    bool required = false, generated = false;
  };

  data::Schema wanted() const {
    data::Schema schema = spec_.schema;
    if (spec_.mode == SinkMode::kChangelog) {
      schema.push_back({"tick", data::Type::of(data::TypeKind::kInt64), false});
      schema.push_back({"weight", data::Type::of(data::TypeKind::kInt64), false});
    }
    return schema;
  }

  Status create() {
    std::string columns;
    for (const data::Field& field : wanted()) {
      columns += (columns.empty() ? "" : ", ") + PostgresConnection::quoted_name(field.name) + " " + postgres_type(field.type);
    }
    if (!spec_.primary_key.empty()) columns += ", PRIMARY KEY (" + spec_.key_list() + ")";
    return connection_.execute("CREATE TABLE " + spec_.quoted_table() + " (" + columns + ")", {}, spec_.query_timeout_us).status();
  }

  Status compare() {
    const Parameter table = spec_.quoted_table();
    ASSIGN_OR_RETURN(const PostgresResult rows,
                     connection_.execute("SELECT a.attname, t.oid, format_type(a.atttypid, a.atttypmod), t.typcategory, "
                                         "a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.attgenerated <> '' OR a.attidentity = 'a' "
                                         "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
                                         "WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped", {&table, 1}, spec_.query_timeout_us));
    std::map<std::string, Theirs> theirs;
    for (int row = 0; row < rows.rows(); ++row) {
      Theirs& column = theirs[std::string(rows.text(row, 0))];
      column = {static_cast<uint32_t>(number(rows.text(row, 1))), std::string(rows.text(row, 2)), rows.text(row, 3)[0], rows.text(row, 4) == "t",
                rows.text(row, 5) == "t"};
    }
    for (const data::Field& field : wanted()) {
      const auto found = theirs.find(field.name);
      if (found == theirs.end()) {
        return mismatch("PostgreSQL's table " + spec_.table + " has no column " + field.name + ", which sink " + spec_.name + " writes");
      }
      if (found->second.generated) return mismatch("column " + field.name + " of PostgreSQL's " + spec_.table + " is generated there: sink " + spec_.name + " cannot write it");
      if (!can_take(found->second.type, found->second.category, field.type)) {
        return mismatch("column " + field.name + " of sink " + spec_.name + " is a " + field.type.text() + ", and in PostgreSQL's " + spec_.table + " it is " +
                        found->second.type_name + "; cast it in the view, or make it " + postgres_type(field.type) + " there");
      }
      theirs.erase(found);
    }
    for (const auto& [name, column] : theirs) {
      if (!column.required) continue;
      return mismatch("column " + name + " of PostgreSQL's " + spec_.table + " is NOT NULL and has no default, and sink " + spec_.name + " does not write it");
    }
    return spec_.mode == SinkMode::kUpsert ? check_key() : Status();
  }

  Status check_key() {
    const Parameter table = spec_.quoted_table();
    ASSIGN_OR_RETURN(const PostgresResult rows,
                     connection_.execute("SELECT i.indexrelid, a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND "
                                         "a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) WHERE i.indrelid = to_regclass($1) AND i.indisunique "
                                         "AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL", {&table, 1}, spec_.query_timeout_us));
    std::map<std::string, std::set<std::string>> indexes;
    for (int row = 0; row < rows.rows(); ++row) indexes[std::string(rows.text(row, 0))].emplace(rows.text(row, 1));
    std::set<std::string> key;
    for (const uint32_t column : spec_.primary_key) key.insert(spec_.schema[column].name);
    for (const auto& [index, columns] : indexes) {
      if (columns == key) return {};
    }
    return mismatch("PostgreSQL's table " + spec_.table + " has no primary key or unique index on (" + spec_.key_list() + "), which sink " + spec_.name +
                    " needs to replace rows");
  }

  Status mismatch(const std::string& message) const { return Status(ErrorCode::kTypeMismatch, message); }

  const Spec& spec_;
  PostgresConnection& connection_;
};

class PostgresSink final : public stream::SinkDefinition {
 public:
  explicit PostgresSink(std::shared_ptr<const Spec> spec) : spec_(std::move(spec)) {}
  SinkMode mode() const override { return spec_->mode; }
  std::string guarantee(bool durable) const override { return durable ? "exactly-once" : "at-least-once"; }
  std::string transaction() const override {
    const PostgresAddress& a = spec_->address;
    std::string text = "postgres";
    for (const std::string* part : {&a.connection, &a.host, &a.port, &a.database, &a.user, &a.password, &a.sslmode}) text += '\n' + *part;
    return text;
  }
  Result<std::unique_ptr<stream::SinkWriter>> open() const override {
    return Status(ErrorCode::kInternal, "a PostgreSQL sink is opened with its place");
  }

  Result<std::unique_ptr<stream::SinkWriter>> open_in(std::shared_ptr<stream::SinkSession>& session, const SinkIdentity& identity) const override {
    if (identity.is_new && spec_->check) RETURN_IF_ERROR(set_up(identity));
    if (!session) session = std::make_shared<Session>(spec_->address, spec_->query_timeout_us);
    return std::unique_ptr<stream::SinkWriter>(
        std::make_unique<PostgresWriter>(spec_, std::static_pointer_cast<Session>(session), identity));
  }

 private:
  // Over a connection of its own: the session's is in the hands of the group's thread.
  Status set_up(const SinkIdentity& identity) const {
    PostgresConnection connection;
    RETURN_IF_ERROR(connection.open(spec_->address));
    // One at a time: CREATE TABLE IF NOT EXISTS by two at once fails for one of them.
    RETURN_IF_ERROR(connection.execute("BEGIN; SELECT pg_advisory_xact_lock(" + std::to_string(kLockNumber) + ")", {}, spec_->query_timeout_us).status());
    const Parameter epochs = spec_->quoted_epochs();
    ASSIGN_OR_RETURN(const PostgresResult found, connection.execute("SELECT to_regclass($1)", {&epochs, 1}, spec_->query_timeout_us));
    if (found.is_null(0, 0)) {
      RETURN_IF_ERROR(connection.execute("CREATE TABLE " + *epochs + " (database text, sink text, created bigint NOT NULL, epoch bigint NOT NULL, "
                                         "tick bigint NOT NULL, rows bigint NOT NULL, committed timestamptz NOT NULL DEFAULT now(), "
                                         "PRIMARY KEY (database, sink))", {}, spec_->query_timeout_us).status());
    }
    RETURN_IF_ERROR(TableCheck(*spec_, connection).run());
    const std::vector<Parameter> values = {std::to_string(identity.database), spec_->name, std::to_string(identity.created_us)};
    RETURN_IF_ERROR(connection.execute("INSERT INTO " + *epochs + " (database, sink, created, epoch, tick, rows) VALUES ($1, $2, $3, 0, 0, 0) "
                                       "ON CONFLICT (database, sink) DO UPDATE SET created = EXCLUDED.created, epoch = 0, tick = 0, rows = 0", values,
                                       spec_->query_timeout_us).status());
    return connection.execute("COMMIT", {}, spec_->query_timeout_us).status();
  }

  static constexpr int64_t kLockNumber = 5'493'250'014'712'339;  // of ours alone, we hope
  const std::shared_ptr<const Spec> spec_;
};

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

std::string names_of(const data::Schema& schema, const std::vector<uint32_t>& columns) {
  std::string list;
  for (const uint32_t column : columns) list += (list.empty() ? "" : ", ") + schema[column].name;
  return list;
}

// Option primary_key: names with commas between them; the view's key when it is not given.
Status read_key(const stream::SinkInput& input, const OptionValues& options, Spec& spec) {
  const int64_t offset = options.value_offset(options.has("primary_key") ? "primary_key" : "mode");
  if (input.key.empty()) {
    return Status(ErrorCode::kInvalidOption, "mode = 'upsert' of sink " + spec.name + " needs a key, and none is known of its view: use GROUP BY, DISTINCT ON "
                                             "or a table with a PRIMARY KEY, or mode = '" + (input.append_only ? "append" : "changelog") + "'", offset);
  }
  spec.primary_key = input.key;
  if (!options.has("primary_key")) return {};
  spec.primary_key.clear();
  const std::string text = options.text("primary_key");
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    begin = end + 1;
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    const auto found = std::find_if(spec.schema.begin(), spec.schema.end(), [&](const data::Field& field) { return lower(field.name) == lower(name); });
    if (found == spec.schema.end()) {
      return Status(ErrorCode::kInvalidOption, "primary_key of sink " + spec.name + " names a column that the view lacks: " + name, offset);
    }
    const auto column = static_cast<uint32_t>(found - spec.schema.begin());
    if (!spec.is_key(column)) spec.primary_key.push_back(column);
  }
  for (const uint32_t column : input.key) {
    if (spec.is_key(column)) continue;
    return Status(ErrorCode::kInvalidOption, "rows of the view are told apart by (" + names_of(spec.schema, input.key) + "), and primary_key of sink " + spec.name +
                                                 " lacks " + spec.schema[column].name + ": rows would replace each other", offset);
  }
  return {};
}

}  // namespace

std::span<const OptionSpec> postgres_sink_options() {
  static const std::vector<OptionSpec> options = [] {
    std::vector<OptionSpec> list = {
        {.name = "table", .kind = OptionKind::kString, .doc = "the table, 'schema.name' or 'name' (default: the sink's name)"},
        {.name = "mode", .kind = OptionKind::kChoice, .default_text = "append", .choices = "append|upsert|changelog",
         .doc = "append: each row; upsert: the table has the view's content; changelog: each change, with columns tick and weight"},
        {.name = "primary_key", .kind = OptionKind::kString,
         .doc = "upsert: columns that identify a row, 'a, b' (default: those by which the view's rows are told apart)"},
        {.name = "create_table", .kind = OptionKind::kBoolean, .default_text = "false", .doc = "make the table when it is not there"},
    };
    list.insert(list.end(), postgres_address_options().begin(), postgres_address_options().end());
    list.push_back({.name = "query_timeout", .kind = OptionKind::kInterval, .default_text = "30 seconds", .min = 10'000,
                    .doc = "how long the server may take to answer"});
    list.push_back({.name = "check", .kind = OptionKind::kBoolean, .default_text = "true",
                    .doc = "whether CREATE connects, makes what is missing and compares the columns; false: the server may be away, and has it all"});
    list.push_back({.name = "epoch_table", .kind = OptionKind::kString, .default_text = "laminar_epochs",
                    .doc = "the table that keeps how far sinks have come, made when it is not there"});
    return list;
  }();
  return options;
}

Result<std::unique_ptr<stream::SinkDefinition>> make_postgres_sink(const std::string& name, const stream::SinkInput& input,
                                                                   const OptionValues& options) {
  auto spec = std::make_shared<Spec>();
  spec->name = name;
  spec->table = options.has("table") ? options.text("table") : name;
  spec->epoch_table = options.text("epoch_table");
  spec->address = postgres_address(options);
  spec->schema = input.schema;
  spec->query_timeout_us = options.integer("query_timeout");
  spec->create_table = options.boolean("create_table");
  spec->check = options.boolean("check");
  if (spec->create_table && !spec->check) {
    return Status(ErrorCode::kInvalidOption, "create_table = true and check = false of sink " + name + " do not go together", options.value_offset("check"));
  }
  if (options.text("mode") == "upsert") {
    spec->mode = SinkMode::kUpsert;
    RETURN_IF_ERROR(read_key(input, options, *spec));
  } else {
    ASSIGN_OR_RETURN(spec->mode, sink_mode(name, options, input.append_only, {}));
    if (spec->mode == SinkMode::kChangelog) RETURN_IF_ERROR(check_changelog_columns(name, input.schema));
    if (options.has("primary_key")) {
      return Status(ErrorCode::kInvalidOption, "option without effect: primary_key of sink " + name + "; it is for mode = 'upsert'",
                    options.value_offset("primary_key"));
    }
  }
  return std::unique_ptr<stream::SinkDefinition>(std::make_unique<PostgresSink>(std::move(spec)));
}

}  // namespace laminar::connectors
