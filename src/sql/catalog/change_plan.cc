#include "duckdb/execution/physical_plan_generator.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/operator/logical_create_table.hpp"
#include "duckdb/planner/operator/logical_delete.hpp"
#include "duckdb/planner/operator/logical_insert.hpp"
#include "duckdb/planner/operator/logical_merge_into.hpp"
#include "duckdb/planner/operator/logical_update.hpp"
#include "duckdb/planner/parsed_data/bound_create_table_info.hpp"
#include "sql/catalog/catalog.h"
#include "sql/catalog/change.h"
#include "sql/catalog/duck_error.h"
#include "sql/catalog/object_kind.h"

// From DuckDB's logical INSERT, UPDATE, DELETE and MERGE to our sinks.

namespace laminar::sql {
namespace {

LaminarTable& changed_table(duckdb::TableCatalogEntry& entry, const char* statement) {
  auto& table = static_cast<LaminarTable&>(entry);
  const ObjectKind kind = table.object()->kind;
  if (kind != ObjectKind::kTable) {
    raise(ErrorCode::kWrongObjectKind,
          std::string(statement) + " changes tables, not a " + kind_name(kind) + ": " + table.name);
  }
  return table;
}

duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>> copy_constraints(
    const duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>>& constraints) {
  duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>> copies;
  for (const auto& constraint : constraints) copies.push_back(constraint->Copy());
  return copies;
}

// One WHEN ... THEN of a MERGE.
duckdb::unique_ptr<duckdb::MergeIntoOperator> plan_action(duckdb::PhysicalPlanGenerator& planner,
                                                          duckdb::LogicalMergeInto& op, LaminarTable& table,
                                                          duckdb::BoundMergeIntoAction& action) {
  auto result = duckdb::make_uniq<duckdb::MergeIntoOperator>();
  result->action_type = action.action_type;
  result->condition = std::move(action.condition);
  auto types = op.types;
  if (op.return_chunk) types.pop_back();  // MERGE itself adds merge_action
  switch (action.action_type) {
    case duckdb::MergeActionType::MERGE_UPDATE: {
      duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> defaults;
      for (const auto& expression : op.bound_defaults) defaults.push_back(expression->Copy());
      result->op = planner.Make<UpdateOperator>(std::move(types), 1, table, std::move(action.columns),
                                                std::move(action.expressions), std::move(defaults),
                                                copy_constraints(op.bound_constraints), op.return_chunk);
      break;
    }
    case duckdb::MergeActionType::MERGE_DELETE:
      result->op = planner.Make<DeleteOperator>(std::move(types), 1, table, op.row_id_start, op.return_chunk);
      break;
    case duckdb::MergeActionType::MERGE_INSERT: {
      result->op = planner.Make<InsertOperator>(std::move(types), 1, table, copy_constraints(op.bound_constraints),
                                                op.return_chunk);
      if (!action.column_index_map.empty()) {
        duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> expressions;
        for (const auto& column : table.GetColumns().Physical()) {
          const auto mapped = action.column_index_map[column.Physical()];
          expressions.push_back(mapped == duckdb::DConstants::INVALID_INDEX
                                    ? op.bound_defaults[column.StorageOid()]->Copy()
                                    : std::move(action.expressions[mapped]));
        }
        action.expressions = std::move(expressions);
      }
      result->expressions = std::move(action.expressions);
      break;
    }
    case duckdb::MergeActionType::MERGE_ERROR:
      result->expressions = std::move(action.expressions);
      break;
    case duckdb::MergeActionType::MERGE_DO_NOTHING:
      break;
    default:
      raise(ErrorCode::kNotImplemented, "this MERGE action is not implemented: " + table.name);
  }
  if (result->op) static_cast<ChangeOperator&>(*result->op).part_of_merge = true;
  return result;
}

}  // namespace

duckdb::PhysicalOperator& LaminarCatalog::PlanCreateTableAs(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator& planner,
                                                            duckdb::LogicalCreateTable& op, duckdb::PhysicalOperator& plan) {
  auto& insert = planner.Make<InsertOperator>(op.types, op.estimated_cardinality, *schema_, std::move(op.info));
  insert.children.push_back(plan);
  return insert;
}

duckdb::PhysicalOperator& LaminarCatalog::PlanInsert(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator& planner,
                                                     duckdb::LogicalInsert& op,
                                                     duckdb::optional_ptr<duckdb::PhysicalOperator> plan) {
  auto& table = static_cast<LaminarTable&>(op.table);
  const ObjectKind kind = table.object()->kind;
  if (kind != ObjectKind::kTable && kind != ObjectKind::kSource) {
    raise(ErrorCode::kWrongObjectKind,
          std::string("INSERT goes into tables and memory sources, not into a ") + kind_name(kind) + ": " + table.name);
  }
  if (!plan) raise(ErrorCode::kNotImplemented, "this form of INSERT is not implemented: " + table.name);
  if (op.on_conflict_info.action_type != duckdb::OnConflictAction::THROW) {
    raise(ErrorCode::kNotImplemented, "this form of ON CONFLICT is not implemented: " + table.name);
  }
  if (!op.column_index_map.empty()) plan = planner.ResolveDefaultsProjection(op, *plan);
  auto& insert = planner.Make<InsertOperator>(op.types, op.estimated_cardinality, table, std::move(op.bound_constraints),
                                              op.return_chunk);
  insert.children.push_back(*plan);
  return insert;
}

duckdb::PhysicalOperator& LaminarCatalog::PlanDelete(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator& planner,
                                                     duckdb::LogicalDelete& op, duckdb::PhysicalOperator& plan) {
  auto& table = changed_table(op.table, "DELETE");
  const auto row_id = op.expressions[0]->Cast<duckdb::BoundReferenceExpression>().index;
  auto& result = planner.Make<DeleteOperator>(op.types, op.estimated_cardinality, table, row_id, op.return_chunk);
  result.children.push_back(plan);
  return result;
}

duckdb::PhysicalOperator& LaminarCatalog::PlanUpdate(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator& planner,
                                                     duckdb::LogicalUpdate& op, duckdb::PhysicalOperator& plan) {
  auto& table = changed_table(op.table, "UPDATE");
  auto& result = planner.Make<UpdateOperator>(op.types, op.estimated_cardinality, table, op.columns,
                                              std::move(op.expressions), std::move(op.bound_defaults),
                                              std::move(op.bound_constraints), op.return_chunk);
  result.children.push_back(plan);
  return result;
}

duckdb::PhysicalOperator& LaminarCatalog::PlanMergeInto(duckdb::ClientContext&, duckdb::PhysicalPlanGenerator& planner,
                                                        duckdb::LogicalMergeInto& op, duckdb::PhysicalOperator& plan) {
  auto& table = changed_table(op.table, "MERGE INTO");
  duckdb::map<duckdb::MergeActionCondition, duckdb::vector<duckdb::unique_ptr<duckdb::MergeIntoOperator>>> actions;
  for (auto& [condition, bound] : op.actions) {
    duckdb::vector<duckdb::unique_ptr<duckdb::MergeIntoOperator>> planned;
    for (auto& action : bound) planned.push_back(plan_action(planner, op, table, *action));
    actions.emplace(condition, std::move(planned));
  }
  auto& result = planner.Make<MergeOperator>(op.types, std::move(actions), op.row_id_start, op.source_marker,
                                             op.return_chunk, *this);
  result.children.push_back(plan);
  return result;
}

}  // namespace laminar::sql
