#include "expr/node.h"

#include "base/check.h"

namespace laminar::expr {

namespace {

using data::Column;
using data::StringRef;

constexpr uint32_t kRows = data::kBatchRowsMax;

class ColumnNode final : public Node {
 public:
  explicit ColumnNode(uint32_t column) : column_(column) {}
  void evaluate(Scope& scope) override { result = scope.batch->columns[column_]; }

 private:
  uint32_t column_;
};

class ConstantNode final : public Node {
 public:
  explicit ConstantNode(const data::Value& value) : value_(value) {
    const uint32_t size = data::physical_size(value.type.physical());
    bytes_.reset(new char[size_t{kRows} * size]());
    result = Column{bytes_.get(), nullptr, value.type.physical()};
    if (value_.is_null) {
      result.validity = validity_;
      return;
    }
    if (result.physical == data::Physical::kString) {
      const StringRef text(value_.text);
      for (uint32_t i = 0; i < kRows; ++i) result.values<StringRef>()[i] = text;
    } else {
      for (uint32_t i = 0; i < kRows; ++i) std::memcpy(bytes_.get() + size_t{i} * size, value_.bits, size);
    }
  }
  void evaluate(Scope&) override {}

 private:
  data::Value value_;
  std::unique_ptr<char[]> bytes_;
  uint64_t validity_[kWords] = {};
};

class KernelNode final : public Node {
 public:
  KernelNode(Kernel kernel, std::vector<NodePtr> args, Register* result_register)
      : kernel_(std::move(kernel)), args_(std::move(args)), columns_(args_.size()) {
    reg = result_register;
    kernel_.own_validity = reg->validity;
    result = Column{reg->data, nullptr, kernel_.type.physical()};
    can_fail = kernel_.can_fail;
    for (const NodePtr& arg : args_) {
      if (!arg) continue;
      can_fail |= arg->can_fail;
      foreign |= arg->foreign;
    }
  }

  void evaluate(Scope& scope) override {
    result.validity = nullptr;
    for (size_t i = 0; i < args_.size(); ++i) {
      if (!args_[i]) continue;
      args_[i]->evaluate(scope);
      columns_[i] = args_[i]->result;
    }
    // Only now: what a later argument computes on its way may use our register.
    for (size_t i = 0; kernel_.strict && i < args_.size(); ++i)
      if (args_[i] && columns_[i].validity) merge(columns_[i].validity, scope.rows);
    kernel_.function(kernel_, columns_.data(), scope, result);
  }

 private:
  void merge(const uint64_t* validity, uint32_t rows) {
    const uint32_t words = data::validity_words(rows);
    if (!result.validity) {
      std::memcpy(reg->validity, validity, words * 8);
      result.validity = reg->validity;
      return;
    }
    for (uint32_t w = 0; w < words; ++w) reg->validity[w] &= validity[w];
  }

  Kernel kernel_;
  std::vector<NodePtr> args_;  // null for arguments that the kernel has as constants
  std::vector<Column> columns_;
};

}  // namespace

Register* RegisterPool::acquire(data::Physical physical) {
  const uint32_t size = data::physical_size(physical);
  for (const auto& reg : registers_) {
    if (!reg->busy && reg->value_size == size) {
      reg->busy = true;
      return reg.get();
    }
  }
  auto reg = std::make_unique<Register>();
  // Starts are staggered, so that registers do not meet in the same cache sets.
  const size_t stagger = registers_.size() % 12 * 320;
  reg->bytes.reset(new char[size_t{kRows} * size + stagger + 64]());
  char* begin = reg->bytes.get() + stagger;
  reg->data = begin + (64 - reinterpret_cast<uintptr_t>(begin) % 64) % 64;
  reg->value_size = size;
  reg->busy = true;
  std::memset(reg->validity, 0xff, sizeof reg->validity);
  registers_.push_back(std::move(reg));
  return registers_.back().get();
}

Result<NodePtr> NodeBuilder::build_kernel(const Expr& expr, Kernel kernel, const std::vector<const Expr*>& args) {
  kernel.type = expr.type;
  std::vector<NodePtr> nodes;
  for (size_t i = 0; i < args.size(); ++i) {
    kernel.argument_types.push_back(args[i]->type);
    if (i < 32 ? kernel.constant_args >> i & 1 : kernel.constant_args >> 31) {
      nodes.push_back(nullptr);
      continue;
    }
    ASSIGN_OR_RETURN(NodePtr node, build(*args[i]));
    nodes.push_back(std::move(node));
  }
  std::vector<Register*> used;
  for (const NodePtr& node : nodes) used.push_back(node ? node->reg : nullptr);
  // The result must not lie where an argument does.
  Register* reg = pool_.acquire(expr.type.physical());
  for (Register* r : used) pool_.release(r);
  return NodePtr(new KernelNode(std::move(kernel), std::move(nodes), reg));
}

Result<NodePtr> NodeBuilder::build(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kColumn:
      if (expr.column >= inputs_.size() || inputs_[expr.column].physical() != expr.type.physical()) {
        return Status(ErrorCode::kInternal, "expression reads column " + std::to_string(expr.column) + " as " +
                                                expr.type.text() + ", which the batch does not have");
      }
      return NodePtr(new ColumnNode(expr.column));
    case ExprKind::kConstant:
      return NodePtr(new ConstantNode(expr.constant));
    case ExprKind::kForeign:
      return build_foreign(expr);
    case ExprKind::kCase:
      break;
    case ExprKind::kCast:
      if (expr.args.size() == 1 && expr.args[0]->type == expr.type) return build(*expr.args[0]);
      break;
    case ExprKind::kCall:
      break;
  }
  if (is_logic_node(expr)) {
    return expr.kind == ExprKind::kCall && (expr.op == Op::kAnd || expr.op == Op::kOr) ? build_conjunction(expr)
                                                                                       : build_choice(expr);
  }
  std::vector<const Expr*> args;
  for (const ExprPtr& arg : expr.args) args.push_back(arg.get());
  Kernel kernel;
  if (find_widening_kernel(expr, &kernel)) {
    args[0] = expr.args[0]->args[0].get();
    return build_kernel(expr, std::move(kernel), args);
  }
  if (!find_kernel(expr, &kernel)) {
    return Status(ErrorCode::kInternal, "no native kernel for " + to_text(expr), expr.offset);
  }
  return build_kernel(expr, std::move(kernel), args);
}

}  // namespace laminar::expr
