#include "connectors/postgres/postgres_lookup.h"

#include <algorithm>

#include "connectors/lookup_row.h"
#include "connectors/postgres/postgres_connection.h"
#include "connectors/postgres/postgres_types.h"

namespace laminar::connectors {
namespace {

using data::TypeKind;

constexpr char kAsk[] = "ask";

// PostgreSQL's name of the type that keys of ours are sent as; null when they cannot be.
const char* key_type(const data::Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean: return "boolean";
    case TypeKind::kInt8: case TypeKind::kInt16: case TypeKind::kInt32: case TypeKind::kInt64:
    case TypeKind::kUInt8: case TypeKind::kUInt16: case TypeKind::kUInt32:
      return "bigint";
    case TypeKind::kUInt64: case TypeKind::kInt128: case TypeKind::kUInt128: case TypeKind::kDecimal: return "numeric";
    case TypeKind::kDate: return "date";
    case TypeKind::kTimestamp: return "timestamp";
    case TypeKind::kTimestampTz: return "timestamptz";
    case TypeKind::kVarchar: return "text";
    default: return nullptr;
  }
}

std::string from_hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; };
  std::string bytes;
  for (size_t i = 2; i + 1 < text.size(); i += 2) bytes += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  return bytes;
}

struct Spec {
  std::string name, table;
  PostgresAddress address;
  data::Schema schema;
  int64_t query_timeout_us = 30'000'000;

  std::string columns(const std::string& prefix) const {
    std::string list;
    for (const data::Field& field : schema) list += (list.empty() ? "" : ", ") + prefix + PostgresConnection::quoted_name(field.name);
    return list;
  }
};

void set_row(LookupRowBuilder& builder, const PostgresResult& result, int row, int first_column) {
  for (uint32_t c = 0; c < builder.schema().size(); ++c) {
    const int column = first_column + static_cast<int>(c);
    if (result.is_null(row, column)) continue;
    const std::string_view text = result.text(row, column);
    const TypeKind kind = builder.schema()[c].type.kind;
    if (kind == TypeKind::kBlob) builder.set_blob(c, from_hex(text));
    else if (kind == TypeKind::kBoxed) builder.set_json(c, text);
    else builder.set(c, text);
  }
}

class PostgresLookupReader final : public stream::LookupReader {
 public:
  PostgresLookupReader(std::shared_ptr<const Spec> spec, std::vector<uint32_t> key_columns, bool skip_bad)
      : spec_(std::move(spec)), key_columns_(std::move(key_columns)), skip_bad_(skip_bad), builder_(spec_->schema) {}

  Status connect() override {
    RETURN_IF_ERROR(connection_.open(spec_->address));
    // A key's number in the batch comes back with its rows.
    std::string arrays, names, conditions;
    for (size_t k = 0; k < key_columns_.size(); ++k) {
      const data::Field& field = spec_->schema[key_columns_[k]];
      const std::string number = std::to_string(k + 1);
      arrays += (k ? ", $" : "$") + number + "::" + key_type(field.type) + "[]";
      names += "k" + number + ", ";
      conditions += (k ? " AND t." : "t.") + PostgresConnection::quoted_name(field.name) + " = u.k" + number;
    }
    RETURN_IF_ERROR(connection_.prepare(kAsk, "SELECT u.n, " + spec_->columns("t.") + " FROM unnest(" + arrays + ") WITH ORDINALITY AS u(" + names +
                                                  "n) JOIN " + PostgresConnection::quoted_qualified(spec_->table) + " AS t ON " + conditions,
                                        spec_->query_timeout_us));
    return connection_.enter_pipeline();
  }
  void close() override { connection_.close(); }

  Status send(const stream::LookupKeys& keys) override {
    std::vector<std::optional<std::string>> arrays;
    for (size_t k = 0; k < key_columns_.size(); ++k) {
      std::string array = "{";
      for (uint32_t row = 0; row < keys.keys.rows; ++row) {
        array += row ? ",\"" : "\"";
        for (const char c : key_text(spec_->schema[key_columns_[k]].type, keys.keys.column(static_cast<uint32_t>(k)), row)) {
          if (c == '"' || c == '\\') array += '\\';
          array += c;
        }
        array += '"';
      }
      arrays.emplace_back(array + "}");
    }
    return connection_.send_prepared(kAsk, arrays);
  }
  int descriptor() const override { return connection_.descriptor(); }
  bool wants_write() const override { return connection_.wants_write(); }

  Result<bool> receive(stream::LookupAnswer& answer) override {
    ASSIGN_OR_RETURN(const std::optional<PostgresResult> result, connection_.receive());
    if (!result) return false;
    for (int row = 0; row < result->rows(); ++row) {
      builder_.begin(answer, static_cast<uint32_t>(std::stoul(std::string(result->text(row, 0)))) - 1);
      set_row(builder_, *result, row, 1);
      builder_.finish();
    }
    return true;
  }

  Status load(const std::function<Status(const data::Batch&)>& take) override {
    RETURN_IF_ERROR(connection_.open(spec_->address));
    stream::LookupAnswer answer(data::types_of(spec_->schema));
    const auto give = [&]() -> Status {
      for (const auto& bad : answer.bad) {
        if (!skip_bad_) return Status(ErrorCode::kBadRecord, bad.reason + ": " + bad.text);
      }
      if (answer.buffer_count() > 0 && answer.buffer(0).rows > 0) RETURN_IF_ERROR(take(answer.buffer(0).view()));
      answer.clear();
      return {};
    };
    const Status status = connection_.stream(
        "SELECT " + spec_->columns("") + " FROM " + PostgresConnection::quoted_qualified(spec_->table),
        [&](const PostgresResult& result) -> Status {
          builder_.begin(answer, 0);
          set_row(builder_, result, 0, 0);
          builder_.finish();
          return answer.key_of_row.size() == data::kBatchRowsMax || !answer.bad.empty() ? give() : Status();
        },
        spec_->query_timeout_us);
    connection_.close();
    RETURN_IF_ERROR(status);
    return give();
  }
  void cancel() override { connection_.cancel(); }

 private:
  const std::shared_ptr<const Spec> spec_;
  const std::vector<uint32_t> key_columns_;
  const bool skip_bad_;
  PostgresConnection connection_;
  LookupRowBuilder builder_;
};

class PostgresLookup final : public stream::LookupDefinition {
 public:
  PostgresLookup(std::shared_ptr<const Spec> spec, bool skip_bad, bool check) : spec_(std::move(spec)), skip_bad_(skip_bad), check_(check) {}
  bool can_ask() const override { return true; }
  bool can_load() const override { return true; }
  std::string refuse_keys(const std::vector<uint32_t>& key_columns) const override {
    for (const uint32_t column : key_columns) {
      const data::Field& field = spec_->schema[column];
      if (!key_type(field.type)) return field.name + " is a " + field.type.text() + "; use mode = 'full'";
    }
    return {};
  }
  Status check() const override {
    if (!check_) return {};
    PostgresConnection connection;
    RETURN_IF_ERROR(connection.open(spec_->address));
    ASSIGN_OR_RETURN(const PostgresResult result,
                     connection.execute("SELECT " + spec_->columns("") + " FROM " + PostgresConnection::quoted_qualified(spec_->table) + " LIMIT 0"));
    for (uint32_t c = 0; c < spec_->schema.size(); ++c) {
      const data::Field& field = spec_->schema[c];
      const uint32_t type = result.column_type(static_cast<int>(c));
      if (can_hold(field.type, type)) continue;
      const std::optional<std::string> oid = std::to_string(type);
      std::string theirs = *oid;
      if (auto named = connection.execute("SELECT format_type($1::oid, NULL)", {&oid, 1}); named.ok() && named->rows() == 1) {
        theirs = named->text(0, 0);
      }
      return Status(ErrorCode::kTypeMismatch, "column " + field.name + " of lookup table " + spec_->name + " is declared " + field.type.text() +
                                                  ", and in PostgreSQL's " + spec_->table + " it is " + theirs);
    }
    return {};
  }
  Result<std::unique_ptr<stream::LookupReader>> open(const std::vector<uint32_t>& key_columns) const override {
    return std::unique_ptr<stream::LookupReader>(std::make_unique<PostgresLookupReader>(spec_, key_columns, skip_bad_));
  }

 private:
  const std::shared_ptr<const Spec> spec_;
  const bool skip_bad_, check_;
};

}  // namespace

std::span<const OptionSpec> postgres_lookup_options() {
  static const std::vector<OptionSpec> options = [] {
    std::vector<OptionSpec> list = {
        {.name = "table", .kind = OptionKind::kString, .doc = "the table or view, 'schema.name' or 'name' (default: the lookup table's name)"},
    };
    list.insert(list.end(), postgres_address_options().begin(), postgres_address_options().end());
    list.push_back({.name = "query_timeout", .kind = OptionKind::kInterval, .default_text = "30 seconds", .min = 10'000,
                    .doc = "full: how long the server may be silent while the table is read"});
    list.push_back({.name = "check", .kind = OptionKind::kBoolean, .default_text = "true",
                    .doc = "whether CREATE connects and compares the columns; false: the server may be away at CREATE"});
    list.push_back({.name = "on_error", .kind = OptionKind::kChoice, .default_text = "stop", .choices = "stop|skip",
                    .doc = "what a value does that its column cannot hold: the views fail, or its row is left out and goes to dead_letters"});
    return list;
  }();
  return options;
}

Result<std::unique_ptr<stream::LookupDefinition>> make_postgres_lookup(const std::string& name, const data::Schema& schema,
                                                                       const OptionValues& options) {
  if (schema.empty()) {
    return Status(ErrorCode::kTypeMismatch, "declare the columns of lookup table " + name + ": they are those of the server's table");
  }
  for (const data::Field& field : schema) {
    if (field.type.kind != TypeKind::kInterval) continue;
    return Status(ErrorCode::kTypeMismatch, "an INTERVAL column cannot be read from PostgreSQL: " + name + "." + field.name);
  }
  auto spec = std::make_shared<Spec>();
  spec->name = name;
  spec->table = options.has("table") ? options.text("table") : name;
  spec->address = postgres_address(options);
  spec->schema = schema;
  spec->query_timeout_us = options.integer("query_timeout");
  return std::unique_ptr<stream::LookupDefinition>(
      std::make_unique<PostgresLookup>(std::move(spec), options.text("on_error") == "skip", options.boolean("check")));
}

}  // namespace laminar::connectors
