// Compiled expressions: a tree of nodes, each computing one column for a batch.
//
// Owns:    a node owns its arguments; result memory are registers that the nodes of a program share, since a result is
//          dead once its parent has read it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "expr/kernel.h"

namespace laminar::expr {

// Memory for one result: kBatchRowsMax values and their validity.
struct Register {
  std::unique_ptr<char[]> bytes;
  char* data = nullptr;
  uint32_t value_size = 0;
  bool busy = false;
  uint64_t validity[kWords];
};

class RegisterPool {
 public:
  Register* acquire(data::Physical physical);
  void release(Register* reg) {
    if (reg) reg->busy = false;
  }

 private:
  std::vector<std::unique_ptr<Register>> registers_;
};

class Node {
 public:
  virtual ~Node() = default;
  // Computes `result` for all rows of the scope. Failing rows are NULL in it and stand in the scope's errors.
  virtual void evaluate(Scope& scope) = 0;

  data::Column result;
  Register* reg = nullptr;  // where `result` lies; null: in the batch or in a constant
  bool can_fail = false;    // this node or one below
  bool foreign = false;     // this node or one below runs in DuckDB
};
using NodePtr = std::unique_ptr<Node>;

// Builds the tree. Registers that nodes below use are given back, the result's stays busy until the caller releases it.
class NodeBuilder {
 public:
  NodeBuilder(RegisterPool& pool, std::span<const data::Type> inputs) : pool_(pool), inputs_(inputs) {}
  Result<NodePtr> build(const Expr& expr);

 private:
  Result<NodePtr> build_kernel(const Expr& expr, Kernel kernel, const std::vector<const Expr*>& args);
  Result<NodePtr> build_conjunction(const Expr& expr);
  Result<NodePtr> build_choice(const Expr& expr);
  Result<NodePtr> build_foreign(const Expr& expr);

  RegisterPool& pool_;
  std::span<const data::Type> inputs_;
};

// Which of AND, OR, CASE and COALESCE the node is, and whether its arguments fit.
bool is_logic_node(const Expr& expr);

// `taken` rows of `from` into `to`, values and validity; `to` has its validity words.
void copy_rows(const data::Column& from, const uint64_t* taken, uint32_t rows, data::Column& to);

// Narrows a list of rows to those where a BOOLEAN expression is true.
class Selector {
 public:
  virtual ~Selector() = default;
  // `in`: ascending rows, null for all; `out` may be `in`. Returns how many remain.
  virtual uint32_t select(Scope& scope, const uint32_t* in, uint32_t count, uint32_t* out) = 0;
  bool foreign = false;
};
Result<std::unique_ptr<Selector>> build_selector(const Expr& expr, NodeBuilder& builder, RegisterPool& pool);

}  // namespace laminar::expr
