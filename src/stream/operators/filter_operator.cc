#include "stream/operators/filter_operator.h"

#include "base/check.h"

namespace laminar::stream {

Result<std::unique_ptr<FilterOperator>> FilterOperator::make(const plan::FilterNode& node) {
  const std::vector<data::Type> inputs = node.inputs[0]->types();
  ASSIGN_OR_RETURN(std::unique_ptr<expr::Program> program, expr::Program::compile({node.predicate}, inputs));
  return std::unique_ptr<FilterOperator>(new FilterOperator(node, std::move(program)));
}

FilterOperator::FilterOperator(const plan::FilterNode& node, std::unique_ptr<expr::Program> program)
    : Operator(node.types()), program_(std::move(program)), selection_(data::kBatchRowsMax), selector_(node.types()) {
  errors_.items.reserve(data::kBatchRowsMax);
  label = "filter";
}

void FilterOperator::push(uint32_t, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  counters.rows_in += batch.rows;
  errors_.items.clear();
  const uint32_t passed = program_->select(batch, selection_.data(), errors_);
  for (const expr::RowErrors::Item& item : errors_.items) {
    if (!rejects()) break;
    Reject reject;
    reject.reason = RejectReason::kError;
    reject.message = *item.message;
    rejects()->reject(types(), batch, item.row, reject);
  }
  const uint32_t failed = static_cast<uint32_t>(errors_.items.size());
  counters.errors += failed;
  counters.filtered += batch.rows - passed - failed;
  counters.rows_out += passed;
  if (passed == 0) return;
  if (passed == batch.rows) return emit(batch);
  emit(selector_.select(batch, selection_.data(), passed));
}

}  // namespace laminar::stream
