#include "stream/operators/values_operator.h"

#include "base/check.h"

namespace laminar::stream {

ValuesOperator::ValuesOperator(const plan::ValuesNode& node) : Operator(node.types()) {
  label = "values";
  for (size_t row = 0; row < node.rows.size(); ++row) {
    if (buffers_.empty() || buffers_.back().full()) {
      const uint32_t left = static_cast<uint32_t>(std::min<size_t>(node.rows.size() - row, data::kBatchRowsMax));
      buffers_.emplace_back(types(), left);
      buffers_.back().sequence_base = row;
    }
    data::BatchBuffer& buffer = buffers_.back();
    CHECK(node.rows[row].size() == types().size());
    for (uint32_t c = 0; c < buffer.column_count(); ++c) {
      node.rows[row][c].to_column(buffer.column(c), buffer.rows, buffer.strings());
    }
    ++buffer.rows;
  }
}

void ValuesOperator::push(uint32_t, const data::Batch&) { CHECK(false); }  // it has no input

// A checkpoint stands between ticks, and the first tick gives the rows.
Status ValuesOperator::load_state(StateSource&) {
  emitted_ = true;
  return {};
}

void ValuesOperator::finish(const TickInfo&) {
  if (!emitted_) {
    emitted_ = true;
    for (data::BatchBuffer& buffer : buffers_) {
      counters.rows_in += buffer.rows;
      counters.rows_out += buffer.rows;
      emit(buffer.view());
    }
  }
  set_output_watermark(data::kWatermarkEnded);
}

}  // namespace laminar::stream
