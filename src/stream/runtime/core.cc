#include "stream/runtime/core.h"

#include <algorithm>

#include "base/check.h"

namespace laminar::stream {

void Core::add(Stage* stage) { stages_.push_back(stage); }

void Core::remove(Stage* stage) {
  std::erase(stages_, stage);
  for (Stage* other : stages_) std::erase(other->downstream, stage);
}

void Core::connect(Stage* from, Stage* to) {
  if (std::find(from->downstream.begin(), from->downstream.end(), to) == from->downstream.end()) from->downstream.push_back(to);
}

void Core::disconnect(Stage* from, Stage* to) { std::erase(from->downstream, to); }

bool Core::run(std::span<const Input> inputs, std::span<Stage* const> extra, bool wake_clock_driven, ChangeRun* change) {
  const int64_t start_ns = monotonic_ns();
  watch_.begin(0, start_ns);
  TickInfo info{++tick_, clock_.now_us()};
  current_ = info;
  uint64_t rows = 0;
  for (const Input& input : inputs) rows += input.batch->rows;
  if (is_measured(rows)) Operator::set_meter(&meters_[0]);
  Operator::set_change(change);
  size_t pushed = 0;
  for (const Input& input : inputs) {
    ++pushed;
    if (change) change->begin_input(false);
    Operator::note(input.op);
    input.op->push(input.port, *input.batch);
    input.stage->active = true;
    if (!change || !change->refused()) continue;
    take_back(inputs.first(pushed), *change);
    info.taken_back = true;
    break;
  }
  Operator::set_change(nullptr);
  for (Stage* stage : extra) stage->active = true;
  with_parts_.clear();
  for (Stage* stage : stages_) {
    if (!stage->active && !(wake_clock_driven && stage->clock_due(info.now_us))) continue;
    stage->active = false;
    if (stage->parts.empty()) finish(stage->operators, info);
    else with_parts_.push_back(stage);
    for (Stage* next : stage->downstream) next->active = true;
  }
  if (!with_parts_.empty()) {
    run_parts(with_parts_, intake_, info);
    for (Stage* stage : with_parts_) finish(stage->operators, info);
  }
  intake_.clear();
  if (is_measured(rows)) {
    meters_[0].finish(stands_for(rows));
    Operator::set_meter(nullptr);
  }
  end_watch();
  whole_tick_.store(info.tick, std::memory_order_release);
  reversed_.clear();
  tick_times_.record(static_cast<uint64_t>(monotonic_ns() - start_ns));
  return !info.taken_back;
}

// The same pushes in the same order with weights reversed, the last one up to where it was refused.
void Core::take_back(std::span<const Input> inputs, ChangeRun& change) {
  change.begin_undo();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Input& input = inputs[i];
    change.begin_input(i + 1 == inputs.size());
    data::Batch batch = *input.batch;
    std::vector<int64_t>& weights = reversed_.emplace_back(batch.rows);
    for (uint32_t row = 0; row < batch.rows; ++row) weights[row] = -batch.weight(row);
    batch.weights = weights.data();
    input.op->push(input.port, batch);
  }
}

void Core::run_apart(std::span<Stage* const> stages, Intake& intake) {
  const TickInfo info{tick_, clock_.now_us()};
  watch_.begin(0, monotonic_ns());
  run_parts(stages, intake, info);
  for (Stage* stage : stages) finish(stage->operators, info);
  intake.clear();
  end_watch();
}

void Core::end_watch() {
  watch_.end(0);
  if (!watch_.any()) return;
  watch_.collect(tick_, [this](const Operator* op) -> std::pair<std::string, std::string> {
    for (const Stage* stage : stages_) {
      bool here = std::find(stage->operators.begin(), stage->operators.end(), op) != stage->operators.end();
      for (const Part& part : stage->parts) here |= std::find(part.operators.begin(), part.operators.end(), op) != part.operators.end();
      if (here) return {stage->name, op->label};
    }
    return {"", op->label};
  });
}

void Core::finish(std::span<Operator* const> operators, const TickInfo& info) {
  for (Operator* op : operators) {
    Operator::note(op);
    op->finish(info);
  }
}

void Core::run_parts(std::span<Stage* const> stages, Intake& intake, const TickInfo& info) {
  uint32_t levels = 0, cores = 0;
  for (const Stage* stage : stages) {
    for (const Part& part : stage->parts) {
      levels = std::max(levels, part.level + 1);
      cores = std::max(cores, part.core + 1);
    }
  }
  if (levels == 0) return;
  intake.prepare(cores);
  const bool parallel = cores > 1 && crew_.threads() > 1 && intake.rows() >= parallel_rows_;
  if (parallel) {
    ++parallel_ticks_;
    if (!crew_.ready()) crew_.wake_up();  // for the levels and ticks to come; this one does not wait
  }
  if (core_times_.size() < cores) core_times_.resize(cores);
  job_ = {stages, &intake, info, 0, cores, is_measured(intake.rows())};
  for (job_.level = 0; job_.level < levels; ++job_.level) {
    if (parallel) {
      crew_.run_level(cores, [](void* core, uint32_t c, uint32_t thread) { static_cast<Core*>(core)->run_part(c, thread); }, this);
    } else {
      for (uint32_t c = 0; c < cores; ++c) run_part(c, 0);
    }
  }
}

void Core::run_part(uint32_t core, uint32_t thread) {
  const int64_t begin_ns = job_.measured || thread != 0 ? monotonic_ns() : 0;
  if (thread != 0) {
    watch_.begin(thread, begin_ns);
    if (job_.measured) Operator::set_meter(&meters_[thread]);
  }
  if (job_.level == 0) job_.intake->run(core, job_.cores);
  for (const Stage* stage : job_.stages) {
    for (const Part& part : stage->parts) {
      if (part.level == job_.level && part.core == core) finish(part.operators, job_.info);
    }
  }
  if (job_.measured) {
    const uint64_t ns = static_cast<uint64_t>(monotonic_ns() - begin_ns);
    core_times_[core].parts.record(ns);
    core_times_[core].busy_ns += ns;
  }
  if (thread == 0) return;
  if (job_.measured) {
    meters_[thread].finish(stands_for(job_.intake->rows()));
    Operator::set_meter(nullptr);
  }
  watch_.end(thread);
}

}  // namespace laminar::stream
