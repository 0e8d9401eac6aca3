// The sinks of INSERT, UPDATE, DELETE and MERGE on our tables and sources: they check constraints, gather the rows, and
// hand them to the transaction as one tick. Include in .cc files only.
//
// Threads: one at a time; the sinks are not parallel, so rows keep the order of the query.
// Bounds:  all rows of the statement are held until it ends.
#pragma once

#include <mutex>
#include <optional>
#include <unordered_set>

#include "duckdb/common/types/column/column_data_collection.hpp"
#include "duckdb/execution/operator/persistent/physical_merge_into.hpp"
#include "duckdb/execution/physical_operator.hpp"
#include "duckdb/planner/bound_constraint.hpp"
#include "sql/catalog/catalog.h"
#include "sql/catalog/transaction.h"

namespace laminar::sql {

// What the three sinks share: where rows go, what RETURNING gives back, and the count otherwise.
class ChangeOperator : public duckdb::PhysicalOperator {
 public:
  ChangeOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types, duckdb::idx_t cardinality,
                 duckdb::Catalog& catalog, bool returning);

  // Part of a MERGE: the merge applies what all its parts gathered.
  bool part_of_merge = false;

  bool IsSink() const override { return true; }
  bool SinkOrderDependent() const override { return true; }
  bool IsSource() const override { return true; }
  duckdb::unique_ptr<duckdb::GlobalSinkState> GetGlobalSinkState(duckdb::ClientContext& context) const override;
  duckdb::SinkResultType Sink(duckdb::ExecutionContext& context, duckdb::DataChunk& chunk,
                              duckdb::OperatorSinkInput& input) const override;
  duckdb::SinkFinalizeType Finalize(duckdb::Pipeline& pipeline, duckdb::Event& event, duckdb::ClientContext& context,
                                    duckdb::OperatorSinkFinalizeInput& input) const override;
  duckdb::unique_ptr<duckdb::GlobalSourceState> GetGlobalSourceState(duckdb::ClientContext& context) const override;
  duckdb::SourceResultType GetDataInternal(duckdb::ExecutionContext& context, duckdb::DataChunk& chunk,
                                           duckdb::OperatorSourceInput& input) const override;

  struct Gathered : duckdb::GlobalSinkState {
    std::mutex mutex;
    PendingChange change;
    std::unordered_set<uint64_t> seen;  // row ids: a row changes once
    uint64_t rows_changed = 0;
    duckdb::unique_ptr<duckdb::ColumnDataCollection> returned;
  };

 protected:
  virtual void gather(duckdb::ClientContext& context, duckdb::DataChunk& chunk, Gathered& state) const = 0;
  // Before the change is handed over.
  virtual void complete(duckdb::ClientContext& context, Gathered& state) const;
  void append_rows(duckdb::DataChunk& rows, const data::Schema& schema, Gathered& state) const;

  duckdb::Catalog& catalog_;
  const bool returning_;
};

// INSERT and the tail of CREATE TABLE AS, which makes its table when all rows are there.
class InsertOperator final : public ChangeOperator {
 public:
  InsertOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types, duckdb::idx_t cardinality,
                 LaminarTable& table, duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>> constraints, bool returning);
  InsertOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types, duckdb::idx_t cardinality,
                 LaminarSchema& schema, duckdb::unique_ptr<duckdb::BoundCreateTableInfo> create);

  std::string GetName() const override { return "LAMINAR_INSERT"; }

 protected:
  void gather(duckdb::ClientContext& context, duckdb::DataChunk& chunk, Gathered& state) const override;
  void complete(duckdb::ClientContext& context, Gathered& state) const override;

 private:
  LaminarTable* table_ = nullptr;
  LaminarSchema* create_in_ = nullptr;
  duckdb::unique_ptr<duckdb::BoundCreateTableInfo> create_;
  duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>> constraints_;
  data::Schema schema_;
};

class UpdateOperator final : public ChangeOperator {
 public:
  UpdateOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types, duckdb::idx_t cardinality,
                 LaminarTable& table, duckdb::vector<duckdb::PhysicalIndex> columns,
                 duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> expressions,
                 duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> defaults,
                 duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>> constraints, bool returning);

  std::string GetName() const override { return "LAMINAR_UPDATE"; }

 protected:
  void gather(duckdb::ClientContext& context, duckdb::DataChunk& chunk, Gathered& state) const override;

 private:
  LaminarTable& table_;
  duckdb::vector<duckdb::PhysicalIndex> columns_;  // every column of the table, in the order of expressions_
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> expressions_, defaults_;
  duckdb::vector<duckdb::unique_ptr<duckdb::BoundConstraint>> constraints_;
};

class DeleteOperator final : public ChangeOperator {
 public:
  DeleteOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types, duckdb::idx_t cardinality,
                 LaminarTable& table, duckdb::idx_t row_id_column, bool returning);

  std::string GetName() const override { return "LAMINAR_DELETE"; }

 protected:
  void gather(duckdb::ClientContext& context, duckdb::DataChunk& chunk, Gathered& state) const override;
  void complete(duckdb::ClientContext& context, Gathered& state) const override;

 private:
  LaminarTable& table_;
  duckdb::idx_t row_id_column_;
};

// DuckDB's MERGE over our three sinks, with one tick at its end.
class MergeOperator final : public duckdb::PhysicalMergeInto {
 public:
  MergeOperator(duckdb::PhysicalPlan& plan, duckdb::vector<duckdb::LogicalType> types,
                duckdb::map<duckdb::MergeActionCondition, duckdb::vector<duckdb::unique_ptr<duckdb::MergeIntoOperator>>> actions,
                duckdb::idx_t row_id_column, duckdb::optional_idx source_marker, bool returning, duckdb::Catalog& catalog);

  duckdb::SinkFinalizeType Finalize(duckdb::Pipeline& pipeline, duckdb::Event& event, duckdb::ClientContext& context,
                                    duckdb::OperatorSinkFinalizeInput& input) const override;

 private:
  duckdb::Catalog& catalog_;
};

}  // namespace laminar::sql
