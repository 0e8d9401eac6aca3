// Lookup tables: how they are made, how answers enter ticks, and what holds sources back while rows wait.
#include <algorithm>

#include "base/check.h"
#include "connectors/common_options.h"
#include "connectors/registry.h"
#include "engine/database.h"
#include "engine/errors.h"
#include "engine/names.h"
#include "engine/relation.h"

namespace laminar::engine {

namespace {

constexpr auto kWaitStep = std::chrono::milliseconds(5);
constexpr int64_t kPatienceNs = 10'000'000'000;

}  // namespace

Status Database::create_lookup(const sql::CreateLookup& statement, data::Schema columns) {
  const sql::OptionText* named = nullptr;
  std::vector<OptionInput> inputs;
  for (const sql::OptionText& option : statement.options) {
    if (option.key == "connector") named = &option;
    else inputs.push_back({option.key, option.value, option.key_offset, option.value_offset});
  }
  const std::string& name = statement.name.name;
  if (!named) {
    return Status(ErrorCode::kMissingOption, "connector is missing for " + name + "; add WITH (connector = '...')", statement.name.offset);
  }
  ASSIGN_OR_RETURN(const stream::Connector* connector, connectors::lookup_connector(named->value, named->value_offset));
  if (!connector->is_lookup()) {
    std::string list;
    for (const stream::Connector* other : connectors::all_connectors()) {
      if (other->is_lookup()) list += (list.empty() ? "" : ", ") + std::string(other->name());
    }
    return Status(ErrorCode::kInvalidOption, "connector " + std::string(connector->name()) + " makes no lookup tables; " + list + " do",
                  named->value_offset);
  }
  std::vector<OptionSpec> table(connector->lookup_options().begin(), connector->lookup_options().end());
  table.insert(table.end(), connectors::lookup_options().begin(), connectors::lookup_options().end());
  ASSIGN_OR_RETURN(OptionValues values, OptionValues::check(table, inputs, "lookup table " + name + " (connector " + std::string(connector->name()) + ")",
                                                            statement.name.offset));
  const auto primary_key_of = [&](const data::Schema& schema) {
    std::vector<uint32_t> key;
    for (const std::string& column : statement.primary_key) {
      for (uint32_t c = 0; c < schema.size(); ++c) {
        if (lower(schema[c].name) == lower(column)) key.push_back(c);
      }
    }
    return key;
  };
  std::vector<uint32_t> primary_key = primary_key_of(columns);
  Result<std::unique_ptr<stream::LookupDefinition>> made = connector->make_lookup(name, columns, primary_key, values);
  if (!made.ok()) return at_offset(made.status(), statement.name.offset);
  std::unique_ptr<stream::LookupDefinition> definition = made.take();
  if (columns.empty()) {
    columns = definition->inferred_schema();
    if (columns.empty()) {
      return Status(ErrorCode::kTypeMismatch, "lookup table " + name + " declares no columns and connector " +
                                                  std::string(connector->name()) + " cannot tell them", statement.name.offset);
    }
  }
  ASSIGN_OR_RETURN(const LookupStage::Settings settings, LookupStage::settings(name, *definition, values, statement.name.offset));
  // Outside the lock: it asks the server. A recovery asks nobody.
  if (!replaying_) RETURN_IF_ERROR(at_offset(definition->check(), statement.name.offset));
  auto object = std::make_shared<sql::Object>();
  object->kind = sql::ObjectKind::kLookupTable;
  object->name = name;
  object->columns = std::move(columns);
  object->primary_key = std::move(primary_key);
  object->time_offset_us.resize(object->columns.size());
  object->holds_content = true;
  object->sql = statement.statement_text;
  object->lookup = LookupStage::describe(std::string(connector->name()), settings);
  Lock lock(*this);
  bool exists = false;
  RETURN_IF_ERROR(check_new_name(statement.name, statement.or_replace, statement.if_not_exists, exists));
  if (exists && statement.if_not_exists) return {};
  Command command(*this);
  RETURN_IF_ERROR(room_to_record(kSmallRecordBytes));
  std::unique_ptr<LookupStage> replaced;
  auto stage = std::make_unique<LookupStage>(object, std::string(connector->name()), std::move(definition), settings, core_, [this] { wake(); },
                                             replaying_);
  RETURN_IF_ERROR(at_offset(stage->start(), statement.name.offset));
  if (exists) {
    Entry& old = *entry(name);
    if (old.lookup) {
      core_.remove(old.lookup.get());
      replaced = std::move(old.lookup);
    }
    remove_entry(name);
  }
  core_.add(stage.get());
  Entry& item = add_entry(object);
  item.lookup = std::move(stage);
  RETURN_IF_ERROR(record_ddl(command, &item, RecordKind::kLookup, [&](ByteWriter& out) { encode_source(statement, object->columns, out); }));
  const Status settled = settle(lock, command);
  if (lock.held.owns_lock()) lock.held.unlock();
  return settled;  // what was replaced ends without the lock
}

Status Database::bind_lookups(ViewStage& view) {
  for (stream::LookupOperator* op : view.pipeline.lookups) {
    Entry* item = entry(op->object());
    if (!item || !item->lookup) {
      unbind_lookups(view);
      return Status(ErrorCode::kUnknownObject, "there is no lookup table named " + op->object());
    }
    if (Status status = item->lookup->bind(*op); !status.ok()) {
      unbind_lookups(view);
      return status;
    }
    core_.connect(item->lookup.get(), &view);
  }
  return {};
}

void Database::unbind_lookups(ViewStage& view) {
  for (stream::LookupOperator* op : view.pipeline.lookups) {
    op->unbind();
    Entry* item = entry(op->object());
    if (item && item->lookup) core_.disconnect(item->lookup.get(), &view);
  }
}

// One tick of the answers that have come; a failed feed takes its views along.
bool Database::run_lookups() {
  // What a full disk has kept from being recorded is tried again first.
  const bool held = !arrivals_.empty();
  for (const std::string& name : creation_order_) {
    LookupStage* lookup = entries_.at(name).lookup.get();
    if (!lookup || held) continue;
    lookup->refresh_if_due();
    if (LookupStage::Arrival arrival = lookup->arrived(); !arrival.empty()) arrivals_.emplace_back(name, std::move(arrival));
    const std::optional<Error> failure = lookup->failure();
    if (!failure) continue;
    Error error = *failure;
    error.message = "lookup table " + lookup->name + ": " + error.message;
    for (auto& [other, item] : entries_) {
      if (!item.view || item.view->state == ViewStage::State::kFailed) continue;
      const bool reads = std::any_of(item.inputs.begin(), item.inputs.end(), [&](const std::string& i) { return lower(i) == name; });
      if (reads) fail_view(*item.view, error);
    }
  }
  std::erase_if(arrivals_, [this](const auto& arrival) { return !entry(arrival.first) || !entry(arrival.first)->lookup; });
  if (arrivals_.empty()) return false;
  Command command(*this);
  if (recording()) {
    ByteWriter& record = begin_record(command, RecordKind::kAnswers);
    for (const auto& [name, arrival] : arrivals_) entry(name)->lookup->encode(arrival, record.put(uint8_t{1}).text(name));
    record.put(uint8_t{0});
    if (!room_to_record(record.size() + kSmallRecordBytes).ok() || !append_record(command).ok()) return false;
  }
  enter_arrivals();
  after_tick();
  return true;
}

void Database::enter_arrivals() {
  lookup_inputs_.clear();
  std::vector<LookupStage*> answered;
  std::vector<stream::Stage*> stages;
  for (auto& [name, arrival] : arrivals_) {
    LookupStage* lookup = entry(name)->lookup.get();
    lookup->enter(std::move(arrival), lookup_inputs_);
    answered.push_back(lookup);
    stages.push_back(lookup);
  }
  arrivals_.clear();
  core_.run(lookup_inputs_, stages, false);
  for (LookupStage* lookup : answered) lookup->recycle();
}

Status Database::replay_answers(ByteReader& in) {
  Lock lock(*this);
  while (in.get<uint8_t>() == 1) {
    const std::string name(in.text());
    Entry* item = entry(name);
    if (!item || !item->lookup) return stream::damaged_state("answers of a lookup table");
    LookupStage::Arrival arrival;
    RETURN_IF_ERROR(item->lookup->decode(in, arrival));
    arrivals_.emplace_back(name, std::move(arrival));
  }
  if (!in.ok()) return stream::damaged_state("answers of a lookup table");
  enter_arrivals();
  return {};
}

// The view takes no more rows, and neither do those that read it.
void Database::fail_view(ViewStage& view, const Error& error) {
  if (view.state == ViewStage::State::kFailed) return;
  view.state = ViewStage::State::kFailed;
  view.failure = error;
  view.catch_up.clear();
  for (const stream::Pipeline::Scan& scan : view.pipeline.scans) disconnect(view, scan);
  unbind_lookups(view);
  for (Subscription* subscription : view.subscriptions) subscription->close();
  for (auto& [name, item] : entries_) {
    if (!item.view) continue;
    const bool reads = std::any_of(item.inputs.begin(), item.inputs.end(), [&](const std::string& i) { return lower(i) == lower(view.name); });
    if (reads) fail_view(*item.view, error);
  }
  live_changed_.notify_all();
}

bool Database::lookups_have_room(const stream::Stage& stage) const {
  if (const auto* view = dynamic_cast<const ViewStage*>(&stage)) {
    for (const stream::LookupOperator* op : view->pipeline.lookups) {
      if (op->is_bound() && !op->has_room()) return false;
    }
  }
  return std::all_of(stage.downstream.begin(), stage.downstream.end(), [this](const stream::Stage* next) { return lookups_have_room(*next); });
}

uint64_t Database::rows_waiting() {
  uint64_t rows = 0;
  for (auto& [name, item] : entries_) {
    if (!item.view) continue;
    for (const stream::LookupOperator* op : item.view->pipeline.lookups) rows += op->waiting();
  }
  return rows;
}

Status Database::wait_for_lookups(Lock& lock, std::span<const std::string> objects, const std::function<bool()>& interrupted) {
  for (const std::string& object : objects) {
    uint64_t waiting = 0;
    int64_t since_ns = monotonic_ns();
    for (;;) {
      Entry* item = entry(object);
      if (!item || !item->stage() || lookups_have_room(*item->stage())) break;
      if (const uint64_t now_waiting = rows_waiting(); now_waiting != waiting) {
        waiting = now_waiting;
        since_ns = monotonic_ns();
      }
      if (monotonic_ns() - since_ns > kPatienceNs) {
        return Status(ErrorCode::kLimitExceeded, "as many rows of " + object + " wait for answers of a lookup table as may, and for 10 "
                                                 "seconds none has come: see SHOW LOOKUP TABLES, or set when_away or lookup.waiting_rows");
      }
      if (closed_) return Status(ErrorCode::kClosed, "the database is closed");
      if (interrupted && interrupted()) return Status(ErrorCode::kInterrupted, "interrupted while rows wait for a lookup");
      live_changed_.wait_for(lock.held, kWaitStep);
    }
  }
  return {};
}

sql::Relation Database::lookups_relation() {
  RelationBuilder out({text_field("name"), text_field("connector"), text_field("mode"), text_field("state"), integer_field("rows"),
                       integer_field("bytes"), integer_field("hits"), integer_field("missing_hits"), integer_field("misses"),
                       integer_field("requests"), integer_field("waiting_rows"), integer_field("retries"), text_field("error")});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.lookup) continue;
    uint64_t waiting = 0;
    for (auto& [other, reader] : entries_) {
      if (!reader.view) continue;
      for (const stream::LookupOperator* op : reader.view->pipeline.lookups) {
        if (lower(op->object()) == name) waiting += op->waiting();
      }
    }
    const LookupStage::Figures f = item.lookup->figures();
    const auto number = [&out](uint64_t value) { out.integer(static_cast<int64_t>(value)); };
    out.row().text(item.object->name).text(item.lookup->connector).text(item.lookup->on_demand() ? "on_demand" : "full").text(f.state);
    for (const uint64_t value : {f.entries, f.bytes, f.hits, f.hits_missing, f.misses, f.requests, waiting, f.retries}) number(value);
    f.error.empty() ? out.null() : out.text(f.error);
  }
  return out.take();
}

}  // namespace laminar::engine
