// Passes the rows for which a predicate is true.
//
// State:  none.
// Errors: a row whose predicate cannot be computed is counted, reported and not passed.
#pragma once

#include <memory>

#include "base/status.h"
#include "expr/program.h"
#include "plan/node.h"
#include "stream/operators/operator.h"
#include "stream/state/row_selector.h"

namespace laminar::stream {

class FilterOperator final : public Operator {
 public:
  static Result<std::unique_ptr<FilterOperator>> make(const plan::FilterNode& node);
  void push(uint32_t port, const data::Batch& batch) override;
  void push_moves(uint32_t, KeyMoves moves) override { emit_moves(moves); }
  bool passes_at_once() const override { return true; }
  bool saves_state() const override { return true; }  // it has none
  bool wants_input() const override { return !only_on_demand_ || has_outputs(); }

  // Columns that the next operator reads; the others need not be moved.
  void need_only(std::vector<bool> columns) { selector_.need_only(std::move(columns)); }
  // Above the operator that holds the view's content, and sure not to fail: without outputs there is nothing to do.
  void set_only_on_demand(bool on) { only_on_demand_ = on; }

 private:
  FilterOperator(const plan::FilterNode& node, std::unique_ptr<expr::Program> program);

  std::unique_ptr<expr::Program> program_;
  expr::RowErrors errors_;
  std::vector<uint32_t> selection_;
  RowSelector selector_;
  bool only_on_demand_ = false;
};

}  // namespace laminar::stream
