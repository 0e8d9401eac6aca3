#include "stream/operators/union_all_operator.h"

namespace laminar::stream {

UnionAllOperator::UnionAllOperator(const plan::UnionAllNode& node) : Operator(node.types()) {
  set_ports(static_cast<uint32_t>(node.inputs.size()));
  label = "union all";
}

void UnionAllOperator::push(uint32_t, const data::Batch& batch) {
  counters.rows_in += batch.rows;
  counters.rows_out += batch.rows;
  emit(batch);
}

}  // namespace laminar::stream
