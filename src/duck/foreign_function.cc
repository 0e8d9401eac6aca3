#include "duck/foreign_function.h"

#include "base/check.h"
#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb.hpp"
#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/connection.hpp"
#include "duckdb/main/database.hpp"
#include "duckdb/planner/expression.hpp"

namespace laminar::duck {

namespace {

class Evaluator final : public expr::ForeignEvaluator {
 public:
  Evaluator(duckdb::shared_ptr<duckdb::DatabaseInstance> database, std::shared_ptr<const duckdb::Expression> expression,
            const std::vector<data::Type>& args, data::Type result)
      : connection_(*database), expression_(std::move(expression)), input_(args), type_(std::move(result)) {
    make_executor();
    output_.Initialize(duckdb::Allocator::DefaultAllocator(), {expression_->return_type});
  }

  Status evaluate(std::span<const data::Column> args, uint32_t rows, data::Column& out,
                  data::StringArena& strings) override {
    try {
      duckdb::DataChunk& input = input_.wrap(args, rows);
      output_.Reset();
      executor_->ExecuteExpression(input, output_.data[0]);
      read_vector(output_.data[0], 0, rows, type_, out, 0, strings);
      return {};
    } catch (const std::exception& e) {
      // What the expression was doing when it failed may lie half done in the executor's state.
      make_executor();
      return Status(ErrorCode::kRowError, duckdb::ErrorData(e).RawMessage());
    }
  }

 private:
  void make_executor() { executor_ = std::make_unique<duckdb::ExpressionExecutor>(*connection_.context, *expression_); }

  duckdb::Connection connection_;
  std::shared_ptr<const duckdb::Expression> expression_;
  ChunkView input_;
  data::Type type_;
  duckdb::DataChunk output_;
  std::unique_ptr<duckdb::ExpressionExecutor> executor_;
};

class Function final : public expr::ForeignFunction {
 public:
  Function(duckdb::ClientContext& context, const duckdb::Expression& expression, std::vector<data::Type> args)
      : database_(context.db),
        expression_(expression.Copy().release()),
        args_(std::move(args)),
        result_(type_from_duckdb(expression.return_type)) {}

  const std::vector<data::Type>& argument_types() const override { return args_; }
  const data::Type& result_type() const override { return result_; }
  std::unique_ptr<expr::ForeignEvaluator> instantiate() const override {
    duckdb::shared_ptr<duckdb::DatabaseInstance> database = database_.lock();
    CHECK(database != nullptr);
    return std::make_unique<Evaluator>(std::move(database), expression_, args_, result_);
  }

 private:
  // Weak: a catalog entry inside the database holds plans, which hold this.
  duckdb::weak_ptr<duckdb::DatabaseInstance> database_;
  std::shared_ptr<const duckdb::Expression> expression_;
  std::vector<data::Type> args_;
  data::Type result_;
};

}  // namespace

std::shared_ptr<const expr::ForeignFunction> make_foreign_function(duckdb::ClientContext& context,
                                                                   const duckdb::Expression& expression,
                                                                   std::vector<data::Type> args) {
  return std::make_shared<Function>(context, expression, std::move(args));
}

}  // namespace laminar::duck
