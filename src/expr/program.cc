#include "expr/program.h"

#include "base/check.h"
#include "expr/node.h"

namespace laminar::expr {

namespace {

using data::Column;

class TreeProgram final : public Program {
 public:
  static Result<std::unique_ptr<Program>> compile(std::vector<ExprPtr> expressions,
                                                  std::span<const data::Type> inputs) {
    auto program = std::make_unique<TreeProgram>();
    for (const ExprPtr& expr : expressions) {
      NodeBuilder builder(program->registers_, inputs);
      ASSIGN_OR_RETURN(NodePtr node, builder.build(*expr));
      program->uses_foreign_ |= node->foreign;
      program->nodes_.push_back(std::move(node));
    }
    program->results_.resize(program->nodes_.size());
    if (expressions.size() == 1 && expressions[0]->type.kind == data::TypeKind::kBoolean) {
      // select() has nodes of its own, in registers of its own: evaluate() keeps its results.
      NodeBuilder builder(program->select_registers_, inputs);
      ASSIGN_OR_RETURN(program->selector_, build_selector(*expressions[0], builder, program->select_registers_));
    }
    program->expressions_ = std::move(expressions);
    return std::unique_ptr<Program>(std::move(program));
  }

  std::span<const Column> evaluate(const data::Batch& batch, RowErrors& errors) override {
    Scope scope = start(batch, errors);
    for (const NodePtr& node : nodes_) node->evaluate(scope);
    if (log_.any()) [[unlikely]]
      finish_errors(batch.rows, errors);
    for (size_t i = 0; i < nodes_.size(); ++i) results_[i] = nodes_[i]->result;
    return results_;
  }

  uint32_t select(const data::Batch& batch, uint32_t* selection, RowErrors& errors) override {
    CHECK(selector_ != nullptr);
    Scope scope = start(batch, errors);
    const uint32_t count = selector_->select(scope, nullptr, batch.rows, selection);
    if (!log_.any()) [[likely]]
      return count;
    list_errors(batch.rows, errors);
    // A row that failed in one part may have been kept by an OR.
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; ++i) {
      if (!log_.failed(selection[i])) selection[kept++] = selection[i];
    }
    return kept;
  }

  bool uses_foreign() const override { return uses_foreign_; }

 private:
  Scope start(const data::Batch& batch, RowErrors& errors) {
    DCHECK(batch.rows <= data::kBatchRowsMax);
    errors.items.clear();
    log_.clear();
    strings_.reset();
    return Scope{&batch, batch.rows, nullptr, &log_, &strings_};
  }

  void list_errors(uint32_t rows, RowErrors& errors) {
    for_each_bit(log_.failed_bits(), rows, [&](uint32_t row) { errors.items.push_back({row, &log_.message(row)}); });
  }

  void finish_errors(uint32_t rows, RowErrors& errors) {
    list_errors(rows, errors);
    for (const NodePtr& node : nodes_) {
      if (!node->reg) continue;
      if (!node->result.validity) {
        std::memset(node->reg->validity, 0xff, sizeof node->reg->validity);
        node->result.validity = node->reg->validity;
      }
      for (uint32_t w = 0; w < kWords; ++w) node->reg->validity[w] &= ~log_.failed_bits()[w];
    }
  }

  RegisterPool registers_, select_registers_;
  std::vector<ExprPtr> expressions_;
  std::vector<NodePtr> nodes_;
  std::vector<Column> results_;
  std::unique_ptr<Selector> selector_;
  ErrorLog log_;
  data::StringArena strings_;
  bool uses_foreign_ = false;
};

}  // namespace

Result<std::unique_ptr<Program>> Program::compile(std::vector<ExprPtr> expressions,
                                                  std::span<const data::Type> inputs) {
  return TreeProgram::compile(std::move(expressions), inputs);
}

}  // namespace laminar::expr
