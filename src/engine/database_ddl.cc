// CREATE and DROP: what an object needs before it may exist, and what must not depend on it before it may go.
#include <algorithm>
#include <set>

#include "base/check.h"
#include "connectors/common_options.h"
#include "connectors/registry.h"
#include "engine/database.h"
#include "engine/errors.h"
#include "engine/names.h"
#include "plan/properties.h"
#include "sql/catalog/object_kind.h"
#include "sql/statements/surroundings.h"
#include "stream/build/column_use.h"
#include "stream/state/saved_state.h"

namespace laminar::engine {

using sql::ObjectKind;

namespace {

std::vector<OptionInput> option_inputs(const sql::OptionList& options, std::initializer_list<std::string_view> without) {
  std::vector<OptionInput> inputs;
  for (const sql::OptionText& option : options) {
    if (std::find(without.begin(), without.end(), option.key) == without.end()) inputs.push_back({option.key, option.value, option.key_offset, option.value_offset});
  }
  return inputs;
}

// The connector named by WITH (connector = '...').
Result<const stream::Connector*> connector_of(const sql::OptionList& options, const sql::ObjectName& object) {
  for (const sql::OptionText& option : options) {
    if (option.key == "connector") return connectors::lookup_connector(option.value, option.value_offset);
  }
  for (const sql::OptionText& option : options) {
    if (nearest_name(option.key, {"connector"}).empty()) continue;
    return Status(ErrorCode::kUnknownOption, "unknown option of " + object.name + ": " + option.key + "; did you mean connector?", option.key_offset);
  }
  return Status(ErrorCode::kMissingOption, "connector is missing for " + object.name + "; add WITH (connector = '...')", object.offset);
}

const sql::OptionText* find_option(const sql::OptionList& options, std::string_view key) {
  const auto found = std::find_if(options.begin(), options.end(), [key](const sql::OptionText& o) { return o.key == key; });
  return found == options.end() ? nullptr : &*found;
}

// What every source takes, whatever its connector.
constexpr OptionSpec kTimeOptions[] = {
    {.name = "partition_by", .doc = "the column whose values are partitions, each with a watermark of its own"},
    {.name = "watermark_floor", .kind = OptionKind::kInterval, .doc = "of a watermark PER KEY: how far a key may lie behind the one that is furthest"},
    {.name = "idle_timeout", .kind = OptionKind::kInterval, .doc = "a partition without rows for this long holds no watermark back; 0 seconds: it always does"},
    {.name = "future_skew", .kind = OptionKind::kInterval, .doc = "how far ahead of the clock a row's time may lie before it no longer moves the watermark"},
};

// What one of a column of event time is, by its type and WITH (time_unit = ...).
struct TimeUnitName {
  const char* name;
  data::TypeKind kind;
  plan::TimeForm form;
};
constexpr TimeUnitName kTimeUnits[] = {
    {"s", data::TypeKind::kTimestampS, plan::TimeForm::kSeconds},
    {"ms", data::TypeKind::kTimestampMs, plan::TimeForm::kMilliseconds},
    {"us", data::TypeKind::kTimestamp, plan::TimeForm::kMicroseconds},
    {"ns", data::TypeKind::kTimestampNs, plan::TimeForm::kNanoseconds},
};

// Sets the form of `column` as event time in `object`, and how the source reads it.
Status set_event_time(const data::Field& column, const sql::OptionText* unit, int64_t watermark_offset, sql::Object& object,
                      stream::SourceTime& time) {
  const data::TypeKind kind = column.type.kind;
  const std::string text = object.name + "." + column.name + " (" + column.type.text() + ")";
  if (kind == data::TypeKind::kInt64) {
    if (!unit) {
      return Status(ErrorCode::kInvalidWatermark,
                    "a number needs a unit to be event time: " + text + "; add WITH (time_unit = 'ms'), or 's', 'us', 'ns'", watermark_offset);
    }
    for (const TimeUnitName& known : kTimeUnits) {
      if (lower(unit->value) != known.name) continue;
      time.read_as = data::Type::of(known.kind);
      object.time_form[time.column] = known.form;
      return {};
    }
    return Status(ErrorCode::kInvalidOption, "time_unit must be 's', 'ms', 'us' or 'ns': '" + unit->value + "'", unit->value_offset);
  }
  if (unit) {
    return Status(ErrorCode::kInvalidOption, "time_unit is for a watermark on a BIGINT column, and " + text + " has its unit by its type", unit->key_offset);
  }
  if (kind == data::TypeKind::kTimestamp || kind == data::TypeKind::kTimestampTz) {
    object.time_offset_us[time.column] = 0;
    return {};
  }
  if (kind == data::TypeKind::kDate) object.time_form[time.column] = plan::TimeForm::kDays;
  for (const TimeUnitName& known : kTimeUnits) {
    if (kind == known.kind) object.time_form[time.column] = known.form;
  }
  if (object.time_form[time.column] != plan::TimeForm::kNone) return {};
  return Status(ErrorCode::kInvalidWatermark,
                "watermark column is not a time: " + text + "; declare it on a TIMESTAMP column, a DATE, or a BIGINT with WITH (time_unit = 'ms')",
                watermark_offset);
}

// PER KEY and its options, into `object` and how the source reads.
Status set_key_watermarks(const sql::CreateSource& statement, const OptionValues& options, sql::Object& object, stream::SourceTime& time) {
  const bool keyed = statement.watermark && !statement.watermark->key.empty();
  if (options.has("watermark_floor")) {
    if (!keyed) {
      return Status(ErrorCode::kInvalidOption, "watermark_floor is of a watermark PER KEY: add PER KEY (column) to it", options.value_offset("watermark_floor"));
    }
    time.key_floor_us = options.integer("watermark_floor");
  }
  if (!keyed) return {};
  if (options.has("partition_by")) {
    return Status(ErrorCode::kInvalidOption, "partition_by and PER KEY are two ways to tell rows apart: leave one of them out",
                  options.value_offset("partition_by"));
  }
  for (const std::string& name : statement.watermark->key) {
    const auto found = std::find_if(object.columns.begin(), object.columns.end(), [&](const data::Field& f) { return lower(f.name) == lower(name); });
    if (found == object.columns.end()) {
      return Status(ErrorCode::kInvalidWatermark, "PER KEY names no column of the source: " + name, statement.watermark->key_offset);
    }
    const uint32_t column = static_cast<uint32_t>(found - object.columns.begin());
    if (column == time.column) {
      return Status(ErrorCode::kInvalidWatermark, "event time is no key: " + name + "; PER KEY names what sends the rows, such as a device",
                    statement.watermark->key_offset);
    }
    if (std::find(time.key_columns.begin(), time.key_columns.end(), column) != time.key_columns.end()) {
      return Status(ErrorCode::kInvalidWatermark, "PER KEY names a column twice: " + name, statement.watermark->key_offset);
    }
    if (found->type.kind == data::TypeKind::kBoxed) {
      return Status(ErrorCode::kInvalidWatermark, "PER KEY needs columns of a plain type: " + name + " (" + found->type.text() + ")",
                    statement.watermark->key_offset);
    }
    time.key_columns.push_back(column);
  }
  object.time_key = time.key_columns;
  object.time_by_key_only = time.key_floor_us < 0;
  return {};
}

// A relation with the columns that the plan gives.
std::shared_ptr<sql::Object> object_of(const plan::ViewPlan& plan, ObjectKind kind, const std::string& name, const std::string& sql) {
  auto object = std::make_shared<sql::Object>();
  object->kind = kind;
  object->name = name;
  object->append_only = plan.root->append_only && plan.emit != plan::EmitMode::kEvery;
  object->primary_key = plan.root->key;
  for (const plan::OutputColumn& column : plan.root->columns) {
    object->columns.push_back({column.name, column.type});
    object->time_offset_us.push_back(column.time_offset_us);
    object->time_form.push_back(column.time_form);
  }
  // What comes by the clock has lost the moves of its keys.
  if (plan.emit != plan::EmitMode::kEvery) object->time_key = plan.root->time_key;
  object->time_by_key_only = plan.root->time_by_key_only;
  object->sql = sql;
  return object;
}

}  // namespace

Status Database::check_new_name(const sql::ObjectName& name, bool or_replace, bool if_not_exists, bool& exists) {
  Entry* existing = entry(name.name);
  exists = existing != nullptr;
  if (!exists || if_not_exists) return {};
  if (!or_replace) {
    return Status(ErrorCode::kObjectExists, std::string(sql::kind_name(existing->object->kind)) + " " + existing->object->name + " exists already", name.offset);
  }
  if (group_open_) return Status(ErrorCode::kNotImplemented, "OR REPLACE inside BEGIN ... COMMIT is not there yet", name.offset);
  const std::vector<std::string> dependents = dependents_of(name.name);
  if (!dependents.empty()) {
    return Status(ErrorCode::kDependentObjects, name.name + " cannot be replaced: " + dependents[0] + " reads it", name.offset);
  }
  return {};
}

Database::Entry& Database::add_entry(std::shared_ptr<const sql::Object> object) {
  const std::string key = lower(object->name);
  Entry& item = entries_[key];
  item.object = std::move(object);
  item.id = next_object_id_++;
  creation_order_.push_back(key);
  if (group_open_) group_created_.push_back(key);
  version_.fetch_add(1);
  return item;
}

std::vector<std::string> Database::dependents_of(const std::string& name) {
  std::vector<std::string> names;
  const std::string key = lower(name);
  for (const std::string& other : creation_order_) {
    const Entry& item = entries_.at(other);
    if (item.owner == key) continue;  // goes with its view
    if (std::any_of(item.inputs.begin(), item.inputs.end(), [&key](const std::string& input) { return lower(input) == key; })) {
      names.push_back(item.object->name);
    }
  }
  return names;
}

Status Database::create_source(const sql::CreateSource& statement, data::Schema columns) {
  const data::Schema given_columns = columns;
  ASSIGN_OR_RETURN(const stream::Connector* connector, connector_of(statement.options, statement.name));
  if (!connector->is_source()) {
    return Status(ErrorCode::kInvalidOption, "connector " + std::string(connector->name()) + " makes sinks only", statement.name.offset);
  }
  const sql::OptionText* time_unit = find_option(statement.options, "time_unit");
  ASSIGN_OR_RETURN(OptionValues values,
                   OptionValues::check(connector->source_options(), option_inputs(statement.options, {"connector", "time_unit", "partition_by", "watermark_floor", "idle_timeout", "future_skew"}),
                                       "source " + statement.name.name + " (connector " + std::string(connector->name()) + ")",
                                       statement.name.offset));
  sql::OptionList time_options;
  for (const OptionSpec& option : kTimeOptions) {
    if (const sql::OptionText* given = find_option(statement.options, option.name)) time_options.push_back(*given);
  }
  ASSIGN_OR_RETURN(const OptionValues time_values, OptionValues::check(kTimeOptions, option_inputs(time_options, {}), "source " + statement.name.name,
                                                                       statement.name.offset));
  // Processing-time columns are the runtime's: the connector never sees them.
  data::Schema declared;
  std::vector<uint32_t> processing_time;
  for (uint32_t c = 0; c < columns.size(); ++c) {
    if (statement.columns[c].is_processing_time) {
      if (columns[c].type.kind != data::TypeKind::kTimestamp) {
        return Status(ErrorCode::kTypeMismatch, "PROCTIME() column " + columns[c].name + " must be TIMESTAMP", statement.columns[c].type_offset);
      }
      processing_time.push_back(c);
    } else {
      if (!processing_time.empty()) {
        return Status(ErrorCode::kNotImplemented, "PROCTIME() columns come last: move " + columns[c].name + " before them",
                      statement.columns[c].offset);
      }
      declared.push_back(columns[c]);
    }
  }
  Result<std::unique_ptr<stream::SourceDefinition>> definition = connector->make_source(statement.name.name, declared, values);
  if (!definition.ok()) return at_offset(definition.status(), statement.name.offset);
  std::string watermark_column;
  int64_t delay_us = 0;
  if (columns.empty()) {
    columns = (*definition)->inferred_schema();
    if (columns.empty()) {
      return Status(ErrorCode::kTypeMismatch, "source " + statement.name.name + " declares no columns and connector " +
                                                  std::string(connector->name()) + " cannot tell them", statement.name.offset);
    }
    watermark_column = (*definition)->inferred_watermark_column();
    delay_us = (*definition)->inferred_watermark_delay_us();
  }
  int64_t watermark_offset = statement.name.offset;
  if (statement.watermark) {
    watermark_column = statement.watermark->column;
    delay_us = statement.watermark->delay_us;
    watermark_offset = statement.watermark->offset;
  }
  auto object = std::make_shared<sql::Object>();
  object->kind = ObjectKind::kSource;
  object->name = statement.name.name;
  object->columns = columns;
  object->append_only = object->settles = true;
  object->sql = statement.statement_text;
  object->time_offset_us.resize(columns.size());
  std::optional<stream::SourceTime> time;
  if (!watermark_column.empty()) {
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const data::Field& f) { return lower(f.name) == lower(watermark_column); });
    if (found == columns.end()) {
      return Status(ErrorCode::kInvalidWatermark, "watermark column is not there: " + watermark_column, watermark_offset);
    }
    stream::SourceTime source_time;
    source_time.column = static_cast<uint32_t>(found - columns.begin());
    source_time.watermark.delay_us = delay_us;
    source_time.watermark.idle_timeout_us = idle_timeout_us_;
    source_time.watermark.future_skew_max_us = future_skew_us_;
    if (time_values.has("idle_timeout")) source_time.watermark.idle_timeout_us = time_values.integer("idle_timeout");
    if (time_values.has("future_skew")) source_time.watermark.future_skew_max_us = time_values.integer("future_skew");
    if (time_values.has("partition_by")) {
      const std::string name = time_values.text("partition_by");
      const auto by = std::find_if(columns.begin(), columns.end(), [&](const data::Field& f) { return lower(f.name) == lower(name); });
      if (by == columns.end()) {
        return Status(ErrorCode::kInvalidOption, "partition_by names no column of the source: " + name, time_values.value_offset("partition_by"));
      }
      if ((*definition)->partitioned()) {
        return Status(ErrorCode::kInvalidOption, "source " + statement.name.name + " has partitions by its connector already: leave partition_by out",
                      time_values.value_offset("partition_by"));
      }
      source_time.partition_column = static_cast<uint32_t>(by - columns.begin());
    }
    RETURN_IF_ERROR(set_key_watermarks(statement, time_values, *object, source_time));
    source_time.by_clock = statement.columns.size() > source_time.column && statement.columns[source_time.column].is_processing_time;
    if (statement.watermark && statement.watermark->when) {
      source_time.when = statement.watermark->when;
      if (!stream::never_fails(*source_time.when)) {
        return Status(ErrorCode::kInvalidWatermark, "the condition of WATERMARK ... WHEN may fail for a row; use what cannot, such as TRY_CAST for CAST",
                      statement.watermark->when_offset);
      }
    }
    object->time_form.resize(columns.size());
    RETURN_IF_ERROR(set_event_time(*found, time_unit, watermark_offset, *object, source_time));
    time = source_time;
  } else if (!time_options.empty()) {
    return Status(ErrorCode::kInvalidOption, time_options[0].key + " needs event time: add WATERMARK FOR a column", time_options[0].key_offset);
  } else if (time_unit) {
    return Status(ErrorCode::kInvalidOption, "time_unit needs a column it can speak of: add WATERMARK FOR a BIGINT column", time_unit->key_offset);
  }
  Lock lock(*this);
  Command command(*this);
  bool exists = false;
  RETURN_IF_ERROR(check_new_name(statement.name, statement.or_replace, statement.if_not_exists, exists));
  if (exists && statement.if_not_exists) return {};
  RETURN_IF_ERROR(room_to_record(kSmallRecordBytes + statement.statement_text.size()));
  if (exists) remove_entry(statement.name.name);
  auto stage = std::make_unique<SourceStage>(object, std::string(connector->name()), definition.take(), time, std::move(processing_time));
  // Its partitions hold the watermark back from the start.
  stage->op.ensure_partitions(1, clock_.now_us());
  core_.add(stage.get());
  Entry& item = add_entry(std::move(object));
  item.source = std::move(stage);
  // A condition is bound anew at recovery.
  if (statement.watermark && statement.watermark->when) {
    RETURN_IF_ERROR(record_ddl(command, &item, RecordKind::kStatement, [&](ByteWriter& out) { out.text(statement.statement_text); }));
  } else {
    RETURN_IF_ERROR(record_ddl(command, &item, RecordKind::kSource, [&](ByteWriter& out) { encode_source(statement, given_columns, out); }));
  }
  return settle(lock, command);
}

Status Database::create_table(const sql::TableSpec& spec, bool or_replace, bool if_not_exists) {
  auto object = std::make_shared<sql::Object>();
  object->kind = ObjectKind::kTable;
  object->name = spec.name.name;
  object->columns = spec.columns;
  object->primary_key = spec.primary_key;
  object->time_offset_us.resize(spec.columns.size());
  object->holds_content = true;
  object->sql = spec.sql;
  object->column_defaults = spec.column_defaults;
  object->checks = spec.checks;
  Lock lock(*this);
  Command command(*this);
  bool exists = false;
  RETURN_IF_ERROR(check_new_name(spec.name, or_replace, if_not_exists, exists));
  if (exists && if_not_exists) return {};
  RETURN_IF_ERROR(room_to_record(kSmallRecordBytes + spec.sql.size()));
  if (exists) remove_entry(spec.name.name);
  auto stage = std::make_unique<TableStage>(object);
  core_.add(stage.get());
  stream::Stage* first = stage.get();
  Entry& item = add_entry(std::move(object));
  item.table = std::move(stage);
  core_.run({}, {&first, 1}, false);  // sets its watermark
  RETURN_IF_ERROR(record_ddl(command, &item, RecordKind::kTable, [&](ByteWriter& out) { encode_table(spec, or_replace, if_not_exists, out); }));
  return settle(lock, command);
}

Status Database::create_view(const sql::CreateView& statement, plan::ViewPlan plan) {
  auto object = object_of(plan, statement.is_stream ? ObjectKind::kStream : ObjectKind::kView, statement.name.name, statement.statement_text);
  object->holds_content = !statement.is_stream;
  const std::vector<std::string> inputs = plan.inputs;
  Lock lock(*this);
  object->settles = plan::settles(*plan.root, [this](const std::string& name) {
    const Entry* item = entry(name);
    return item && item->object->settles;
  });
  Command command(*this);
  RETURN_IF_ERROR(room_to_record(kSmallRecordBytes + statement.statement_text.size()));
  for (const std::string& input : inputs) RETURN_IF_ERROR(entry_of(input, statement.query_begin).status());
  const stream::StateIsSaved saved(journal_ != nullptr);
  Result<std::unique_ptr<ViewStage>> made = ViewStage::make(object, std::move(plan), core_layout());
  if (!made.ok()) return at_offset(made.status(), statement.query_begin);
  std::unique_ptr<ViewStage> view = made.take();
  bool exists = false;
  RETURN_IF_ERROR(check_new_name(statement.name, statement.or_replace, statement.if_not_exists, exists));
  if (exists && statement.if_not_exists) return {};
  for (const std::string& input : inputs) {
    if (lower(input) == lower(object->name)) {
      return Status(ErrorCode::kDependentObjects, object->name + " cannot read itself", statement.name.offset);
    }
    RETURN_IF_ERROR(entry_of(input, statement.query_begin).status());
  }
  if (statement.late_data_to) {
    bool late_exists = false;
    RETURN_IF_ERROR(check_new_name(*statement.late_data_to, false, false, late_exists));
    if (view->rejects[0]->late_schema().size() <= 4) {
      return Status(ErrorCode::kNeedsWatermark, "LATE DATA TO needs a window: no row of " + object->name + " can be late", statement.late_data_to->offset);
    }
  }
  RETURN_IF_ERROR(at_offset(bind_lookups(*view), statement.query_begin));
  if (exists) remove_entry(statement.name.name);
  ViewStage* stage = view.get();
  if (const sql::OptionText* limit = find_option(statement.options, "memory_limit")) {
    stage->memory_limit_bytes = static_cast<uint64_t>(std::max<int64_t>(parse_bytes(limit->value), 1));  // checked by the binder
    memory_limited_ = true;
  }
  core_.add(stage);
  name_late_causes(*stage);
  Entry& item = add_entry(object);
  item.view = std::move(view);
  item.inputs = inputs;
  if (statement.late_data_to) {
    auto late_object = std::make_shared<sql::Object>();
    late_object->kind = ObjectKind::kView;
    late_object->name = statement.late_data_to->name;
    late_object->columns = stage->rejects[0]->late_schema();
    late_object->append_only = true;
    late_object->time_offset_us.resize(late_object->columns.size());
    late_object->holds_content = true;
    late_object->sql = statement.statement_text;
    std::vector<data::Type> types;
    for (const data::Field& field : late_object->columns) types.push_back(field.type);
    auto late = std::make_unique<LateStage>(late_object, types);
    core_.add(late.get());
    core_.connect(stage, late.get());
    stage->send_late_to(&late->store);
    if (stage->late_exchange) late->parts = {{stage->late_level, 0, {&stage->late_exchange->receiver(0), &late->store}}};
    if (stage->late_exchange) late->operators.clear();
    stage->late_data_object = lower(late_object->name);
    Entry& late_item = add_entry(late_object);
    late_item.late = std::move(late);
    late_item.owner = lower(object->name);
    late_item.inputs = {object->name};
  }
  const auto record = [&] {
    return record_ddl(command, entry(object->name), RecordKind::kStatement, [&](ByteWriter& out) { sql::Surroundings::write_running(statement.statement_text, out); });
  };
  if (group_open_) {
    group_views_.push_back(object->name);
    return record();
  }
  Status status = start_views({object->name});
  if (!status.ok()) {
    if (!stage->late_data_object.empty()) remove_entry(stage->late_data_object);
    remove_entry(object->name);
    return at_offset(status, statement.query_begin);
  }
  RETURN_IF_ERROR(record());
  return settle(lock, command);
}

Status Database::make_sink(const sql::CreateSink& statement, const std::string& from) {
  ASSIGN_OR_RETURN(Entry * input, entry_of(from, statement.from.offset));
  if (input->sink || input->source) {
    return Status(ErrorCode::kWrongObjectKind, "a sink reads a view, stream or table: " + from, statement.from.offset);
  }
  if (input->table) return Status(ErrorCode::kNotImplemented, "a sink takes the changes of a view or a query, not of a table by its name: write FROM (SELECT * FROM " + from + ")", statement.from.offset);
  ASSIGN_OR_RETURN(const stream::Connector* connector, connector_of(statement.options, statement.name));
  if (!connector->is_sink()) {
    return Status(ErrorCode::kInvalidOption, "connector " + std::string(connector->name()) + " makes sources only", statement.name.offset);
  }
  std::vector<OptionSpec> table(connector->sink_options().begin(), connector->sink_options().end());
  table.insert(table.end(), connectors::sink_options().begin(), connectors::sink_options().end());
  ASSIGN_OR_RETURN(OptionValues values,
                   OptionValues::check(table, option_inputs(statement.options, {"connector"}),
                                       "sink " + statement.name.name + " (connector " + std::string(connector->name()) + ")", statement.name.offset));
  Result<std::unique_ptr<stream::SinkDefinition>> definition = connector->make_sink(
      statement.name.name, {input->object->columns, input->object->append_only, input->object->primary_key}, values);
  if (!definition.ok()) return at_offset(definition.status(), statement.name.offset);
  // A replayed sink that the database decides for opens when it is known what was decided; see start_recovered_sinks().
  const bool transactional = !(*definition)->transaction().empty();
  const std::shared_ptr<SinkGroup> group = sink_group(**definition);
  std::unique_ptr<stream::SinkWriter> writer;
  if (transactional || !replaying_) {
    const stream::SinkIdentity identity{journal_ ? journal_->database_id() : instance_id_, clock_.now_us(), !replaying_, journal_ != nullptr};
    Result<std::unique_ptr<stream::SinkWriter>> opened =
        transactional ? (*definition)->open_in(group->session, identity) : (*definition)->open();
    if (!opened.ok()) return at_offset(opened.status(), statement.name.offset);
    writer = opened.take();
  }
  auto object = std::make_shared<sql::Object>();
  object->kind = ObjectKind::kSink;
  object->name = statement.name.name;
  object->columns = input->object->columns;
  object->time_offset_us.resize(object->columns.size());
  object->sql = statement.statement_text;
  auto sink = std::make_unique<SinkStage>(object, from, std::string(connector->name()), definition.take(), input->types(), options_.sinks.rows_max);
  sink->commit_interval_ms = std::max<int64_t>(values.integer("commit_interval") / 1000, 1);
  sink->prepare(group, std::move(writer));
  Subscription& subscription = sink->subscription();
  subscription.hold(!input->live());
  scan_entry(*input, [&](const data::Batch& batch) { subscription.push(0, batch); });
  subscription.finish({core_.tick(), clock_.now_us()});
  if (input->view) input->view->attach(&subscription);
  if (input->late) {
    input->late->store.add_output(&subscription, 0);
    input->late->operators.push_back(&subscription);
  }
  Entry& item = add_entry(object);
  item.sink = std::move(sink);
  item.inputs = {from};
  return {};
}

std::shared_ptr<SinkGroup> Database::sink_group(const stream::SinkDefinition& definition) {
  const std::string transaction = definition.transaction();
  if (transaction.empty()) return std::make_shared<SinkGroup>(false, options_.sinks, sink_links());
  std::weak_ptr<SinkGroup>& known = sink_groups_[transaction];
  std::shared_ptr<SinkGroup> group = known.lock();
  if (!group) known = group = std::make_shared<SinkGroup>(true, options_.sinks, sink_links());
  return group;
}

Status Database::create_sink(const sql::CreateSink& statement, std::unique_ptr<plan::ViewPlan> query) {
  std::string from = statement.from.name;
  // A sink brings out nothing before its record: a restart would not know of it.
  const auto record = [&](Command& command) -> Status {
    RETURN_IF_ERROR(record_ddl(command, entry(statement.name.name), RecordKind::kStatement,
                               [&](ByteWriter& out) { sql::Surroundings::write_running(statement.statement_text, out); }));
    if (!replaying_) entry(statement.name.name)->sink->start({}, core_.tick());
    return {};
  };
  {
    Lock lock(*this);
    RETURN_IF_ERROR(room_to_record(kSmallRecordBytes + statement.statement_text.size()));
    bool exists = false;
    RETURN_IF_ERROR(check_new_name(statement.name, statement.or_replace, statement.if_not_exists, exists));
    if (exists && statement.if_not_exists) return {};
    if (!query) {
      ASSIGN_OR_RETURN(Entry * input, entry_of(from, statement.from.offset));
      if (input->view && input->view->state == ViewStage::State::kFailed) return Status(*input->view->failure);
    }
    if (exists) remove_entry(statement.name.name);
  }
  if (query) {
    // The query becomes a stream of its own, which goes with the sink.
    from = statement.name.name + "_query";
    sql::CreateView stream;
    stream.name = statement.name;
    stream.name.name = from;
    stream.is_stream = true;
    stream.statement_text = statement.statement_text;
    query->name = from;
    query->is_stream = true;
    Lock lock(*this);
    Command command(*this);
    bool exists = false;
    RETURN_IF_ERROR(check_new_name(stream.name, false, false, exists));
    const std::vector<std::string> inputs = query->inputs;
    const auto object = object_of(*query, ObjectKind::kStream, from, statement.statement_text);
    const stream::StateIsSaved saved(journal_ != nullptr);
    ASSIGN_OR_RETURN(std::unique_ptr<ViewStage> view, ViewStage::make(object, std::move(*query), core_layout()));
    RETURN_IF_ERROR(at_offset(bind_lookups(*view), statement.name.offset));
    core_.add(view.get());
    name_late_causes(*view);
    Entry& item = add_entry(object);
    item.view = std::move(view);
    item.inputs = inputs;
    item.owner = lower(statement.name.name);
    Status status = make_sink(statement, from);
    if (!status.ok()) {
      remove_entry(from);
      return status;
    }
    if (group_open_) {
      group_views_.push_back(from);
      return record(command);
    }
    RETURN_IF_ERROR(start_views({from}));
    RETURN_IF_ERROR(record(command));
    return settle(lock, command);
  }
  Lock lock(*this);
  Command command(*this);
  RETURN_IF_ERROR(make_sink(statement, from));
  RETURN_IF_ERROR(record(command));
  return settle(lock, command);
}

// Where the objects that a view reads are.
CoreLayout Database::core_layout() {
  CoreLayout layout;
  layout.cores = cores_;
  layout.with_parts = cores_ > 1;
  layout.placement = [this](const std::string& name) {
    Entry* item = entry(name);
    if (item && item->source) return plan::Placement::source();
    plan::Placement placement = item && item->view ? item->view->placement() : plan::Placement();
    placement.movable = false;  // its rows come out where they are
    return placement;
  };
  layout.level = [this](const std::string& name) -> uint32_t {
    Entry* item = entry(name);
    if (item && item->view) return item->view->level();
    return item && item->late && !item->late->parts.empty() ? item->late->parts[0].level : 0;
  };
  return layout;
}

void Database::connect(ViewStage& view, const stream::Pipeline::Scan& scan) {
  Entry* input = entry(scan.object);
  if (input->source && !view.parts.empty()) input->source->connect_part(scan.op, scan.core, !scan.spread, core_.intake());
  else if (input->source) input->source->op.add_output(scan.op, 0);
  else if (input->view) input->view->connect(scan.op, scan.core);
  else if (input->table) input->table->store.add_output(scan.op, 0);
  else input->late->store.add_output(scan.op, 0);
  core_.connect(input->stage(), &view);
}

void Database::disconnect(ViewStage& view, const stream::Pipeline::Scan& scan) {
  Entry* input = entry(scan.object);
  if (!input || !input->stage()) return;
  if (input->source) input->source->disconnect(scan.op);
  else if (input->view) input->view->disconnect(scan.op, scan.core);
  else if (input->table) input->table->store.remove_output(scan.op);
  else input->late->store.remove_output(scan.op);
  core_.disconnect(input->stage(), &view);
}

void Database::hold_sinks() {
  for (auto& [name, item] : entries_) {
    if (!item.sink) continue;
    const Entry* input = entry(item.sink->from);
    item.sink->subscription().hold(input && !input->live());
  }
}

void Database::detach(SinkStage& sink) {
  Entry* input = entry(sink.from);
  if (!input) return;
  Subscription* subscription = &sink.subscription();
  if (input->view) input->view->detach(subscription);
  if (input->late) {
    input->late->store.remove_output(subscription);
    std::erase(input->late->operators, static_cast<stream::Operator*>(subscription));
  }
}

void Database::remove_entry(const std::string& name) {
  const std::string key = lower(name);
  auto found = entries_.find(key);
  CHECK(found != entries_.end());
  Entry& item = found->second;
  if (item.sink) detach(*item.sink);
  if (item.view) {
    ViewStage& view = *item.view;
    for (const stream::Pipeline::Scan& scan : view.pipeline.scans) {
      disconnect(view, scan);
    }
    unbind_lookups(view);
    for (Subscription* subscription : view.subscriptions) subscription->close();
    core_.remove(&view);
  } else if (item.stage()) {
    core_.remove(item.stage());
  }
  if (item.saved) dropped_ids_.push_back(item.id);
  entries_.erase(found);
  std::erase(creation_order_, key);
  std::erase(group_created_, key);
  version_.fetch_add(1);
}

Status Database::drop(ObjectKind kind, const sql::ObjectName& name, bool if_exists, bool cascade) {
  Lock lock(*this);
  Command command(*this);
  Entry* item = entry(name.name);
  if (!item) {
    if (if_exists) return {};
    return entry_of(name.name, name.offset).status();
  }
  if (item->object->kind != kind) {
    return Status(ErrorCode::kWrongObjectKind, name.name + " is a " + sql::kind_name(item->object->kind) + "; use DROP " +
                                                   sql::kind_words(item->object->kind),
                  name.offset);
  }
  if (!item->owner.empty()) {
    return Status(ErrorCode::kDependentObjects, name.name + " belongs to " + item->owner + "; drop that", name.offset);
  }
  if (group_open_) return Status(ErrorCode::kNotImplemented, "DROP inside BEGIN ... COMMIT is not there yet", name.offset);
  // What goes with it: readers first, and what it owns (the stream of a sink over a query, which the sink reads) last.
  std::vector<std::string> doomed;
  std::set<std::string> seen;
  const std::function<void(const std::string&)> collect = [&](const std::string& object) {
    if (!seen.insert(object).second) return;
    for (const std::string& other : creation_order_) {
      const std::vector<std::string>& inputs = entries_.at(other).inputs;
      if (std::any_of(inputs.begin(), inputs.end(), [&](const std::string& i) { return lower(i) == object; })) collect(other);
    }
    doomed.push_back(object);
    for (const std::string& other : creation_order_) {
      if (entries_.at(other).owner == object) collect(other);
    }
  };
  std::vector<std::string> dependents = dependents_of(name.name);
  if (!item->view || item->view->late_data_object.empty()) {
    // nothing of its own
  } else {
    for (const std::string& d : dependents_of(item->view->late_data_object)) dependents.push_back(d);
  }
  // The stream of CREATE SINK ... FROM (query) goes with its sink.
  std::erase_if(dependents, [&](const std::string& d) { return entry(d)->owner == lower(name.name); });
  if (!dependents.empty() && !cascade) {
    std::string list;
    for (const std::string& d : dependents) list += (list.empty() ? "" : ", ") + d;
    return Status(ErrorCode::kDependentObjects, name.name + " cannot be dropped: " + list + (dependents.size() == 1 ? " reads it" : " read it") +
                                                    "; drop those first, or use CASCADE", name.offset);
  }
  collect(lower(name.name));
  RETURN_IF_ERROR(room_to_record(kSmallRecordBytes));
  // Threads of sinks and feeds end outside the lock.
  std::vector<std::unique_ptr<SinkStage>> sinks;
  std::vector<std::unique_ptr<ViewStage>> views;
  std::vector<std::unique_ptr<LookupStage>> lookups;
  for (const std::string& object : doomed) {
    Entry& candidate = entries_.at(object);
    if (candidate.sink) {
      // While its input is still there; the stage itself outlives the entry.
      detach(*candidate.sink);
      sinks.push_back(std::move(candidate.sink));
    }
    if (candidate.view) {
      for (auto& catch_up : candidate.view->catch_up) catch_up->feed.reset();
      candidate.view->catch_up.clear();
    }
    if (candidate.source && candidate.source->feed) candidate.source->feed.reset();
    std::unique_ptr<LookupStage> lookup;
    if (candidate.lookup) {
      core_.remove(candidate.lookup.get());
      lookup = std::move(candidate.lookup);
    }
    remove_entry(object);
    if (lookup) lookups.push_back(std::move(lookup));
  }
  std::erase_if(followers_, [](const std::shared_ptr<Subscription>& f) { return f->ended(); });
  const Status recorded = record_ddl(command, nullptr, RecordKind::kDrop, [&](ByteWriter& out) {
    out.put(static_cast<uint8_t>(kind)).text(name.name).put(static_cast<uint8_t>(if_exists)).put(static_cast<uint8_t>(cascade));
  });
  const Status settled = settle(lock, command);
  if (lock.held.owns_lock()) lock.held.unlock();
  lookups.clear();
  for (auto& sink : sinks) sink->stop();
  RETURN_IF_ERROR(recorded);
  return settled;
}

void Database::begin_group() {
  Lock lock(*this);
  Command command(*this);
  group_open_ = true;
  (void)record_kind(command, RecordKind::kBeginGroup);
}

Status Database::commit_group(std::span<const sql::Change> changes) {
  Lock lock(*this);
  if (!group_open_) return {};
  // The views start before the changes come, so what can fail is tried first.
  Status status = changes.empty() ? Status() : wait_for_room(lock, {});
  for (size_t i = 0; i < changes.size() && status.ok(); ++i) status = wait_while_held(lock, changes[i].object);
  Command command(*this);
  ByteWriter encoded;
  if (recording()) encode_changes(changes, encoded);
  if (status.ok()) status = room_to_record(kSmallRecordBytes + encoded.size());
  if (status.ok()) status = change_tables(changes, Apply::kTry, command).status();
  if (status.ok()) {
    group_open_ = false;
    status = start_views(group_views_);
  }
  if (!status.ok()) {
    (void)record_kind(command, RecordKind::kRollbackGroup);
    undo_group();
    return status;
  }
  group_views_.clear();
  group_created_.clear();
  RETURN_IF_ERROR(record_ddl(command, nullptr, RecordKind::kCommitGroup,
                             [&](ByteWriter& out) { out.raw(encoded.view().data(), encoded.size()); }));
  RETURN_IF_ERROR(change_tables(changes, Apply::kDoRecorded, command).status());
  return settle(lock, command);
}

void Database::rollback_group() {
  Lock lock(*this);
  if (!group_open_) return;
  Command command(*this);
  (void)record_kind(command, RecordKind::kRollbackGroup);
  undo_group();
}

void Database::undo_group() {
  group_open_ = false;
  group_views_.clear();
  std::vector<std::string> created;
  created.swap(group_created_);
  for (auto name = created.rbegin(); name != created.rend(); ++name) {
    if (entry(*name)) remove_entry(*name);
  }
}

}  // namespace laminar::engine
