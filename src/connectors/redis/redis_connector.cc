#include "connectors/redis/redis_connector.h"

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "connectors/files/json_scanner.h"
#include "connectors/lookup_row.h"
#include "connectors/redis/key_pattern.h"
#include "connectors/redis/redis_connection.h"
#include "data/text.h"

namespace laminar::connectors {
namespace {

using data::TypeKind;

constexpr OptionSpec kOptions[] = {
    {.name = "host", .kind = OptionKind::kString, .default_text = "127.0.0.1", .doc = "a host's name or address"},
    {.name = "port", .kind = OptionKind::kInteger, .default_text = "6379", .min = 1, .max = 65535, .doc = "the server's port"},
    {.name = "database", .kind = OptionKind::kInteger, .default_text = "0", .min = 0, .max = 1'000'000, .doc = "the number that SELECT takes"},
    {.name = "user", .kind = OptionKind::kString, .doc = "for AUTH, with password"},
    {.name = "password", .kind = OptionKind::kString, .doc = "for AUTH; stands in SHOW CREATE"},
    {.name = "key", .kind = OptionKind::kString,
     .doc = "how a row's key is written: columns of the primary key in braces, such as 'product:{id}' (default: the table's name, then "
            "each column behind a colon)"},
    {.name = "format", .kind = OptionKind::kChoice, .default_text = "hash", .choices = "hash|json",
     .doc = "what stands under a key: a hash with a field for each column, or a string that holds a JSON object"},
    {.name = "connect_timeout", .kind = OptionKind::kInterval, .default_text = "10 seconds", .min = 10'000,
     .doc = "how long one try to connect may take"},
    {.name = "query_timeout", .kind = OptionKind::kInterval, .default_text = "30 seconds", .min = 10'000,
     .doc = "full: how long the server may be silent while the keys are read"},
    {.name = "check", .kind = OptionKind::kBoolean, .default_text = "true",
     .doc = "whether CREATE connects; false: the server may be away at CREATE"},
    {.name = "on_error", .kind = OptionKind::kChoice, .default_text = "stop", .choices = "stop|skip",
     .doc = "what a value does that its column cannot hold: the views fail, or its row is left out and goes to dead_letters"},
};

constexpr size_t kLoadKeys = 512;  // asked for together while a copy is loaded

struct Spec {
  std::string name;
  RedisAddress address;
  data::Schema schema;
  std::vector<uint32_t> primary_key;
  KeyPattern pattern;
  bool json = false;
  int64_t query_timeout_us = 0;
};

bool is_key_type(const data::Type& type) {
  switch (type.kind) {
    case TypeKind::kFloat: case TypeKind::kDouble: case TypeKind::kInterval: case TypeKind::kBlob: case TypeKind::kUuid: case TypeKind::kBoxed:
      return false;
    default: return data::has_exact_text(type) || type.kind == TypeKind::kTimestampTz;
  }
}

class RedisLookupReader final : public stream::LookupReader {
 public:
  RedisLookupReader(std::shared_ptr<const Spec> spec, bool skip_bad) : spec_(std::move(spec)), skip_bad_(skip_bad), builder_(spec_->schema) {}

  Status connect() override {
    batches_.clear();
    return connection_.open(spec_->address);
  }
  void close() override { connection_.close(); }
  int descriptor() const override { return connection_.descriptor(); }

  Status send(const stream::LookupKeys& keys) override {
    std::vector<std::string> redis_keys;
    std::vector<std::string> values(spec_->primary_key.size());
    for (uint32_t row = 0; row < keys.keys.rows; ++row) {
      for (size_t i = 0; i < values.size(); ++i) {
        // The lookup's key columns are the primary key in its order, the pattern may have another.
        const uint32_t column = spec_->pattern.columns()[i];
        const auto at = std::find(spec_->primary_key.begin(), spec_->primary_key.end(), column) - spec_->primary_key.begin();
        values[i] = key_text(spec_->schema[column].type, keys.keys.column(static_cast<uint32_t>(at)), row);
      }
      redis_keys.push_back(spec_->pattern.key(values));
    }
    RETURN_IF_ERROR(ask(redis_keys));
    batches_.push_back({std::move(redis_keys), 0});
    return {};
  }

  Result<bool> receive(stream::LookupAnswer& answer) override {
    while (!batches_.empty() && batches_.front().received < batches_.front().keys.size()) {
      ASSIGN_OR_RETURN(const std::optional<RedisReply> reply, connection_.receive(0));
      if (!reply) return false;
      Batch& batch = batches_.front();
      RETURN_IF_ERROR(add(*reply, batch.keys[batch.received], batch.received, answer));
      ++batch.received;
    }
    if (batches_.empty()) return false;
    batches_.pop_front();
    return true;
  }

  Status load(const std::function<Status(const data::Batch&)>& take) override {
    RETURN_IF_ERROR(connection_.open(spec_->address));
    const std::string glob = spec_->pattern.glob(), count = std::to_string(kLoadKeys);
    std::string cursor = "0";
    std::unordered_set<std::string> seen;  // SCAN may give a key twice
    stream::LookupAnswer answer(data::types_of(spec_->schema));
    do {
      ASSIGN_OR_RETURN(const RedisReply page, connection_.execute({"SCAN", cursor, "MATCH", glob, "COUNT", count}, spec_->query_timeout_us));
      if (page.is_error()) return Status(ErrorCode::kServerRefused, "Redis: " + std::string(page.text()));
      if (!page.is_array() || page.size() != 2) return Status(ErrorCode::kServerUnavailable, "Redis: not a reply to SCAN");
      cursor = page.item_text(0);
      std::vector<std::string> keys;
      for (size_t i = 0; i < page.item_size(1); ++i) {
        if (auto [key, fresh] = seen.emplace(page.item_item_text(1, i)); fresh) keys.push_back(*key);
      }
      RETURN_IF_ERROR(ask(keys));
      for (const std::string& key : keys) {
        ASSIGN_OR_RETURN(const std::optional<RedisReply> reply, connection_.receive(spec_->query_timeout_us));
        if (!reply) return Status(ErrorCode::kServerUnavailable, "Redis: no answer in time while the keys are read");
        RETURN_IF_ERROR(add(*reply, key, 0, answer));
        if (answer.key_of_row.size() == data::kBatchRowsMax) RETURN_IF_ERROR(give(answer, take));
      }
      RETURN_IF_ERROR(give(answer, take));
    } while (cursor != "0");
    connection_.close();
    return {};
  }
  void cancel() override { connection_.cancel(); }

 private:
  struct Batch {
    std::vector<std::string> keys;
    uint32_t received = 0;
  };

  Status give(stream::LookupAnswer& answer, const std::function<Status(const data::Batch&)>& take) {
    for (const auto& bad : answer.bad) {
      if (!skip_bad_) return Status(ErrorCode::kBadRecord, bad.reason + ": " + bad.text);
    }
    if (answer.buffer_count() > 0 && answer.buffer(0).rows > 0) RETURN_IF_ERROR(take(answer.buffer(0).view()));
    answer.clear();
    return {};
  }

  Status ask(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) RETURN_IF_ERROR(connection_.append({spec_->json ? "GET" : "HGETALL", key}));
    return keys.empty() ? Status() : connection_.flush();
  }

  // The row that a reply holds, if it holds one.
  Status add(const RedisReply& reply, const std::string& key, uint32_t number, stream::LookupAnswer& answer) {
    if (reply.is_error()) {
      // Of this key alone, or of the server.
      if (!reply.text().starts_with("WRONGTYPE")) return Status(ErrorCode::kServerUnavailable, "Redis: " + std::string(reply.text()));
      answer.bad.push_back({number, "key " + key + " does not hold a " + (spec_->json ? "string" : "hash"), std::string(reply.text())});
      return {};
    }
    if (spec_->json ? reply.is_nil() : reply.is_array() && reply.size() == 0) return {};
    if (spec_->json ? !reply.is_text() : !reply.is_array() || reply.size() % 2 != 0) {
      return Status(ErrorCode::kServerUnavailable, "Redis: not a reply to " + std::string(spec_->json ? "GET" : "HGETALL"));
    }
    std::vector<std::string_view> key_values;
    if (!spec_->pattern.match(key, key_values)) return {};
    builder_.begin(answer, number);
    if (spec_->json) {
      if (!json_.parse_text(reply.text())) {
        builder_.fail("key " + key + " holds no JSON object: " + std::string(json_.problem()), reply.text());
      } else {
        for (const JsonMember& member : json_.members()) set_member(member);
      }
    } else {
      for (size_t i = 0; i < reply.size(); i += 2) {
        const uint32_t column = find(reply.item_text(i));
        if (column < spec_->schema.size()) set(column, reply.item_text(i + 1));
      }
    }
    // The key says it better than what stands under it.
    for (size_t i = 0; i < key_values.size(); ++i) set(spec_->pattern.columns()[i], key_values[i]);
    builder_.finish();
    return {};
  }

  uint32_t find(std::string_view name) const {
    for (uint32_t c = 0; c < spec_->schema.size(); ++c) {
      if (spec_->schema[c].name == name) return c;
    }
    return static_cast<uint32_t>(spec_->schema.size());
  }

  void set(uint32_t column, std::string_view text) {
    if (spec_->schema[column].type.kind == TypeKind::kBlob) builder_.set_blob(column, text);
    else builder_.set(column, text);
  }

  void set_member(const JsonMember& member) {
    const uint32_t column = find(member.key);
    if (column >= spec_->schema.size() || member.kind == JsonMember::Kind::kNull) return;
    if (member.kind == JsonMember::Kind::kNested) builder_.set_json(column, member.text);
    else builder_.set(column, member.text);
  }

  const std::shared_ptr<const Spec> spec_;
  const bool skip_bad_;
  RedisConnection connection_;
  LookupRowBuilder builder_;
  JsonScanner json_;
  std::deque<Batch> batches_;
};

class RedisLookup final : public stream::LookupDefinition {
 public:
  RedisLookup(std::shared_ptr<const Spec> spec, bool skip_bad, bool check) : spec_(std::move(spec)), skip_bad_(skip_bad), check_(check) {}
  bool can_ask() const override { return true; }
  bool can_load() const override { return true; }
  std::string refuse_keys(const std::vector<uint32_t>& key_columns) const override {
    if (key_columns == spec_->primary_key) return {};
    std::string list;
    for (const uint32_t column : spec_->primary_key) list += (list.empty() ? "" : ", ") + spec_->schema[column].name;
    return "Redis finds rows by their whole key (" + list + "); compare all of it, or use mode = 'full'";
  }
  Status check() const override {
    if (!check_) return {};
    RedisConnection connection;
    return connection.open(spec_->address);
  }
  Result<std::unique_ptr<stream::LookupReader>> open(const std::vector<uint32_t>&) const override {
    return std::unique_ptr<stream::LookupReader>(std::make_unique<RedisLookupReader>(spec_, skip_bad_));
  }

 private:
  const std::shared_ptr<const Spec> spec_;
  const bool skip_bad_, check_;
};

class RedisConnector final : public stream::Connector {
 public:
  std::string_view name() const override { return "redis"; }
  std::string_view doc() const override { return "keys of a Redis server that hold hashes or JSON"; }
  std::span<const OptionSpec> lookup_options() const override { return kOptions; }
  bool is_lookup() const override { return true; }
  Result<std::unique_ptr<stream::LookupDefinition>> make_lookup(const std::string& name, const data::Schema& schema,
                                                                const std::vector<uint32_t>& primary_key,
                                                                const OptionValues& options) const override {
    if (schema.empty()) return Status(ErrorCode::kTypeMismatch, "declare the columns of lookup table " + name + ": Redis cannot tell them");
    if (primary_key.empty()) {
      return Status(ErrorCode::kMissingOption, "lookup table " + name + " needs a PRIMARY KEY: its columns make up the key in Redis");
    }
    auto spec = std::make_shared<Spec>();
    spec->name = name;
    spec->address.host = options.text("host");
    spec->address.port = static_cast<int>(options.integer("port"));
    spec->address.database = static_cast<int>(options.integer("database"));
    spec->address.user = options.text("user");
    spec->address.password = options.text("password");
    spec->address.connect_timeout_us = options.integer("connect_timeout");
    spec->query_timeout_us = options.integer("query_timeout");
    spec->json = options.text("format") == "json";
    spec->schema = schema;
    spec->primary_key = primary_key;
    std::string pattern = name;
    for (const uint32_t column : primary_key) {
      if (!is_key_type(schema[column].type)) {
        return Status(ErrorCode::kTypeMismatch, "column " + schema[column].name + " (" + schema[column].type.text() +
                                                    ") cannot stand in a key of Redis: the text of one value is not always the same");
      }
      pattern += ":{" + schema[column].name + "}";
    }
    if (options.has("key")) pattern = options.text("key");
    Result<KeyPattern> parsed = KeyPattern::parse(pattern, schema, primary_key);
    if (!parsed.ok()) return Status(parsed.status().error().code, parsed.status().error().message, options.value_offset("key"));
    spec->pattern = parsed.take();
    return std::unique_ptr<stream::LookupDefinition>(
        std::make_unique<RedisLookup>(std::move(spec), options.text("on_error") == "skip", options.boolean("check")));
  }
};

}  // namespace

const stream::Connector* redis_connector() {
  static const RedisConnector connector;
  return &connector;
}

}  // namespace laminar::connectors
