#include "duck/foreign_aggregate.h"

#include "base/check.h"
#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb.hpp"
#include "duckdb/function/aggregate_function.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "duckdb/storage/arena_allocator.hpp"

namespace laminar::duck {

namespace {

using Bound = std::shared_ptr<const duckdb::BoundAggregateExpression>;

class Instance final : public expr::ForeignAggregate::Instance {
 public:
  Instance(Bound bound, const std::vector<data::Type>& args, data::Type result)
      : bound_(std::move(bound)),
        input_(args),
        result_type_(std::move(result)),
        arena_(duckdb::Allocator::DefaultAllocator()),
        pointers_(duckdb::LogicalType::POINTER, nullptr) {}

  void initialize(char* state) override {
    bound_->function.GetStateInitCallback()(bound_->function, reinterpret_cast<duckdb::data_ptr_t>(state));
  }

  Status update(std::span<const data::Column> args, char* const* states, uint32_t rows) override {
    try {
      duckdb::DataChunk& input = input_.wrap(args, rows);
      duckdb::AggregateInputData data(bound_->bind_info.get(), arena_);
      bound_->function.GetStateUpdateCallback()(input.data.data(), data, input.ColumnCount(), point_at(states), rows);
      return {};
    } catch (const std::exception& e) {
      return Status(ErrorCode::kRowError, duckdb::ErrorData(e).RawMessage());
    }
  }

  Status finalize(char* const* states, uint32_t rows, data::Column& out, data::StringArena& strings) override {
    try {
      duckdb::AggregateInputData data(bound_->bind_info.get(), arena_);
      // A vector of its own each time: nested results would pile up in a kept one.
      duckdb::Vector result(bound_->return_type, std::max<duckdb::idx_t>(rows, 1));
      bound_->function.GetStateFinalizeCallback()(point_at(states), data, result, rows, 0);
      read_vector(result, 0, rows, result_type_, out, 0, strings);
      return {};
    } catch (const std::exception& e) {
      return Status(ErrorCode::kRowError, duckdb::ErrorData(e).RawMessage());
    }
  }

  void destroy(char* const* states, uint32_t rows) override {
    if (!bound_->function.HasStateDestructorCallback()) return;
    duckdb::AggregateInputData data(bound_->bind_info.get(), arena_);
    bound_->function.GetStateDestructorCallback()(point_at(states), data, rows);
  }

  void release_memory() override { arena_.Reset(); }

 private:
  duckdb::Vector& point_at(char* const* states) {
    pointers_.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    duckdb::FlatVector::SetData(pointers_, reinterpret_cast<duckdb::data_ptr_t>(const_cast<char**>(states)));
    return pointers_;
  }

  Bound bound_;
  ChunkView input_;
  data::Type result_type_;
  duckdb::ArenaAllocator arena_;
  duckdb::Vector pointers_;
};

class Aggregate final : public expr::ForeignAggregate {
 public:
  explicit Aggregate(const duckdb::BoundAggregateExpression& aggregate)
      : bound_(static_cast<duckdb::BoundAggregateExpression*>(aggregate.Copy().release())),
        name_(aggregate.function.name),
        result_(type_from_duckdb(aggregate.return_type)) {
    bool fixed_args = true;
    for (const auto& child : aggregate.children) {
      args_.push_back(type_from_duckdb(child->return_type));
      fixed_args &= !args_.back().is_string();
    }
    state_size_ = static_cast<uint32_t>((bound_->function.GetStateSizeCallback()(bound_->function) + 7) / 8 * 8);
    // States without a destructor may still point into the arena: those that keep or return variable-sized values.
    const bool counts = name_ == "count" || name_ == "count_star" || name_ == "approx_count_distinct";
    plain_ = !bound_->function.HasStateDestructorCallback() && !result_.is_string() && (fixed_args || counts);
  }

  const std::string& name() const override { return name_; }
  const std::vector<data::Type>& argument_types() const override { return args_; }
  const data::Type& result_type() const override { return result_; }
  uint32_t state_size() const override { return state_size_; }
  bool plain_state() const override { return plain_; }
  std::unique_ptr<expr::ForeignAggregate::Instance> instantiate() const override {
    return std::make_unique<duck::Instance>(bound_, args_, result_);
  }

 private:
  Bound bound_;
  std::string name_;
  std::vector<data::Type> args_;
  data::Type result_;
  uint32_t state_size_ = 0;
  bool plain_ = false;
};

}  // namespace

std::shared_ptr<const expr::ForeignAggregate> make_foreign_aggregate(
    const duckdb::BoundAggregateExpression& aggregate) {
  return std::make_shared<Aggregate>(aggregate);
}

}  // namespace laminar::duck
