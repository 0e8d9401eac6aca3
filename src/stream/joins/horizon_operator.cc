#include "stream/joins/horizon_operator.h"

#include <algorithm>

#include "base/check.h"

namespace laminar::stream {

HorizonOperator::HorizonOperator(const plan::HorizonNode& node)
    : Operator(node.types()), offsets_us_(node.offsets_us), selector_(node.inputs[0]->types()), selection_(data::kBatchRowsMax),
      columns_(node.columns.size()), intervals_(data::kBatchRowsMax) {
  CHECK(node.columns.size() == node.inputs[0]->columns.size() + 1 && !offsets_us_.empty());
  label = "horizon";
}

void HorizonOperator::push(uint32_t, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  uint32_t count = 0;
  const auto send = [&] {
    data::Batch out = selector_.select(batch, selection_.data(), count);
    std::copy(out.columns.begin(), out.columns.end(), columns_.begin());
    columns_.back() = {intervals_.data(), nullptr, data::Physical::kInterval};
    out.columns = columns_;
    count = 0;
    emit(out);
  };
  for (uint32_t row = 0; row < batch.rows; ++row) {
    for (const int64_t us : offsets_us_) {
      selection_[count] = row;
      intervals_[count] = {0, 0, us};
      if (++count == data::kBatchRowsMax) send();
    }
  }
  if (count > 0) send();
}

}  // namespace laminar::stream
