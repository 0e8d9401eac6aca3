// Computes new columns from each row; plain column references pass without a copy.
//
// State:  none.
// Errors: a row with an expression that cannot be computed is counted, reported and not passed.
#pragma once

#include <memory>

#include "base/status.h"
#include "expr/program.h"
#include "plan/node.h"
#include "stream/operators/operator.h"
#include "stream/state/row_selector.h"

namespace laminar::stream {

class ProjectOperator final : public Operator {
 public:
  static Result<std::unique_ptr<ProjectOperator>> make(const plan::ProjectNode& node);
  void push(uint32_t port, const data::Batch& batch) override;
  void push_moves(uint32_t, KeyMoves moves) override { emit_moves(moves); }
  bool passes_at_once() const override { return true; }
  bool saves_state() const override { return true; }  // it has none
  bool wants_input() const override { return !only_on_demand_ || has_outputs(); }

  // Above the operator that holds the view's content, and sure not to fail: without outputs there is nothing to do.
  void set_only_on_demand(bool on) { only_on_demand_ = on; }

 private:
  ProjectOperator(const plan::ProjectNode& node, std::unique_ptr<expr::Program> program);
  void remove_failed(const data::Batch& batch, const data::Batch& computed);

  std::vector<data::Type> input_types_;
  std::unique_ptr<expr::Program> program_;
  expr::RowErrors errors_;
  std::vector<uint32_t> selection_;
  RowSelector selector_;
  bool only_on_demand_ = false;
};

}  // namespace laminar::stream
