#include <string>
#include <vector>

#include "base/check.h"
#include "plan/distribution.h"
#include "plan/node.h"
#include "plan/time_zone.h"

namespace laminar::plan {

namespace {

struct Unit {
  int64_t us;
  const char* text;
};
constexpr Unit kUnits[] = {{86'400'000'000, "d"}, {3'600'000'000, "h"}, {60'000'000, "m"}, {1'000'000, "s"}, {1'000, "ms"}, {1, "us"}};

std::string bytes_text(uint64_t bytes) {
  for (const auto& [size, unit] : {std::pair{1'000'000'000ull, " GB"}, {1'000'000ull, " MB"}, {1'000ull, " kB"}}) {
    if (bytes % size == 0) return std::to_string(bytes / size) + unit;
  }
  return std::to_string(bytes) + " bytes";
}

std::vector<std::string> names_of(const Node& node) {
  std::vector<std::string> names;
  for (const OutputColumn& column : node.columns) names.push_back(column.name);
  return names;
}

std::string list_text(const std::vector<std::string>& items) {
  std::string text = "[";
  for (size_t i = 0; i < items.size(); ++i) text += (i ? ", " : "") + items[i];
  return text + "]";
}

std::string columns_text(const std::vector<uint32_t>& columns, const Node& node) {
  std::vector<std::string> items;
  for (const uint32_t column : columns) items.push_back(node.columns[column].name);
  return list_text(items);
}

std::string order_text(const std::vector<SortKey>& order, const Node& input) {
  std::vector<std::string> items;
  for (const SortKey& key : order) {
    std::string item = input.columns[key.column].name;
    if (key.descending) item += " DESC";
    if (key.nulls_first) item += " NULLS FIRST";
    items.push_back(std::move(item));
  }
  return list_text(items);
}

std::string window_text(const WindowSpec& window, const Node& input) {
  const auto length = [&window](int64_t us) {
    if (!window.zone || !window.zone->months()) return duration_text(us);
    const int64_t months = us / kCalendarMonthUs;
    return std::to_string(months) + (months == 1 ? " month" : " months");
  };
  std::string text = std::string(to_text(window.kind)) + "(" + input.columns[window.time_column].name;
  switch (window.kind) {
    case WindowKind::kTumble: text += ", size " + length(window.size_us); break;
    case WindowKind::kHop: text += ", slide " + length(window.slide_us) + ", size " + length(window.size_us); break;
    case WindowKind::kCumulate: text += ", step " + length(window.slide_us) + ", size " + length(window.size_us); break;
    case WindowKind::kSession: text += ", gap " + duration_text(window.gap_us); break;
  }
  if (window.offset_us != 0) text += ", offset " + length(window.offset_us);
  if (window.zone && !window.zone->name().empty()) text += ", timezone " + window.zone->name();
  return text + ")";
}

std::string policy_text(EmitPolicy emit, int64_t lateness_us) {
  std::string text;
  if (emit == EmitPolicy::kOnWindowClose) text = " emit=on close";
  if (emit == EmitPolicy::kAfterWatermark) text = " emit=after watermark";
  if (lateness_us != 0) text += " lateness=" + duration_text(lateness_us);
  return text;
}

// A copy in which what DuckDB evaluates says so.
expr::ExprPtr with_foreign_marked(const expr::ExprPtr& expr) {
  auto copy = std::make_shared<expr::Expr>(*expr);
  if (copy->kind == expr::ExprKind::kForeign && !copy->text.empty()) copy->text = "duckdb(" + copy->text + ")";
  for (expr::ExprPtr& arg : copy->args) arg = with_foreign_marked(arg);
  return copy;
}

std::string expression_text(const expr::ExprPtr& expr, const std::vector<std::string>& names) {
  std::string text = expr::to_text(*with_foreign_marked(expr), &names);
  // An operator stands in parentheses of its own.
  if (expr->kind == expr::ExprKind::kCall && text.front() == '(') text = text.substr(1, text.size() - 2);
  return text;
}

std::string scan_text(const ScanNode& node) {
  std::string text = "Scan " + node.object + " " + list_text(names_of(node));
  return text;
}

std::string project_text(const ProjectNode& node) {
  const std::vector<std::string> names = names_of(*node.inputs[0]);
  std::vector<std::string> items;
  for (size_t i = 0; i < node.expressions.size(); ++i) {
    std::string item = expression_text(node.expressions[i], names);
    if (item != node.columns[i].name) item += " AS " + node.columns[i].name;
    items.push_back(std::move(item));
  }
  return "Project " + list_text(items);
}

std::string call_text(const AggregateCall& call, const Node& input) {
  std::string text = call.text;
  if (text.empty()) {
    text = std::string(to_text(call.kind)) + "(" + (call.distinct ? "DISTINCT " : "");
    for (size_t i = 0; i < call.args.size(); ++i) text += (i ? ", " : "") + input.columns[call.args[i]].name;
    if (call.kind == AggregateKind::kCountStar) text += "*";
    if (!call.order_by.empty()) {
      const std::string order = order_text(call.order_by, input);
      text += " ORDER BY " + order.substr(1, order.size() - 2);
    }
    text += ")";
    if (call.filter) text += " FILTER (WHERE " + input.columns[*call.filter].name + ")";
  }
  return call.kind == AggregateKind::kForeign ? "duckdb(" + text + ")" : text;
}

std::string aggregate_text(const AggregateNode& node) {
  const Node& input = *node.inputs[0];
  std::string text = "Aggregate";
  if (node.window) text += " window=" + window_text(*node.window, input);
  std::vector<std::string> keys, calls;
  for (const AggregateNode::GroupOutput& group : node.groups) {
    if (group.kind == AggregateNode::GroupOutput::Kind::kKey) keys.push_back(input.columns[group.column].name);
  }
  if (!keys.empty()) text += " keys=" + list_text(keys);
  for (size_t i = 0; i < node.aggregates.size(); ++i) {
    std::string call = call_text(node.aggregates[i], input);
    const std::string& name = node.columns[node.groups.size() + i].name;
    if (call != name) call += " AS " + name;
    calls.push_back(std::move(call));
  }
  if (!calls.empty()) text += " calls=" + list_text(calls);
  if (!node.close_key.empty()) text += " close=watermark per key " + columns_text(node.close_key, input);
  if (node.time_group) text += " complete=below watermark of " + node.columns[*node.time_group].name;
  return text + policy_text(node.emit, node.lateness_us);
}

std::string top_n_text(const TopNNode& node) {
  const Node& input = *node.inputs[0];
  std::string text = "TopN";
  if (!node.partition.empty()) text += " partition=" + columns_text(node.partition, input);
  if (!node.order_by.empty()) text += " order=" + order_text(node.order_by, input);
  text += " limit=" + std::to_string(node.limit);
  if (node.offset_rows != 0) text += " offset=" + std::to_string(node.offset_rows);
  switch (node.rank) {
    case TopNNode::Rank::kRowNumber: text += " row_number"; break;
    case TopNNode::Rank::kRank: text += " rank"; break;
    case TopNNode::Rank::kDenseRank: text += " dense_rank"; break;
  }
  if (node.output_rank) text += " AS " + node.columns.back().name;
  if (node.time_partition) text += " complete=below watermark of " + input.columns[*node.time_partition].name;
  return text + policy_text(node.emit, 0);
}

// The columns of both sides; names that both have say whose they are.
std::vector<std::string> qualified_names(const Node& node) {
  std::vector<std::string> names = names_of(*node.inputs[0]);
  const size_t width = names.size();
  for (std::string& right : names_of(*node.inputs[1])) names.push_back(std::move(right));
  std::vector<std::string> qualified = names;
  for (size_t l = 0; l < width; ++l) {
    for (size_t r = width; r < names.size(); ++r) {
      if (names[l] != names[r]) continue;
      qualified[l] = "left." + names[l];
      qualified[r] = "right." + names[r];
    }
  }
  return qualified;
}

std::string join_keys_text(const std::vector<JoinNode::Key>& join_keys, const std::vector<std::string>& qualified, size_t width) {
  std::vector<std::string> keys;
  for (const JoinNode::Key& key : join_keys) {
    keys.push_back(qualified[key.left] + (key.null_equal ? " IS NOT DISTINCT FROM " : " = ") + qualified[width + key.right]);
  }
  return keys.empty() ? " no keys" : " keys=" + list_text(keys);
}

std::string join_text(const JoinNode& node) {
  const std::vector<std::string> qualified = qualified_names(node);
  const size_t width = node.inputs[0]->columns.size();
  std::string text = std::string("Join ") + to_text(node.join) + join_keys_text(node.keys, qualified, width);
  if (node.time) {
    const std::string& time = qualified[node.time->left];
    const auto shifted = [&time](int64_t us) {
      return us == 0 ? time : time + (us < 0 ? " - " : " + ") + duration_text(us < 0 ? -us : us);
    };
    text += " time=[" + qualified[width + node.time->right] + " from " + shifted(node.time->lower_us) + " to " +
            shifted(node.time->upper_us) + "]";
    if (node.unmatched_at_close) text += " unmatched=at close";
  }
  if (node.residual) text += " on=" + expression_text(node.residual, qualified);
  return text;
}

std::string asof_text(const AsofNode& node) {
  using Versions = AsofNode::Versions;
  const std::vector<std::string> qualified = qualified_names(node);
  const size_t width = node.inputs[0]->columns.size();
  std::string text = std::string(node.versions == Versions::kRows ? "AsofJoin " : "TemporalJoin ") + to_text(node.join) +
                     join_keys_text(node.keys, qualified, width);
  const std::string& left = qualified[node.left_probe];
  if (node.versions == Versions::kRows) {
    const std::string& right = qualified[width + node.right_time];
    switch (node.match) {
      case AsofNode::Match::kBackward: text += " match=[newest " + right + (node.strict ? " < " : " <= ") + left + "]"; break;
      case AsofNode::Match::kForward: text += " match=[oldest " + right + (node.strict ? " > " : " >= ") + left + "]"; break;
      case AsofNode::Match::kNearest: text += " match=[nearest " + right + " to " + left + "]"; break;
    }
  } else if (node.versions == Versions::kByTime) {
    text += " version=[by " + qualified[width + node.right_time] + ", valid at " + left + "]";
  } else if (node.versions == Versions::kByChange) {
    text += " version=[by the time of change, valid at " + left + "]";
  } else {
    text += " version=[current]";
  }
  if (node.tolerance_us) text += " tolerance=" + duration_text(*node.tolerance_us);
  if (node.left_condition) text += " on=" + qualified[*node.left_condition];
  if (node.on_final) text += " emit=once final";
  return text;
}

std::string horizon_text(const HorizonNode& node) {
  std::vector<std::string> offsets;
  for (const int64_t us : node.offsets_us) offsets.push_back(duration_text(us));
  return "Horizon " + node.columns.back().name + "=" + list_text(offsets);
}

std::string lookup_join_text(const LookupJoinNode& node) {
  const Node& left = *node.inputs[0];
  std::string text = std::string("Lookup ") + to_text(node.join) + " " + node.object;
  std::vector<std::string> keys;
  for (size_t k = 0; k < node.keys.size(); ++k) {
    keys.push_back(left.columns[node.keys[k].left].name + " = " + node.object + "." + node.key_names[k]);
  }
  text += " keys=" + list_text(keys);
  std::vector<std::string> names = names_of(node);
  for (size_t c = left.columns.size(); c < names.size(); ++c) names[c] = node.object + "." + names[c];
  if (node.residual) text += " on=" + expression_text(node.residual, names);
  if (!node.how.empty()) text += " from=[" + node.how + "]";
  return text;
}

std::string node_text(const Node& node) {
  switch (node.kind) {
    case NodeKind::kScan: return scan_text(static_cast<const ScanNode&>(node));
    case NodeKind::kFilter:
      return "Filter " + expression_text(static_cast<const FilterNode&>(node).predicate, names_of(*node.inputs[0]));
    case NodeKind::kProject: return project_text(static_cast<const ProjectNode&>(node));
    case NodeKind::kUnionAll: return "UnionAll";
    case NodeKind::kValues: {
      const size_t rows = static_cast<const ValuesNode&>(node).rows.size();
      return "Values " + std::to_string(rows) + (rows == 1 ? " row" : " rows");
    }
    case NodeKind::kWindowAssign: {
      const auto& assign = static_cast<const WindowAssignNode&>(node);
      return "WindowAssign window=" + window_text(assign.window, *node.inputs[0]) + policy_text(EmitPolicy::kOnUpdate, assign.lateness_us);
    }
    case NodeKind::kAggregate: return aggregate_text(static_cast<const AggregateNode&>(node));
    case NodeKind::kTopN: return top_n_text(static_cast<const TopNNode&>(node));
    case NodeKind::kSort: return "OrderByTime " + node.inputs[0]->columns[static_cast<const SortNode&>(node).time_column].name;
    case NodeKind::kJoin: return join_text(static_cast<const JoinNode&>(node));
    case NodeKind::kAsof: return asof_text(static_cast<const AsofNode&>(node));
    case NodeKind::kHorizon: return horizon_text(static_cast<const HorizonNode&>(node));
    case NodeKind::kLookupJoin: return lookup_join_text(static_cast<const LookupJoinNode&>(node));
    case NodeKind::kDistinctOn: break;  // translated to TopN
  }
  CHECK(false);
}

const char* to_text(TimeForm form) {
  switch (form) {
    case TimeForm::kNone: return "";
    case TimeForm::kSeconds: return "s";
    case TimeForm::kMilliseconds: return "ms";
    case TimeForm::kMicroseconds: return "us";
    case TimeForm::kNanoseconds: return "ns";
    case TimeForm::kDays: return "days";
  }
  CHECK(false);
}

// `exchange`: how its rows go on to the node above.
void explain_node(const Node& node, size_t depth, const Distribution* distribution, const std::string& exchange, std::string& out) {
  out.append(2 * depth, ' ');
  out += node_text(node);
  out += node.append_only ? " append-only" : " changelog";
  if (!node.key.empty()) out += " key=" + columns_text(node.key, node);
  if (node.kind == NodeKind::kScan) {
    for (const OutputColumn& column : node.columns) {
      if (column.time_form != TimeForm::kNone) out += " watermark " + column.name + " in " + to_text(column.time_form);
      if (!column.time_offset_us) continue;
      out += " watermark " + column.name;
      if (*column.time_offset_us > 0) out += " + " + duration_text(*column.time_offset_us);
      if (*column.time_offset_us < 0) out += " - " + duration_text(-*column.time_offset_us);
    }
    if (!node.time_key.empty()) out += " per key " + columns_text(node.time_key, node);
    else if (node.time_by_key_only) out += " per key";
  }
  if (!node.state_bound.empty()) out += " state: " + node.state_bound;
  if (distribution) out += distribution->of(node).one_core ? " on one core" : " on all cores";
  if (!exchange.empty()) out += ", then " + exchange;
  out += "\n";
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    explain_node(*node.inputs[i], depth + 1, distribution, distribution ? distribution->exchange_text(node, i) : "", out);
  }
}

}  // namespace

std::string duration_text(int64_t us) {
  if (us == 0) return "0s";
  std::string text = us < 0 ? "-" : "";
  uint64_t left = us < 0 ? uint64_t{0} - static_cast<uint64_t>(us) : static_cast<uint64_t>(us);
  for (const Unit& unit : kUnits) {
    const uint64_t count = left / static_cast<uint64_t>(unit.us);
    if (count == 0) continue;
    text += std::to_string(count) + unit.text;
    left %= static_cast<uint64_t>(unit.us);
  }
  return text;
}

const char* to_text(WindowKind kind) {
  switch (kind) {
    case WindowKind::kTumble: return "tumble";
    case WindowKind::kHop: return "hop";
    case WindowKind::kSession: return "session";
    case WindowKind::kCumulate: return "cumulate";
  }
  CHECK(false);
}

const char* to_text(EmitMode mode) {
  switch (mode) {
    case EmitMode::kOnUpdate: return "on update";
    case EmitMode::kOnWindowClose: return "on window close";
    case EmitMode::kAfterWatermark: return "after watermark";
    case EmitMode::kEvery: return "every";
    case EmitMode::kChanges: return "changes";
    case EmitMode::kFinal: return "final";
  }
  CHECK(false);
}

const char* to_text(JoinKind kind) {
  switch (kind) {
    case JoinKind::kInner: return "inner";
    case JoinKind::kLeft: return "left";
    case JoinKind::kRight: return "right";
    case JoinKind::kFull: return "full";
    case JoinKind::kSemi: return "semi";
    case JoinKind::kAnti: return "anti";
  }
  CHECK(false);
}

const char* to_text(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::kCountStar: case AggregateKind::kCount: return "count";
    case AggregateKind::kSum: return "sum";
    case AggregateKind::kAvg: return "avg";
    case AggregateKind::kMin: return "min";
    case AggregateKind::kMax: return "max";
    case AggregateKind::kFirst: return "first";
    case AggregateKind::kLast: return "last";
    case AggregateKind::kArgMin: return "arg_min";
    case AggregateKind::kArgMax: return "arg_max";
    case AggregateKind::kStddevSamp: return "stddev_samp";
    case AggregateKind::kStddevPop: return "stddev_pop";
    case AggregateKind::kVarSamp: return "var_samp";
    case AggregateKind::kVarPop: return "var_pop";
    case AggregateKind::kBoolAnd: return "bool_and";
    case AggregateKind::kBoolOr: return "bool_or";
    case AggregateKind::kQuantileCont: return "quantile_cont";
    case AggregateKind::kQuantileDisc: return "quantile_disc";
    case AggregateKind::kMedian: return "median";
    case AggregateKind::kStringAgg: return "string_agg";
    case AggregateKind::kList: return "list";
    case AggregateKind::kApproxCountDistinct: return "approx_count_distinct";
    case AggregateKind::kForeign: return "aggregate";
  }
  CHECK(false);
}

namespace {

std::string explain_view(const ViewPlan& plan, const Distribution* distribution, uint32_t cores) {
  std::string out = (plan.is_stream ? "Stream " : "View ") + plan.name + " (emit " + to_text(plan.emit);
  if (plan.emit == EmitMode::kEvery) out += " " + duration_text(plan.every_us);
  if (plan.lateness_us != 0) out += ", lateness " + duration_text(plan.lateness_us);
  if (!plan.late_data_to.empty()) out += ", late data to " + plan.late_data_to;
  if (plan.retain_history_bytes != 0) out += ", history " + bytes_text(plan.retain_history_bytes);
  if (distribution) out += ", " + std::to_string(cores) + " cores";
  out += ")\n";
  explain_node(*plan.root, 1, distribution, "", out);
  return out;
}

}  // namespace

std::string explain(const ViewPlan& plan) { return explain_view(plan, nullptr, 1); }
std::string explain(const ViewPlan& plan, const Distribution& distribution, uint32_t cores) {
  return explain_view(plan, &distribution, cores);
}

}  // namespace laminar::plan
