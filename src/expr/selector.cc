// Filters that write the rows they keep without a BOOLEAN column between: comparisons with constants, divisibility by a
// constant, and their AND.
#include <algorithm>

#include "expr/compare.h"
#include "expr/divider.h"
#include "expr/node.h"

namespace laminar::expr {

namespace {

using data::Column;

// Keeps the rows where test(row) holds: every row is written, the count grows only for those kept.
template <class Test>
[[gnu::always_inline]] inline uint32_t keep(const uint32_t* in, uint32_t count, uint32_t* out, Test test) {
  uint32_t kept = 0;
  if (in) {
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t row = in[i];
      out[kept] = row;
      kept += test(row);
    }
  } else {
    for (uint32_t row = 0; row < count; ++row) {
      out[kept] = row;
      kept += test(row);
    }
  }
  return kept;
}

template <class Test>
[[gnu::always_inline]] inline uint32_t keep_valid(const Column& column, const uint32_t* in, uint32_t count,
                                                  uint32_t* out, Test test) {
  if (!column.validity) return keep(in, count, out, test);
  const uint64_t* validity = column.validity;
  return keep(in, count, out, [&](uint32_t row) {
    return static_cast<uint32_t>(test(row)) & static_cast<uint32_t>(test_bit(validity, row));
  });
}

// Evaluates a node for the rows of a list: only they may fail.
class NodeSelector : public Selector {
 public:
  explicit NodeSelector(NodePtr node) : node_(std::move(node)) { foreign = node_->foreign; }

 protected:
  const Column& evaluate(Scope& scope, const uint32_t* in, uint32_t count) {
    if (!in || !node_->can_fail) {
      node_->evaluate(scope);
      return node_->result;
    }
    uint64_t active[kWords] = {};
    for (uint32_t i = 0; i < count; ++i) data::set_valid(active, in[i]);
    Scope inner = scope;
    inner.active = active;
    node_->evaluate(inner);
    return node_->result;
  }

 private:
  NodePtr node_;
};

class BooleanSelector final : public NodeSelector {
 public:
  using NodeSelector::NodeSelector;
  uint32_t select(Scope& scope, const uint32_t* in, uint32_t count, uint32_t* out) override {
    const Column& column = evaluate(scope, in, count);
    const uint8_t* values = column.values<uint8_t>();
    return keep_valid(column, in, count, out, [values](uint32_t row) { return values[row] & 1; });
  }
};

template <class T, class Comparison>
class CompareSelector final : public NodeSelector {
 public:
  CompareSelector(NodePtr node, data::Value value) : NodeSelector(std::move(node)), value_(std::move(value)) {}
  uint32_t select(Scope& scope, const uint32_t* in, uint32_t count, uint32_t* out) override {
    const Column& column = evaluate(scope, in, count);
    const T* values = column.values<T>();
    const T constant = constant_value<T>(value_);
    return keep_valid(column, in, count, out, [values, constant](uint32_t row) {
      return Comparison::template apply<T>(load(values, row), constant);
    });
  }

 private:
  data::Value value_;
};

// value % divisor = 0 (or <> 0) without the remainder: with divisor = odd * 2^k, the product of the value with the
// inverse of `odd` is small, and ends in k zeros, exactly for multiples.
template <class T, bool kEqual>
class MultipleSelector final : public NodeSelector {
 public:
  MultipleSelector(NodePtr node, uint64_t divisor) : NodeSelector(std::move(node)) {
    shift_ = static_cast<uint32_t>(std::countr_zero(divisor));
    const uint64_t odd = divisor >> shift_;
    inverse_ = odd;
    for (int i = 0; i < 6; ++i) inverse_ *= 2 - odd * inverse_;
    if (odd == 1) {
      limit_ = ~uint64_t{0} >> shift_;
    } else if constexpr (kSigned<T>) {
      // Multiples n give n / odd in [-most, most], kept positive by adding `most` rounded down to a multiple of 2^k.
      const uint64_t most = (~uint64_t{0} >> 1) / odd;
      bias_ = most >> shift_ << shift_;
      limit_ = 2 * bias_ >> shift_;
    } else {
      limit_ = ~uint64_t{0} / divisor;
    }
  }
  uint32_t select(Scope& scope, const uint32_t* in, uint32_t count, uint32_t* out) override {
    const Column& column = evaluate(scope, in, count);
    const T* values = column.values<T>();
    const uint64_t inverse = inverse_, bias = bias_, limit = limit_;
    const uint32_t shift = shift_;
    return keep_valid(column, in, count, out, [=](uint32_t row) {
      const uint64_t product = static_cast<uint64_t>(static_cast<int64_t>(values[row])) * inverse + bias;
      return (std::rotr(product, static_cast<int>(shift)) <= limit) == kEqual;
    });
  }

 private:
  uint64_t inverse_ = 0, bias_ = 0, limit_ = 0;
  uint32_t shift_ = 0;
};

class AndSelector final : public Selector {
 public:
  explicit AndSelector(std::vector<std::unique_ptr<Selector>> parts) : parts_(std::move(parts)) {
    for (const auto& part : parts_) foreign |= part->foreign;
  }
  uint32_t select(Scope& scope, const uint32_t* in, uint32_t count, uint32_t* out) override {
    for (const auto& part : parts_) {
      if (count == 0) return 0;
      count = part->select(scope, in, count, out);
      in = out;
    }
    return count;
  }

 private:
  std::vector<std::unique_ptr<Selector>> parts_;
};

using SelectorPtr = std::unique_ptr<Selector>;

// column % positive constant = 0.
Result<SelectorPtr> build_multiple(const Expr& remainder, bool equal, NodeBuilder& builder, RegisterPool& pool) {
  ASSIGN_OR_RETURN(NodePtr node, builder.build(*remainder.args[0]));
  pool.release(node->reg);
  SelectorPtr found;
  with_integer(remainder.type.physical(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (sizeof(T) <= 8) {
      const uint64_t divisor = static_cast<uint64_t>(remainder.args[1]->constant.as<T>());
      if (equal)
        found = std::make_unique<MultipleSelector<T, true>>(std::move(node), divisor);
      else
        found = std::make_unique<MultipleSelector<T, false>>(std::move(node), divisor);
    }
    return true;
  });
  return found;
}

bool is_multiple_test(const Expr& left, const Expr& right, Op op) {
  if (op != Op::kEqual && op != Op::kNotEqual) return false;
  if (left.kind != ExprKind::kCall || left.op != Op::kModulo || left.args.size() != 2 || !is_integer(left.type))
    return false;
  if (data::physical_size(left.type.physical()) > 8 || left.args[0]->type.kind != left.type.kind ||
      !is_constant(*left.args[1]))
    return false;
  bool fits = false;
  with_integer(left.type.physical(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (sizeof(T) <= 8) fits = left.args[1]->constant.as<T>() > 0 && right.constant.as<T>() == 0;
    return true;
  });
  return fits;
}

Result<SelectorPtr> build_comparison(const Expr& left, const Expr& right, Op op, NodeBuilder& builder,
                                     RegisterPool& pool) {
  if (is_multiple_test(left, right, op)) return build_multiple(left, op == Op::kEqual, builder, pool);
  ASSIGN_OR_RETURN(NodePtr node, builder.build(left));
  pool.release(node->reg);
  SelectorPtr found;
  with_comparable(left.type, [&](auto tag) {
    return with_comparison(op, [&](auto comparison) {
      using T = typename decltype(tag)::type;
      using Comparison = typename decltype(comparison)::type;
      found = std::make_unique<CompareSelector<T, Comparison>>(std::move(node), right.constant);
      return true;
    });
  });
  return found;
}

}  // namespace

Result<SelectorPtr> build_selector(const Expr& expr, NodeBuilder& builder, RegisterPool& pool) {
  if (expr.kind == ExprKind::kCall && expr.op == Op::kAnd && is_logic_node(expr)) {
    std::vector<SelectorPtr> parts;
    for (const ExprPtr& arg : expr.args) {
      ASSIGN_OR_RETURN(SelectorPtr part, build_selector(*arg, builder, pool));
      parts.push_back(std::move(part));
    }
    // DuckDB's parts see what the cheap ones leave.
    std::stable_partition(parts.begin(), parts.end(), [](const SelectorPtr& part) { return !part->foreign; });
    return SelectorPtr(std::make_unique<AndSelector>(std::move(parts)));
  }
  if (expr.kind == ExprKind::kCall && expr.op >= Op::kEqual && expr.op <= Op::kGreaterEqual &&
      find_compare_kernel(expr, nullptr)) {
    const Expr& left = *expr.args[0];
    const Expr& right = *expr.args[1];
    if (is_constant(right)) return build_comparison(left, right, expr.op, builder, pool);
    if (is_constant(left)) return build_comparison(right, left, mirror(expr.op), builder, pool);
  }
  ASSIGN_OR_RETURN(NodePtr node, builder.build(expr));
  pool.release(node->reg);
  return SelectorPtr(std::make_unique<BooleanSelector>(std::move(node)));
}

}  // namespace laminar::expr
