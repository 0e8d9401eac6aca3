// Expressions that DuckDB evaluates: all rows at once, or only the rows that count where a branch is taken by some;
// when DuckDB reports an error, one row after the other to find the bad ones.
#include "expr/node.h"

namespace laminar::expr {

namespace {

using data::Column;

// A column of our own to gather rows into.
struct Gathered {
  explicit Gathered(data::Physical physical)
      : size(data::physical_size(physical)), bytes(new char[size_t{data::kBatchRowsMax} * size]()) {
    column = Column{bytes.get(), validity, physical};
  }
  void set(uint32_t to, const Column& from, uint32_t row) {
    std::memcpy(bytes.get() + size_t{to} * size, static_cast<const char*>(from.data) + size_t{row} * size, size);
    if (from.is_null(row))
      data::set_null(validity, to);
    else
      data::set_valid(validity, to);
  }

  uint32_t size;
  std::unique_ptr<char[]> bytes;
  uint64_t validity[kWords];
  Column column;
};

class ForeignNode final : public Node {
 public:
  ForeignNode(std::unique_ptr<ForeignEvaluator> evaluator, std::vector<NodePtr> args, std::span<const data::Type> types,
              Register* result_register, data::Physical physical)
      : evaluator_(std::move(evaluator)),
        args_(std::move(args)),
        columns_(args_.size()),
        partial_(args_.size()),
        computed_(physical) {
    reg = result_register;
    result = Column{reg->data, reg->validity, physical};
    can_fail = foreign = true;
    for (size_t i = 0; i < args_.size(); ++i) {
      gathered_.push_back(std::make_unique<Gathered>(types[i].physical()));
      partial_[i] = gathered_[i]->column;
    }
  }

  void evaluate(Scope& scope) override {
    for (size_t i = 0; i < args_.size(); ++i) {
      args_[i]->evaluate(scope);
      columns_[i] = args_[i]->result;
    }
    // Rows that failed below have no arguments worth a call.
    bool all = !scope.errors->any();
    if (scope.active) {
      for (uint32_t w = 0; w < data::validity_words(scope.rows); ++w)
        all &= (~scope.active[w] & word_mask(w, scope.rows)) == 0;
    }
    if (all) {
      std::memset(reg->validity, 0xff, sizeof reg->validity);
      if (evaluator_->evaluate(columns_, scope.rows, result, *scope.strings).ok()) return;
    }
    evaluate_some(scope);
  }

 private:
  void evaluate_some(Scope& scope) {
    std::memset(reg->validity, 0, sizeof reg->validity);
    std::memset(reg->data, 0, size_t{scope.rows} * reg->value_size);
    uint32_t count = 0;
    for (uint32_t row = 0; row < scope.rows; ++row) {
      if ((scope.active && !test_bit(scope.active, row)) || scope.errors->failed(row)) continue;
      gather(row, count);
      rows_[count++] = row;
    }
    if (count == 0) return;
    Column& computed = computed_.column;
    std::memset(computed_.validity, 0xff, sizeof computed_.validity);
    if (evaluator_->evaluate(partial_, count, computed, *scope.strings).ok()) {
      for (uint32_t i = 0; i < count; ++i) put(rows_[i], i);
      return;
    }
    for (uint32_t i = 0; i < count; ++i) {
      gather(rows_[i], 0);
      data::set_valid(computed_.validity, 0);
      const Status status = evaluator_->evaluate(partial_, 1, computed, *scope.strings);
      if (status.ok())
        put(rows_[i], 0);
      else
        scope.errors->add(rows_[i], status.error().message.c_str());
    }
  }

  void gather(uint32_t row, uint32_t to) {
    for (size_t i = 0; i < columns_.size(); ++i) gathered_[i]->set(to, columns_[i], row);
  }
  void put(uint32_t row, uint32_t from) {
    std::memcpy(reg->data + size_t{row} * reg->value_size, computed_.bytes.get() + size_t{from} * reg->value_size,
                reg->value_size);
    if (!computed_.column.is_null(from)) data::set_valid(reg->validity, row);
  }

  std::unique_ptr<ForeignEvaluator> evaluator_;
  std::vector<NodePtr> args_;
  std::vector<Column> columns_, partial_;
  std::vector<std::unique_ptr<Gathered>> gathered_;
  Gathered computed_;
  uint32_t rows_[data::kBatchRowsMax];
};

}  // namespace

Result<NodePtr> NodeBuilder::build_foreign(const Expr& expr) {
  if (!expr.foreign)
    return Status(ErrorCode::kInternal, "foreign expression without its function: " + to_text(expr), expr.offset);
  const std::vector<data::Type>& types = expr.foreign->argument_types();
  if (types.size() != expr.args.size() || expr.foreign->result_type().physical() != expr.type.physical()) {
    return Status(ErrorCode::kInternal, "foreign expression with other types than its function: " + to_text(expr),
                  expr.offset);
  }
  std::vector<NodePtr> args;
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i].physical() != expr.args[i]->type.physical()) {
      return Status(ErrorCode::kInternal, "foreign expression with other types than its function: " + to_text(expr),
                    expr.offset);
    }
    ASSIGN_OR_RETURN(NodePtr node, build(*expr.args[i]));
    args.push_back(std::move(node));
  }
  Register* reg = pool_.acquire(expr.type.physical());
  for (const NodePtr& arg : args) pool_.release(arg->reg);
  return NodePtr(new ForeignNode(expr.foreign->instantiate(), std::move(args), types, reg, expr.type.physical()));
}

}  // namespace laminar::expr
