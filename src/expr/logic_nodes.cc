// AND, OR, CASE and COALESCE: what a branch computes counts only for the rows that take it, errors included.
#include "base/check.h"
#include "expr/node.h"

namespace laminar::expr {

namespace {

using data::Column;

// The scope's rows that count, as a bitmap.
void start_bits(const Scope& scope, uint64_t* bits) {
  const uint32_t words = data::validity_words(scope.rows);
  for (uint32_t w = 0; w < words; ++w)
    bits[w] = (scope.active ? scope.active[w] : ~uint64_t{0}) & word_mask(w, scope.rows);
}

// Rows where a BOOLEAN column is TRUE, and where it is not NULL.
void true_bits(const Column& column, uint32_t rows, uint64_t* is_true, uint64_t* is_valid) {
  bits_from_bytes(column.values<uint8_t>(), rows, is_true);
  for (uint32_t w = 0; w < data::validity_words(rows); ++w) {
    is_valid[w] = column.validity ? column.validity[w] : ~uint64_t{0};
    is_true[w] &= is_valid[w];
  }
}

class ConjunctionNode final : public Node {
 public:
  ConjunctionNode(bool is_and, std::vector<NodePtr> args, Register* result_register)
      : is_and_(is_and), args_(std::move(args)) {
    reg = result_register;
    result = Column{reg->data, nullptr, data::Physical::kBool};
    for (const NodePtr& arg : args_) {
      can_fail |= arg->can_fail;
      foreign |= arg->foreign;
    }
  }

  void evaluate(Scope& scope) override {
    const uint32_t words = data::validity_words(scope.rows);
    // AND: a row is decided once an argument is FALSE; OR: once one is TRUE.
    uint64_t open[kWords], known[kWords], decided[kWords] = {}, is_true[kWords], is_valid[kWords];
    start_bits(scope, open);
    std::memset(known, 0xff, words * 8);
    bool all_known = true;
    for (const NodePtr& arg : args_) {
      Scope inner = scope;
      inner.active = open;
      arg->evaluate(inner);
      true_bits(arg->result, scope.rows, is_true, is_valid);
      uint64_t any_open = 0;
      for (uint32_t w = 0; w < words; ++w) {
        const uint64_t decides = is_and_ ? is_valid[w] & ~is_true[w] : is_true[w];
        decided[w] |= decides;
        known[w] &= is_valid[w];
        open[w] &= ~decides;
        any_open |= open[w];
      }
      all_known &= arg->result.validity == nullptr;
      if (!any_open) break;
    }
    for (uint32_t w = 0; w < words; ++w) {
      is_true[w] = is_and_ ? ~decided[w] : decided[w];
      reg->validity[w] = decided[w] | known[w];
    }
    bytes_from_bits(is_true, scope.rows, result.values<uint8_t>());
    result.validity = all_known ? nullptr : reg->validity;
  }

 private:
  bool is_and_;
  std::vector<NodePtr> args_;
};

// CASE with its conditions and values alternating and ELSE last, or COALESCE.
class ChoiceNode final : public Node {
 public:
  ChoiceNode(bool is_case, std::vector<NodePtr> args, Register* result_register, data::Physical physical)
      : is_case_(is_case), args_(std::move(args)) {
    reg = result_register;
    result = Column{reg->data, reg->validity, physical};
    for (const NodePtr& arg : args_) {
      can_fail |= arg->can_fail;
      foreign |= arg->foreign;
    }
  }

  void evaluate(Scope& scope) override {
    const uint32_t words = data::validity_words(scope.rows);
    uint64_t open[kWords], taken[kWords], is_valid[kWords];
    start_bits(scope, open);
    // Rows that do not count keep a readable value.
    if (scope.active || result.physical == data::Physical::kString) clear(scope.rows);
    std::memset(reg->validity, 0, words * 8);
    Scope inner = scope;
    inner.active = open;
    size_t i = 0;
    while (i < args_.size() && any_bit(open, scope.rows)) {
      const bool last = i + 1 == args_.size();
      if (is_case_ && !last) {
        args_[i]->evaluate(inner);
        true_bits(args_[i]->result, scope.rows, taken, is_valid);
        for (uint32_t w = 0; w < words; ++w) taken[w] &= open[w];
        if (args_[i]->can_fail && scope.errors->any()) {
          for (uint32_t w = 0; w < words; ++w) open[w] &= ~scope.errors->failed_bits()[w];
        }
        if (any_bit(taken, scope.rows)) {
          inner.active = taken;
          args_[i + 1]->evaluate(inner);
          copy_rows(args_[i + 1]->result, taken, scope.rows, result);
          inner.active = open;
        }
        i += 2;
      } else {
        args_[i]->evaluate(inner);
        const Column& value = args_[i]->result;
        for (uint32_t w = 0; w < words; ++w)
          taken[w] = open[w] & (is_case_ || !value.validity ? ~uint64_t{0} : value.validity[w]);
        if (!is_case_ && args_[i]->can_fail && scope.errors->any()) {
          for (uint32_t w = 0; w < words; ++w) open[w] &= ~scope.errors->failed_bits()[w];
        }
        copy_rows(value, taken, scope.rows, result);
        ++i;
      }
      for (uint32_t w = 0; w < words; ++w) open[w] &= ~taken[w];
    }
  }

 private:
  void clear(uint32_t rows) { std::memset(result.data, 0, size_t{rows} * reg->value_size); }

  bool is_case_;
  std::vector<NodePtr> args_;
};

template <class T>
void copy_values(const Column& from, const uint64_t* taken, uint32_t rows, Column& to) {
  const T* source = from.values<T>();
  T* target = to.values<T>();
  for (uint32_t w = 0; w < data::validity_words(rows); ++w) {
    const uint64_t mask = word_mask(w, rows);
    uint64_t word = taken[w] & mask;
    if (word == mask) {
      std::memcpy(target + w * 64, source + w * 64, std::min(rows - w * 64, 64u) * sizeof(T));
    } else {
      for (; word; word &= word - 1) {
        const uint32_t row = w * 64 + static_cast<uint32_t>(std::countr_zero(word));
        std::memcpy(target + row, source + row, sizeof(T));
      }
    }
  }
}

struct Bytes16 {
  uint64_t half[2];
};

}  // namespace

void copy_rows(const Column& from, const uint64_t* taken, uint32_t rows, Column& to) {
  switch (data::physical_size(to.physical)) {
    case 1:
      copy_values<uint8_t>(from, taken, rows, to);
      break;
    case 2:
      copy_values<uint16_t>(from, taken, rows, to);
      break;
    case 4:
      copy_values<uint32_t>(from, taken, rows, to);
      break;
    case 8:
      copy_values<uint64_t>(from, taken, rows, to);
      break;
    default:
      copy_values<Bytes16>(from, taken, rows, to);
      break;
  }
  for (uint32_t w = 0; w < data::validity_words(rows); ++w) {
    const uint64_t valid = from.validity ? from.validity[w] : ~uint64_t{0};
    to.validity[w] = (to.validity[w] & ~taken[w]) | (valid & taken[w]);
  }
}

bool is_logic_node(const Expr& expr) {
  auto boolean = [](const ExprPtr& arg) { return arg->type.kind == data::TypeKind::kBoolean; };
  if (expr.args.empty()) return false;
  if (expr.kind == ExprKind::kCase) {
    if (expr.args.size() % 2 == 0) return false;
    for (size_t i = 0; i < expr.args.size(); ++i) {
      const bool condition = i % 2 == 0 && i + 1 < expr.args.size();
      if (condition ? !boolean(expr.args[i]) : expr.args[i]->type != expr.type) return false;
    }
    return true;
  }
  if (expr.kind != ExprKind::kCall) return false;
  if (expr.op == Op::kAnd || expr.op == Op::kOr) {
    for (const ExprPtr& arg : expr.args) {
      if (!boolean(arg)) return false;
    }
    return expr.type.kind == data::TypeKind::kBoolean;
  }
  if (expr.op != Op::kCoalesce) return false;
  for (const ExprPtr& arg : expr.args) {
    if (arg->type != expr.type) return false;
  }
  return true;
}

Result<NodePtr> NodeBuilder::build_conjunction(const Expr& expr) {
  Register* reg = pool_.acquire(data::Physical::kBool);
  std::vector<NodePtr> args;
  for (const ExprPtr& arg : expr.args) {
    ASSIGN_OR_RETURN(NodePtr node, build(*arg));
    pool_.release(node->reg);
    args.push_back(std::move(node));
  }
  return NodePtr(new ConjunctionNode(expr.op == Op::kAnd, std::move(args), reg));
}

Result<NodePtr> NodeBuilder::build_choice(const Expr& expr) {
  Register* reg = pool_.acquire(expr.type.physical());
  std::vector<NodePtr> args;
  for (const ExprPtr& arg : expr.args) {
    ASSIGN_OR_RETURN(NodePtr node, build(*arg));
    pool_.release(node->reg);
    args.push_back(std::move(node));
  }
  return NodePtr(new ChoiceNode(expr.kind == ExprKind::kCase, std::move(args), reg, expr.type.physical()));
}

}  // namespace laminar::expr
