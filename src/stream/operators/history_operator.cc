#include "stream/operators/history_operator.h"

#include "data/codec.h"

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
    if (!tick.taken_back) log_.append(tick.tick, pending_[i]->view());
    pending_[i]->clear();
  }
  pending_used_ = 0;
  set_output_watermark(input_watermark());
}

void HistoryOperator::save_state(StateSink& sink, bool full) {
  if (full) {
    saved_keys_.clear();
    saved_tick_ = 0;
  }
  ByteWriter key, value;
  // Ticks that are forgotten in part are kept in whole: forgetting goes by the log's own bound after load_state().
  put_ordered(log_.complete_from() == 0 ? 0 : log_.complete_from() - 1, key);
  auto gone = saved_keys_.begin();
  while (gone != saved_keys_.end() && std::string_view(*gone).substr(0, 8) < key.view()) sink.erase(0, *gone++);
  saved_keys_.erase(saved_keys_.begin(), gone);
  uint64_t number = 0;
  log_.scan(saved_tick_ + 1, [&](uint64_t tick, const data::Batch& batch) {
    number = tick == saved_tick_ ? number + 1 : 0;
    saved_tick_ = tick;
    key.clear();
    value.clear();
    put_ordered(tick, key);
    put_ordered(number, key);
    data::encode_batch(batch, types().size(), value);
    sink.put(0, key.view(), value.view());
    saved_keys_.emplace_back(key.view());
  });
  value.clear();
  sink.put(1, "", value.put(log_.evicted_rows()).put(log_.complete_from()).view());
}

Status HistoryOperator::load_state(StateSource& source) {
  uint64_t evicted_rows = 0, complete_from = 0;
  RETURN_IF_ERROR(source.scan(1, [&](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    evicted_rows = in.get<uint64_t>();
    complete_from = in.get<uint64_t>();
    return in.ok() ? Status() : damaged_state(label);
  }));
  log_.restore(evicted_rows, complete_from);
  data::BatchBuffer rows(types());
  return source.scan(0, [&](std::string_view key, std::string_view value) -> Status {
    ByteReader at_key(key), in(value);
    const uint64_t tick = get_ordered(at_key);
    rows.clear();
    if (!at_key.ok() || !data::decode_batch(in, types().size(), rows).ok()) return damaged_state(label);
    if (tick >= complete_from) log_.append(tick, rows.view());
    return {};
  });
}

}  // namespace laminar::stream
