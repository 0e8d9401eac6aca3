#include "stream/operators/throttle_operator.h"

#include <algorithm>

#include "base/check.h"
#include "stream/operators/window_grid.h"

namespace laminar::stream {

ThrottleOperator::ThrottleOperator(std::vector<data::Type> types, int64_t interval_us)
    : Operator(types), interval_us_(interval_us), pending_(std::move(types)), emit_([this](const data::Batch& batch) { emit(batch); }) {
  CHECK(interval_us > 0);
  label = "emit every";
}

void ThrottleOperator::push(uint32_t, const data::Batch& batch) {
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  pending_.apply(batch);
}

void ThrottleOperator::finish(const TickInfo& tick) {
  const int64_t period = floor_div(tick.now_us, interval_us_);
  const bool crossed = started_ && period > period_;
  if (!started_ || crossed) period_ = period;
  started_ = true;
  if (!crossed && input_watermark() != data::kWatermarkEnded) return;
  pending_.drain(emit_);
  set_output_watermark(input_watermark());
}

void ThrottleOperator::save_state(StateSink& sink, bool full) {
  pending_.save(sink, 0, full);
  ByteWriter seen;
  sink.put(1, "", seen.put(period_).put(started_).view());
}

Status ThrottleOperator::load_state(StateSource& source) {
  RETURN_IF_ERROR(pending_.load(source, 0, types(), label));
  return source.scan(1, [this](std::string_view, std::string_view bytes) -> Status {
    ByteReader in(bytes);
    period_ = std::max(period_, in.get<int64_t>());
    started_ |= in.get<bool>();
    return in.ok() ? Status() : damaged_state(label);
  });
}

}  // namespace laminar::stream
