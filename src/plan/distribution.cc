#include "plan/distribution.h"

#include <algorithm>

#include "base/check.h"

namespace laminar::plan {

namespace {

bool is_subset(const std::vector<uint32_t>& keys, const std::vector<uint32_t>& of) {
  return std::all_of(keys.begin(), keys.end(), [&of](uint32_t key) { return std::find(of.begin(), of.end(), key) != of.end(); });
}

// Positions of `keys` among `columns`; empty when one is missing.
std::vector<uint32_t> mapped(const std::vector<uint32_t>& keys, const std::vector<uint32_t>& columns) {
  std::vector<uint32_t> result;
  for (const uint32_t key : keys) {
    const auto found = std::find(columns.begin(), columns.end(), key);
    if (found == columns.end()) return {};
    result.push_back(static_cast<uint32_t>(found - columns.begin()));
  }
  return result;
}

constexpr uint32_t kNoColumn = ~0u;

// Which input column each output column repeats.
std::vector<uint32_t> repeated_columns(const ProjectNode& node) {
  std::vector<uint32_t> columns;
  for (const expr::ExprPtr& e : node.expressions) columns.push_back(e->kind == expr::ExprKind::kColumn ? e->column : kNoColumn);
  return columns;
}

}  // namespace

const Placement& Distribution::of(const Node& node) const {
  static const Placement kOneCore;
  const auto found = placements_.find(&node);
  return found == placements_.end() ? kOneCore : found->second;
}

const Exchange& Distribution::exchange(const Node& node, size_t input) const {
  static const Exchange kNone;
  const auto found = exchanges_.find(&node);
  return found == exchanges_.end() ? kNone : found->second[input];
}

std::vector<uint32_t> Distribution::spread_by(const Node& node, size_t input) const {
  const Exchange& how = exchange(node, input);
  if (how.kind == ExchangeKind::kHash) return how.keys;
  return how.kind == ExchangeKind::kNone && !of(*node.inputs[input]).one_core ? of(*node.inputs[input]).keys : std::vector<uint32_t>();
}

bool Distribution::spreads() const {
  return std::any_of(placements_.begin(), placements_.end(), [](const auto& item) { return !item.second.one_core; });
}

std::string Distribution::exchange_text(const Node& node, size_t input) const {
  const Exchange& exchange = this->exchange(node, input);
  switch (exchange.kind) {
    case ExchangeKind::kNone: return "";
    case ExchangeKind::kGather: return "gather to one core";
    case ExchangeKind::kStay: return "watermark to all cores";
    case ExchangeKind::kHash: break;
  }
  std::string text = "exchange by [";
  for (size_t i = 0; i < exchange.keys.size(); ++i) text += (i ? ", " : "") + node.inputs[input]->columns[exchange.keys[i]].name;
  return text + "]";
}

class Distributor {
 public:
  Distributor(Distribution& result, const ObjectPlacement& object) : result_(result), object_(object) {}

  void place(const Node& node) {
    for (const NodePtr& input : node.inputs) place(*input);
    result_.exchanges_[&node].resize(node.inputs.size());
    result_.placements_[&node] = placed(node);
  }

 private:
  Placement placed(const Node& node) {
    switch (node.kind) {
      case NodeKind::kScan: {
        const auto& scan = static_cast<const ScanNode&>(node);
        Placement placement = object_(scan.object);
        placement.keys = mapped(placement.keys, scan.source_columns);
        return placement;
      }
      case NodeKind::kFilter: case NodeKind::kWindowAssign: case NodeKind::kHorizon: return of(*node.inputs[0]);
      case NodeKind::kProject: {
        Placement placement = of(*node.inputs[0]);
        placement.keys = mapped(placement.keys, repeated_columns(static_cast<const ProjectNode&>(node)));
        return placement;
      }
      case NodeKind::kUnionAll: return place_union(node);
      case NodeKind::kAggregate: return place_aggregate(static_cast<const AggregateNode&>(node));
      case NodeKind::kTopN: {
        const auto& top = static_cast<const TopNNode&>(node);
        if (of(*node.inputs[0]).one_core || top.partition.empty()) return on_one_core(node);
        // Windows that are ranked when they close, or when read, would have to tell of every change if ranked elsewhere.
        const Node& input = *node.inputs[0];
        if (top.time_partition && input.kind == NodeKind::kAggregate && static_cast<const AggregateNode&>(input).window &&
            !is_subset(of(input).keys, top.partition) && reads_sources(input)) {
          move_to_one_core(input);
          return {};
        }
        return Placement::spread(by_key(node, 0, top.partition));
      }
      case NodeKind::kJoin: {
        const auto& join = static_cast<const JoinNode&>(node);
        // Rows of the right side alone have NULL in the left key.
        return place_join(node, join.keys, join.join != JoinKind::kRight && join.join != JoinKind::kFull);
      }
      case NodeKind::kAsof: {
        const auto& asof = static_cast<const AsofNode&>(node);
        // Whether a side that is read by the clock has begun is known where all of it is.
        return asof.right_has_time() ? place_join(node, asof.keys, true) : on_one_core(node);
      }
      default: return on_one_core(node);
    }
  }

  Placement place_union(const Node& node) {
    bool spread = false, movable = true, same_keys = true;
    for (const NodePtr& input : node.inputs) {
      const Placement& placement = of(*input);
      spread |= !placement.one_core;
      movable &= placement.one_core || placement.movable;
      same_keys &= !placement.one_core && placement.keys == of(*node.inputs[0]).keys;
    }
    if (!spread) return {};
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (of(*node.inputs[i]).one_core) exchange_of(node, i).kind = ExchangeKind::kStay;
    }
    Placement placement = Placement::spread(same_keys ? of(*node.inputs[0]).keys : std::vector<uint32_t>());
    placement.movable = movable;
    return placement;
  }

  Placement place_aggregate(const AggregateNode& node) {
    std::vector<uint32_t> keys, outputs;
    for (uint32_t g = 0; g < node.groups.size(); ++g) {
      if (node.groups[g].kind != AggregateNode::GroupOutput::Kind::kKey) continue;
      keys.push_back(node.groups[g].column);
      outputs.push_back(g);
    }
    if (of(*node.inputs[0]).one_core || keys.empty()) return on_one_core(node);
    const std::vector<uint32_t> chosen = by_key(node, 0, keys);
    std::vector<uint32_t> result;
    for (const uint32_t key : chosen) result.push_back(outputs[static_cast<size_t>(std::find(keys.begin(), keys.end(), key) - keys.begin())]);
    return Placement::spread(std::move(result));
  }

  Placement place_join(const Node& node, const std::vector<JoinNode::Key>& keys, bool left_says) {
    if ((of(*node.inputs[0]).one_core && of(*node.inputs[1]).one_core) || keys.empty()) return on_one_core(node);
    std::vector<uint32_t> sides[2];
    for (const JoinNode::Key& key : keys) {
      sides[0].push_back(key.left);
      sides[1].push_back(key.right);
    }
    for (size_t i = 0; i < 2; ++i) {
      const Placement& placement = of(*node.inputs[i]);
      if (placement.one_core || placement.keys != sides[i]) exchange_of(node, i) = {ExchangeKind::kHash, sides[i]};
    }
    return Placement::spread(left_says ? sides[0] : std::vector<uint32_t>());
  }

  // Brings rows with equal `keys` together on a core; returns the columns that choose it.
  std::vector<uint32_t> by_key(const Node& node, size_t input, const std::vector<uint32_t>& keys) {
    const Placement& placement = of(*node.inputs[input]);
    if (!placement.keys.empty() && is_subset(placement.keys, keys)) return placement.keys;
    exchange_of(node, input) = {ExchangeKind::kHash, keys};
    return keys;
  }

  Placement on_one_core(const Node& node) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Node& input = *node.inputs[i];
      if (of(input).one_core) continue;
      if (of(input).movable) move_to_one_core(input);
      else exchange_of(node, i).kind = ExchangeKind::kGather;
    }
    return {};
  }

  bool reads_sources(const Node& node) const {
    if (node.kind == NodeKind::kScan) return of(node).movable || of(node).one_core;
    return std::all_of(node.inputs.begin(), node.inputs.end(), [this](const NodePtr& input) { return reads_sources(*input); });
  }
  // Nothing below keeps state, and sources can be read whole: no rows need carrying.
  void move_to_one_core(const Node& node) {
    result_.placements_[&node] = {};
    for (Exchange& exchange : result_.exchanges_[&node]) exchange = {};
    for (const NodePtr& input : node.inputs) move_to_one_core(*input);
  }

  const Placement& of(const Node& node) const { return result_.of(node); }
  Exchange& exchange_of(const Node& node, size_t input) { return result_.exchanges_[&node][input]; }

  Distribution& result_;
  const ObjectPlacement& object_;
};

Distribution distribute(const Node& root, const ObjectPlacement& object) {
  Distribution result;
  Distributor(result, object).place(root);
  return result;
}

}  // namespace laminar::plan
