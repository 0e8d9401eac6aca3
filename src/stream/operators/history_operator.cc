#include "stream/operators/history_operator.h"

namespace laminar::stream {

HistoryOperator::HistoryOperator(std::vector<data::Type> types, uint64_t bytes_max) : Operator(std::move(types)), bytes_max_(bytes_max) {
  label = "history";
  for (const data::Type& type : this->types()) row_bytes_ += data::physical_size(type.physical());
}

HistoryOperator::Chunk& HistoryOperator::room() {
  if (!chunks_.empty() && !chunks_.back()->rows.full()) return *chunks_.back();
  if (!chunks_.empty()) full_bytes_ += chunk_bytes(*chunks_.back());
  while (chunks_.size() > 1 && full_bytes_ + row_bytes_ * kChunkRows > bytes_max_) {
    Chunk& oldest = *chunks_.front();
    full_bytes_ -= chunk_bytes(oldest);
    rows_ -= oldest.rows.rows;
    evicted_rows_ += oldest.rows.rows;
    // The rest of its last tick may stand in the next chunk: that tick is not whole any more.
    if (!oldest.ticks.empty()) first_tick_ = oldest.ticks.back() + 1;
    spare_ = std::move(chunks_.front());
    chunks_.pop_front();
  }
  if (spare_) {
    spare_->rows.clear();
    spare_->ticks.clear();
    chunks_.push_back(std::move(spare_));
  } else {
    chunks_.push_back(std::make_unique<Chunk>(types()));
  }
  return *chunks_.back();
}

void HistoryOperator::push(uint32_t, const data::Batch& batch) {
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  for (uint32_t i = 0; i < batch.rows; ++i) {
    room().rows.append_row(batch, i, batch.weight(i));
    ++rows_;
  }
  emit(batch);
}

void HistoryOperator::finish(const TickInfo& tick) {
  for (auto chunk = chunks_.rbegin(); chunk != chunks_.rend(); ++chunk) {
    Chunk& c = **chunk;
    if (c.ticks.size() == c.rows.rows) break;
    c.ticks.resize(c.rows.rows, tick.tick);
  }
  set_output_watermark(input_watermark());
}

void HistoryOperator::scan(uint64_t from_tick, const std::function<void(uint64_t, const data::Batch&)>& visit) {
  data::BatchBuffer one_tick(types(), kChunkRows);
  for (auto& chunk : chunks_) {
    const data::Batch rows = chunk->rows.view();
    for (uint32_t begin = 0; begin < chunk->ticks.size();) {
      const uint64_t tick = chunk->ticks[begin];
      one_tick.clear();
      uint32_t end = begin;
      for (; end < chunk->ticks.size() && chunk->ticks[end] == tick; ++end) {
        if (tick >= from_tick && tick >= first_tick_) one_tick.append_row(rows, end, chunk->rows.weights()[end]);
      }
      one_tick.has_weights = true;
      if (one_tick.rows > 0) visit(tick, one_tick.view());
      begin = end;
    }
  }
}

uint64_t HistoryOperator::state_bytes() const {
  uint64_t bytes = full_bytes_;
  if (!chunks_.empty()) bytes += chunk_bytes(*chunks_.back());
  return bytes;
}

}  // namespace laminar::stream
