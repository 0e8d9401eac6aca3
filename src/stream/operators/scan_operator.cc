#include "stream/operators/scan_operator.h"

#include "base/check.h"

namespace laminar::stream {

ScanOperator::ScanOperator(const plan::ScanNode& node)
    : Operator(node.types()), source_columns_(node.source_columns), columns_(node.source_columns.size()) {
  CHECK(source_columns_.size() == types().size());
  label = "scan " + node.object;
}

void ScanOperator::push(uint32_t, const data::Batch& batch) {
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  for (size_t i = 0; i < columns_.size(); ++i) {
    DCHECK(source_columns_[i] < batch.columns.size());
    columns_[i] = batch.columns[source_columns_[i]];
  }
  data::Batch out = batch;
  out.columns = columns_;
  emit(out);
}

}  // namespace laminar::stream
