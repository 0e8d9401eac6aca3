// A core: runs ticks over the stages (sources, tables, views) that it owns, in topological order.
//
// A tick pushes its input into stages, then finishes every stage that the input can reach, each after all its inputs.
// Whatever reads a view between ticks sees the state of one tick everywhere.
//
// Threads: one at a time; the owner of the core holds its lock around every call.
// Memory:  run() allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "data/batch.h"
#include "stream/operators/operator.h"
#include "stream/runtime/histogram.h"

namespace laminar::stream {

// One object of the running graph with its operators in topological order.
struct Stage {
  virtual ~Stage() = default;
  std::string name;
  std::vector<Operator*> operators;
  std::vector<Stage*> downstream;
  bool clock_driven = false;  // must finish whenever the clock may have moved something: idle sources, EMIT EVERY
  bool active = false;        // input reached it in the running tick
};

class Core {
 public:
  explicit Core(Clock& clock) : clock_(clock) {}

  // Stages are kept in order of add(): a stage is added after everything it reads.
  void add(Stage* stage);
  void remove(Stage* stage);
  // Between ticks.
  void connect(Stage* from, Stage* to);
  void disconnect(Stage* from, Stage* to);

  struct Input {
    Stage* stage;
    Operator* op;
    uint32_t port;
    const data::Batch* batch;
  };
  // One tick with these inputs. `wake_clock_driven`: also finish stages that wait for the clock.
  // `extra` stages are finished whether they got input or not (end of a source, first tick of a view).
  void run(std::span<const Input> inputs, std::span<Stage* const> extra, bool wake_clock_driven);

  uint64_t tick() const { return tick_; }
  // Recovery: ticks go on from here.
  void set_tick(uint64_t tick) { tick_ = tick; }
  int64_t now_us() const { return clock_.now_us(); }
  Clock& clock() { return clock_; }
  // Time from the first push to the end of the last finish, in ns.
  const Histogram& tick_times() const { return tick_times_; }
  Histogram& tick_times() { return tick_times_; }
  // Measures each operator's time into Operator::busy_ns: for EXPLAIN ANALYZE and laminar_operators().
  void set_profiling(bool on) { profiling_ = on; }

 private:
  Clock& clock_;
  std::vector<Stage*> stages_;
  uint64_t tick_ = 0;
  Histogram tick_times_;
  bool profiling_ = false;
};

}  // namespace laminar::stream
