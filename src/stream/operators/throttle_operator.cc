#include "stream/operators/throttle_operator.h"

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

}  // namespace laminar::stream
