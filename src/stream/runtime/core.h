// A core: runs ticks over the stages (sources, tables, views) that it owns, in topological order.
//
// A tick pushes its input into stages, then finishes every stage that the input can reach, each after all its inputs.
// Whatever reads a view between ticks sees the state of one tick everywhere.
//
// A stage may have parts: its operators on several cores, in levels. A tick runs the stages without parts first, in order;
// then level by level the parts of all stages, those of different cores side by side; then what follows the parts on the
// leader. With few rows the leader runs all parts by itself, one core after the other: the result is the same.
//
// Threads: one at a time, the leader; the owner of the core holds its lock around every call. The crew's threads run parts.
// Memory:  run() allocates nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "data/batch.h"
#include "stream/operators/operator.h"
#include "stream/runtime/crew.h"
#include "stream/runtime/histogram.h"
#include "stream/runtime/source_fan.h"
#include "stream/runtime/tick_watch.h"

namespace laminar::stream {

// The operators of a stage that run on one core between two exchanges, in topological order.
struct Part {
  uint32_t level = 0;  // all inputs from other cores have been handed over in levels below
  uint32_t core = 0;
  std::vector<Operator*> operators;
};

// One object of the running graph.
struct Stage {
  virtual ~Stage() = default;
  std::string name;
  std::vector<Operator*> operators;  // in topological order; of a stage with parts those that run after them, on the leader
  std::vector<Part> parts;
  std::vector<Stage*> downstream;
  // Whether the clock alone may have moved something: idle sources, EMIT EVERY.
  virtual bool clock_due(int64_t) const { return clock_driven; }
  bool clock_driven = false;
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
  // With `change` the pushes may be stopped, and are taken back then: false, and nothing has changed but the tick's number.
  bool run(std::span<const Input> inputs, std::span<Stage* const> extra, bool wake_clock_driven, ChangeRun* change = nullptr);

  // Finishes these stages alone, with what the intake has for them: a view that catches up. No tick passes.
  void run_apart(std::span<Stage* const> stages, Intake& intake);

  // Where the fans of sources put what they bring.
  Intake& intake() { return intake_; }
  Crew& crew() { return crew_; }
  const Crew& crew() const { return crew_; }
  // The rows of a tick from which on it is worth to run its parts on several threads.
  void set_parallel_rows(uint64_t rows) { parallel_rows_ = rows; }
  uint64_t parallel_rows() const { return parallel_rows_; }
  uint64_t parallel_ticks() const { return parallel_ticks_; }

  TickWatch& watch() { return watch_; }
  // The work of one core's parts, of the ticks that were measured.
  struct CoreTimes {
    Histogram parts;
    uint64_t busy_ns = 0;
  };
  const std::vector<CoreTimes>& core_times() const { return core_times_; }

  uint64_t tick() const { return tick_; }
  // The last tick that has run to its end; from any thread.
  uint64_t whole_tick() const { return whole_tick_.load(std::memory_order_acquire); }
  // Recovery: ticks go on from here.
  void set_tick(uint64_t tick) {
    tick_ = tick;
    whole_tick_.store(tick, std::memory_order_release);
  }
  // The tick that runs, or the last one.
  const TickInfo& current() const { return current_; }
  // For rows that enter operators between ticks, while a view catches up.
  void set_time(int64_t now_us) { current_ = {tick_, now_us}; }
  int64_t now_us() const { return clock_.now_us(); }
  Clock& clock() { return clock_; }
  // Time from the first push to the end of the last finish, in ns.
  const Histogram& tick_times() const { return tick_times_; }
  Histogram& tick_times() { return tick_times_; }

 private:
  void take_back(std::span<const Input> inputs, ChangeRun& change);
  void finish(std::span<Operator* const> operators, const TickInfo& info);
  void run_parts(std::span<Stage* const> stages, Intake& intake, const TickInfo& info);
  void run_part(uint32_t core, uint32_t thread);
  void end_watch();
  // Ticks with many rows are measured, and of the others one in kMeasuredTicks.
  bool is_measured(uint64_t rows) const { return rows >= kMeasuredRows || tick_ % kMeasuredTicks == 0; }
  uint64_t stands_for(uint64_t rows) const { return rows >= kMeasuredRows ? 1 : kMeasuredTicks; }
  static constexpr uint64_t kMeasuredRows = 64, kMeasuredTicks = 16;

  Clock& clock_;
  std::vector<Stage*> stages_;
  Intake intake_;
  Crew crew_;
  uint64_t parallel_rows_ = 512;
  uint64_t parallel_ticks_ = 0;
  TickWatch watch_;
  std::vector<CoreTimes> core_times_;
  std::vector<Stage*> with_parts_;  // of the running tick
  // What run_part() needs to know.
  struct {
    std::span<Stage* const> stages;
    Intake* intake = nullptr;
    TickInfo info;
    uint32_t level = 0, cores = 0;
    bool measured = false;
  } job_;
  std::vector<std::vector<int64_t>> reversed_;  // weights, while a change is taken back
  uint64_t tick_ = 0;
  std::atomic<uint64_t> whole_tick_{0};
  TickInfo current_;
  Histogram tick_times_;
  std::array<OperatorMeter, Crew::kCoresMax> meters_;  // by thread
};

}  // namespace laminar::stream
