#include "plan/properties.h"

#include <algorithm>

#include "base/check.h"

namespace laminar::plan {

using expr::Expr;
using expr::ExprKind;
using expr::Op;
using TimeOffset = std::optional<int64_t>;

namespace {

constexpr int64_t kDayUs = 86'400'000'000;

}  // namespace

std::optional<int64_t> fixed_interval(const Expr& expr) {
  if (expr.kind != ExprKind::kConstant || expr.type.kind != data::TypeKind::kInterval || expr.constant.is_null) return {};
  struct Interval {
    int32_t months, days;
    int64_t us;
  };
  const auto interval = expr.constant.as<Interval>();
  int64_t result;
  if (interval.months != 0 || __builtin_mul_overflow(int64_t{interval.days}, kDayUs, &result) ||
      __builtin_add_overflow(result, interval.us, &result)) {
    return {};
  }
  return result;
}

namespace {

TimeOffset shifted(TimeOffset offset, TimeOffset by, bool backwards) {
  if (!offset || !by) return {};
  int64_t result;
  const bool overflow = backwards ? __builtin_sub_overflow(*offset, *by, &result) : __builtin_add_overflow(*offset, *by, &result);
  return overflow ? TimeOffset() : result;
}

TimeOffset integer_constant(const Expr& expr) {
  if (expr.kind != ExprKind::kConstant || expr.constant.is_null || expr.type.kind != data::TypeKind::kInt64) return {};
  return expr.constant.as<int64_t>();
}

TimeOffset call_time_offset(const Expr& call, const Node& input) {
  if (!call.type.is_timestamp()) return {};
  switch (call.op) {
    case Op::kAdd:
      if (call.args.size() != 2) return {};
      if (TimeOffset by = fixed_interval(*call.args[1])) return shifted(time_offset(*call.args[0], input), by, false);
      return shifted(time_offset(*call.args[1], input), fixed_interval(*call.args[0]), false);
    case Op::kSubtract:
      if (call.args.size() != 2) return {};
      return shifted(time_offset(*call.args[0], input), fixed_interval(*call.args[1]), true);
    case Op::kTumbleStart: {
      // floor(t) > t - size, so a start is complete exactly when its window has ended.
      const TimeOffset size = integer_constant(*call.args[1]);
      if (!size || *size <= 0) return {};
      return shifted(time_offset(*call.args[0], input), *size - 1, true);
    }
    case Op::kEventTime: {
      const Expr& raw = *call.args[0];
      const bool is_time = raw.kind == ExprKind::kColumn && input.columns[raw.column].time_form != TimeForm::kNone;
      return is_time ? TimeOffset(0) : TimeOffset();
    }
    default:
      return {};
  }
}

void derive_filter(FilterNode& node) {
  const Node& input = *node.inputs[0];
  node.append_only = input.append_only;
  node.keeps_order = input.keeps_order;
  node.key = input.key;
  node.time_key = input.time_key;
  for (size_t i = 0; i < node.columns.size(); ++i) {
    node.columns[i].time_offset_us = input.columns[i].time_offset_us;
    node.columns[i].time_form = input.columns[i].time_form;
  }
}

// Where the input columns stand among the expressions; empty when one is not there as it is.
std::vector<uint32_t> projected(const std::vector<uint32_t>& columns, const ProjectNode& node) {
  std::vector<uint32_t> result;
  for (const uint32_t column : columns) {
    const auto found = std::find_if(node.expressions.begin(), node.expressions.end(), [column](const expr::ExprPtr& e) {
      return e->kind == ExprKind::kColumn && e->column == column;
    });
    if (found == node.expressions.end()) return {};
    result.push_back(static_cast<uint32_t>(found - node.expressions.begin()));
  }
  return result;
}

void derive_project(ProjectNode& node) {
  const Node& input = *node.inputs[0];
  node.append_only = input.append_only;
  node.keeps_order = input.keeps_order;
  for (size_t i = 0; i < node.columns.size(); ++i) {
    const Expr& expression = *node.expressions[i];
    node.columns[i].time_offset_us = time_offset(expression, input);
    node.columns[i].time_form = expression.kind == ExprKind::kColumn ? input.columns[expression.column].time_form : TimeForm::kNone;
  }
  node.key = projected(input.key, node);
  node.time_key = projected(input.time_key, node);
}

void derive_union_all(UnionAllNode& node) {
  node.append_only = node.keeps_order = true;
  for (const NodePtr& input : node.inputs) {
    node.append_only &= input->append_only;
    node.keeps_order &= input->append_only || input->keeps_order;
  }
  for (size_t i = 0; i < node.columns.size(); ++i) {
    TimeOffset offset = node.inputs[0]->columns[i].time_offset_us;
    TimeForm form = node.inputs[0]->columns[i].time_form;
    for (const NodePtr& input : node.inputs) {
      if (input->columns[i].time_offset_us != offset) offset.reset();
      if (input->columns[i].time_form != form) form = TimeForm::kNone;
    }
    node.columns[i].time_offset_us = offset;
    node.columns[i].time_form = form;
  }
}

void derive_window_assign(WindowAssignNode& node) {
  const Node& input = *node.inputs[0];
  node.append_only = input.append_only;
  node.keeps_order = input.keeps_order;
  const uint32_t start = static_cast<uint32_t>(input.columns.size()), end = start + 1;
  const bool cumulate = node.window.kind == WindowKind::kCumulate;
  if (!input.key.empty()) {
    node.key = input.key;
    node.key.push_back(cumulate ? end : start);
  }
  const int64_t longest = node.window.size_us + (node.window.zone ? kDayUs : 0);
  for (OutputColumn& column : node.columns) column.time_offset_us.reset();
  // The watermark now speaks of window_start (tumble, hop) or window_end (cumulate). A row's own time lies in its
  // window; other time columns would need a fixed distance to it.
  node.columns[node.window.time_column].time_offset_us = cumulate ? -longest : 0;
  if (cumulate) {
    node.columns[end].time_offset_us = 0;
  } else {
    node.columns[start].time_offset_us = 0;
    // In a time zone windows have no fixed length.
    if (!node.window.zone) node.columns[end].time_offset_us = node.window.size_us;
  }
}

// Whether the outputs tell the windows of one key apart.
bool window_in_output(const AggregateNode& node) {
  using Kind = AggregateNode::GroupOutput::Kind;
  for (const AggregateNode::GroupOutput& group : node.groups) {
    if (group.kind == Kind::kWindowEnd) return true;
    // Windows of CUMULATE share their start.
    if (group.kind == Kind::kWindowStart && node.window->kind != WindowKind::kCumulate) return true;
  }
  return false;
}

std::string aggregate_bound(const AggregateNode& node, size_t keys) {
  const bool with_keys = keys > 0;
  std::string bound;
  if (node.window) {
    bound = node.window->kind == WindowKind::kSession ? "open sessions" : "open windows";
    if (node.retain_us > 0) bound += " and those of the last " + duration_text(node.retain_us);
    if (with_keys) bound += " x keys";
  } else if (node.time_group) {
    bound = "keys not yet below the watermark";
  } else {
    bound = with_keys ? "keys" : "one row";
  }
  const bool changelog = !node.inputs[0]->append_only;
  const bool holds_values = std::any_of(node.aggregates.begin(), node.aggregates.end(), [changelog](const AggregateCall& call) {
    switch (call.kind) {
      case AggregateKind::kQuantileCont: case AggregateKind::kQuantileDisc: case AggregateKind::kMedian:
      case AggregateKind::kStringAgg: case AggregateKind::kList:
        return true;
      case AggregateKind::kForeign:
        return changelog || !call.order_by.empty();
      case AggregateKind::kApproxCountDistinct:
        return changelog;
      case AggregateKind::kMin: case AggregateKind::kMax: case AggregateKind::kFirst: case AggregateKind::kLast:
      case AggregateKind::kArgMin: case AggregateKind::kArgMax:
        return changelog;
      default:
        return call.distinct;
    }
  });
  if (holds_values) bound += " x their values";
  if (node.window || node.time_group) bound += ", released at watermark";
  if (!node.close_key.empty()) bound += " of the key";
  return bound;
}

void derive_aggregate(AggregateNode& node) {
  using Kind = AggregateNode::GroupOutput::Kind;
  const Node& input = *node.inputs[0];
  node.append_only = node.emit == EmitPolicy::kOnWindowClose && (node.window || node.time_group);
  for (OutputColumn& column : node.columns) column.time_offset_us.reset();
  size_t keys = 0;
  for (uint32_t i = 0; i < node.groups.size(); ++i) {
    const AggregateNode::GroupOutput& group = node.groups[i];
    TimeOffset& offset = node.columns[i].time_offset_us;
    node.key.push_back(i);
    if (group.kind == Kind::kKey) {
      ++keys;
      if (!node.window) offset = input.columns[group.column].time_offset_us;
      continue;
    }
    CHECK(node.window.has_value());
    // The watermark speaks of the starts of tumbling and hopping windows and of the ends of the others.
    const bool of_starts = node.window->kind == WindowKind::kTumble || node.window->kind == WindowKind::kHop;
    if (group.kind == Kind::kWindowEnd) {
      if (!of_starts) offset = 0;
      if (of_starts && !node.window->zone) offset = node.window->size_us;
    } else if (of_starts) {
      offset = 0;
    }
  }
  if (node.window && !window_in_output(node)) node.key.clear();
  // Windows of a key whose watermark has moved are closed by it: those who read them have nothing to wait for.
  node.time_key.clear();
  if (node.window) {
    const auto grouped = [&node](uint32_t column) {
      return std::any_of(node.groups.begin(), node.groups.end(),
                         [column](const AggregateNode::GroupOutput& group) { return group.kind == Kind::kKey && group.column == column; });
    };
    if (std::all_of(input.time_key.begin(), input.time_key.end(), grouped)) node.close_key = input.time_key;
    else node.close_key.clear();
  }
  if (input.time_by_key_only) {
    for (OutputColumn& column : node.columns) column.time_offset_us.reset();
  }
  node.state_bound = aggregate_bound(node, keys);
}

void derive_top_n(TopNNode& node) {
  const Node& input = *node.inputs[0];
  node.append_only = node.time_partition && node.emit == EmitPolicy::kOnWindowClose;
  for (size_t i = 0; i < node.columns.size(); ++i) {
    node.columns[i].time_offset_us = i < input.columns.size() ? input.columns[i].time_offset_us : TimeOffset();
  }
  const bool row_number = node.rank == TopNNode::Rank::kRowNumber;
  if (row_number && node.limit == 1 && !node.partition.empty()) {
    node.key = node.partition;
  } else if (!input.key.empty()) {
    node.key = input.key;
  } else if (row_number && node.output_rank) {
    node.key = node.partition;
    node.key.push_back(static_cast<uint32_t>(input.columns.size()));
  }
  const std::string rows = std::to_string(node.limit + node.offset_rows) + (node.limit + node.offset_rows == 1 ? " row" : " rows");
  std::string bound;
  if (!input.append_only) {
    bound = "all rows";
  } else if (row_number) {
    bound = node.partition.empty() ? rows : "partitions x " + rows;
  } else {
    bound = (node.partition.empty() ? "the first " : "partitions x the first ") +
            std::to_string(node.limit + node.offset_rows) + " ranks with ties";
  }
  if (node.time_partition) bound += ", released at watermark";
  node.state_bound = bound;
}

void derive_sort(SortNode& node) {
  const Node& input = *node.inputs[0];
  node.append_only = input.append_only;
  node.key = input.key;
  for (size_t i = 0; i < node.columns.size(); ++i) {
    node.columns[i].time_offset_us = input.columns[i].time_offset_us;
    node.columns[i].time_form = input.columns[i].time_form;
  }
  node.state_bound = "rows above the watermark, beyond " + std::to_string(node.memory_bytes >> 10) + " KiB in temporary files";
}

bool covers(const std::vector<uint32_t>& key, const JoinNode& node, uint32_t JoinNode::Key::* side) {
  if (key.empty()) return false;
  return std::all_of(key.begin(), key.end(), [&](uint32_t column) {
    return std::any_of(node.keys.begin(), node.keys.end(), [&](const JoinNode::Key& equal) { return equal.*side == column; });
  });
}

// What identifies a row of the join: the key of a side whose rows each meet at most one row of the other, else both keys.
std::vector<uint32_t> join_key(const JoinNode& node) {
  const Node& left = *node.inputs[0];
  const Node& right = *node.inputs[1];
  if (!node.pairs()) return left.key;
  if (left.key.empty() || right.key.empty() || node.join == JoinKind::kFull) return {};
  std::vector<uint32_t> right_key;
  for (const uint32_t column : right.key) right_key.push_back(column + static_cast<uint32_t>(left.columns.size()));
  if (node.join != JoinKind::kRight && covers(right.key, node, &JoinNode::Key::right)) return left.key;
  if (node.join != JoinKind::kLeft && covers(left.key, node, &JoinNode::Key::left)) return right_key;
  if (node.join != JoinKind::kInner) return {};
  std::vector<uint32_t> key = left.key;
  key.insert(key.end(), right_key.begin(), right_key.end());
  return key;
}

TimeOffset earlier(TimeOffset a, TimeOffset b) { return a && b ? TimeOffset(std::min(*a, *b)) : TimeOffset(); }

void derive_join(JoinNode& node) {
  const Node& left = *node.inputs[0];
  const Node& right = *node.inputs[1];
  const bool additive = (node.time && node.unmatched_at_close) || node.join == JoinKind::kInner || node.join == JoinKind::kSemi;
  node.append_only = left.append_only && right.append_only && additive;
  node.key = join_key(node);
  const size_t width = left.columns.size();
  for (OutputColumn& column : node.columns) column.time_offset_us.reset();
  if (!node.time) {
    node.state_bound = "all rows of both sides";
    if (!node.retention) return;
    // A row of the other side, of any time, can still meet the rows that are kept.
    const int64_t us = node.retention->us;
    const auto kept = [&](const char* side, const Node& input, std::optional<uint32_t> column, size_t first) -> std::string {
      if (!column) return std::string("all ") + side + " rows";
      if (first == 0 || node.pairs()) node.columns[first + *column].time_offset_us = shifted(input.columns[*column].time_offset_us, us, true);
      return std::string(side) + " rows to " + input.columns[*column].name + " + " + duration_text(us) + " (retention)";
    };
    node.state_bound = kept("left", left, node.retention->left, 0) + ", " + kept("right", right, node.retention->right, width) +
                       ", released at watermark";
    return;
  }
  // A row that is still to come, of either side, and what it can meet or leave unmatched: see JoinOperator.
  const JoinNode::TimeBound& time = *node.time;
  const auto set = [&](uint32_t l, uint32_t r, int64_t lower, int64_t upper) {
    const TimeOffset left_offset = left.columns[l].time_offset_us, right_offset = right.columns[r].time_offset_us;
    node.columns[l].time_offset_us = earlier(left_offset, shifted(right_offset, upper, true));
    if (node.pairs()) node.columns[width + r].time_offset_us = earlier(right_offset, shifted(left_offset, lower, false));
  };
  if (node.join == JoinKind::kInner) {
    for (const JoinNode::Key& key : node.keys) {
      if (left.columns[key.left].time_offset_us && right.columns[key.right].time_offset_us) set(key.left, key.right, 0, 0);
    }
  }
  set(time.left, time.right, time.lower_us, time.upper_us);
  const auto released = [](const Node& input, uint32_t column, int64_t us) {
    const std::string& name = input.columns[column].name;
    return us == 0 ? name : name + (us < 0 ? " - " : " + ") + duration_text(us < 0 ? -us : us);
  };
  node.state_bound = "left rows to " + released(left, time.left, time.upper_us) + ", right rows to " +
                     released(right, time.right, -time.lower_us) + (node.retention ? " (retention)" : "") + ", released at watermark";
}

// See AsofOperator for what is held and how long.
void derive_asof(AsofNode& node) {
  using Match = AsofNode::Match;
  using Versions = AsofNode::Versions;
  const Node& left = *node.inputs[0];
  const Node& right = *node.inputs[1];
  const bool current = node.versions == Versions::kCurrent;
  node.append_only = left.append_only && (node.on_final || current);
  node.key = left.key;
  for (OutputColumn& column : node.columns) {
    column.time_offset_us.reset();
    column.time_form = TimeForm::kNone;
  }
  const bool backward = node.match == Match::kBackward;
  if (current) {
    for (size_t i = 0; i < left.columns.size(); ++i) {
      node.columns[i].time_offset_us = left.columns[i].time_offset_us;
      node.columns[i].time_form = left.columns[i].time_form;
    }
    node.state_bound = "current rows of the right side";
    return;
  }
  if (!node.timed) {
    node.state_bound = node.versions == Versions::kRows ? "all rows of both sides" : "left rows, all versions of the right side";
    return;
  }
  const TimeOffset left_offset = left.columns[node.left_time].time_offset_us;
  const std::string& left_name = left.columns[node.left_time].name;
  const auto shifted_name = [](const std::string& name, int64_t us) {
    return us == 0 ? name : name + (us < 0 ? " - " : " + ") + duration_text(us < 0 ? -us : us);
  };
  // A left row is final when no right row can come that is nearer: its own time for backward, else the tolerance later.
  const bool bounded = backward || node.tolerance_us;
  const int64_t wait = node.probe_max_us + (backward ? 0 : node.tolerance_us.value_or(0));
  std::string left_bound = shifted_name(left_name, wait);
  if (!bounded) left_bound = node.match == Match::kForward ? "the next right row" : "no nearer right row can come";
  if (node.right_has_time()) {
    const TimeOffset right_offset = right.columns[node.right_time].time_offset_us;
    if (bounded) {
      node.columns[node.left_time].time_offset_us = earlier(left_offset, shifted(right_offset, TimeOffset(wait), true));
    }
    if (node.left_probe != node.left_time && node.probe_max_us == node.probe_min_us && bounded) {
      node.columns[node.left_probe].time_offset_us =
          earlier(left.columns[node.left_probe].time_offset_us, shifted(right_offset, TimeOffset(wait), true));
    }
  } else {
    node.columns[node.left_time].time_offset_us = left_offset;  // its watermark follows the clock, too
  }
  std::string right_bound;
  if (node.versions != Versions::kRows) {
    right_bound = "versions: those valid at " + shifted_name(left_name, node.probe_min_us) + " or later";
  } else {
    const std::string& name = right.columns[node.right_time].name;
    if (node.tolerance_us) {
      const int64_t reach = backward ? *node.tolerance_us : node.match == Match::kNearest ? 2 * *node.tolerance_us : 0;
      right_bound = "right rows to " + shifted_name(name, reach);
    } else if (node.match == Match::kForward) {
      right_bound = "right rows to " + name;
    } else {
      right_bound = "right rows: the newest per key, and those the watermark has not passed";
    }
  }
  node.state_bound = "left rows to " + left_bound + "; " + right_bound + "; released at watermark";
}

void derive_horizon(HorizonNode& node) {
  const Node& input = *node.inputs[0];
  node.append_only = input.append_only;
  for (size_t i = 0; i < input.columns.size(); ++i) {
    node.columns[i].time_offset_us = input.columns[i].time_offset_us;
    node.columns[i].time_form = input.columns[i].time_form;
  }
  if (input.key.empty()) return;
  node.key = input.key;
  node.key.push_back(static_cast<uint32_t>(input.columns.size()));
}

void derive_lookup_join(LookupJoinNode& node) {
  const Node& left = *node.inputs[0];
  node.append_only = left.append_only;
  if (node.unique) node.key = left.key;
  for (size_t i = 0; i < node.columns.size(); ++i) {
    const bool of_left = i < left.columns.size();
    node.columns[i].time_offset_us = of_left ? left.columns[i].time_offset_us : TimeOffset();
    node.columns[i].time_form = of_left ? left.columns[i].time_form : TimeForm::kNone;
  }
  node.state_bound = left.append_only ? "rows that wait for an answer" : "left rows with their answers, and those that wait";
}

}  // namespace

TimeOffset time_offset(const Expr& expr, const Node& input) {
  switch (expr.kind) {
    case ExprKind::kColumn:
      return input.columns[expr.column].time_offset_us;
    case ExprKind::kCast: {
      // Zoned and plain timestamps have the same microseconds only where the cast is a relabelling.
      if (expr.args[0]->type == expr.type) return time_offset(*expr.args[0], input);
      return {};
    }
    case ExprKind::kCall:
      return call_time_offset(expr, input);
    default:
      return {};
  }
}

bool settles(const Node& node, const std::function<bool(const std::string& object)>& object) {
  switch (node.kind) {
    case NodeKind::kScan: return object(static_cast<const ScanNode&>(node).object);
    case NodeKind::kAggregate:
      if (!node.append_only && !static_cast<const AggregateNode&>(node).window) return false;
      break;
    case NodeKind::kTopN:
      if (!static_cast<const TopNNode&>(node).time_partition) return false;
      break;
    case NodeKind::kDistinctOn: return false;
    case NodeKind::kJoin:
      if (!static_cast<const JoinNode&>(node).time) return false;
      break;
    case NodeKind::kAsof:
      if (!static_cast<const AsofNode&>(node).timed) return false;
      break;
    default: break;
  }
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](const NodePtr& input) { return settles(*input, object); });
}

bool has_total_order(const Node& node) {
  if (!node.append_only) return false;
  switch (node.kind) {
    case NodeKind::kScan: case NodeKind::kValues: return true;
    case NodeKind::kFilter: case NodeKind::kProject: case NodeKind::kWindowAssign: case NodeKind::kUnionAll:
      return std::all_of(node.inputs.begin(), node.inputs.end(), [](const NodePtr& input) { return has_total_order(*input); });
    default: return false;
  }
}

void derive_properties(Node& node) {
  for (const NodePtr& input : node.inputs) derive_properties(*input);
  if (node.kind == NodeKind::kScan) return;
  node.append_only = node.keeps_order = false;
  node.key.clear();
  node.time_key.clear();
  // A window has waited for its key; for what comes out of it there is nothing to wait for.
  node.time_by_key_only = node.kind != NodeKind::kAggregate && std::any_of(node.inputs.begin(), node.inputs.end(), [](const NodePtr& input) {
    return input->time_by_key_only;
  });
  node.state_bound.clear();
  switch (node.kind) {
    case NodeKind::kScan: return;
    case NodeKind::kFilter: return derive_filter(static_cast<FilterNode&>(node));
    case NodeKind::kProject: return derive_project(static_cast<ProjectNode&>(node));
    case NodeKind::kUnionAll: return derive_union_all(static_cast<UnionAllNode&>(node));
    case NodeKind::kWindowAssign: return derive_window_assign(static_cast<WindowAssignNode&>(node));
    case NodeKind::kAggregate: return derive_aggregate(static_cast<AggregateNode&>(node));
    case NodeKind::kTopN: return derive_top_n(static_cast<TopNNode&>(node));
    case NodeKind::kSort: return derive_sort(static_cast<SortNode&>(node));
    case NodeKind::kJoin: return derive_join(static_cast<JoinNode&>(node));
    case NodeKind::kAsof: return derive_asof(static_cast<AsofNode&>(node));
    case NodeKind::kHorizon: return derive_horizon(static_cast<HorizonNode&>(node));
    case NodeKind::kLookupJoin: return derive_lookup_join(static_cast<LookupJoinNode&>(node));
    case NodeKind::kValues: {
      node.append_only = true;
      for (OutputColumn& column : node.columns) column.time_offset_us.reset();
      node.state_bound = "its constants";
      return;
    }
    case NodeKind::kDistinctOn: CHECK(false);  // translated to TopN
  }
}

}  // namespace laminar::plan
