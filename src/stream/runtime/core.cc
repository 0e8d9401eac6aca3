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

void Core::run(std::span<const Input> inputs, std::span<Stage* const> extra, bool wake_clock_driven) {
  const int64_t start_ns = monotonic_ns();
  const TickInfo info{++tick_, clock_.now_us()};
  for (const Input& input : inputs) {
    if (profiling_) {
      const int64_t begin_ns = monotonic_ns();
      input.op->push(input.port, *input.batch);
      input.op->busy_ns += static_cast<uint64_t>(monotonic_ns() - begin_ns);
    } else {
      input.op->push(input.port, *input.batch);
    }
    input.stage->active = true;
  }
  for (Stage* stage : extra) stage->active = true;
  with_parts_.clear();
  for (Stage* stage : stages_) {
    if (!stage->active && !(wake_clock_driven && stage->clock_driven)) continue;
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
  tick_times_.record(static_cast<uint64_t>(monotonic_ns() - start_ns));
}

void Core::run_apart(std::span<Stage* const> stages, Intake& intake) {
  const TickInfo info{tick_, clock_.now_us()};
  run_parts(stages, intake, info);
  for (Stage* stage : stages) finish(stage->operators, info);
  intake.clear();
}

void Core::finish(std::span<Operator* const> operators, const TickInfo& info) {
  for (Operator* op : operators) {
    if (!profiling_) {
      op->finish(info);
      continue;
    }
    const int64_t begin_ns = monotonic_ns();
    op->finish(info);
    op->busy_ns += static_cast<uint64_t>(monotonic_ns() - begin_ns);
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
  job_ = {stages, &intake, info, 0, cores};
  for (job_.level = 0; job_.level < levels; ++job_.level) {
    if (parallel) {
      crew_.run_level(cores, [](void* core, uint32_t c) { static_cast<Core*>(core)->run_part(c); }, this);
    } else {
      for (uint32_t c = 0; c < cores; ++c) run_part(c);
    }
  }
}

void Core::run_part(uint32_t core) {
  if (job_.level == 0) job_.intake->run(core, job_.cores);
  for (const Stage* stage : job_.stages) {
    for (const Part& part : stage->parts) {
      if (part.level == job_.level && part.core == core) finish(part.operators, job_.info);
    }
  }
}

}  // namespace laminar::stream
