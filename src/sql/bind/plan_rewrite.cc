#include "sql/bind/plan_rewrite.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "plan/properties.h"

namespace laminar::sql {

using expr::Expr;
using expr::ExprKind;
using expr::ExprPtr;
using plan::AggregateNode;
using plan::Node;
using plan::NodeKind;
using plan::NodePtr;
using plan::OutputColumn;
using GroupKind = AggregateNode::GroupOutput::Kind;

ExprPtr substitute(const ExprPtr& expression, const std::vector<ExprPtr>& columns) {
  if (expression->kind == ExprKind::kColumn) return columns.at(expression->column);
  if (expression->args.empty()) return expression;
  auto copy = std::make_shared<Expr>(*expression);
  for (ExprPtr& arg : copy->args) arg = substitute(arg, columns);
  return copy;
}

namespace {

std::vector<ExprPtr> identity_columns(const Node& node) {
  std::vector<ExprPtr> columns;
  for (uint32_t i = 0; i < node.columns.size(); i++) {
    columns.push_back(expr::column_ref(i, node.columns[i].type, node.columns[i].name));
  }
  return columns;
}

std::vector<bool> columns_of(const Expr& expression, size_t width) {
  std::vector<bool> used(width, false);
  expr::collect_columns(expression, used);
  used.resize(std::max(used.size(), width), false);
  return used;
}

bool reads_from(const Expr& expression, size_t first, size_t width) {
  const std::vector<bool> used = columns_of(expression, width);
  return std::find(used.begin() + static_cast<std::ptrdiff_t>(first), used.end(), true) != used.end();
}

void split_conjunction(const ExprPtr& predicate, std::vector<ExprPtr>& terms) {
  if (predicate->kind == ExprKind::kCall && predicate->op == expr::Op::kAnd) {
    for (const ExprPtr& arg : predicate->args) split_conjunction(arg, terms);
  } else {
    terms.push_back(predicate);
  }
}

NodePtr filtered(NodePtr input, std::vector<ExprPtr> terms) {
  if (terms.empty()) return input;
  auto filter = std::make_unique<plan::FilterNode>();
  filter->columns = input->columns;
  filter->offset = terms[0]->offset;
  filter->predicate = terms.size() == 1
                          ? terms[0]
                          : expr::call(expr::Op::kAnd, data::Type::of(data::TypeKind::kBoolean), std::move(terms));
  filter->inputs.push_back(std::move(input));
  return filter;
}

// Calls `visit` with each input column that the aggregate uses besides its groups.
template <class Visit>
void visit_call_columns(AggregateNode& aggregate, Visit visit) {
  for (plan::AggregateCall& call : aggregate.aggregates) {
    for (uint32_t& arg : call.args) visit(arg);
    if (call.filter) visit(*call.filter);
    for (plan::SortKey& key : call.order_by) visit(key.column);
  }
}

// Columns of the aggregate's new input, each expression once.
class InputColumns {
 public:
  explicit InputColumns(const std::vector<OutputColumn>& names) : names_(names) {}
  uint32_t add(const ExprPtr& expression, const std::string& name) {
    for (uint32_t i = 0; i < expressions.size(); i++) {
      const Expr& other = *expressions[i];
      if (&other == expression.get() || (other.kind == ExprKind::kColumn && expression->kind == ExprKind::kColumn &&
                                         other.column == expression->column)) {
        return i;
      }
    }
    expressions.push_back(expression);
    columns.push_back({expression->kind == ExprKind::kColumn ? names_[expression->column].name : name, expression->type,
                       std::nullopt});
    return static_cast<uint32_t>(expressions.size() - 1);
  }
  std::vector<ExprPtr> expressions;
  std::vector<OutputColumn> columns;

 private:
  const std::vector<OutputColumn>& names_;
};

}  // namespace

NodePtr fuse_window(std::unique_ptr<AggregateNode> aggregate) {
  // Everything between, as expressions and conditions over the columns of the WindowAssign.
  Node* below = aggregate->inputs[0].get();
  std::vector<ExprPtr> columns = identity_columns(*below);
  std::vector<ExprPtr> terms;
  while (below->kind == NodeKind::kProject || below->kind == NodeKind::kFilter) {
    if (below->kind == NodeKind::kProject) {
      const auto& expressions = static_cast<plan::ProjectNode*>(below)->expressions;
      for (ExprPtr& column : columns) column = substitute(column, expressions);
      for (ExprPtr& term : terms) term = substitute(term, expressions);
    } else {
      split_conjunction(static_cast<plan::FilterNode*>(below)->predicate, terms);
    }
    below = below->inputs[0].get();
  }
  if (below->kind != NodeKind::kWindowAssign) return aggregate;
  auto* assign = static_cast<plan::WindowAssignNode*>(below);
  const size_t width = assign->inputs[0]->columns.size();
  const uint32_t start = static_cast<uint32_t>(width), end = start + 1;
  const auto is_column = [](const Expr& expression, uint32_t column) {
    return expression.kind == ExprKind::kColumn && expression.column == column;
  };
  const auto reads_window = [&](const Expr& expression) { return reads_from(expression, width, width + 2); };

  bool has_start = false, has_end = false;
  for (const auto& group : aggregate->groups) {
    const Expr& expression = *columns[group.column];
    has_start |= is_column(expression, start);
    has_end |= is_column(expression, end);
    if (reads_window(expression) && expression.kind != ExprKind::kColumn) return aggregate;
  }
  // The window's columns must tell its windows apart: those of CUMULATE share their start.
  if (!has_end && !(has_start && assign->window.kind != plan::WindowKind::kCumulate)) return aggregate;
  bool calls_read_window = false;
  visit_call_columns(*aggregate, [&](uint32_t column) { calls_read_window |= reads_window(*columns[column]); });
  if (calls_read_window) return aggregate;

  // Conditions on the window go above; what else they read must be a key.
  std::vector<ExprPtr> inner, outer;
  for (const ExprPtr& term : terms) {
    if (!reads_window(*term)) {
      inner.push_back(term);
      continue;
    }
    const std::vector<bool> used = columns_of(*term, width + 2);
    for (uint32_t column = 0; column < width; column++) {
      if (!used[column]) continue;
      const bool is_key = std::any_of(aggregate->groups.begin(), aggregate->groups.end(),
                                      [&](const auto& group) { return is_column(*columns[group.column], column); });
      if (!is_key) return aggregate;
    }
    outer.push_back(term);
  }

  NodePtr input = std::move(assign->inputs[0]);
  InputColumns wanted(input->columns);
  const std::vector<OutputColumn> old_columns = aggregate->inputs[0]->columns;
  const size_t groups_before = aggregate->groups.size();
  for (auto& group : aggregate->groups) {
    const ExprPtr& expression = columns[group.column];
    if (is_column(*expression, start)) {
      group = {GroupKind::kWindowStart, 0};
    } else if (is_column(*expression, end)) {
      group = {GroupKind::kWindowEnd, 0};
    } else {
      group.column = wanted.add(expression, old_columns[group.column].name);
    }
  }
  visit_call_columns(*aggregate,
                     [&](uint32_t& column) { column = wanted.add(columns[column], old_columns[column].name); });
  aggregate->window = assign->window;
  aggregate->window->time_column =
      wanted.add(identity_columns(*input)[assign->window.time_column], input->columns[assign->window.time_column].name);
  if (aggregate->offset < 0) aggregate->offset = assign->offset;

  // A condition may read a window column that is no group: a group more, which the projection above drops.
  std::vector<ExprPtr> positions(width + 2);
  const auto provide = [&](uint32_t column, GroupKind kind, const char* name) {
    const bool read = std::any_of(outer.begin(), outer.end(),
                                  [&](const ExprPtr& term) -> bool { return columns_of(*term, width + 2)[column]; });
    const auto found = std::find_if(aggregate->groups.begin(), aggregate->groups.end(),
                                    [&](const auto& group) { return group.kind == kind; });
    uint32_t at = static_cast<uint32_t>(found - aggregate->groups.begin());
    if (found == aggregate->groups.end()) {
      if (!read) return;
      aggregate->groups.push_back({kind, 0});
      aggregate->columns.insert(aggregate->columns.begin() + at,
                                {name, assign->columns[column].type, std::nullopt});
    }
    positions[column] = expr::column_ref(at, aggregate->columns[at].type, aggregate->columns[at].name);
  };
  provide(start, GroupKind::kWindowStart, "window_start");
  provide(end, GroupKind::kWindowEnd, "window_end");
  for (uint32_t i = 0; i < groups_before; i++) {
    if (aggregate->groups[i].kind != GroupKind::kKey) continue;
    const Expr& expression = *wanted.expressions[aggregate->groups[i].column];
    if (expression.kind == ExprKind::kColumn) {
      positions[expression.column] = expr::column_ref(i, aggregate->columns[i].type, aggregate->columns[i].name);
    }
  }
  for (ExprPtr& term : outer) term = substitute(term, positions);

  input = filtered(std::move(input), std::move(inner));
  auto project = std::make_unique<plan::ProjectNode>();
  project->expressions = std::move(wanted.expressions);
  project->columns = std::move(wanted.columns);
  project->inputs.push_back(std::move(input));
  aggregate->inputs[0] = std::move(project);

  const size_t added = aggregate->groups.size() - groups_before;
  const std::vector<OutputColumn> with_added = aggregate->columns;
  NodePtr result = filtered(std::move(aggregate), std::move(outer));
  if (added > 0) {
    auto drop = std::make_unique<plan::ProjectNode>();
    for (uint32_t i = 0; i < with_added.size(); i++) {
      if (i >= groups_before && i < groups_before + added) continue;
      drop->expressions.push_back(expr::column_ref(i, with_added[i].type, with_added[i].name));
      drop->columns.push_back(with_added[i]);
    }
    drop->inputs.push_back(std::move(result));
    result = std::move(drop);
  }
  plan::derive_properties(*result);
  return result;
}

namespace {

constexpr uint32_t kDropped = UINT32_MAX;
using ColumnMap = std::vector<uint32_t>;

ColumnMap prune(NodePtr& node, std::vector<bool> needed);

ColumnMap keep_of(const std::vector<bool>& needed) {
  ColumnMap map(needed.size(), kDropped);
  uint32_t next = 0;
  for (size_t i = 0; i < needed.size(); i++) {
    if (needed[i]) map[i] = next++;
  }
  return map;
}

template <class T>
void keep(std::vector<T>& items, const std::vector<bool>& needed) {
  std::vector<T> kept;
  for (size_t i = 0; i < items.size(); i++) {
    if (needed[i]) kept.push_back(std::move(items[i]));
  }
  items = std::move(kept);
}

// A relation has at least one column: rows without any have no batch.
void keep_one(std::vector<bool>& needed) {
  if (!needed.empty() && std::find(needed.begin(), needed.end(), true) == needed.end()) needed[0] = true;
}

void remap_all_or_none(std::vector<uint32_t>& columns, const ColumnMap& map) {
  for (uint32_t& column : columns) column = map[column];
  if (std::find(columns.begin(), columns.end(), kDropped) != columns.end()) columns.clear();
}

ColumnMap prune_scan(plan::ScanNode& scan, std::vector<bool> needed) {
  keep_one(needed);
  const ColumnMap map = keep_of(needed);
  keep(scan.columns, needed);
  keep(scan.source_columns, needed);
  remap_all_or_none(scan.key, map);
  remap_all_or_none(scan.time_key, map);
  return map;
}

ColumnMap prune_project(plan::ProjectNode& project, std::vector<bool> needed) {
  keep_one(needed);
  const ColumnMap map = keep_of(needed);
  keep(project.columns, needed);
  keep(project.expressions, needed);
  std::vector<bool> below(project.inputs[0]->columns.size(), false);
  for (const ExprPtr& expression : project.expressions) expr::collect_columns(*expression, below);
  const ColumnMap inner = prune(project.inputs[0], std::move(below));
  for (ExprPtr& expression : project.expressions) expression = expr::remap_columns(expression, inner);
  return map;
}

ColumnMap prune_union(plan::UnionAllNode& node, std::vector<bool> needed) {
  keep_one(needed);
  const ColumnMap map = keep_of(needed);
  keep(node.columns, needed);
  for (NodePtr& input : node.inputs) {
    const ColumnMap inner = prune(input, needed);
    // All sides must give the same columns, whatever else they still carry.
    auto project = std::make_unique<plan::ProjectNode>();
    for (size_t i = 0; i < needed.size(); i++) {
      if (!needed[i]) continue;
      const OutputColumn& column = input->columns[inner[i]];
      project->expressions.push_back(expr::column_ref(inner[i], column.type, column.name));
      project->columns.push_back({column.name, column.type, std::nullopt});
    }
    const bool exact = project->columns.size() == input->columns.size();
    if (exact) continue;
    project->inputs.push_back(std::move(input));
    input = std::move(project);
  }
  return map;
}

ColumnMap prune_window_assign(plan::WindowAssignNode& node, std::vector<bool> needed) {
  const size_t width = node.inputs[0]->columns.size();
  std::vector<bool> below(needed.begin(), needed.begin() + static_cast<std::ptrdiff_t>(width));
  below[node.window.time_column] = true;
  ColumnMap map = prune(node.inputs[0], below);
  const uint32_t kept = static_cast<uint32_t>(node.inputs[0]->columns.size());
  node.window.time_column = map[node.window.time_column];
  std::vector<OutputColumn> columns = node.inputs[0]->columns;
  columns.push_back(node.columns[width]);
  columns.push_back(node.columns[width + 1]);
  node.columns = std::move(columns);
  map.push_back(kept);
  map.push_back(kept + 1);
  return map;
}

ColumnMap prune_sort(plan::SortNode& node, std::vector<bool> needed) {
  needed[node.time_column] = true;
  const ColumnMap map = prune(node.inputs[0], std::move(needed));
  node.time_column = map[node.time_column];
  node.columns = node.inputs[0]->columns;
  return map;
}

ColumnMap prune_aggregate(AggregateNode& node) {
  std::vector<bool> below(node.inputs[0]->columns.size(), false);
  for (const auto& group : node.groups) {
    if (group.kind == GroupKind::kKey) below[group.column] = true;
  }
  if (node.window) below[node.window->time_column] = true;
  visit_call_columns(node, [&](uint32_t column) { below[column] = true; });
  const ColumnMap inner = prune(node.inputs[0], std::move(below));
  for (auto& group : node.groups) {
    if (group.kind == GroupKind::kKey) group.column = inner[group.column];
  }
  if (node.window) node.window->time_column = inner[node.window->time_column];
  visit_call_columns(node, [&](uint32_t& column) { column = inner[column]; });
  return keep_of(std::vector<bool>(node.columns.size(), true));
}

ColumnMap prune_top_n(plan::TopNNode& node, std::vector<bool> needed) {
  const size_t width = node.inputs[0]->columns.size();
  std::vector<bool> below(needed.begin(), needed.begin() + static_cast<std::ptrdiff_t>(width));
  for (const uint32_t column : node.partition) below[column] = true;
  for (const plan::SortKey& key : node.order_by) below[key.column] = true;
  ColumnMap map = prune(node.inputs[0], std::move(below));
  for (uint32_t& column : node.partition) column = map[column];
  for (plan::SortKey& key : node.order_by) key.column = map[key.column];
  if (node.time_partition) node.time_partition = map[*node.time_partition];
  std::vector<OutputColumn> columns = node.inputs[0]->columns;
  if (node.output_rank) {
    const bool wanted = needed[width];
    map.push_back(wanted ? static_cast<uint32_t>(columns.size()) : kDropped);
    if (wanted) columns.push_back(node.columns[width]);
    node.output_rank = wanted;
  }
  node.columns = std::move(columns);
  return map;
}

ColumnMap prune_join(plan::JoinNode& node, const std::vector<bool>& needed) {
  const size_t width = node.inputs[0]->columns.size(), right_width = node.inputs[1]->columns.size();
  std::vector<bool> used = needed;
  used.resize(width + right_width, false);
  if (node.residual) expr::collect_columns(*node.residual, used);
  for (const plan::JoinNode::Key& key : node.keys) used[key.left] = used[width + key.right] = true;
  if (node.time) used[node.time->left] = used[width + node.time->right] = true;
  if (node.retention && node.retention->left) used[*node.retention->left] = true;
  if (node.retention && node.retention->right) used[width + *node.retention->right] = true;
  const auto middle = used.begin() + static_cast<std::ptrdiff_t>(width);
  ColumnMap map = prune(node.inputs[0], std::vector<bool>(used.begin(), middle));
  const ColumnMap right_map = prune(node.inputs[1], std::vector<bool>(middle, used.end()));
  for (plan::JoinNode::Key& key : node.keys) {
    key.left = map[key.left];
    key.right = right_map[key.right];
  }
  if (node.time) {
    node.time->left = map[node.time->left];
    node.time->right = right_map[node.time->right];
  }
  if (node.retention && node.retention->left) node.retention->left = map[*node.retention->left];
  if (node.retention && node.retention->right) node.retention->right = right_map[*node.retention->right];
  const uint32_t kept = static_cast<uint32_t>(node.inputs[0]->columns.size());
  for (const uint32_t column : right_map) map.push_back(column == kDropped ? kDropped : kept + column);
  if (node.residual) node.residual = expr::remap_columns(node.residual, map);
  node.columns = node.inputs[0]->columns;
  if (node.pairs()) {
    node.columns.insert(node.columns.end(), node.inputs[1]->columns.begin(), node.inputs[1]->columns.end());
  } else {
    map.resize(width);
  }
  return map;
}

ColumnMap prune_asof(plan::AsofNode& node, const std::vector<bool>& needed) {
  const size_t width = node.inputs[0]->columns.size(), right_width = node.inputs[1]->columns.size();
  std::vector<bool> used = needed;
  used.resize(width + right_width, false);
  for (const plan::JoinNode::Key& key : node.keys) used[key.left] = used[width + key.right] = true;
  const bool current = node.versions == plan::AsofNode::Versions::kCurrent;
  if (!current) used[node.left_time] = used[node.left_probe] = true;
  if (node.right_has_time()) used[width + node.right_time] = true;
  if (node.left_condition) used[*node.left_condition] = true;
  // A side that keeps no column at all would have no rows.
  const auto middle = used.begin() + static_cast<std::ptrdiff_t>(width);
  std::vector<bool> left_used(used.begin(), middle), right_used(middle, used.end());
  keep_one(left_used);
  keep_one(right_used);
  ColumnMap map = prune(node.inputs[0], std::move(left_used));
  const ColumnMap right_map = prune(node.inputs[1], std::move(right_used));
  for (plan::JoinNode::Key& key : node.keys) {
    key.left = map[key.left];
    key.right = right_map[key.right];
  }
  if (!current) {
    node.left_time = map[node.left_time];
    node.left_probe = map[node.left_probe];
  }
  if (node.right_has_time()) node.right_time = right_map[node.right_time];
  if (node.left_condition) node.left_condition = map[*node.left_condition];
  const uint32_t kept = static_cast<uint32_t>(node.inputs[0]->columns.size());
  for (const uint32_t column : right_map) map.push_back(column == kDropped ? kDropped : kept + column);
  node.columns = node.inputs[0]->columns;
  node.columns.insert(node.columns.end(), node.inputs[1]->columns.begin(), node.inputs[1]->columns.end());
  return map;
}

ColumnMap prune_horizon(plan::HorizonNode& node, std::vector<bool> needed) {
  needed.pop_back();
  keep_one(needed);
  ColumnMap map = prune(node.inputs[0], std::move(needed));
  OutputColumn offset = std::move(node.columns.back());
  node.columns = node.inputs[0]->columns;
  map.push_back(static_cast<uint32_t>(node.columns.size()));
  node.columns.push_back(std::move(offset));
  return map;
}

ColumnMap prune_lookup_join(plan::LookupJoinNode& node, const std::vector<bool>& needed) {
  const size_t width = node.inputs[0]->columns.size(), lookup_width = node.source_columns.size();
  std::vector<bool> used = needed;
  used.resize(width + lookup_width, false);
  if (node.residual) expr::collect_columns(*node.residual, used);
  for (const plan::LookupJoinNode::Key& key : node.keys) used[key.left] = true;
  const auto middle = used.begin() + static_cast<std::ptrdiff_t>(width);
  ColumnMap map = prune(node.inputs[0], std::vector<bool>(used.begin(), middle));
  for (plan::LookupJoinNode::Key& key : node.keys) key.left = map[key.left];
  std::vector<OutputColumn> columns = node.inputs[0]->columns;
  std::vector<uint32_t> source_columns;
  for (size_t i = 0; i < lookup_width; ++i) {
    map.push_back(used[width + i] ? static_cast<uint32_t>(columns.size()) : kDropped);
    if (!used[width + i]) continue;
    columns.push_back(node.columns[width + i]);
    source_columns.push_back(node.source_columns[i]);
  }
  node.columns = std::move(columns);
  node.source_columns = std::move(source_columns);
  if (node.residual) node.residual = expr::remap_columns(node.residual, map);
  return map;
}

// Where each old column has gone; columns that are needed are never dropped, others may stay.
ColumnMap prune(NodePtr& node, std::vector<bool> needed) {
  switch (node->kind) {
    case NodeKind::kScan:
      return prune_scan(static_cast<plan::ScanNode&>(*node), std::move(needed));
    case NodeKind::kProject:
      return prune_project(static_cast<plan::ProjectNode&>(*node), std::move(needed));
    case NodeKind::kUnionAll:
      return prune_union(static_cast<plan::UnionAllNode&>(*node), std::move(needed));
    case NodeKind::kWindowAssign:
      return prune_window_assign(static_cast<plan::WindowAssignNode&>(*node), std::move(needed));
    case NodeKind::kAggregate:
      return prune_aggregate(static_cast<AggregateNode&>(*node));
    case NodeKind::kTopN:
      return prune_top_n(static_cast<plan::TopNNode&>(*node), std::move(needed));
    case NodeKind::kSort:
      return prune_sort(static_cast<plan::SortNode&>(*node), std::move(needed));
    case NodeKind::kJoin:
      return prune_join(static_cast<plan::JoinNode&>(*node), needed);
    case NodeKind::kAsof:
      return prune_asof(static_cast<plan::AsofNode&>(*node), needed);
    case NodeKind::kHorizon:
      return prune_horizon(static_cast<plan::HorizonNode&>(*node), std::move(needed));
    case NodeKind::kLookupJoin:
      return prune_lookup_join(static_cast<plan::LookupJoinNode&>(*node), needed);
    case NodeKind::kFilter: {
      auto& filter = static_cast<plan::FilterNode&>(*node);
      expr::collect_columns(*filter.predicate, needed);
      const ColumnMap map = prune(filter.inputs[0], std::move(needed));
      filter.predicate = expr::remap_columns(filter.predicate, map);
      filter.columns = filter.inputs[0]->columns;
      return map;
    }
    case NodeKind::kValues: {
      auto& values = static_cast<plan::ValuesNode&>(*node);
      keep_one(needed);
      keep(values.columns, needed);
      for (auto& row : values.rows) keep(row, needed);
      return keep_of(needed);
    }
    case NodeKind::kDistinctOn:
      break;
  }
  CHECK(false);
}

bool is_trivial(const Expr& expression) {
  return expression.kind == ExprKind::kColumn || expression.kind == ExprKind::kConstant;
}

void count_uses(const Expr& expression, std::vector<int>& uses) {
  if (expression.kind == ExprKind::kColumn) uses[expression.column]++;
  for (const ExprPtr& arg : expression.args) count_uses(*arg, uses);
}

// Two projections become one where nothing would be computed twice.
void merge_projections(NodePtr& node) {
  while (node->kind == NodeKind::kProject && node->inputs[0]->kind == NodeKind::kProject) {
    auto& outer = static_cast<plan::ProjectNode&>(*node);
    auto& inner = static_cast<plan::ProjectNode&>(*outer.inputs[0]);
    std::vector<int> uses(inner.expressions.size(), 0);
    for (const ExprPtr& expression : outer.expressions) count_uses(*expression, uses);
    bool twice = false;
    for (size_t i = 0; i < uses.size(); i++) twice |= uses[i] > 1 && !is_trivial(*inner.expressions[i]);
    if (twice) break;
    for (ExprPtr& expression : outer.expressions) expression = substitute(expression, inner.expressions);
    NodePtr below = std::move(inner.inputs[0]);
    outer.inputs[0] = std::move(below);
  }
  for (NodePtr& input : node->inputs) merge_projections(input);
}

// A projection that changes nothing, or only names which the node below can take over.
void drop_identities(NodePtr& node) {
  for (NodePtr& input : node->inputs) drop_identities(input);
  if (node->kind != NodeKind::kProject) return;
  auto& project = static_cast<plan::ProjectNode&>(*node);
  Node& below = *project.inputs[0];
  if (project.expressions.size() != below.columns.size()) return;
  bool renames = false;
  for (uint32_t i = 0; i < project.expressions.size(); i++) {
    if (project.expressions[i]->kind != ExprKind::kColumn || project.expressions[i]->column != i) return;
    renames |= project.columns[i].name != below.columns[i].name;
  }
  // The names of a scan are those of its object.
  if (renames && below.kind == NodeKind::kScan) return;
  for (uint32_t i = 0; i < below.columns.size(); i++) below.columns[i].name = project.columns[i].name;
  NodePtr kept = std::move(project.inputs[0]);
  node = std::move(kept);
}

// Filter over Filter is one.
void merge_filters(NodePtr& node) {
  for (NodePtr& input : node->inputs) merge_filters(input);
  if (node->kind != NodeKind::kFilter || node->inputs[0]->kind != NodeKind::kFilter) return;
  std::vector<ExprPtr> terms;
  split_conjunction(static_cast<plan::FilterNode&>(*node->inputs[0]).predicate, terms);
  split_conjunction(static_cast<plan::FilterNode&>(*node).predicate, terms);
  NodePtr below = std::move(node->inputs[0]->inputs[0]);
  node = filtered(std::move(below), std::move(terms));
}

// A projection that picks columns of a scan in another order: the scan can read them so.
bool absorb_into_scan(NodePtr& node) {
  auto& project = static_cast<plan::ProjectNode&>(*node);
  auto& scan = static_cast<plan::ScanNode&>(*project.inputs[0]);
  std::vector<uint32_t> source_columns;
  std::vector<OutputColumn> columns;
  ColumnMap moved(scan.columns.size(), kDropped);
  for (uint32_t i = 0; i < project.expressions.size(); i++) {
    const Expr& expression = *project.expressions[i];
    if (expression.kind != ExprKind::kColumn || moved[expression.column] != kDropped ||
        project.columns[i].name != scan.columns[expression.column].name) {
      return false;
    }
    moved[expression.column] = i;
    source_columns.push_back(scan.source_columns[expression.column]);
    columns.push_back(scan.columns[expression.column]);
  }
  remap_all_or_none(scan.key, moved);
  remap_all_or_none(scan.time_key, moved);
  scan.source_columns = std::move(source_columns);
  scan.columns = std::move(columns);
  NodePtr kept = std::move(project.inputs[0]);
  node = std::move(kept);
  return true;
}

// A projection that picks columns of an aggregate, groups first: the aggregate can give them so. All its keys must
// stay, and of a window's columns one that tells its windows apart.
bool absorb_into_aggregate(NodePtr& node) {
  auto& project = static_cast<plan::ProjectNode&>(*node);
  auto& aggregate = static_cast<AggregateNode&>(*project.inputs[0]);
  const uint32_t groups = static_cast<uint32_t>(aggregate.groups.size());
  std::vector<AggregateNode::GroupOutput> new_groups;
  std::vector<plan::AggregateCall> new_calls;
  std::vector<bool> taken(aggregate.columns.size(), false);
  for (const ExprPtr& expression : project.expressions) {
    if (expression->kind != ExprKind::kColumn || taken[expression->column]) return false;
    taken[expression->column] = true;
    if (expression->column < groups) {
      if (!new_calls.empty()) return false;
      new_groups.push_back(aggregate.groups[expression->column]);
    } else {
      new_calls.push_back(aggregate.aggregates[expression->column - groups]);
    }
  }
  bool apart = !aggregate.window.has_value();
  for (uint32_t i = 0; i < groups; i++) {
    const GroupKind kind = aggregate.groups[i].kind;
    if (kind == GroupKind::kKey && !taken[i]) return false;
    if (taken[i] && (kind == GroupKind::kWindowEnd ||
                     (kind == GroupKind::kWindowStart && aggregate.window->kind != plan::WindowKind::kCumulate))) {
      apart = true;
    }
  }
  if (!apart || (new_groups.empty() && new_calls.empty())) return false;
  if (aggregate.time_group) {
    for (uint32_t i = 0; i < new_groups.size(); i++) {
      if (project.expressions[i]->column == *aggregate.time_group) {
        aggregate.time_group = i;
        break;
      }
    }
  }
  aggregate.groups = std::move(new_groups);
  aggregate.aggregates = std::move(new_calls);
  aggregate.columns = project.columns;
  NodePtr kept = std::move(project.inputs[0]);
  node = std::move(kept);
  return true;
}

void absorb_projections(NodePtr& node) {
  if (node->kind == NodeKind::kProject) {
    const NodeKind below = node->inputs[0]->kind;
    if (below == NodeKind::kScan) absorb_into_scan(node);
    if (below == NodeKind::kAggregate) absorb_into_aggregate(node);
  }
  for (NodePtr& input : node->inputs) absorb_projections(input);
}

}  // namespace

NodePtr simplify(NodePtr root) {
  const size_t width = root->columns.size();
  merge_projections(root);
  const ColumnMap map = prune(root, std::vector<bool>(width, true));
  for (uint32_t i = 0; i < width; i++) CHECK(map[i] == i);
  merge_projections(root);
  merge_filters(root);
  drop_identities(root);
  absorb_projections(root);
  plan::derive_properties(*root);
  return root;
}

}  // namespace laminar::sql
