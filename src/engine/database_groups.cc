// Watermark groups: how they are made and shown, and how callers wait for a source that a group holds.
#include <algorithm>

#include "base/check.h"
#include "data/text.h"
#include "engine/database.h"
#include "engine/names.h"
#include "engine/relation.h"
#include "sql/catalog/object_kind.h"

namespace laminar::engine {

using stream::WatermarkGroupOperator;

namespace {

constexpr auto kWaitStep = std::chrono::milliseconds(5);
constexpr int64_t kPatienceNs = 10'000'000'000;

constexpr OptionSpec kGroupOptions[] = {
    {.name = "max_drift", .kind = OptionKind::kInterval, .default_text = "5 minutes", .doc = "how far a member may be ahead of the slowest of the others, in event time"},
    {.name = "policy", .kind = OptionKind::kChoice, .default_text = "pause", .choices = "pause|warn|drop",
     .doc = "what is done to a member that is ahead: it is not read on, it is counted, or its rows are dropped"},
};

WatermarkGroupOperator::Policy policy_named(const std::string& text) {
  if (lower(text) == "warn") return WatermarkGroupOperator::Policy::kWarn;
  return lower(text) == "drop" ? WatermarkGroupOperator::Policy::kDrop : WatermarkGroupOperator::Policy::kPause;
}

const char* to_text(WatermarkGroupOperator::Policy policy) {
  switch (policy) {
    case WatermarkGroupOperator::Policy::kPause: return "pause";
    case WatermarkGroupOperator::Policy::kWarn: return "warn";
    case WatermarkGroupOperator::Policy::kDrop: return "drop";
  }
  return "";
}

const char* to_text(WatermarkGroupOperator::State state, WatermarkGroupOperator::Policy policy) {
  switch (state) {
    case WatermarkGroupOperator::State::kSilent: return "silent";
    case WatermarkGroupOperator::State::kRunning: return "running";
    case WatermarkGroupOperator::State::kAhead: return policy == WatermarkGroupOperator::Policy::kPause ? "paused" : "ahead";
    case WatermarkGroupOperator::State::kIdle: return "idle";
    case WatermarkGroupOperator::State::kEnded: return "ended";
  }
  return "";
}

std::string time_text(int64_t us) {
  std::string text;
  data::append_timestamp_us(us, text);
  return text;
}

}  // namespace

Status Database::create_watermark_group(const sql::CreateWatermarkGroup& statement) {
  std::vector<OptionInput> inputs;
  for (const sql::OptionText& option : statement.options) inputs.push_back({option.key, option.value, option.key_offset, option.value_offset});
  ASSIGN_OR_RETURN(const OptionValues values,
                   OptionValues::check(kGroupOptions, inputs, "watermark group " + statement.name.name, statement.name.offset));
  const WatermarkGroupOperator::Policy policy = policy_named(values.text("policy"));
  if (statement.members.size() < 2) {
    return Status(ErrorCode::kWrongArguments, "a watermark group needs two sources or more: " + statement.name.name, statement.name.offset);
  }
  auto object = std::make_shared<sql::Object>();
  object->kind = sql::ObjectKind::kWatermarkGroup;
  object->name = statement.name.name;
  object->sql = statement.statement_text;
  Lock lock(*this);
  Command command(*this);
  bool exists = false;
  RETURN_IF_ERROR(check_new_name(statement.name, statement.or_replace, statement.if_not_exists, exists));
  if (exists && statement.if_not_exists) return {};
  RETURN_IF_ERROR(room_to_record(kSmallRecordBytes + statement.statement_text.size()));
  std::vector<SourceStage*> sources;
  std::vector<stream::SourceOperator*> members;
  std::vector<std::string> names;
  for (const sql::ObjectName& member : statement.members) {
    ASSIGN_OR_RETURN(Entry * item, entry_of(member.name, member.offset));
    if (!item->source) {
      return Status(ErrorCode::kWrongObjectKind, "a watermark group holds sources, and " + member.name + " is a " + sql::kind_name(item->object->kind), member.offset);
    }
    SourceStage& source = *item->source;
    if (!source.time) {
      return Status(ErrorCode::kNeedsWatermark, "source " + source.name + " has no event time: declare WATERMARK FOR a column", member.offset);
    }
    if (!source.time->key_columns.empty()) {
      return Status(ErrorCode::kNeedsWatermark, "source " + source.name + " has a watermark PER KEY, and a group goes by one of all rows", member.offset);
    }
    if (std::find(sources.begin(), sources.end(), &source) != sources.end()) {
      return Status(ErrorCode::kWrongArguments, "a source is in the group twice: " + source.name, member.offset);
    }
    if (policy == WatermarkGroupOperator::Policy::kDrop && source.definition->replayable()) {
      return Status(ErrorCode::kInvalidOption, "policy = 'drop' is for sources whose rows come once, and " + source.name + " (connector " + source.connector +
                                                   ") can be read again: a view created later would count what others did not; use policy = 'pause'",
                    values.value_offset("policy"));
    }
    sources.push_back(&source);
    members.push_back(&source.op);
    names.push_back(source.name);
  }
  if (exists) remove_entry(statement.name.name);
  auto stage = std::make_unique<WatermarkGroupStage>(object, policy, values.integer("max_drift"), members);
  core_.add(stage.get());
  for (SourceStage* source : sources) core_.connect(source, stage.get());
  stream::Stage* first = stage.get();
  Entry& item = add_entry(std::move(object));
  item.group = std::move(stage);
  item.inputs = std::move(names);
  core_.run({}, {&first, 1}, false);  // who is ahead already
  after_tick();
  RETURN_IF_ERROR(record_ddl(command, &item, RecordKind::kStatement, [&](ByteWriter& out) { out.text(statement.statement_text); }));
  return settle(lock, command);
}

Status Database::wait_while_held(Lock& lock, const std::string& source) {
  if (replaying_) return {};
  const int64_t begin_ns = monotonic_ns();
  for (;;) {
    Entry* item = entry(source);
    if (closed_ || !item || !item->source || !item->source->op.held()) return {};
    // With a clock that stands still nothing changes while a caller waits.
    if (options_.manual_clock || monotonic_ns() - begin_ns > kPatienceNs) {
      stream::SourceOperator& op = item->source->op;
      const int64_t limit = op.pausing_limit();
      std::string group;
      for (const std::string& name : dependents_of(source)) {
        const Entry* dependent = entry(name);
        if (!dependent->group || dependent->group->op.policy() != WatermarkGroupOperator::Policy::kPause) continue;
        if (dependent->group->op.limit_of(op) == limit) group = name;
      }
      return Status(ErrorCode::kLimitExceeded, "source " + item->source->name + " is ahead of watermark group " + group + ": it stands at " +
                                                   time_text(op.watermark_so_far()) + (limit == data::kWatermarkNone ? "" : " and may run to " + time_text(limit)) +
                                                   "; bring rows to the others, or advance their watermarks, and try again");
    }
    live_changed_.wait_for(lock.held, kWaitStep);
  }
}

bool Database::is_ahead(const ViewStage& view, const CatchUp& reader) {
  if (view.catch_up.size() < 2 || reader.source->op.pausing_limits.empty()) return false;
  const int64_t own = reader.op->watermark_so_far();
  if (own == data::kWatermarkNone) return false;
  for (auto& [name, item] : entries_) {
    if (!item.group || item.group->op.policy() != WatermarkGroupOperator::Policy::kPause) continue;
    const auto in_group = [&group = item.group->op](const SourceStage* source) {
      return std::any_of(group.members().begin(), group.members().end(), [source](const auto& member) { return member.source == &source->op; });
    };
    if (!in_group(reader.source)) continue;
    for (auto& other : view.catch_up) {
      // One that stands where its source stands waits for the others.
      if (other.get() == &reader || other->rows == other->source->rows || !in_group(other->source)) continue;
      const int64_t position = other->op->watermark_so_far();
      int64_t limit;
      if (position == data::kWatermarkNone || (!__builtin_add_overflow(position, item.group->op.max_drift_us(), &limit) && own > limit)) return true;
    }
  }
  return false;
}

sql::Relation Database::groups_relation() {
  RelationBuilder out({text_field("name"), text_field("policy"), interval_field("max_drift"), text_field("source"), time_field("watermark"),
                       interval_field("drift"), text_field("state"), integer_field("times_ahead"), interval_field("time_ahead"), interval_field("drift_max"),
                       integer_field("rows_dropped")});
  for (const std::string& name : creation_order_) {
    Entry& item = entries_.at(name);
    if (!item.group) continue;
    const WatermarkGroupOperator& group = item.group->op;
    for (size_t i = 0; i < group.members().size(); ++i) {
      const WatermarkGroupOperator::Member& member = group.members()[i];
      const bool ahead = member.state == WatermarkGroupOperator::State::kAhead;
      out.row().text(item.object->name).text(to_text(group.policy())).interval(group.max_drift_us()).text(item.inputs[i]);
      const int64_t watermark = member.source->output_watermark();
      watermark == data::kWatermarkNone ? out.null() : out.integer(watermark);
      member.drift_us > 0 ? out.interval(member.drift_us) : out.null();
      out.text(to_text(member.state, group.policy())).integer(static_cast<int64_t>(member.times_ahead))
          .interval(member.ahead_us + (ahead ? std::max<int64_t>(0, clock_.now_us() - member.ahead_since_us) : 0)).interval(member.drift_max_us)
          .integer(static_cast<int64_t>(member.rows_dropped));
    }
  }
  return out.take();
}

void Database::add_group_metrics(Entry& item, std::vector<MetricValue>& list) {
  uint64_t times = 0, dropped = 0, ahead = 0;
  int64_t drift_us = 0, ahead_us = 0;
  for (const WatermarkGroupOperator::Member& member : item.group->op.members()) {
    const bool now = member.state == WatermarkGroupOperator::State::kAhead;
    ahead += now;
    times += member.times_ahead;
    dropped += member.rows_dropped;
    drift_us = std::max(drift_us, member.drift_us);
    ahead_us += member.ahead_us + (now ? std::max<int64_t>(0, clock_.now_us() - member.ahead_since_us) : 0);
  }
  const std::string& object = item.object->name;
  list.push_back({"group_drift_us", object, static_cast<double>(drift_us)});
  list.push_back({"group_sources_ahead", object, static_cast<double>(ahead)});
  list.push_back({"group_times_ahead", object, static_cast<double>(times)});
  list.push_back({"group_ahead_us", object, static_cast<double>(ahead_us)});
  list.push_back({"group_rows_dropped", object, static_cast<double>(dropped)});
}

}  // namespace laminar::engine
