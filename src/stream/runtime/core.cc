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
  for (Stage* stage : stages_) {
    if (!stage->active && !(wake_clock_driven && stage->clock_driven)) continue;
    stage->active = false;
    for (Operator* op : stage->operators) {
      if (profiling_) {
        const int64_t begin_ns = monotonic_ns();
        op->finish(info);
        op->busy_ns += static_cast<uint64_t>(monotonic_ns() - begin_ns);
      } else {
        op->finish(info);
      }
    }
    for (Stage* next : stage->downstream) next->active = true;
  }
  tick_times_.record(static_cast<uint64_t>(monotonic_ns() - start_ns));
}

}  // namespace laminar::stream
