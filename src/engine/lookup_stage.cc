#include "engine/lookup_stage.h"

#include <algorithm>

#include "base/check.h"
#include "data/codec.h"
#include "engine/recovery/operator_state.h"
#include "plan/properties.h"

namespace laminar::engine {

using stream::LookupCache;
using stream::LookupCopyIndex;
using stream::LookupFeed;

namespace {
constexpr uint8_t kKeysTable = 200, kCopyRowsTable = 201, kCopyTable = 202;
}  // namespace

class LookupStage::Entrance final : public stream::Operator {
 public:
  Entrance(LookupCache& cache, const stream::Core& core) : Operator({}), cache_(cache), core_(core) { label = "answers"; }
  void push(uint32_t, const data::Batch& batch) override {
    counters.rows_in += batch.rows;
    counters.rows_out += batch.rows;
    cache_.apply(batch, core_.current());
  }
  uint64_t state_bytes() const override { return cache_.bytes(); }
  uint64_t state_rows() const override { return cache_.entries(); }

 private:
  LookupCache& cache_;
  const stream::Core& core_;
};

Result<LookupStage::Settings> LookupStage::settings(const std::string& name, const stream::LookupDefinition& definition,
                                                    const OptionValues& options, int64_t offset) {
  Settings settings;
  const std::string mode = options.has("mode") ? options.text("mode") : definition.can_ask() ? "on_demand" : "full";
  settings.on_demand = mode == "on_demand";
  if (settings.on_demand ? !definition.can_ask() : !definition.can_load()) {
    return Status(ErrorCode::kInvalidOption, "mode = '" + mode + "' is not possible for lookup table " + name + ": its connector " +
                                                 (settings.on_demand ? "cannot be asked for single keys" : "cannot give the whole table"),
                  options.has("mode") ? options.value_offset("mode") : offset);
  }
  const auto refuse = [&](std::string_view option, const char* why) {
    return Status(ErrorCode::kInvalidOption, "option without effect: " + std::string(option) + " of lookup table " + name + "; " + why,
                  options.value_offset(option));
  };
  if (settings.on_demand && options.has("refresh")) return refuse("refresh", "it is for mode = 'full'");
  for (const std::string_view option : {"cache.ttl", "cache.missing_ttl", "cache.bytes", "lookup.batch", "lookup.in_flight", "lookup.timeout"}) {
    if (!settings.on_demand && options.has(option)) return refuse(option, "it is for mode = 'on_demand'");
  }
  settings.feed.when_away = options.text("when_away") == "null"   ? LookupFeed::WhenAway::kNull
                            : options.text("when_away") == "fail" ? LookupFeed::WhenAway::kFail
                                                                  : LookupFeed::WhenAway::kWait;
  if (settings.feed.when_away == LookupFeed::WhenAway::kWait && options.has("retry_for")) {
    return refuse("retry_for", "rows wait however long it takes, unless when_away is 'null' or 'fail'");
  }
  const auto number = [&options](std::string_view option, int64_t by_default) {
    return options.has(option) ? options.integer(option) : by_default;
  };
  settings.refresh_us = number("refresh", 0);
  settings.cache.ttl_us = number("cache.ttl", 300'000'000);
  settings.cache.missing_ttl_us = number("cache.missing_ttl", settings.cache.ttl_us);
  settings.cache.bytes_max = static_cast<uint64_t>(number("cache.bytes", 64'000'000));
  settings.feed.batch_keys = settings.cache.batch_keys = static_cast<uint32_t>(number("lookup.batch", 256));
  settings.feed.batches_in_flight = static_cast<uint32_t>(number("lookup.in_flight", 8));
  settings.feed.timeout_us = number("lookup.timeout", 5'000'000);
  settings.feed.retry_for_us = number("retry_for", 10'000'000);
  settings.feed.skip_bad = options.text("on_error") == "skip";
  settings.waiting_rows_max = static_cast<uint64_t>(number("lookup.waiting_rows", 65'536));
  return settings;
}

std::string LookupStage::describe(const std::string& connector, const Settings& settings) {
  if (!settings.on_demand) {
    return connector + ", full copy, " + (settings.refresh_us ? "loaded every " + plan::duration_text(settings.refresh_us) : "loaded once");
  }
  return connector + " on demand, cached for " + plan::duration_text(settings.cache.ttl_us) + " up to " +
         std::to_string(settings.cache.bytes_max) + " bytes";
}

LookupStage::LookupStage(std::shared_ptr<const sql::Object> object_, std::string connector_,
                         std::unique_ptr<stream::LookupDefinition> definition, Settings settings, const stream::Core& core,
                         std::function<void()> wake, bool recovering)
    : object(std::move(object_)), connector(std::move(connector_)), definition_(std::move(definition)), settings_(settings),
      types_(data::types_of(object->columns)), core_(core), wake_(std::move(wake)), recovering_(recovering) {
  name = object->name;
}

LookupStage::~LookupStage() = default;

Result<std::unique_ptr<LookupFeed>> LookupStage::make_feed(const std::vector<uint32_t>& key_columns, std::vector<data::Type> key_types) {
  ASSIGN_OR_RETURN(std::unique_ptr<stream::LookupReader> reader, definition_->open(key_columns));
  return std::make_unique<LookupFeed>(
      std::move(reader), types_, std::move(key_types), settings_.feed,
      [this](stream::BadRecord record) { dead_letters.add(std::move(record)); }, wake_);
}

Status LookupStage::start() {
  if (settings_.on_demand) return {};
  ASSIGN_OR_RETURN(loader_, make_feed({}, {}));
  if (!recovering_) loader_->load({});
  return {};
}

void LookupStage::resume() {
  recovering_ = false;
  for (Asked& asked : asked_) asked.cache->ask_again();
  if (!loader_ || has_copy()) return;
  std::vector<std::vector<uint32_t>> keys;
  for (const auto& index : copy_indexes_) keys.push_back(index->key_columns());
  loader_->load(std::move(keys));
}

Status LookupStage::check_keys(const std::vector<uint32_t>& key_columns) const {
  if (!settings_.on_demand) return {};
  const std::string why = definition_->refuse_keys(key_columns);
  if (why.empty()) return {};
  return Status(ErrorCode::kNotIncremental, "lookup table " + name + " cannot be asked by these columns: " + why);
}

Status LookupStage::bind(stream::LookupOperator& op) {
  RETURN_IF_ERROR(check_keys(op.key_columns()));
  if (!settings_.on_demand) {
    for (const auto& index : copy_indexes_) {
      if (index->key_columns() != op.key_columns()) continue;
      op.bind(index.get(), &core_.current(), settings_.waiting_rows_max);
      return {};
    }
    auto index = std::make_unique<LookupCopyIndex>(op.key_columns());
    if (copy_) copy_->add_index(op.key_columns());
    if (has_copy()) index->set(copy_.get());
    op.bind(index.get(), &core_.current(), settings_.waiting_rows_max);
    copy_indexes_.push_back(std::move(index));
    return {};
  }
  for (const Asked& asked : asked_) {
    if (asked.cache->key_columns() != op.key_columns()) continue;
    op.bind(asked.cache.get(), &core_.current(), settings_.waiting_rows_max);
    return {};
  }
  Asked made;
  made.cache = std::make_unique<LookupCache>(op.key_columns(), types_, settings_.cache);
  made.entrance = std::make_unique<Entrance>(*made.cache, core_);
  ASSIGN_OR_RETURN(made.feed, make_feed(op.key_columns(), made.cache->key_types()));
  made.cache->set_send([this, feed = made.feed.get()](std::vector<std::unique_ptr<stream::LookupKeys>> keys) {
    if (!recovering_) feed->ask(std::move(keys));
  });
  op.bind(made.cache.get(), &core_.current(), settings_.waiting_rows_max);
  operators.push_back(made.entrance.get());
  asked_.push_back(std::move(made));
  return {};
}

LookupStage::Arrival LookupStage::arrived() {
  Arrival arrival;
  for (Asked& asked : asked_) {
    std::vector<std::unique_ptr<data::BatchBuffer>> answers = asked.feed->take_answers();
    if (!answers.empty()) arrival.answers.push_back({asked.cache->key_columns(), std::move(answers)});
  }
  if (!loader_) return arrival;
  std::optional<LookupFeed::Loaded> loaded = loader_->take_copy();
  if (!loaded || (!loaded->copy && has_copy())) return arrival;
  arrival.copy = !loaded->copy ? Arrival::Copy::kNothing : is_same(*loaded->copy) ? Arrival::Copy::kSame : Arrival::Copy::kRows;
  arrival.rows = std::move(loaded->copy);
  return arrival;
}

// Whether the copy that is there has these rows in this order.
bool LookupStage::is_same(const stream::LookupCopy& copy) const {
  if (!copy_ || copy.rows().rows() != copy_->rows().rows() || copy.rows().slot_end() != copy_->rows().slot_end()) return false;
  for (uint32_t slot = 0; slot < copy.rows().slot_end(); ++slot) {
    if (!copy.rows().equals(slot, copy_->rows().chunk_columns(slot), slot % stream::RowStore::kChunkRows)) return false;
  }
  return true;
}

void LookupStage::enter(Arrival arrival, std::vector<stream::Core::Input>& inputs) {
  struct Taken {
    Entrance* entrance;
    size_t count;
  };
  std::vector<Taken> taken;
  for (Arrival::Answers& answers : arrival.answers) {
    for (Asked& asked : asked_) {
      if (asked.cache->key_columns() != answers.key_columns) continue;
      taken.push_back({asked.entrance.get(), answers.batches.size()});
      for (auto& buffer : answers.batches) answers_.push_back(std::move(buffer));
    }
  }
  for (auto& buffer : answers_) batches_.push_back(buffer->view());
  size_t at = 0;
  for (const Taken& item : taken) {
    for (size_t i = 0; i < item.count; ++i) inputs.push_back({this, item.entrance, 0, &batches_[at++]});
  }
  if (arrival.copy == Arrival::Copy::kNone) return;
  loaded_at_us_ = core_.now_us();
  if (arrival.copy != Arrival::Copy::kSame) set_copy(std::move(arrival.rows));
}

void LookupStage::set_copy(std::unique_ptr<stream::LookupCopy> copy) {
  if (copy) {
    // Views that came while it was loading.
    for (const auto& index : copy_indexes_) copy->add_index(index->key_columns());
  }
  copy_is_nothing_ = !copy;
  for (const auto& index : copy_indexes_) index->set(copy.get());
  copy_ = std::move(copy);
  copy_saved_ = false;
}

void LookupStage::encode(const Arrival& arrival, ByteWriter& out) const {
  const auto put = [&out](const data::Batch& batch) {
    out.put(uint8_t{1}).put(batch.rows);
    data::encode_batch(batch, batch.columns.size(), out);
  };
  out.put(static_cast<uint32_t>(arrival.answers.size()));
  for (const Arrival::Answers& answers : arrival.answers) {
    out.put(static_cast<uint32_t>(answers.key_columns.size()));
    for (const uint32_t column : answers.key_columns) out.put(column);
    for (const auto& buffer : answers.batches) put(buffer->view());
    out.put(uint8_t{0});
  }
  out.put(arrival.copy);
  if (arrival.copy != Arrival::Copy::kRows) return;
  arrival.rows->scan(types_, put);
  out.put(uint8_t{0});
}

Status LookupStage::decode(ByteReader& in, Arrival& arrival) const {
  const std::vector<data::Type> answer_types = LookupCache::answer_types(types_);
  arrival.answers.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
  for (Arrival::Answers& answers : arrival.answers) {
    answers.key_columns.resize(std::min<size_t>(in.get<uint32_t>(), in.rest().size()));
    for (uint32_t& column : answers.key_columns) column = in.get<uint32_t>();
    while (in.get<uint8_t>() == 1) {
      answers.batches.push_back(std::make_unique<data::BatchBuffer>(answer_types, std::max(in.get<uint32_t>(), data::kBatchRowsMax)));
      RETURN_IF_ERROR(data::decode_batch(in, answer_types.size(), *answers.batches.back()));
    }
  }
  arrival.copy = in.get<Arrival::Copy>();
  if (arrival.copy != Arrival::Copy::kRows) return in.ok() ? Status() : stream::damaged_state(name);
  arrival.rows = std::make_unique<stream::LookupCopy>(types_);
  data::BatchBuffer rows(types_);
  while (in.get<uint8_t>() == 1) {
    (void)in.get<uint32_t>();
    rows.clear();
    RETURN_IF_ERROR(data::decode_batch(in, types_.size(), rows));
    arrival.rows->add(rows.view());
  }
  return in.ok() ? Status() : stream::damaged_state(name);
}

// Tables of a part: those of the cache; 200: its key columns; of part 0 also 201: the copy's rows, 202: what is known of it.
void LookupStage::save(uint32_t object_id, storage::CheckpointBatch& batch, bool full) {
  ByteWriter key, value;
  for (size_t i = 0; i < asked_.size(); ++i) {
    const auto part = static_cast<uint16_t>(i);
    CheckpointSink sink(batch, object_id, part);
    asked_[i].cache->save(sink, full);
    value.clear();
    for (const uint32_t column : asked_[i].cache->key_columns()) value.put(column);
    batch.put({object_id, part, kKeysTable}, "", value.view());
  }
  if (!loader_) return;
  value.clear();
  value.put(has_copy()).put(copy_is_nothing_).put(loaded_at_us_);
  batch.put({object_id, 0, kCopyTable}, "", value.view());
  if (copy_saved_ && !full) return;
  copy_saved_ = true;
  batch.erase_prefix({object_id, 0, kCopyRowsTable}, "");
  uint64_t number = 0;
  scan([&](const data::Batch& rows) {
    key.clear();
    value.clear();
    stream::put_ordered(number++, key);
    data::encode_batch(rows, rows.columns.size(), value);
    batch.put({object_id, 0, kCopyRowsTable}, key.view(), value.view());
  });
}

Status LookupStage::load(uint32_t object_id, storage::CheckpointReader& reader) {
  for (uint16_t part = 0;; ++part) {
    std::vector<uint32_t> columns;
    RETURN_IF_ERROR(reader.scan({object_id, part, kKeysTable}, [&](std::string_view, std::string_view value) -> Status {
      for (ByteReader in(value); !in.at_end();) columns.push_back(in.get<uint32_t>());
      return {};
    }));
    if (columns.empty()) break;
    // What nobody asks by any more is forgotten.
    for (Asked& asked : asked_) {
      if (asked.cache->key_columns() != columns) continue;
      CheckpointSource source(reader, object_id, part);
      RETURN_IF_ERROR(asked.cache->load(source));
    }
  }
  bool has_copy = false, is_nothing = false;
  RETURN_IF_ERROR(reader.scan({object_id, 0, kCopyTable}, [&](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    has_copy = in.get<bool>();
    is_nothing = in.get<bool>();
    loaded_at_us_ = in.get<int64_t>();
    return {};
  }));
  if (!has_copy) return {};
  auto copy = std::make_unique<stream::LookupCopy>(types_);
  data::BatchBuffer rows(types_);
  RETURN_IF_ERROR(reader.scan({object_id, 0, kCopyRowsTable}, [&](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    rows.clear();
    RETURN_IF_ERROR(data::decode_batch(in, types_.size(), rows));
    copy->add(rows.view());
    return {};
  }));
  set_copy(is_nothing ? nullptr : std::move(copy));
  return {};
}

void LookupStage::recycle() {
  batches_.clear();
  answers_.clear();
}

void LookupStage::refresh_if_due() {
  if (!loader_ || recovering_ || settings_.refresh_us == 0 || !copy_ || loader_->is_loading()) return;
  if (core_.now_us() - loaded_at_us_ < settings_.refresh_us) return;
  loaded_at_us_ = core_.now_us();
  std::vector<std::vector<uint32_t>> keys;
  for (const auto& index : copy_indexes_) keys.push_back(index->key_columns());
  loader_->load(std::move(keys));
}

std::optional<Error> LookupStage::failure() {
  if (loader_) {
    if (copy_) return std::nullopt;  // a copy that could not be renewed is used on
    return loader_->progress().failure;
  }
  for (const Asked& asked : asked_) {
    if (auto failure = asked.feed->progress().failure) return failure;
  }
  return std::nullopt;
}

bool LookupStage::is_busy() {
  if (!loader_) return false;  // the waiting rows of views tell
  const LookupFeed::Progress progress = loader_->progress();
  return loader_->is_loading() && progress.last_error.empty() && !progress.failure;
}

void LookupStage::scan(const stream::BatchVisitor& visit) const {
  if (copy_) copy_->scan(types_, visit);
}

LookupStage::Figures LookupStage::figures() {
  Figures figures;
  bool away = false, failed = false, connected = false;
  const auto add = [&](LookupFeed& feed) {
    const LookupFeed::Progress progress = feed.progress();
    figures.requests += progress.requests;
    figures.batches += progress.batches;
    figures.retries += progress.retries;
    figures.unavailable += progress.unavailable;
    figures.rows += progress.rows;
    figures.loads += progress.loads;
    if (!progress.last_error.empty()) figures.error = progress.last_error;
    failed |= progress.failure.has_value();
    away |= !progress.connected && !progress.last_error.empty();
    connected |= progress.connected;
  };
  if (loader_) add(*loader_);
  for (const auto& index : copy_indexes_) {
    figures.hits += index->hits;
    figures.hits_missing += index->misses;
  }
  if (copy_) {
    figures.entries = copy_->rows().rows();
    figures.bytes = copy_->bytes();
  }
  for (const Asked& asked : asked_) {
    add(*asked.feed);
    const LookupCache::Counters& counters = asked.cache->counters();
    figures.hits += counters.hits;
    figures.hits_missing += counters.hits_missing;
    figures.misses += counters.misses;
    figures.expired += counters.expired;
    figures.evicted += counters.evicted;
    figures.entries += asked.cache->entries();
    figures.bytes += asked.cache->bytes();
    figures.waiting_requests += asked.cache->waiting_requests();
  }
  figures.state = failed                                     ? "failed"
                  : away                                     ? "away"
                  : loader_ && !has_copy()                   ? "loading"
                  : connected || (loader_ && has_copy())     ? "ready"
                                                             : "idle";
  return figures;
}

}  // namespace laminar::engine
