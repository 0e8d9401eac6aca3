#include "sql/catalog/change.h"

#include <algorithm>

#include "base/check.h"
#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb/common/vector_operations/vector_operations.hpp"
#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/parser/constraints/check_constraint.hpp"
#include "duckdb/planner/constraints/bound_check_constraint.hpp"
#include "duckdb/planner/constraints/bound_not_null_constraint.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/parsed_data/bound_create_table_info.hpp"
#include "sql/catalog/duck_error.h"
#include "sql/catalog/relation_scan.h"

namespace laminar::sql {
namespace {

void check_constraints(duckdb::ClientContext& context, LaminarTable& table,
                       const duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>>& constraints,
                       duckdb::DataChunk& rows) {
  for (size_t i = 0; i < constraints.size(); ++i) {
    if (constraints[i]->type == duckdb::ConstraintType::NOT_NULL) {
      const auto column = constraints[i]->Cast<duckdb::BoundNotNullConstraint>().index.index;
      if (!duckdb::VectorOperations::HasNull(rows.data[column], rows.size())) continue;
      raise(ErrorCode::kConstraintViolated, "NOT NULL constraint failed: " + table.name + "." +
                                                table.GetColumns().GetColumn(duckdb::PhysicalIndex(column)).Name());
    }
    if (constraints[i]->type != duckdb::ConstraintType::CHECK) continue;
    const std::string text = table.GetConstraints()[i]->ToString();
    duckdb::Vector result(duckdb::LogicalType::INTEGER);
    try {
      duckdb::ExpressionExecutor executor(context, *constraints[i]->Cast<duckdb::BoundCheckConstraint>().expression);
      executor.ExecuteExpression(rows, result);
    } catch (const std::exception& exception) {
      raise(ErrorCode::kConstraintViolated, "CHECK constraint cannot be computed: " + table.name + ", " + text + ": " +
                                                duckdb::ErrorData(exception).RawMessage());
    }
    duckdb::UnifiedVectorFormat format;
    result.ToUnifiedFormat(rows.size(), format);
    const auto* values = duckdb::UnifiedVectorFormat::GetData<int32_t>(format);
    for (duckdb::idx_t row = 0; row < rows.size(); ++row) {
      const auto at_ = format.sel->get_index(row);
      if (format.validity.RowIsValid(at_) && values[at_] == 0) {
        raise(ErrorCode::kConstraintViolated, "CHECK constraint failed: " + table.name + ", " + text);
      }
    }
  }
}

// The rows whose ids were not seen before, with their ids.
duckdb::idx_t select_new_rows(duckdb::Vector& row_ids, duckdb::idx_t rows, std::unordered_set<uint64_t>& seen,
                              std::vector<uint64_t>& out, duckdb::SelectionVector& selection) {
  duckdb::UnifiedVectorFormat format;
  row_ids.ToUnifiedFormat(rows, format);
  const auto* values = duckdb::UnifiedVectorFormat::GetData<int64_t>(format);
  duckdb::idx_t count = 0;
  for (duckdb::idx_t row = 0; row < rows; ++row) {
    const auto id = static_cast<uint64_t>(values[format.sel->get_index(row)]);
    if (!seen.insert(id).second) continue;
    out.push_back(id);
    selection.set_index(count++, row);
  }
  return count;
}

struct ReturnedRows : duckdb::GlobalSourceState {
  duckdb::ColumnDataScanState scan;
};

}  // namespace

ChangeOperator::ChangeOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                               duckdb::idx_t cardinality, duckdb::Catalog& catalog, bool returning)
    : duckdb::PhysicalOperator(plan, duckdb::PhysicalOperatorType::EXTENSION, std::move(types), cardinality),
      catalog_(catalog),
      returning_(returning) {}

duckdb::unique_ptr<duckdb::GlobalSinkState> ChangeOperator::GetGlobalSinkState(duckdb::ClientContext& context) const {
  auto state = duckdb::make_uniq<Gathered>();
  if (returning_) state->returned = duckdb::make_uniq<duckdb::ColumnDataCollection>(context, GetTypes());
  return state;
}

duckdb::SinkResultType ChangeOperator::Sink(duckdb::ExecutionContext& context, duckdb::DataChunk& chunk,
                                            duckdb::OperatorSinkInput& input) const {
  auto& state = static_cast<Gathered&>(input.global_state);
  std::lock_guard lock(state.mutex);
  gather(context.client, chunk, state);
  return duckdb::SinkResultType::NEED_MORE_INPUT;
}

void ChangeOperator::append_rows(duckdb::DataChunk& rows, const data::Schema& schema, Gathered& state) const {
  std::vector<data::Type> types = RelationScan::types_of(schema);
  auto& buffers = state.change.rows;
  uint32_t begin = 0;
  const auto count = static_cast<uint32_t>(rows.size());
  while (begin < count) {
    if (buffers.empty() || buffers.back()->full()) buffers.push_back(std::make_unique<data::BatchBuffer>(schema));
    data::BatchBuffer& buffer = *buffers.back();
    const uint32_t part = std::min(count - begin, buffer.rows_max() - buffer.rows);
    duck::append_chunk(rows, begin, part, types, buffer);
    begin += part;
  }
  if (returning_) state.returned->Append(rows);
}

void ChangeOperator::complete(duckdb::ClientContext&, Gathered&) const {}

duckdb::SinkFinalizeType ChangeOperator::Finalize(duckdb::Pipeline&, duckdb::Event&, duckdb::ClientContext& context,
                                                  duckdb::OperatorSinkFinalizeInput& input) const {
  auto& state = static_cast<Gathered&>(input.global_state);
  complete(context, state);
  auto& transaction = LaminarTransaction::get(context, catalog_);
  transaction.add_change(std::move(state.change));
  if (!part_of_merge) state.rows_changed = transaction.flush(context);
  return duckdb::SinkFinalizeType::READY;
}

duckdb::unique_ptr<duckdb::GlobalSourceState> ChangeOperator::GetGlobalSourceState(duckdb::ClientContext&) const {
  auto state = duckdb::make_uniq<ReturnedRows>();
  if (returning_) static_cast<Gathered&>(*sink_state).returned->InitializeScan(state->scan);
  return state;
}

duckdb::SourceResultType ChangeOperator::GetDataInternal(duckdb::ExecutionContext&, duckdb::DataChunk& chunk,
                                                         duckdb::OperatorSourceInput& input) const {
  auto& state = static_cast<Gathered&>(*sink_state);
  if (returning_) {
    state.returned->Scan(static_cast<ReturnedRows&>(input.global_state).scan, chunk);
    return chunk.size() == 0 ? duckdb::SourceResultType::FINISHED : duckdb::SourceResultType::HAVE_MORE_OUTPUT;
  }
  chunk.SetCardinality(1);
  chunk.SetValue(0, 0, duckdb::Value::BIGINT(static_cast<int64_t>(state.rows_changed)));
  return duckdb::SourceResultType::FINISHED;
}

// --- INSERT ---

InsertOperator::InsertOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                               duckdb::idx_t cardinality, LaminarTable& table,
                               duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>> constraints, bool returning)
    : ChangeOperator(plan, std::move(types), cardinality, table.ParentCatalog(), returning),
      table_(&table),
      constraints_(std::move(constraints)),
      schema_(table.object()->columns) {}

InsertOperator::InsertOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                               duckdb::idx_t cardinality, LaminarSchema& schema,
                               duckdb::unique_ptr<duckdb::BoundCreateTableInfo> create)
    : ChangeOperator(plan, std::move(types), cardinality, schema.ParentCatalog(), false),
      create_in_(&schema),
      create_(std::move(create)) {
  for (const duckdb::ColumnDefinition& column : create_->Base().columns.Logical()) {
    schema_.push_back({column.Name(), duck::type_from_duckdb(column.Type()), false});
  }
}

void InsertOperator::gather(duckdb::ClientContext& context, duckdb::DataChunk& chunk, Gathered& state) const {
  if (table_) check_constraints(context, *table_, constraints_, chunk);
  append_rows(chunk, schema_, state);
}

void InsertOperator::complete(duckdb::ClientContext& context, Gathered& state) const {
  state.change.kind = Change::Kind::kInsert;
  if (table_) {
    state.change.object = table_->object()->name;
    state.change.expected = table_->object();
    return;
  }
  create_in_->CreateTable(create_in_->ParentCatalog().GetCatalogTransaction(context), *create_);
  state.change.object = create_->Base().table;
}

// --- UPDATE ---

UpdateOperator::UpdateOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                               duckdb::idx_t cardinality, LaminarTable& table,
                               duckdb::vector<duckdb::PhysicalIndex> columns,
                               duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> expressions,
                               duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> defaults,
                               duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>> constraints, bool returning)
    : ChangeOperator(plan, std::move(types), cardinality, table.ParentCatalog(), returning),
      table_(table),
      columns_(std::move(columns)),
      expressions_(std::move(expressions)),
      defaults_(std::move(defaults)),
      constraints_(std::move(constraints)) {
  CHECK(columns_.size() == table.object()->columns.size());
}

void UpdateOperator::gather(duckdb::ClientContext& context, duckdb::DataChunk& chunk, Gathered& state) const {
  chunk.Flatten();
  duckdb::DataChunk rows;
  rows.Initialize(context, table_.GetTypes());
  for (size_t i = 0; i < expressions_.size(); ++i) {
    duckdb::Vector& target = rows.data[columns_[i].index];
    if (expressions_[i]->GetExpressionType() == duckdb::ExpressionType::VALUE_DEFAULT) {
      duckdb::ExpressionExecutor executor(context, *defaults_[columns_[i].index]);
      executor.SetChunk(chunk);
      executor.ExecuteExpression(target);
      target.Flatten(chunk.size());
    } else {
      target.Reference(chunk.data[expressions_[i]->Cast<duckdb::BoundReferenceExpression>().index]);
    }
  }
  rows.SetCardinality(chunk.size());
  duckdb::SelectionVector selection(STANDARD_VECTOR_SIZE);
  const auto count =
      select_new_rows(chunk.data.back(), chunk.size(), state.seen, state.change.row_ids, selection);
  if (count == 0) return;
  if (count < chunk.size()) rows.Slice(selection, count);
  check_constraints(context, table_, constraints_, rows);
  state.change.kind = Change::Kind::kUpdate;
  state.change.object = table_.object()->name;
  state.change.expected = table_.object();
  append_rows(rows, table_.object()->columns, state);
}

// --- DELETE ---

DeleteOperator::DeleteOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                               duckdb::idx_t cardinality, LaminarTable& table, duckdb::idx_t row_id_column, bool returning)
    : ChangeOperator(plan, std::move(types), cardinality, table.ParentCatalog(), returning),
      table_(table),
      row_id_column_(row_id_column) {}

void DeleteOperator::gather(duckdb::ClientContext&, duckdb::DataChunk& chunk, Gathered& state) const {
  duckdb::SelectionVector selection(STANDARD_VECTOR_SIZE);
  select_new_rows(chunk.data[row_id_column_], chunk.size(), state.seen, state.change.row_ids, selection);
}

void DeleteOperator::complete(duckdb::ClientContext& context, Gathered& state) const {
  state.change.kind = Change::Kind::kErase;
  state.change.object = table_.object()->name;
  state.change.expected = table_.object();
  if (!returning_) return;
  // The rows as they were at the tick that chose them.
  ScanGroup group;
  auto snapshot = LaminarTransaction::get(context, catalog_).read(context, table_.object(), group);
  const data::Schema& schema = table_.object()->columns;
  duck::ChunkView view(RelationScan::types_of(schema));
  data::Batch batch;
  while (snapshot->next(batch)) {
    duckdb::SelectionVector selection(STANDARD_VECTOR_SIZE);
    duckdb::idx_t count = 0;
    for (uint32_t row = 0; row < batch.rows; ++row) {
      if (state.seen.contains(batch.sequence_of(row))) selection.set_index(count++, row);
    }
    if (count == 0) continue;
    duckdb::DataChunk rows;
    rows.Initialize(context, table_.GetTypes());
    rows.Reference(view.wrap(batch));
    rows.Slice(selection, count);
    state.returned->Append(rows);
  }
}

// --- MERGE ---

MergeOperator::MergeOperator(
    duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
    duckdb::map<duckdb::MergeActionCondition, duckdb::vector<duckdb::unique_ptr<duckdb::MergeIntoOperator>>> actions,
    duckdb::idx_t row_id_column, duckdb::optional_idx source_marker, bool returning, duckdb::Catalog& catalog)
    : duckdb::PhysicalMergeInto(plan, std::move(types), std::move(actions), row_id_column, source_marker, false, returning),
      catalog_(catalog) {}

duckdb::SinkFinalizeType MergeOperator::Finalize(duckdb::Pipeline& pipeline, duckdb::Event& event,
                                                 duckdb::ClientContext& context,
                                                 duckdb::OperatorSinkFinalizeInput& input) const {
  const auto result = duckdb::PhysicalMergeInto::Finalize(pipeline, event, context, input);
  LaminarTransaction::get(context, catalog_).flush(context, true);
  return result;
}

}  // namespace laminar::sql
