#include "stream/operators/operator.h"

#include <algorithm>

#include "base/check.h"
#include "base/clock.h"

namespace laminar::stream {

constinit thread_local std::atomic<const Operator*>* Operator::noted_at_ = nullptr;
constinit thread_local OperatorMeter* Operator::meter_ = nullptr;

void OperatorMeter::enter(Operator* op) {
  const int64_t now_ns = monotonic_ns();
  if (at_) {
    if (at_->tick_ns_ == 0) seen_.push_back(at_);
    at_->tick_ns_ += std::max<uint64_t>(1, static_cast<uint64_t>(now_ns - since_ns_));
  }
  at_ = op;
  since_ns_ = now_ns;
}

void OperatorMeter::finish(uint64_t stands_for) {
  enter(nullptr);
  for (Operator* op : seen_) {
    op->times.ticks.record(op->tick_ns_);
    op->times.busy_ns += op->tick_ns_ * stands_for;
    op->tick_ns_ = 0;
  }
  seen_.clear();
}
constinit thread_local ChangeRun* Operator::change_ = nullptr;

void Operator::add_output(Operator* to, uint32_t port) {
  CHECK(port < to->ports_.size());
  outputs_.push_back({to, port});
  to->inputs_.push_back(this);
  to->ports_[port].watermark = data::kWatermarkNone;
  to->set_port(port, output_watermark_, output_idle_);
  outputs_changed();
  notify_inputs();
}

void Operator::remove_output(Operator* to) {
  std::erase_if(outputs_, [to](const Output& output) { return output.to == to; });
  std::erase(to->inputs_, this);
  outputs_changed();
  notify_inputs();
}

bool Operator::has_outputs() const {
  return std::any_of(outputs_.begin(), outputs_.end(), [](const Output& output) { return output.to->wants_input(); });
}

bool Operator::closed_windows_do() const {
  bool any = false;
  for (const Output& output : outputs_) {
    if (!output.to->wants_input()) continue;
    if (output.to->wants_open_windows()) return false;
    any = true;
  }
  return any;
}

void Operator::notify_inputs() {
  for (Operator* input : inputs_) {
    input->outputs_changed();
    input->notify_inputs();
  }
}

void Operator::save_common(ByteWriter& out) const {
  for (uint64_t count : {counters.rows_in, counters.rows_out, counters.filtered, counters.late, counters.null_time,
                         counters.errors, counters.emitted, counters.retracted}) {
    out.put(count);
  }
  out.put(input_watermark_).put(output_watermark_).put(output_idle_).put(static_cast<uint32_t>(ports_.size()));
  for (const Port& port : ports_) out.put(port.watermark).put(port.idle);
}

bool Operator::load_common(ByteReader& in) {
  for (uint64_t* count : {&counters.rows_in, &counters.rows_out, &counters.filtered, &counters.late, &counters.null_time,
                          &counters.errors, &counters.emitted, &counters.retracted}) {
    *count = in.get<uint64_t>();
  }
  input_watermark_ = in.get<int64_t>();
  output_watermark_ = in.get<int64_t>();
  output_idle_ = in.get<bool>();
  if (in.get<uint32_t>() != ports_.size()) return false;
  for (Port& port : ports_) {
    port.watermark = in.get<int64_t>();
    port.idle = in.get<bool>();
  }
  return in.ok();
}

void Operator::hear_inputs() {
  for (const Operator* input : inputs_) {
    for (const Output& output : input->outputs_) {
      if (output.to == this) set_port(output.port, input->output_watermark_, input->output_idle_);
    }
  }
}

bool Operator::add_common(ByteReader& in) {
  for (uint64_t* count : {&counters.rows_in, &counters.rows_out, &counters.filtered, &counters.late, &counters.null_time,
                          &counters.errors, &counters.emitted, &counters.retracted}) {
    *count += in.get<uint64_t>();
  }
  input_watermark_ = std::min(input_watermark_, in.get<int64_t>());
  output_watermark_ = std::min(output_watermark_, in.get<int64_t>());
  output_idle_ &= in.get<bool>();
  if (in.get<uint32_t>() != ports_.size()) return false;
  for (Port& port : ports_) {
    port.watermark = std::min(port.watermark, in.get<int64_t>());
    port.idle &= in.get<bool>();
  }
  return in.ok();
}

void Operator::set_port(uint32_t port, int64_t watermark, bool idle) {
  Port& state = ports_[port];
  if (state.idle && !idle) watermark = std::max(watermark, input_watermark_);
  state.watermark = std::max(state.watermark, watermark);
  state.idle = idle;
  combine_ports();
}

void Operator::combine_ports() {
  int64_t least = data::kWatermarkEnded, greatest = data::kWatermarkNone;
  bool any_active = false, any_idle = false;
  for (const Port& port : ports_) {
    if (port.watermark == data::kWatermarkEnded) continue;
    any_idle |= port.idle;
    any_active |= !port.idle;
    if (port.idle) greatest = std::max(greatest, port.watermark);
    else least = std::min(least, port.watermark);
  }
  // All have ended: the end.
  input_watermark_ = std::max(input_watermark_, any_active || !any_idle ? least : greatest);
  set_output_idle(any_idle && !any_active);
}

void Operator::set_output_idle(bool idle) {
  if (idle == output_idle_) return;
  output_idle_ = idle;
  for (const Output& output : outputs_) output.to->set_port(output.port, data::kWatermarkNone, idle);
}

void Operator::emit(const data::Batch& batch) {
  if (batch.rows == 0) return;
  if (batch.weights) {
    for (uint32_t i = 0; i < batch.rows; ++i) {
      if (batch.weights[i] > 0) counters.emitted += static_cast<uint64_t>(batch.weights[i]);
      else counters.retracted += static_cast<uint64_t>(-batch.weights[i]);
    }
  } else {
    counters.emitted += batch.rows;
  }
  const bool holds = change_ && !passes_at_once();
  if (holds) ++change_->held;
  for (const Output& output : outputs_) {
    if (!output.to->wants_input()) continue;
    if (change_ && change_->refused()) break;
    note(output.to);
    output.to->push(output.port, batch);
  }
  if (holds) --change_->held;
  note(this);
}

void Operator::emit_moves(KeyMoves moves) {
  if (moves.empty()) return;
  for (const Output& output : outputs_)
    if (output.to->wants_input()) output.to->push_moves(output.port, moves);
}

void Operator::set_output_watermark(int64_t watermark) {
  if (watermark <= output_watermark_) return;
  output_watermark_ = watermark;
  for (const Output& output : outputs_) output.to->set_port(output.port, watermark, output_idle_);
}

}  // namespace laminar::stream
