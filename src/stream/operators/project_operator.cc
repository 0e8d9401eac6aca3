#include "stream/operators/project_operator.h"

#include "base/check.h"

namespace laminar::stream {

Result<std::unique_ptr<ProjectOperator>> ProjectOperator::make(const plan::ProjectNode& node) {
  const std::vector<data::Type> inputs = node.inputs[0]->types();
  ASSIGN_OR_RETURN(std::unique_ptr<expr::Program> program, expr::Program::compile(node.expressions, inputs));
  return std::unique_ptr<ProjectOperator>(new ProjectOperator(node, std::move(program)));
}

ProjectOperator::ProjectOperator(const plan::ProjectNode& node, std::unique_ptr<expr::Program> program)
    : Operator(node.types()), input_types_(node.inputs[0]->types()), program_(std::move(program)),
      selection_(data::kBatchRowsMax), selector_(node.types()) {
  CHECK(node.expressions.size() == node.columns.size());
  errors_.items.reserve(data::kBatchRowsMax);
  label = "project";
}

void ProjectOperator::push(uint32_t, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  counters.rows_in += batch.rows;
  errors_.items.clear();
  data::Batch out = batch;
  out.columns = program_->evaluate(batch, errors_);
  if (errors_.any()) return remove_failed(batch, out);
  counters.rows_out += batch.rows;
  emit(out);
}

void ProjectOperator::remove_failed(const data::Batch& batch, const data::Batch& computed) {
  uint32_t kept = 0;
  auto failed = errors_.items.begin();
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (failed == errors_.items.end() || failed->row != row) {
      selection_[kept++] = row;
      continue;
    }
    if (rejects()) {
      Reject reject;
      reject.reason = RejectReason::kError;
      reject.message = *failed->message;
      rejects()->reject(input_types_, batch, row, reject);
    }
    ++counters.errors;
    ++failed;
  }
  counters.rows_out += kept;
  if (kept > 0) emit(selector_.select(computed, selection_.data(), kept));
}

}  // namespace laminar::stream
