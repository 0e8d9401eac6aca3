// REAPPLY LATE ROWS: late rows count after all, in views that have kept the state of their closed windows.
//
// It is a tick without other input. The rows go to the view's window as they were; it gives the old and the new result of
// each group, and the operators after it take changes behind their watermark while set_correcting() is on. Whether all of
// them can is asked before a row is taken.
#include <algorithm>

#include "engine/database.h"
#include "engine/names.h"
#include "expr/program.h"
#include "sql/catalog/object_kind.h"
#include "sql/statements/surroundings.h"
#include "stream/operators/aggregate.h"
#include "stream/operators/throttle_operator.h"

namespace laminar::engine {

namespace {

constexpr uint32_t kReasonColumn = 0, kStartColumn = 2, kEndColumn = 3;

// The view's window on a core: late rows are where the window is that missed them.
stream::AggregateOperator* window_of(ViewStage& view, uint32_t core) {
  for (const stream::Part& part : view.pipeline.parts) {
    if (part.core != core) continue;
    for (stream::Operator* op : part.operators) {
      auto* aggregate = dynamic_cast<stream::AggregateOperator*>(op);
      if (aggregate && aggregate->label.starts_with("aggregate window=")) return aggregate;
    }
  }
  return nullptr;
}

std::vector<stream::Operator*> all_operators(const stream::Stage& stage) {
  std::vector<stream::Operator*> operators = stage.operators;
  for (const stream::Part& part : stage.parts) operators.insert(operators.end(), part.operators.begin(), part.operators.end());
  return operators;
}

const plan::AggregateNode* window_node(const plan::Node& node) {
  if (node.kind == plan::NodeKind::kAggregate && static_cast<const plan::AggregateNode&>(node).window) {
    return static_cast<const plan::AggregateNode*>(&node);
  }
  for (const plan::NodePtr& input : node.inputs) {
    if (const plan::AggregateNode* found = window_node(*input)) return found;
  }
  return nullptr;
}

// The late rows of one core for which the program holds, back into its window; how many.
uint64_t reapply_on(RejectStore& rejects, stream::AggregateOperator& window, expr::Program* program) {
  std::vector<uint32_t> selection;
  const auto taken = rejects.take_late([&](const data::Batch& batch, std::vector<bool>& picked) {
    selection.resize(batch.rows);
    uint32_t count = batch.rows;
    if (program) {
      expr::RowErrors errors;
      count = program->select(batch, selection.data(), errors);
    } else {
      for (uint32_t row = 0; row < batch.rows; ++row) selection[row] = row;
    }
    const data::StringRef* reasons = batch.columns[kReasonColumn].values<data::StringRef>();
    const data::Column &starts = batch.columns[kStartColumn], &ends = batch.columns[kEndColumn];
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t row = selection[i];
      picked[row] = reasons[row].view().starts_with("late") && !starts.is_null(row) && window.retains(starts.values<int64_t>()[row], ends.values<int64_t>()[row]);
    }
  });
  uint64_t rows = 0;
  std::vector<data::Column> columns;
  for (const auto& buffer : taken) {
    const data::Batch late = buffer->view();
    columns.clear();
    for (const uint32_t column : rejects.row_columns(0)) columns.push_back(late.columns[column]);
    data::Batch batch;
    batch.rows = late.rows;
    batch.columns = columns;
    window.reapply(batch, late.columns[kStartColumn].values<int64_t>(), late.columns[kEndColumn].values<int64_t>());
    rows += late.rows;
  }
  return rows;
}

}  // namespace

std::shared_ptr<const sql::Object> Database::late_rows_object(const std::string& name) {
  for (auto& [key, item] : entries_) {
    if (!item.view || lower(late_rows_of(item.object->name)) != lower(name)) continue;
    auto object = std::make_shared<sql::Object>();
    object->kind = sql::ObjectKind::kView;
    object->name = name;
    object->columns = item.view->rejects[0]->late_schema();
    object->append_only = true;
    object->time_offset_us.resize(object->columns.size());
    object->holds_content = true;
    return object;
  }
  return nullptr;
}

void Database::name_late_causes(ViewStage& view) {
  std::vector<const stream::SourceOperator*> sources;
  std::vector<std::string> seen = view.plan.inputs;
  for (size_t i = 0; i < seen.size(); ++i) {
    const Entry* item = entry(seen[i]);
    if (!item) continue;
    if (item->source) sources.push_back(&item->source->op);
    for (const std::string& input : item->inputs) {
      if (item->view && std::find(seen.begin(), seen.end(), input) == seen.end()) seen.push_back(input);
    }
  }
  if (sources.empty()) return;
  for (auto& store : view.rejects) {
    store->set_late_cause([sources](uint64_t sequence, int64_t watermark) -> std::string_view {
      for (const stream::SourceOperator* source : sources) {
        switch (source->lift_of(sequence, watermark)) {
          case stream::WatermarkTracker::Lift::kReturned: return "late: partition returned after idle";
          case stream::WatermarkTracker::Lift::kNew: return "late: partition is new";
          case stream::WatermarkTracker::Lift::kNone: break;
        }
      }
      return {};
    });
  }
}

std::string Database::why_not_reapplied(Entry& item, std::vector<stream::Operator*>& corrected) {
  ViewStage& view = *item.view;
  const plan::AggregateNode* node = window_node(*view.plan.root);
  if (!node) return view.name + " has no window with GROUP BY, so it has no result to correct";
  if (view.plan.is_stream) return "stream " + view.name + " keeps no content; create a materialized view";
  if (node->emit == plan::EmitPolicy::kOnWindowClose) {
    return view.name + " gives each window once (EMIT " +
           (view.plan.emit == plan::EmitMode::kFinal ? "FINAL" : "ON WINDOW CLOSE") + ") and never corrects it";
  }
  if (node->retain_us == 0) {
    return view.name + " does not keep the state of closed windows: create it WITH (retain_windows = '1 day')";
  }
  if (!node->inputs[0]->append_only) return "the input of " + view.name + " retracts rows: reapply the late rows of the view below";
  // All that the changes reach, in order.
  std::vector<std::string> reached = {lower(item.object->name)};
  for (const std::string& name : creation_order_) {
    Entry& other = entries_.at(name);
    if (!other.view) continue;
    const bool first = &other == &item;
    const bool reads = std::any_of(other.inputs.begin(), other.inputs.end(), [&](const std::string& input) {
      return std::find(reached.begin(), reached.end(), lower(input)) != reached.end();
    });
    if (!first && !reads) continue;
    if (!first) reached.push_back(name);
    if (other.view->plan.retention_us > 0) return other.object->name + " reads it and lets go of its rows after a time (retention)";
    if (!other.live()) return other.object->name + " has not caught up yet";
    for (stream::Operator* op : all_operators(*other.view)) {
      if (!op->can_correct(node->retain_us)) {
        return other.object->name + " reads it and cannot correct what it has given (" + op->label +
               "); a view with windows needs a retain_windows of at least " + plan::duration_text(node->retain_us);
      }
      if (dynamic_cast<stream::ThrottleOperator*>(op) && !dependents_of(other.object->name).empty()) {
        return other.object->name + " reads it and gives changes by the clock (EMIT EVERY), with others behind it";
      }
      corrected.push_back(op);
    }
  }
  return {};
}

Result<uint64_t> Database::reapply_late_rows(const sql::ReapplyStatement& statement, expr::ExprPtr where) {
  const sql::ObjectName& name = statement.view;
  Lock lock(*this);
  RETURN_IF_ERROR(wait_for_room(lock, {}));
  ASSIGN_OR_RETURN(Entry * item, entry_of(name.name, name.offset));
  if (!item->view) {
    return Status(ErrorCode::kWrongObjectKind, "REAPPLY LATE ROWS takes a view; " + name.name + " is a " + sql::kind_name(item->object->kind), name.offset);
  }
  ViewStage& view = *item->view;
  std::vector<stream::Operator*> corrected;
  if (const std::string why = why_not_reapplied(*item, corrected); !why.empty()) {
    return Status(ErrorCode::kNotIncremental, "late rows cannot be applied again: " + why, name.offset);
  }
  std::unique_ptr<expr::Program> program;
  if (where) {
    ASSIGN_OR_RETURN(program, expr::Program::compile({where}, data::types_of(view.rejects[0]->late_schema())));
  }
  Command command(*this);
  if (recording()) {
    RETURN_IF_ERROR(room_to_record(statement.statement_text.size()));
    sql::Surroundings::write_running(statement.statement_text, begin_record(command, RecordKind::kStatement));
    RETURN_IF_ERROR(append_record(command));
  }
  for (stream::Operator* op : corrected) op->set_correcting(true);
  uint64_t rows = 0;
  for (uint32_t core = 0; core < view.rejects.size(); ++core) {
    if (stream::AggregateOperator* window = window_of(view, core)) rows += reapply_on(*view.rejects[core], *window, program.get());
  }
  if (rows > 0) {
    stream::Stage* stage = &view;
    core_.run({}, {&stage, 1}, false);
  }
  for (stream::Operator* op : corrected) op->set_correcting(false);
  if (rows > 0) after_tick();
  RETURN_IF_ERROR(settle(lock, command));
  return rows;
}

}  // namespace laminar::engine
