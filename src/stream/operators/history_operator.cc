#include "stream/operators/history_operator.h"

namespace laminar::stream {

HistoryOperator::HistoryOperator(std::vector<data::Type> types, uint64_t bytes_max)
    : Operator(types), log_(std::move(types), bytes_max) {
  label = "history";
}

void HistoryOperator::push(uint32_t, const data::Batch& batch) {
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  for (uint32_t i = 0; i < batch.rows; ++i) {
    if (pending_used_ == 0 || pending_[pending_used_ - 1]->full()) {
      if (pending_used_ == pending_.size()) pending_.push_back(std::make_unique<data::BatchBuffer>(types()));
      ++pending_used_;
    }
    pending_[pending_used_ - 1]->append_row(batch, i, batch.weight(i));
  }
  emit(batch);
}

void HistoryOperator::finish(const TickInfo& tick) {
  for (size_t i = 0; i < pending_used_; ++i) {
    log_.append(tick.tick, pending_[i]->view());
    pending_[i]->clear();
  }
  pending_used_ = 0;
  set_output_watermark(input_watermark());
}

}  // namespace laminar::stream
