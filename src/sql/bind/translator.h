// From DuckDB's rewritten plan to plan/: operator by operator, by a closed list. What is not on it is refused.
//
// One file per family: translate_expression, translate_relation (scan, filter, project, values, union, CTE),
// translate_aggregate, translate_top_n (ranks, LIMIT, DISTINCT ON), translate_window, translate_join, translate_lookup,
// translate_subquery (what IN, ANY, EXISTS and scalar subqueries in expressions become), translate_asof.
//
// Errors:  BindFailure with the position that the expression or the clause has in the script.
#pragma once

#include <duckdb.hpp>
#include <duckdb/planner/expression.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plan/node.h"
#include "sql/backend.h"
#include "sql/bind/query_facts.h"

namespace duckdb {
class BoundAggregateExpression;
class BoundFunctionExpression;
class LogicalAggregate;
class LogicalComparisonJoin;
class LogicalDistinct;
class LogicalFilter;
class LogicalGet;
class LogicalLimit;
class LogicalOrder;
class LogicalProjection;
class LogicalUnnest;
class LogicalWindow;
struct BoundOrderByNode;
}  // namespace duckdb

namespace laminar::sql {

// Columns computed from an input, each once: what an operator above needs as columns (keys, arguments, order).
class ColumnSet;
struct JoinConditions;

class Translator {
 public:
  Translator(duckdb::ClientContext& context, const QueryFacts& facts) : context_(context), facts_(facts) {}

  plan::NodePtr translate(duckdb::LogicalOperator& op);
  // Columns by position in `input`.
  expr::ExprPtr expression(const duckdb::Expression& bound, const std::vector<plan::OutputColumn>& input);
  // How long joins of streams without a time bound keep their rows.
  void set_retention(int64_t us) { retention_us_ = us; }
  bool used_retention() const { return used_retention_; }
  // Of a stream: ORDER BY its event time releases rows as the watermark passes.
  void allow_sort() { sort_allowed_ = true; }
  // Objects read so far, each once, in order.
  const std::vector<std::string>& inputs() const { return inputs_; }
  // One of those.
  const Object& object(const std::string& name) const { return *objects_.at(name); }
  // Lookup tables are joined, not read.
  void refuse_lookup_scans(const plan::Node& root) const;

 private:
  friend class ColumnSet;

  // translate_relation.cc
  plan::NodePtr scan(duckdb::LogicalGet& get);
  plan::NodePtr filter(duckdb::LogicalFilter& filter);
  plan::NodePtr projection(duckdb::LogicalProjection& projection);
  plan::NodePtr union_all(duckdb::LogicalOperator& op);
  plan::NodePtr values(duckdb::LogicalOperator& op);
  plan::NodePtr empty(duckdb::LogicalOperator& op);
  plan::NodePtr cte(duckdb::LogicalOperator& op);
  plan::NodePtr cte_reference(duckdb::LogicalOperator& op);
  expr::ExprPtr conjunction(const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& conjuncts,
                            const std::vector<plan::OutputColumn>& input);
  plan::NodePtr filtered(plan::NodePtr input, expr::ExprPtr predicate);

  // translate_aggregate.cc
  plan::NodePtr aggregate(duckdb::LogicalAggregate& aggregate);
  plan::AggregateCall aggregate_call(const duckdb::BoundAggregateExpression& bound, ColumnSet& columns,
                                     plan::NodePtr& input);
  plan::NodePtr distinct(duckdb::LogicalDistinct& distinct);

  // translate_top_n.cc
  plan::NodePtr distinct_on(duckdb::LogicalDistinct& distinct);
  plan::NodePtr limit(duckdb::LogicalLimit& limit);
  plan::NodePtr rank(duckdb::LogicalFilter* filter, duckdb::LogicalWindow& window);
  plan::NodePtr top_n(plan::NodePtr input, const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& partition,
                      const duckdb::vector<duckdb::BoundOrderByNode>* order, plan::TopNNode::Rank rank, uint64_t limit,
                      uint64_t offset_rows, size_t rank_columns, int64_t offset);

  // translate_window.cc
  plan::NodePtr sort(duckdb::LogicalOrder& order);
  plan::NodePtr unnest(duckdb::LogicalUnnest& unnest);

  // translate_join.cc
  plan::NodePtr join(duckdb::LogicalOperator& op);
  bool passes_stream(const plan::Node& node) const;
  bool follows_watermark(const plan::Node& node) const;
  void retain(plan::JoinNode& join, plan::NodePtr& left, plan::NodePtr& right, int64_t position);

  // translate_subquery.cc
  plan::NodePtr mark_join(duckdb::LogicalComparisonJoin& join, int64_t position);
  plan::NodePtr delim_get(duckdb::LogicalOperator& op);

  // translate_asof.cc
  plan::NodePtr asof_join(duckdb::LogicalComparisonJoin& op);
  plan::NodePtr horizon(duckdb::LogicalUnnest& unnest);

  // translate_lookup.cc
  plan::NodePtr lookup_join(plan::JoinKind kind, JoinConditions& conditions, plan::NodePtr& left, plan::NodePtr& right,
                            int64_t position);

  // translate_expression.cc
  expr::ExprPtr native(const duckdb::Expression& bound, const std::vector<plan::OutputColumn>& input);
  expr::ExprPtr native_call(const duckdb::BoundFunctionExpression& bound, const std::vector<plan::OutputColumn>& input);
  expr::ExprPtr foreign(const duckdb::Expression& bound, const std::vector<plan::OutputColumn>& input);

  duckdb::ClientContext& context_;
  const QueryFacts& facts_;
  std::vector<std::string> inputs_;
  std::map<std::string, std::shared_ptr<const Object>> objects_;  // by name, those scanned
  std::map<duckdb::idx_t, duckdb::LogicalOperator*> ctes_;
  std::vector<duckdb::LogicalComparisonJoin*> delim_joins_;  // whose right side is being translated, the innermost last
  std::optional<int64_t> retention_us_;
  bool used_retention_ = false;
  bool sort_allowed_ = false;
};

class ColumnSet {
 public:
  ColumnSet(Translator& translator, const plan::Node& input) : translator_(translator), input_(input) {}

  // The position of the column that holds `bound`.
  uint32_t add(const duckdb::Expression& bound);
  // The position of the input's column `column`.
  uint32_t add_column(uint32_t column);
  // Every column of the input, first and in order.
  void add_all();
  // Puts the columns on top of `input`: a projection, or nothing when they are the input's own in order.
  plan::NodePtr apply(plan::NodePtr input) const;
  size_t size() const { return expressions_.size(); }
  const std::string& name(uint32_t position) const { return names_[position]; }

 private:
  Translator& translator_;
  const plan::Node& input_;
  std::vector<expr::ExprPtr> expressions_;
  std::vector<std::string> names_;
  std::vector<duckdb::unique_ptr<duckdb::Expression>> bound_;  // parallel, null for add_column()
};

// Fills in what is proven of a node whose inputs have it already: column properties, append_only, key, state bound.
plan::NodePtr finished(plan::NodePtr node);
// The event time `time` as a TIMESTAMP: that column, or one more of the node where it is in another form.
uint32_t as_timestamp(plan::NodePtr& node, uint32_t time);
// A projection of the input's columns by position, under new names where given.
plan::NodePtr project_columns(plan::NodePtr input, const std::vector<uint32_t>& columns);
// The name of an output: its alias, else its text with the names of the input's columns.
std::string output_name(const duckdb::Expression& bound, const expr::Expr& expression,
                        const std::vector<plan::OutputColumn>& input);
// The event time of the node's rows as one of its columns, carried up from the scan where projections have dropped it.
// New columns go to the end, so positions stay.
std::optional<uint32_t> provide_time_column(plan::Node& node, const std::map<std::string, std::shared_ptr<const Object>>& objects);
// Whether the node has one row at most for each value of the columns `key`.
bool at_most_one(const plan::Node& node, const std::vector<uint32_t>& key);
plan::SortKey sort_key(uint32_t column, const duckdb::BoundOrderByNode& order);

}  // namespace laminar::sql
