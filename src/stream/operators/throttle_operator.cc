#include "stream/operators/throttle_operator.h"

namespace laminar::stream {

ThrottleOperator::ThrottleOperator(std::vector<data::Type> types, int64_t every_us)
    : Operator(types), every_us_(every_us), pending_(types), out_(types) {
  label = "throttle";
}

void ThrottleOperator::push(uint32_t, const data::Batch& batch) {
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  pending_.apply(batch);
}

void ThrottleOperator::release(bool negative) {
  out_.clear();
  for (uint32_t slot = 0; slot < pending_.slot_end(); ++slot) {
    const int64_t weight = pending_.weight(slot);
    if (weight == 0 || (weight < 0) != negative) continue;
    pending_.store().append_to(out_, slot);
    out_.weights()[out_.rows - 1] = weight;
    out_.has_weights = true;
    if (out_.full()) {
      emit(out_.view());
      out_.clear();
    }
  }
  emit(out_.view());
}

void ThrottleOperator::finish(const TickInfo& tick) {
  const int64_t period = tick.now_us >= 0 ? tick.now_us / every_us_ : (tick.now_us + 1) / every_us_ - 1;
  const bool due = started_ && period > period_;
  if (!started_ || due) period_ = period;
  started_ = true;
  if ((due || input_watermark() == data::kWatermarkEnded) && pending_.distinct_rows() > 0) {
    release(true);
    release(false);
    pending_.clear();
  }
  set_output_watermark(input_watermark());
}

}  // namespace laminar::stream
