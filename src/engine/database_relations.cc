// What the engine tells about itself: SHOW, EXPLAIN, the table functions, SET and SUBSCRIBE.
#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "connectors/registry.h"
#include "data/text.h"
#include "engine/database.h"
#include "engine/names.h"
#include "engine/relation.h"
#include "expr/program.h"
#include "sql/catalog/object_kind.h"

namespace laminar::engine {

using data::Schema;
using sql::Relation;

namespace {

void time_or_null(RelationBuilder& out, int64_t us) {
  us == data::kWatermarkNone ? out.null() : out.integer(us);
}

Schema changes_schema(const Schema& columns) {
  Schema schema = {integer_field("tick"), integer_field("weight")};
  schema.insert(schema.end(), columns.begin(), columns.end());
  return schema;
}

std::vector<RejectStore*> stores(ViewStage& view) {
  std::vector<RejectStore*> list;
  for (const auto& store : view.rejects) list.push_back(store.get());
  return list;
}

// What the operators of one plan node have counted on all cores.
struct Totals {
  stream::OperatorCounters counters;
  uint64_t state_rows = 0, state_bytes = 0, busy_ns = 0;
  stream::SmallHistogram ticks;
};

Totals totals_of(std::span<stream::Operator* const> instances) {
  Totals sum;
  for (const stream::Operator* op : instances) {
    sum.counters.rows_in += op->counters.rows_in;
    sum.counters.rows_out += op->counters.rows_out;
    sum.counters.filtered += op->counters.filtered;
    sum.counters.late += op->counters.late;
    sum.counters.null_time += op->counters.null_time;
    sum.counters.errors += op->counters.errors;
    sum.counters.emitted += op->counters.emitted;
    sum.counters.retracted += op->counters.retracted;
    sum.state_rows += op->state_rows();
    sum.state_bytes += op->state_bytes();
    sum.busy_ns += op->times.busy_ns;
    sum.ticks.merge(op->times.ticks);
  }
  return sum;
}

// An object's operators in order, each with its instances by core.
std::vector<std::vector<stream::Operator*>> operators_of(stream::Stage& stage, ViewStage* view, SourceStage* source) {
  std::vector<std::vector<stream::Operator*>> list;
  if (view) list = view->instances();
  for (const stream::Part& part : view ? std::vector<stream::Part>() : stage.parts) {
    for (stream::Operator* op : part.operators) list.push_back({op});
  }
  for (stream::Operator* op : stage.operators) {
    const bool known = std::any_of(list.begin(), list.end(), [op](const auto& instances) { return instances[0] == op; });
    if (!known && !(source && op == source->fan.get()) && op->label != "receive") list.push_back({op});
  }
  return list;
}

struct FunctionRow {
  const char* name;
  bool takes_object;
  const char* doc;
};
constexpr FunctionRow kFunctions[] = {
    {"changes", true, "the retained history of a view: tick, weight, its columns; needs WITH (retain_history = '...')"},
    {"late_rows", true, "rows of a view's window that came too late, or of a source that lie too far in the future"},
    {"errors", true, "rows of a view whose expressions failed, with the message"},
    {"dead_letters", true, "records of a source that could not be decoded"},
    {"laminar_conservation", false, "per view and operator: rows in, and what became of each"},
    {"laminar_operators", false, "per operator: rows, changes, state, time"},
    {"laminar_sources", false, "per source: state, rows, watermark"},
    {"laminar_views", false, "per view: state, rows, watermark, memory"},
    {"laminar_sinks", false, "per sink: guarantee, epochs, rows, failures"},
    {"laminar_watermark_groups", false, "per source of a watermark group: how far it is ahead, how often and how long it was"},
    {"laminar_lookup_tables", false, "per lookup table: state, cache, hits, requests"},
    {"laminar_ticks", false, "ticks: count and time percentiles, how many ran on several threads, how many took longer than tick_budget"},
    {"laminar_cores", false, "per core: the time of its parts of ticks, the parts its thread ran, where it is bound"},
    {"laminar_exchanges", false, "per exchange of a view: rows handed over, and those that changed cores"},
    {"laminar_overruns", false, "the last ticks in which an operator was at work when tick_budget was over"},
    {"laminar_durability", false, "the database's folder: durability, log, how it is written, the last recovery; no row in memory"},
};

}  // namespace

std::vector<sql::Backend::Function> Database::functions() {
  std::vector<Function> list;
  for (const FunctionRow& row : kFunctions) list.push_back({row.name, row.takes_object, row.doc});
  return list;
}

Result<Schema> Database::function_schema(const std::string& function, const std::string& argument) {
  ASSIGN_OR_RETURN(Relation relation, [&]() -> Result<Relation> {
    const auto found = std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](const FunctionRow& r) { return function == r.name; });
    if (found == std::end(kFunctions)) return Status(ErrorCode::kUnknownFunction, "unknown function: " + function);
    if (function == "changes") {
      Lock lock(*this);
      ASSIGN_OR_RETURN(Entry * item, entry_of(argument, -1));
      if (!item->view || !item->view->history) {
        return Status(ErrorCode::kNoHistory, "no history is kept of " + argument + "; create the view WITH (retain_history = '64 MB')");
      }
      Relation schema_only;
      schema_only.columns = changes_schema(item->object->columns);
      return schema_only;
    }
    return call_function(function, argument);
  }());
  return relation.columns;
}

Result<Relation> Database::call_function(const std::string& function, const std::string& argument) {
  Lock lock(*this);
  if (function == "laminar_conservation") return conservation_relation();
  if (function == "laminar_operators") return operators_relation();
  if (function == "laminar_sources") return sources_relation();
  if (function == "laminar_views") return views_relation();
  if (function == "laminar_sinks") return sinks_relation();
  if (function == "laminar_watermark_groups") return groups_relation();
  if (function == "laminar_lookup_tables") return lookups_relation();
  if (function == "laminar_ticks") return ticks_relation();
  if (function == "laminar_durability") return durability_relation();
  if (function == "laminar_cores") return cores_relation();
  if (function == "laminar_exchanges") return exchanges_relation();
  if (function == "laminar_overruns") return overruns_relation();
  ASSIGN_OR_RETURN(Entry * item, entry_of(argument, -1));
  if (function == "dead_letters") {
    if (item->lookup) return dead_letters_relation(item->lookup->dead_letters);
    if (!item->source) return Status(ErrorCode::kWrongObjectKind, "dead_letters takes a source or a lookup table; " + argument + " is a " + sql::kind_name(item->object->kind));
    return dead_letters_relation(item->source->dead_letters);
  }
  if (item->source && function == "late_rows") return late_relation(std::vector<RejectStore*>{&item->source->rejects});
  if (!item->view) return Status(ErrorCode::kWrongObjectKind, function + " takes a view; " + argument + " is a " + sql::kind_name(item->object->kind));
  if (function == "changes") {
    if (!item->view->history) {
      return Status(ErrorCode::kNoHistory, "no history is kept of " + argument + "; create the view WITH (retain_history = '64 MB')");
    }
    return changes_relation(*item->view);
  }
  if (function == "late_rows") return late_relation(stores(*item->view));
  if (function == "errors") return errors_relation(stores(*item->view));
  return Status(ErrorCode::kUnknownFunction, "unknown function: " + function);
}

Relation Database::changes_relation(ViewStage& view) {
  RelationBuilder out(changes_schema(view.object->columns));
  view.history->log().scan(0, [&](uint64_t tick, const data::Batch& batch) {
    out.rows(batch, 2, [&](RelationBuilder& row, uint32_t i) { row.integer(static_cast<int64_t>(tick)).integer(batch.weight(i)); });
  });
  return out.take();
}

Relation Database::late_relation(std::span<RejectStore* const> rejects) {
  RelationBuilder out(rejects[0]->late_schema());
  for (RejectStore* store : rejects) store->scan_late([&](const data::Batch& batch) { out.rows(batch, 0, [](RelationBuilder&, uint32_t) {}); });
  return out.take();
}

Relation Database::errors_relation(std::span<RejectStore* const> rejects) {
  RelationBuilder out(rejects[0]->error_schema());
  for (RejectStore* store : rejects) store->scan_errors([&](const data::Batch& batch) { out.rows(batch, 0, [](RelationBuilder&, uint32_t) {}); });
  return out.take();
}

Relation Database::dead_letters_relation(DeadLetterStore& records) {
  RelationBuilder out({text_field("object"), integer_field("position"), text_field("reason"), text_field("record")});
  for (const stream::BadRecord& record : records.list()) {
    out.row().text(record.object).integer(static_cast<int64_t>(record.position)).text(record.reason).text(record.text);
  }
  return out.take();
}

Relation Database::conservation_relation() {
  RelationBuilder out({text_field("view"), text_field("operator"), integer_field("rows_in"), integer_field("rows_out"), integer_field("filtered"),
                       integer_field("late"), integer_field("null_time"), integer_field("errors"), integer_field("difference"),
                       integer_field("emitted"), integer_field("retracted")});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.view) continue;
    for (const std::vector<stream::Operator*>& instances : item.view->pipeline.instances) {
      const stream::OperatorCounters c = totals_of(instances).counters;
      const int64_t difference = static_cast<int64_t>(c.rows_in) -
                                 static_cast<int64_t>(c.rows_out + c.filtered + c.late + c.null_time + c.errors);
      out.row().text(item.object->name).text(instances[0]->label).integer(static_cast<int64_t>(c.rows_in)).integer(static_cast<int64_t>(c.rows_out))
          .integer(static_cast<int64_t>(c.filtered)).integer(static_cast<int64_t>(c.late)).integer(static_cast<int64_t>(c.null_time))
          .integer(static_cast<int64_t>(c.errors)).integer(difference).integer(static_cast<int64_t>(c.emitted))
          .integer(static_cast<int64_t>(c.retracted));
    }
  }
  return out.take();
}

Relation Database::operators_relation() {
  RelationBuilder out({text_field("object"), text_field("operator"), integer_field("rows_in"), integer_field("emitted"), integer_field("retracted"),
                       integer_field("state_rows"), integer_field("state_bytes"), time_field("watermark"), number_field("busy_ms"),
                       number_field("tick_p50_us"), number_field("tick_p99_us"), number_field("tick_max_us")});
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    stream::Stage* stage = item.stage();
    if (!stage) continue;
    for (const std::vector<stream::Operator*>& instances : operators_of(*stage, item.view.get(), item.source.get())) {
      const Totals sum = totals_of(instances);
      out.row().text(item.object->name).text(instances[0]->label).integer(static_cast<int64_t>(sum.counters.rows_in))
          .integer(static_cast<int64_t>(sum.counters.emitted)).integer(static_cast<int64_t>(sum.counters.retracted))
          .integer(static_cast<int64_t>(sum.state_rows)).integer(static_cast<int64_t>(sum.state_bytes));
      time_or_null(out, instances[0]->output_watermark());
      out.number(static_cast<double>(sum.busy_ns) / 1e6).number(us(sum.ticks.quantile(0.5))).number(us(sum.ticks.quantile(0.99)))
          .number(us(sum.ticks.max()));
    }
  }
  return out.take();
}

Relation Database::sources_relation() {
  RelationBuilder out({text_field("name"), text_field("connector"), text_field("state"), integer_field("rows"), time_field("watermark"),
                       integer_field("dead_letters"), integer_field("future_rows"), text_field("error")});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.source) continue;
    SourceStage& source = *item.source;
    out.row().text(source.name).text(source.connector).text(to_text(source.state)).integer(static_cast<int64_t>(source.rows));
    time_or_null(out, source.op.output_watermark());
    out.integer(static_cast<int64_t>(source.dead_letters.count())).integer(static_cast<int64_t>(source.op.future_rows()));
    source.failure ? out.text(source.failure->message) : out.null();
  }
  return out.take();
}

Relation Database::views_relation() {
  RelationBuilder out({text_field("name"), text_field("kind"), text_field("state"), text_field("emit"), integer_field("rows"), time_field("watermark"),
                       integer_field("late_rows"), integer_field("errors"), integer_field("state_bytes"), integer_field("rows_behind")});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.view) continue;
    ViewStage& view = *item.view;
    uint64_t behind = 0;
    for (const auto& reader : view.catch_up) behind += reader->source->rows - reader->rows;
    out.row().text(item.object->name).text(sql::kind_name(item.object->kind)).text(to_text(view.state)).text(plan::to_text(view.plan.emit))
        .integer(static_cast<int64_t>(view.content_rows()));
    time_or_null(out, view.watermark());
    out.integer(static_cast<int64_t>(view.late_count())).integer(static_cast<int64_t>(view.error_count()))
        .integer(static_cast<int64_t>(view.state_bytes())).integer(static_cast<int64_t>(behind));
  }
  return out.take();
}

Relation Database::sinks_relation() {
  RelationBuilder out({text_field("name"), text_field("source"), text_field("connector"), text_field("guarantee"), text_field("state"),
                       integer_field("epoch"), integer_field("tick"), integer_field("rows"), integer_field("failures"), text_field("error")});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.sink) continue;
    const SinkStage::Progress progress = item.sink->progress();
    out.row().text(item.object->name).text(item.sink->from).text(item.sink->connector).text(item.sink->definition->guarantee(journal_ != nullptr))
        .text(progress.last_error.empty() ? "running" : "retrying")
        .integer(static_cast<int64_t>(progress.epoch)).integer(static_cast<int64_t>(progress.tick))
        .integer(static_cast<int64_t>(progress.rows_committed)).integer(static_cast<int64_t>(progress.failures));
    progress.last_error.empty() ? out.null() : out.text(progress.last_error);
  }
  return out.take();
}

Relation Database::watermarks_relation() {
  RelationBuilder out({text_field("name"), text_field("kind"), time_field("watermark"), text_field("state")});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.source && !item.view) continue;
    out.row().text(item.object->name).text(sql::kind_name(item.object->kind));
    time_or_null(out, item.source ? item.source->op.output_watermark() : item.view->watermark());
    out.text(item.source && item.source->op.output_idle() ? "idle" : item.source ? to_text(item.source->state) : to_text(item.view->state));
    if (const stream::KeyWatermarks* keys = item.source ? item.source->op.key_watermarks() : nullptr) {
      const stream::KeyWatermarks::Range range = keys->range();
      const std::string of = " of " + std::to_string(keys->key_count()) + (keys->key_count() == 1 ? " key" : " keys");
      for (const auto& [name, watermark] : {std::pair{"least", range.least}, std::pair{"greatest", range.greatest}}) {
        out.row().text(item.object->name).text(name + of);
        time_or_null(out, watermark);
        out.text(to_text(item.source->state));
      }
      continue;
    }
    for (uint32_t p = 0; item.source && item.source->op.partition_count() > 1 && p < item.source->op.partition_count(); ++p) {
      const stream::SourceOperator& op = item.source->op;
      out.row().text(item.object->name).text("partition " + (item.source->definition->partitioned() ? item.source->definition->partition_name(p) : op.partition_name(p)));
      time_or_null(out, op.partition_watermark(p));
      out.text(op.partition_ended(p) ? "ended" : op.partition_idle(p) ? "idle" : "running");
    }
  }
  return out.take();
}

Relation Database::dependencies_relation(const std::string& of) {
  RelationBuilder out({text_field("name"), text_field("kind"), text_field("reads")});
  const auto same = [](const std::string& a, const std::string& b) { return lower(a) == lower(b); };
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    for (const std::string& input : item.inputs) {
      if (!of.empty() && !same(of, item.object->name) && !same(of, input)) continue;
      out.row().text(item.object->name).text(sql::kind_name(item.object->kind)).text(input);
    }
  }
  return out.take();
}

Relation Database::ticks_relation() {
  RelationBuilder out({integer_field("tick"), integer_field("measured"), number_field("p50_us"), number_field("p99_us"), number_field("p999_us"), number_field("max_us"),
                       integer_field("parallel"), integer_field("overruns")});
  const stream::Histogram& times = core_.tick_times();
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  out.row().integer(static_cast<int64_t>(core_.tick())).integer(static_cast<int64_t>(times.count())).number(us(times.quantile(0.5)))
      .number(us(times.quantile(0.99))).number(us(times.quantile(0.999))).number(us(times.max()))
      .integer(static_cast<int64_t>(core_.parallel_ticks())).integer(static_cast<int64_t>(core_.watch().count()));
  return out.take();
}

Relation Database::cores_relation() {
  RelationBuilder out({integer_field("core"), integer_field("parts"), integer_field("parts_taken"), integer_field("parks"), integer_field("cpu"),
                       number_field("busy_ms"), number_field("part_p50_us"), number_field("part_p99_us"), number_field("part_max_us"), text_field("note")});
  const std::vector<stream::Crew::ThreadCounts> threads = core_.crew().counts();
  const std::string pin_failure = core_.crew().pin_failure();
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  for (size_t c = 0; c < threads.size(); ++c) {
    out.row().integer(static_cast<int64_t>(c)).integer(static_cast<int64_t>(threads[c].parts)).integer(static_cast<int64_t>(threads[c].taken))
        .integer(static_cast<int64_t>(threads[c].parks));
    threads[c].cpu >= 0 ? out.integer(threads[c].cpu) : out.null();
    static const stream::Core::CoreTimes kNone;
    const stream::Core::CoreTimes& times = c < core_.core_times().size() ? core_.core_times()[c] : kNone;
    out.number(static_cast<double>(times.busy_ns) / 1e6).number(us(times.parts.quantile(0.5))).number(us(times.parts.quantile(0.99)))
        .number(us(times.parts.max()));
    c == 0 ? out.text("runs on the thread that brings the rows") : pin_failure.empty() ? out.null() : out.text(pin_failure);
  }
  return out.take();
}

Relation Database::exchanges_relation() {
  RelationBuilder out({text_field("object"), text_field("exchange"), integer_field("senders"), integer_field("receivers"), integer_field("rows"),
                       integer_field("crossed"), integer_field("bytes")});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.view) continue;
    for (const stream::Exchange* exchange : item.view->exchanges()) {
      out.row().text(item.object->name).text(exchange->label).integer(exchange->senders()).integer(exchange->receivers())
          .integer(static_cast<int64_t>(exchange->rows())).integer(static_cast<int64_t>(exchange->crossed()))
          .integer(static_cast<int64_t>(exchange->held_bytes()));
    }
  }
  return out.take();
}

Relation Database::overruns_relation() {
  RelationBuilder out({integer_field("tick"), integer_field("thread"), text_field("object"), text_field("operator"), number_field("elapsed_ms")});
  for (const stream::Overrun& overrun : core_.watch().overruns()) {
    out.row().integer(static_cast<int64_t>(overrun.tick)).integer(overrun.thread).text(overrun.object).text(overrun.op)
        .number(static_cast<double>(overrun.elapsed_ns) / 1e6);
  }
  return out.take();
}

namespace {

// The rows whose text column `column` is `value`, without regard to case.
Relation rows_where(Relation all, uint32_t column, std::string_view value) {
  RelationBuilder out(all.columns);
  data::BatchBuffer one(all.columns, 1);
  for (auto& buffer : all.batches) {
    const data::Batch batch = buffer->view();
    for (uint32_t i = 0; i < batch.rows; ++i) {
      const std::string_view text = batch.columns[column].values<data::StringRef>()[i].view();
      if (lower(std::string(text)) != lower(std::string(value))) continue;
      one.clear();
      one.append_row(batch, i, 1);
      out.rows(one.view(), 0, [](RelationBuilder&, uint32_t) {});
    }
  }
  return out.take();
}

Relation functions_shown() {
  RelationBuilder out({text_field("name"), text_field("argument"), text_field("doc")});
  for (const FunctionRow& row : kFunctions) out.row().text(row.name).text(row.takes_object ? "an object's name" : "").text(row.doc);
  return out.take();
}

Relation connectors_shown() {
  RelationBuilder out({text_field("connector"), text_field("of"), text_field("option"), text_field("default"), text_field("doc")});
  for (const stream::Connector* connector : connectors::all_connectors()) {
    const auto add = [&](const char* of, std::span<const OptionSpec> options) {
      out.row().text(connector->name()).text(of).text("").text("").text(connector->doc());
      for (const OptionSpec& option : options) {
        out.row().text(connector->name()).text(of).text(option.name).text(option.required ? "required" : option.default_text).text(option.doc);
      }
    };
    if (connector->is_source()) add("source", connector->source_options());
    if (connector->is_sink()) add("sink", connector->sink_options());
    if (connector->is_lookup()) add("lookup table", connector->lookup_options());
  }
  return out.take();
}

}  // namespace

Result<Relation> Database::show(const sql::ShowStatement& statement) {
  Lock lock(*this);
  const std::string& what = statement.what;
  if (statement.object) RETURN_IF_ERROR(entry_of(statement.object->name, statement.object->offset).status());
  // SHOW ... FOR name: the rows of that object.
  const auto shown = [&statement](Relation all) {
    return statement.object ? rows_where(std::move(all), 0, statement.object->name) : std::move(all);
  };
  if (what == "SOURCES") return shown(sources_relation());
  if (what == "LOOKUP TABLES") return shown(lookups_relation());
  if (what == "SINKS") return shown(sinks_relation());
  if (what == "VIEWS") return shown(views_relation());
  if (what == "MATERIALIZED VIEWS") return shown(rows_where(views_relation(), 1, "materialized view"));
  if (what == "STREAMS") return shown(rows_where(views_relation(), 1, "stream"));
  if (what == "WATERMARK GROUPS") return shown(groups_relation());
  if (what == "WATERMARKS") return shown(watermarks_relation());
  if (what == "CHECKPOINTS") return checkpoints_relation();
  if (what == "CONSERVATION" || what == "COUNTERS") return shown(conservation_relation());
  if (what == "DEPENDENCIES") return dependencies_relation(statement.object ? statement.object->name : "");
  if (what == "FUNCTIONS") return functions_shown();
  if (what == "CONNECTORS") return connectors_shown();
  if (what.starts_with("CREATE")) {
    if (!statement.object) return Status(ErrorCode::kSyntaxError, "SHOW CREATE needs a name");
    Entry* item = entry(statement.object->name);
    RelationBuilder out({text_field("name"), text_field("statement")});
    out.row().text(item->object->name).text(item->object->sql);
    return out.take();
  }
  return Status(ErrorCode::kNotImplemented, "SHOW " + what + " is not there yet");
}

Result<std::string> Database::explain(const std::string& object, bool analyze) {
  Lock lock(*this);
  ASSIGN_OR_RETURN(Entry * item, entry_of(object, -1));
  if (!item->view) return Status(ErrorCode::kWrongObjectKind, "EXPLAIN takes a view or stream; " + object + " is a " + sql::kind_name(item->object->kind));
  const ViewStage& view = *item->view;
  std::string text = view.parts.empty() ? plan::explain(view.plan) : plan::explain(view.plan, view.distribution, view.layout_cores);
  if (!analyze) return text;
  if (!text.ends_with('\n')) text += '\n';
  text += "operators, inputs first:\n";
  for (const std::vector<stream::Operator*>& instances : operators_of(*item->view, item->view.get(), nullptr)) {
    const Totals sum = totals_of(instances);
    const stream::OperatorCounters& c = sum.counters;
    const stream::Operator* op = instances[0];
    text += "  " + op->label + ": rows_in=" + std::to_string(c.rows_in) + " filtered=" + std::to_string(c.filtered) + " late=" + std::to_string(c.late) +
            " null_time=" + std::to_string(c.null_time) + " errors=" + std::to_string(c.errors) + " emitted=" + std::to_string(c.emitted) +
            " retracted=" + std::to_string(c.retracted) + " state_rows=" + std::to_string(sum.state_rows) +
            " state_bytes=" + std::to_string(sum.state_bytes) + " busy_ms=" + std::to_string(sum.busy_ns / 1'000'000) + " watermark=";
    if (op->output_watermark() == data::kWatermarkNone) text += "none";
    else if (op->output_watermark() == data::kWatermarkEnded) text += "ended";
    else data::append_timestamp_us(op->output_watermark(), text);
    text += '\n';
  }
  return text;
}

namespace {

Status no_folder(int64_t offset) {
  return Status(ErrorCode::kInvalidOption, "this database is in memory only: open one in a folder, as in laminar DB_DIR", offset);
}

}  // namespace

Status Database::set(const sql::OptionText& option) {
  Lock lock(*this);
  Command command(*this);
  const auto record = [&]() -> Status {
    if (journal_) settings_[option.key] = set_record(option);
    RETURN_IF_ERROR(record_ddl(command, nullptr, RecordKind::kSet, [&](ByteWriter& out) {
      out.text(option.key).text(option.value).put(static_cast<uint8_t>(option.kind)).put(option.interval_us);
    }));
    return settle(lock, command);
  };
  RETURN_IF_ERROR(room_to_record(kSmallRecordBytes));
  const auto interval = [&option]() { return option.kind == sql::OptionText::Kind::kInterval ? option.interval_us : parse_duration_us(option.value); };
  if (option.key == "future_skew" || option.key == "idle_timeout") {
    const int64_t us = interval();
    if (us < 0) return Status(ErrorCode::kInvalidOption, option.key + " takes an interval, such as '1 hour'", option.value_offset);
    (option.key == "future_skew" ? future_skew_us_ : idle_timeout_us_) = us;
    return record();
  }
  if (option.key == "state_memory_limit") {
    memory_limit_ = 0;
    if (!option.value.empty()) {
      const int64_t bytes = parse_bytes(option.value);
      if (bytes <= 0) return Status(ErrorCode::kInvalidOption, "state_memory_limit takes bytes, such as '1 GB'", option.value_offset);
      memory_limit_ = static_cast<uint64_t>(bytes);
    }
    memory_status_ = {};
    memory_looked_ns_ = 0;
    memory_limited_ = memory_limit_ > 0;
    for (auto& [name, item] : entries_) memory_limited_ |= item.view && item.view->memory_limit_bytes > 0;
    return record();
  }
  if (option.key == "tick_budget") {
    const int64_t us = interval();
    if (us < 0) return Status(ErrorCode::kInvalidOption, "tick_budget takes an interval, such as '50 ms'", option.value_offset);
    core_.watch().set_budget_ns(us * 1000);
    return record();
  }
  if (option.key == "cores") {
    RETURN_IF_ERROR(set_cores(option));
    return record();
  }
  if (option.key == "core_wait") {
    constexpr int64_t kSpinNs = 50'000;
    core_.crew().set_spin_ns(lower(option.value) == "spin" ? -1 : kSpinNs);
    core_.crew().wake_up();
    return record();
  }
  if (option.key == "core_pin") {
    core_.crew().set_pinned(lower(option.value) == "true");
    return record();
  }
  if (option.key == "core_rows") {
    core_.set_parallel_rows(std::strtoull(option.value.c_str(), nullptr, 10));
    return record();
  }
  if (option.key == "checkpoint_interval" || option.key == "checkpoint_retention") {
    if (!journal_) return no_folder(option.value_offset);
    if (option.key == "checkpoint_interval") {
      if (interval() < 0) return Status(ErrorCode::kInvalidOption, "checkpoint_interval takes an interval, such as '1 minute'", option.value_offset);
      checkpoint_interval_us_ = interval();
    } else {
      checkpoints_kept_ = std::strtoull(option.value.c_str(), nullptr, 10);
    }
    return record();
  }
  if (option.key == "io_backend") {
    if (!journal_) return no_folder(option.value_offset);
    RETURN_IF_ERROR(journal_->use_backend(option.value));
    return record();
  }
  if (option.key == "durability") {
    const std::optional<Durability> durability = durability_named(option.value);
    if (!durability) return Status(ErrorCode::kInvalidOption, "durability is sync, batch or none; not " + option.value, option.value_offset);
    if (!journal_) return no_folder(option.value_offset);
    journal_->set_durability(*durability);
    return record();
  }
  return Status(ErrorCode::kUnknownOption, "unknown setting: " + option.key, option.key_offset);
}

Status Database::set_cores(const sql::OptionText& option) {
  constexpr int64_t kCoresMax = 64;
  int64_t cores = 0;
  const auto [end, error] = std::from_chars(option.value.data(), option.value.data() + option.value.size(), cores);
  if (error != std::errc() || end != option.value.data() + option.value.size() || cores < 1 || cores > kCoresMax) {
    return Status(ErrorCode::kInvalidOption, "cores takes a number from 1 to 64", option.value_offset);
  }
  if (static_cast<uint32_t>(cores) == cores_ || (replaying_ && options_.cores > 0)) return {};
  for (auto& [name, item] : entries_) {
    if (!item.view || item.view->parts.empty()) continue;
    return Status(ErrorCode::kInvalidOption, "view " + item.object->name + " runs on " + std::to_string(cores_) +
                                                 " cores; the number can be set before views are created, or after they are dropped",
                  option.value_offset);
  }
  cores_ = static_cast<uint32_t>(cores);
  core_.crew().resize(cores_);
  return {};
}

// SUBSCRIBE: history from a tick on, or a snapshot, then the changes as they come.
class SubscribeReader final : public sql::ChangeReader {
 public:
  SubscribeReader(Database& database, std::shared_ptr<Subscription> subscription, std::unique_ptr<expr::Program> where)
      : database_(database), subscription_(std::move(subscription)), where_(std::move(where)) {}
  ~SubscribeReader() override { database_.unfollow(subscription_); }

  void add_past(uint64_t tick, const data::Batch& batch, const std::vector<data::Type>& types) {
    auto buffer = std::make_unique<data::BatchBuffer>(types);
    for (uint32_t i = 0; i < batch.rows; ++i) buffer->append_row(batch, i, batch.weight(i));
    buffer->has_weights = true;
    past_.emplace_back(tick, std::move(buffer));
  }

  Result<State> next(data::Batch& batch, uint64_t& tick, int timeout_ms) override {
    for (;;) {
      if (next_past_ < past_.size()) {
        auto& [past_tick, buffer] = past_[next_past_++];
        tick = past_tick;
        if (keep(*buffer, batch)) return State::kChanges;
        continue;
      }
      if (!rows_ || next_buffer_ == rows_->used) {
        next_buffer_ = 0;
        switch (subscription_->poll(rows_, timeout_ms)) {
          case Subscription::State::kTimeout: return State::kTimeout;
          case Subscription::State::kEnded: return State::kEnded;
          case Subscription::State::kChanges: break;
        }
      }
      tick = rows_->tick;
      if (keep(*rows_->buffers[next_buffer_++], batch)) return State::kChanges;
    }
  }

 private:
  // The rows of `buffer` that WHERE lets through.
  bool keep(data::BatchBuffer& buffer, data::Batch& batch) {
    batch = buffer.view();
    if (!where_) return batch.rows > 0;
    uint32_t selection[data::kBatchRowsMax];
    expr::RowErrors errors;
    const uint32_t count = where_->select(batch, selection, errors);
    if (count == 0) return false;
    if (!kept_) kept_ = std::make_unique<data::BatchBuffer>(subscription_->types());
    kept_->clear();
    for (uint32_t i = 0; i < count; ++i) kept_->append_row(batch, selection[i], batch.weight(selection[i]));
    kept_->has_weights = true;
    batch = kept_->view();
    return true;
  }

  Database& database_;
  std::shared_ptr<Subscription> subscription_;
  std::unique_ptr<expr::Program> where_;
  std::vector<std::pair<uint64_t, std::unique_ptr<data::BatchBuffer>>> past_;
  size_t next_past_ = 0;
  std::unique_ptr<TickRows> rows_;
  size_t next_buffer_ = 0;
  std::unique_ptr<data::BatchBuffer> kept_;
};

Result<std::unique_ptr<sql::ChangeReader>> Database::subscribe(const sql::SubscribeStatement& statement, expr::ExprPtr where) {
  Lock lock(*this);
  ASSIGN_OR_RETURN(Entry * item, entry_of(statement.view.name, statement.view.offset));
  if (!item->view) return Status(ErrorCode::kWrongObjectKind, "SUBSCRIBE takes a view or stream: " + statement.view.name, statement.view.offset);
  ViewStage& view = *item->view;
  const std::vector<data::Type> types = view.types();
  std::unique_ptr<expr::Program> program;
  if (where) {
    ASSIGN_OR_RETURN(program, expr::Program::compile({where}, types));
  }
  if (statement.as_of_tick) {
    if (!view.history) {
      return Status(ErrorCode::kNoHistory, "no history is kept of " + view.name + "; create the view WITH (retain_history = '64 MB')", statement.view.offset);
    }
    if (*statement.as_of_tick > core_.tick()) {
      return Status(ErrorCode::kNoHistory, "tick " + std::to_string(*statement.as_of_tick) + " has not been: the database is at tick " + std::to_string(core_.tick()) +
                                               "; after a crash, ticks that were not on disk yet are gone, so begin anew WITH SNAPSHOT", statement.view.offset);
    }
    if (view.history->log().complete_from() > *statement.as_of_tick + 1) {
      return Status(ErrorCode::kNoHistory, "history of " + view.name + " begins at tick " + std::to_string(view.history->log().complete_from()), statement.view.offset);
    }
  } else if (statement.with_snapshot && !view.holds_content()) {
    return Status(ErrorCode::kWrongObjectKind, "stream " + view.name + " keeps no rows for a snapshot", statement.view.offset);
  }
  // Nothing may fail from here on: the reader takes the lock when it goes.
  auto subscription = std::make_shared<Subscription>(types, nullptr, options_.subscription_rows_max);
  auto reader = std::make_unique<SubscribeReader>(*this, subscription, std::move(program));
  if (statement.as_of_tick) {
    view.history->log().scan(*statement.as_of_tick + 1, [&](uint64_t tick, const data::Batch& batch) { reader->add_past(tick, batch, types); });
  } else if (statement.with_snapshot) {
    view.scan([&](const data::Batch& batch) { reader->add_past(core_.tick(), batch, types); });
  }
  view.attach(subscription.get());
  if (view.watermark() == data::kWatermarkEnded) subscription->close();
  followers_.push_back(subscription);
  return std::unique_ptr<sql::ChangeReader>(std::move(reader));
}

std::vector<MetricValue> Database::metrics() {
  Lock lock(*this);
  std::vector<MetricValue> list;
  const stream::Histogram& times = core_.tick_times();
  list.push_back({"ticks", "", static_cast<double>(core_.tick())});
  list.push_back({"tick_p50_us", "", static_cast<double>(times.quantile(0.5)) / 1e3});
  list.push_back({"tick_p99_us", "", static_cast<double>(times.quantile(0.99)) / 1e3});
  list.push_back({"tick_p999_us", "", static_cast<double>(times.quantile(0.999)) / 1e3});
  list.push_back({"tick_max_us", "", static_cast<double>(times.max()) / 1e3});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    const std::string& object = item.object->name;
    if (item.source) {
      list.push_back({"rows_in", object, static_cast<double>(item.source->rows)});
      list.push_back({"source_running", object, item.source->state == SourceStage::State::kRunning ? 1.0 : 0.0});
      uint32_t idle = 0;
      for (uint32_t p = 0; p < item.source->op.partition_count(); ++p) idle += item.source->op.partition_idle(p);
      list.push_back({"partitions", object, static_cast<double>(item.source->op.partition_count())});
      list.push_back({"idle_partitions", object, static_cast<double>(idle)});
      list.push_back({"partition_returns", object, static_cast<double>(item.source->op.partition_returns())});
      list.push_back({"future_rows", object, static_cast<double>(item.source->op.future_rows())});
      list.push_back({"dead_letters", object, static_cast<double>(item.source->dead_letters.count())});
    }
    if (item.group) add_group_metrics(item, list);
    if (item.view) {
      list.push_back({"view_rows", object, static_cast<double>(item.view->content_rows())});
      list.push_back({"late_rows", object, static_cast<double>(item.view->late_count())});
      list.push_back({"error_rows", object, static_cast<double>(item.view->error_count())});
      list.push_back({"state_bytes", object, static_cast<double>(item.view->state_bytes())});
    }
    if (item.lookup) {
      const LookupStage::Figures figures = item.lookup->figures();
      const std::pair<const char*, uint64_t> rows[] = {
          {"lookup_hits", figures.hits}, {"lookup_missing_hits", figures.hits_missing}, {"lookup_misses", figures.misses},
          {"lookup_expired", figures.expired}, {"lookup_evicted", figures.evicted}, {"lookup_requests", figures.requests},
          {"lookup_batches", figures.batches}, {"lookup_retries", figures.retries}, {"lookup_unavailable", figures.unavailable},
          {"lookup_in_flight", figures.waiting_requests}, {"lookup_entries", figures.entries}, {"lookup_bytes", figures.bytes}};
      for (const auto& [metric, value] : rows) list.push_back({metric, object, static_cast<double>(value)});
    }
    if (item.sink) {
      const SinkStage::Progress progress = item.sink->progress();
      list.push_back({"sink_rows", object, static_cast<double>(progress.rows_committed)});
      list.push_back({"sink_failures", object, static_cast<double>(progress.failures)});
    }
  }
  return list;
}

}  // namespace laminar::engine
