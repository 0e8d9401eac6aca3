#include "stream/operators/operator.h"

#include <algorithm>

#include "base/check.h"

namespace laminar::stream {

constinit thread_local std::atomic<const Operator*>* Operator::noted_at_ = nullptr;

void Operator::add_output(Operator* to, uint32_t port) {
  CHECK(port < to->port_watermarks_.size());
  outputs_.push_back({to, port});
  to->inputs_.push_back(this);
  to->port_watermarks_[port] = output_watermark_;
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
  out.put(output_watermark_).put(static_cast<uint32_t>(port_watermarks_.size()));
  for (int64_t watermark : port_watermarks_) out.put(watermark);
}

bool Operator::load_common(ByteReader& in) {
  for (uint64_t* count : {&counters.rows_in, &counters.rows_out, &counters.filtered, &counters.late, &counters.null_time,
                          &counters.errors, &counters.emitted, &counters.retracted}) {
    *count = in.get<uint64_t>();
  }
  output_watermark_ = in.get<int64_t>();
  if (in.get<uint32_t>() != port_watermarks_.size()) return false;
  for (int64_t& watermark : port_watermarks_) watermark = in.get<int64_t>();
  return in.ok();
}

int64_t Operator::input_watermark() const { return *std::min_element(port_watermarks_.begin(), port_watermarks_.end()); }

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
  for (const Output& output : outputs_) {
    if (!output.to->wants_input()) continue;
    note(output.to);
    output.to->push(output.port, batch);
  }
  note(this);
}

void Operator::set_output_watermark(int64_t watermark) {
  if (watermark <= output_watermark_) return;
  output_watermark_ = watermark;
  for (const Output& output : outputs_) output.to->port_watermarks_[output.port] = watermark;
}

}  // namespace laminar::stream
