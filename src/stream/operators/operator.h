// An operator of a running view: takes changes during a tick, gives changes, follows watermarks.
//
// A tick, for every operator in topological order: push() any number of times per port, then finish() once, when all
// inputs have finished. finish() may emit, must set the output watermark, and calls nothing else of other operators.
//
// Threads: all calls on the core that owns the operator.
// Memory:  a pushed batch lives until push() returns. After warm-up no call allocates (law 6).
// Time:    watermarks and TickInfo only; no operator reads a clock.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "stream/operators/change_run.h"
#include "stream/operators/rejects.h"
#include "stream/runtime/histogram.h"
#include "stream/state/fixed_rows.h"
#include "stream/state/state_io.h"
#include "stream/time/key_move.h"

namespace laminar::stream {

struct TickInfo {
  uint64_t tick = 0;
  int64_t now_us = 0;  // the clock argument
  bool taken_back = false;  // its input was stopped: what was pushed adds up to nothing
};

// Rows by what became of them (law 13). rows_in = rows_out_of_filter... is checked per view from these.
struct OperatorCounters {
  uint64_t rows_in = 0;
  uint64_t rows_out = 0;      // rows passed or applied
  uint64_t filtered = 0;      // predicate not true
  uint64_t late = 0;          // beyond the lateness, in every window that would have held the row
  uint64_t null_time = 0;     // event time is NULL where a window needs it
  uint64_t errors = 0;        // evaluation failed
  uint64_t emitted = 0;       // positive changes out
  uint64_t retracted = 0;     // negative changes out
};

using BatchVisitor = std::function<void(const data::Batch&)>;

class Operator;

// Measures how long each operator works in a part of a tick. Two reads of the clock a push, so not every small tick is
// measured. Threads: one. Bounds: allocates for as many operators as work in a tick.
class alignas(64) OperatorMeter {
 public:
  // From now on the time is this operator's.
  void enter(Operator* op);
  // Each operator's time goes to its Operator::times, there as if for so many ticks.
  void finish(uint64_t stands_for);

 private:
  Operator* at_ = nullptr;
  int64_t since_ns_ = 0;
  std::vector<Operator*> seen_;
};

class Operator {
 public:
  explicit Operator(std::vector<data::Type> types) : types_(std::move(types)) {}
  virtual ~Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  virtual void push(uint32_t port, const data::Batch& batch) = 0;
  // The watermarks of keys that have moved in the tick, behind its rows; they live until the tick ends. Sent where the
  // source has a watermark per key, and passed on by operators that leave its rows as they are.
  virtual void push_moves(uint32_t port, KeyMoves) { (void)port; }
  // Default for stateless operators: pass the watermark on.
  virtual void finish(const TickInfo&) { set_output_watermark(input_watermark()); }

  // Content: whether this operator holds its whole output, and a walk over it as batches with weights. The batches are
  // the output at the end of the last tick.
  virtual bool holds_content() const { return false; }
  virtual void scan_content(const BatchVisitor&) {}
  // The same walk, with rows that will not change any more told apart: they need no copy.
  virtual void share_content(const FixedVisitor&, const BatchVisitor& rest) { scan_content(rest); }
  // Whether scan_content() will be called. Before the first tick; default no: then nothing is stored for it alone, such
  // as the rows of closed windows.
  virtual void keep_content(bool) {}
  virtual uint64_t state_bytes() const { return 0; }
  virtual uint64_t state_rows() const { return 0; }

  // Checkpoints, between ticks; the contract is in state/state_io.h. An operator that says no is recovered by replaying
  // the log, and a checkpoint then frees nothing of it. What has no state says yes and leaves the other two alone.
  virtual bool saves_state() const { return false; }
  virtual uint32_t state_version() const { return 1; }
  virtual void save_state(StateSink&, bool full) { (void)full; }
  virtual Status load_state(StateSource&) { return {}; }
  // A part of what save_state() would put, while ticks go on between the calls, so that little is left to save_state().
  // `records`: how many at most; lowered by those put. False when the round is done, or nothing can be put ahead.
  enum class Ahead : uint8_t { kAll, kChanged, kGoOn };  // kAll: begins anew, and save_state(sink, false) ends it
  virtual bool save_ahead(StateSink&, Ahead, uint64_t& records) { (void)records; return false; }
  // Whether save_ahead() is there.
  virtual bool saves_ahead() const { return false; }
  // Counters and watermarks, of every operator.
  void save_common(ByteWriter& out) const;
  bool load_common(ByteReader& in);
  // Takes over what its inputs say now, after those were restored.
  void hear_inputs();
  // What a further instance has saved, of an operator that now has another number of them.
  bool add_common(ByteReader& in);

  const std::vector<data::Type>& types() const { return types_; }

  // Wiring, between ticks only.
  void add_output(Operator* to, uint32_t port);
  void remove_output(Operator* to);
  // Whether somebody wants this operator's changes.
  bool has_outputs() const;
  // Operators that hold content form changes only while somebody wants them. Called whenever has_outputs() may differ.
  virtual void outputs_changed() {}
  // Whether a push has any effect now. Operators above the view's content say no while they have no outputs.
  virtual bool wants_input() const { return true; }
  // Whether changes of windows that are still open are of use now. An operator that says no is given the rows of closed
  // windows alone, once, and asks its input for the open ones when it is read (send_open_windows()).
  virtual bool wants_open_windows() const { return true; }
  // Between ticks: emits the rows of open windows that were held back. Counters stay as they are.
  virtual void send_open_windows() {}
  // Before the first tick: an input comes over an exchange and cannot be asked for what it holds back.
  virtual void set_input_apart() {}
  void set_rejects(RejectedRows* rejects) { rejects_ = rejects; }
  // Whether a row behind the watermark can still change what the operator has given, while set_correcting(true) is on:
  // for a tick of REAPPLY LATE ROWS, which has no other rows. `back_us`: how far behind the watermark.
  virtual bool can_correct(int64_t back_us) const { (void)back_us; return true; }
  void set_correcting(bool on) { correcting_ = on; }

  // The least watermark over the active ports (kWatermarkNone while one has none); it never goes back. A port is idle
  // while all sources above it are; when all ports are, the greatest counts.
  int64_t input_watermark() const { return input_watermark_; }
  int64_t output_watermark() const { return output_watermark_; }
  bool output_idle() const { return output_idle_; }

  OperatorCounters counters;
  std::string label;  // for EXPLAIN ANALYZE and metrics: "aggregate window=tumble"
  // How long it worked, without the operators it called, in the ticks that were measured; busy_ns is of all ticks, those
  // that were not measured by estimate.
  struct Times {
    SmallHistogram ticks;
    uint64_t busy_ns = 0;
  };
  Times times;

  // Whether a push emits what it was given, row by row and at once, and the reverse of it when it is given the reverse.
  virtual bool passes_at_once() const { return false; }
  // The change of tables that is being pushed on this thread, or null.
  static void set_change(ChangeRun* change) { change_ = change; }

  // Where a thread that runs operators notes which one is at work, for whoever watches that it does not take too long.
  static void note_at(std::atomic<const Operator*>* at) { noted_at_ = at; }
  static void note(Operator* op) {
    if (noted_at_) noted_at_->store(op, std::memory_order_relaxed);
    if (meter_) meter_->enter(op);
  }
  // Where this thread measures times; null: nowhere.
  static void set_meter(OperatorMeter* meter) { meter_ = meter; }

 protected:
  void emit(const data::Batch& batch);
  void emit_moves(KeyMoves moves);
  // Never goes back: a lower value is ignored.
  void set_output_watermark(int64_t watermark);
  // Whether there are outputs that want input, but none that wants open windows.
  bool closed_windows_do() const;
  Operator* only_input() const { return inputs_.size() == 1 ? inputs_[0] : nullptr; }
  // Heads of the graph and of a core's part of it only; what is below follows at once.
  void set_output_idle(bool idle);
  RejectedRows* rejects() { return change_ && change_->undoing() ? nullptr : rejects_; }
  bool correcting() const { return correcting_; }
  static ChangeRun* change() { return change_; }
  // Declares how many inputs there are; call in the constructor. Default one.
  void set_ports(uint32_t ports) { ports_.assign(ports, {}); }
  // An idle port has the watermark of the others, and starts from there when it comes back.
  int64_t port_watermark(uint32_t port) const { return ports_[port].idle ? std::max(ports_[port].watermark, input_watermark_) : ports_[port].watermark; }

 private:
  struct Output {
    Operator* to;
    uint32_t port;
  };
  struct Port {
    int64_t watermark = data::kWatermarkNone;
    bool idle = false;
  };
  void notify_inputs();
  void set_port(uint32_t port, int64_t watermark, bool idle);
  void combine_ports();

  friend class OperatorMeter;
  static constinit thread_local std::atomic<const Operator*>* noted_at_;
  static constinit thread_local OperatorMeter* meter_;

  uint64_t tick_ns_ = 0;  // of the tick being measured
  static constinit thread_local ChangeRun* change_;

  std::vector<data::Type> types_;
  std::vector<Output> outputs_;
  std::vector<Operator*> inputs_;
  std::vector<Port> ports_ = {{}};
  int64_t input_watermark_ = data::kWatermarkNone;
  int64_t output_watermark_ = data::kWatermarkNone;
  bool output_idle_ = false;
  RejectedRows* rejects_ = nullptr;
  bool correcting_ = false;
};

}  // namespace laminar::stream
