#include "stream/build/build.h"

#include <algorithm>

#include "base/check.h"
#include "stream/build/column_use.h"
#include "stream/joins/asof_operator.h"
#include "stream/joins/horizon_operator.h"
#include "stream/joins/join_operator.h"
#include "stream/lookup/lookup_operator.h"
#include "stream/operators/aggregate.h"
#include "stream/operators/filter_operator.h"
#include "stream/operators/project_operator.h"
#include "stream/operators/scan_operator.h"
#include "stream/operators/sort_operator.h"
#include "stream/operators/top_n_operator.h"
#include "stream/operators/union_all_operator.h"
#include "stream/operators/values_operator.h"
#include "stream/operators/window_assign_operator.h"

namespace laminar::stream {

namespace {

template <class T, class N>
Result<std::unique_ptr<Operator>> make_plain(const N& node) {
  return std::unique_ptr<Operator>(new T(node));
}

template <class T, class N>
Result<std::unique_ptr<Operator>> make_fallible(const N& node) {
  Result<std::unique_ptr<T>> made = T::make(node);
  if (!made.ok()) return made.status();
  return std::unique_ptr<Operator>(made.take());
}

bool is_stateless_chain_link(const plan::Node& node) {
  return node.kind == plan::NodeKind::kFilter || node.kind == plan::NodeKind::kProject;
}

void set_only_on_demand(const plan::Node& node, Operator& op) {
  if (node.kind == plan::NodeKind::kFilter) {
    static_cast<FilterOperator&>(op).set_only_on_demand(never_fails(*static_cast<const plan::FilterNode&>(node).predicate));
  } else {
    bool safe = true;
    for (const expr::ExprPtr& e : static_cast<const plan::ProjectNode&>(node).expressions) safe &= never_fails(*e);
    static_cast<ProjectOperator&>(op).set_only_on_demand(safe);
  }
}

// The node whose operator holds the content, and those above it, from the root down.
struct ContentSearch {
  const plan::Node* content = nullptr;
  std::vector<const plan::Node*> above;

  bool holds(const plan::Node& node) const { return std::find(above.begin(), above.end(), &node) != above.end(); }
};

ContentSearch below_stateless(const plan::Node& root) {
  ContentSearch search;
  const plan::Node* node = &root;
  while (is_stateless_chain_link(*node)) {
    search.above.push_back(node);
    node = node->inputs[0].get();
  }
  search.content = node;
  return search;
}

using LevelOf = std::function<uint32_t(const std::string& object)>;

// The operators of one node, by core.
struct Built {
  std::vector<Operator*> on;
  uint32_t level = 0;
};

class Builder {
 public:
  Builder(Pipeline& pipeline, const plan::Node& root, const plan::Distribution& distribution, uint32_t cores, const LevelOf& level_of)
      : pipeline_(pipeline), content_(below_stateless(root)), distribution_(distribution), cores_(cores), level_of_(level_of) {}

  // `needed`: the columns of `node` that its reader looks at.
  Result<Built> build(const plan::Node& node, const std::vector<bool>& needed) {
    std::vector<Built> inputs;
    Built built;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ASSIGN_OR_RETURN(Built input, build(*node.inputs[i], input_columns_used(node, i, needed)));
      const plan::Exchange& how = distribution_.exchange(node, i);
      inputs.push_back(how.kind == plan::ExchangeKind::kNone ? std::move(input) : exchange(node, i, how, input));
      built.level = std::max(built.level, inputs.back().level);
    }
    const bool spread = !distribution_.of(node).one_core;
    if (node.kind == plan::NodeKind::kScan) built.level = level_of_(static_cast<const plan::ScanNode&>(node).object);
    for (uint32_t core = 0; core < (spread ? cores_ : 1); ++core) {
      Result<Operator*> op = build_on(core, spread, node, needed, inputs);
      if (!op.ok()) return op.status();
      part_of(pipeline_.parts, built.level, core).operators.push_back(*op);
      built.on.push_back(*op);
    }
    pipeline_.instances.push_back(built.on);
    pipeline_.nodes.push_back(&node);
    return built;
  }

 private:
  Result<Operator*> build_on(uint32_t core, bool spread, const plan::Node& node, const std::vector<bool>& needed, const std::vector<Built>& inputs) {
    Result<std::unique_ptr<Operator>> made = make_operator(node);
    if (!made.ok()) return made.status();
    Operator* op = made->get();
    pipeline_.operators.push_back(made.take());
    if (&node == content_.content && op->holds_content()) pipeline_.contents.push_back(op);
    // Before it is wired: whoever holds the content forms no changes that nobody wants.
    if (!pipeline_.contents.empty() && is_stateless_chain_link(node) && content_.holds(node)) set_only_on_demand(node, *op);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (distribution_.exchange(node, i).kind != plan::ExchangeKind::kNone) op->set_input_apart();
      CHECK(core < inputs[i].on.size());
      inputs[i].on[core]->add_output(op, static_cast<uint32_t>(i));
    }
    if (node.kind == plan::NodeKind::kScan) {
      pipeline_.scans.push_back({static_cast<const plan::ScanNode&>(node).object, op, core, spread});
    } else if (node.kind == plan::NodeKind::kLookupJoin) {
      pipeline_.lookups.push_back(static_cast<LookupOperator*>(op));
    } else if (node.kind == plan::NodeKind::kFilter) {
      static_cast<FilterOperator*>(op)->need_only(needed);
    } else if (node.kind == plan::NodeKind::kJoin) {
      static_cast<JoinOperator*>(op)->need_only(needed);
    } else if (node.kind == plan::NodeKind::kAsof) {
      static_cast<AsofOperator*>(op)->need_only(needed);
    }
    return op;
  }

  Built exchange(const plan::Node& node, size_t input, const plan::Exchange& how, const Built& from) {
    auto exchange = std::make_unique<Exchange>(node.inputs[input]->types(), how, static_cast<uint32_t>(from.on.size()), cores_);
    exchange->label = distribution_.exchange_text(node, input);
    for (uint32_t core = 0; core < exchange->senders(); ++core) {
      from.on[core]->add_output(&exchange->sender(core), 0);
      part_of(pipeline_.parts, from.level, core).operators.push_back(&exchange->sender(core));
    }
    Built to;
    to.level = from.level + 1;
    for (uint32_t core = 0; core < exchange->receivers(); ++core) {
      to.on.push_back(&exchange->receiver(core));
      part_of(pipeline_.parts, to.level, core).operators.push_back(&exchange->receiver(core));
    }
    pipeline_.exchanges.push_back(std::move(exchange));
    return to;
  }

  Pipeline& pipeline_;
  const ContentSearch content_;
  const plan::Distribution& distribution_;
  const uint32_t cores_;
  const LevelOf& level_of_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_operator(const plan::Node& node) {
  switch (node.kind) {
#define LAMINAR_OPERATOR(kind, type, make) \
  case plan::NodeKind::kind:               \
    return make(static_cast<const plan::type&>(node));
#include "stream/operators/operator_list.inc"
#undef LAMINAR_OPERATOR
    default:
      return Status(ErrorCode::kNotImplemented, "this kind of operator is not there yet", node.offset);
  }
}

Part& part_of(std::vector<Part>& parts, uint32_t level, uint32_t core) {
  for (Part& part : parts) {
    if (part.level == level && part.core == core) return part;
  }
  parts.push_back({level, core, {}});
  return parts.back();
}

Result<Pipeline> build_pipeline(const plan::Node& root) {
  return build_pipeline(root, plan::Distribution(), 1, [](const std::string&) { return 0; });
}

Result<Pipeline> build_pipeline(const plan::Node& root, const plan::Distribution& distribution, uint32_t cores, const LevelOf& level_of) {
  Pipeline pipeline;
  ASSIGN_OR_RETURN(const Built built,
                   Builder(pipeline, root, distribution, cores, level_of).build(root, std::vector<bool>(root.columns.size(), true)));
  pipeline.roots = built.on;
  pipeline.root = pipeline.roots[0];
  if (!pipeline.contents.empty()) pipeline.content = pipeline.contents[0];
  pipeline.root_level = built.level;
  return pipeline;
}

Result<ReadChain> build_read_chain(const plan::Node& root) {
  ReadChain chain;
  const ContentSearch search = below_stateless(root);
  for (auto node = search.above.rbegin(); node != search.above.rend(); ++node) {
    ASSIGN_OR_RETURN(std::unique_ptr<Operator> op, make_operator(**node));
    if (!chain.operators.empty()) chain.operators.back()->add_output(op.get(), 0);
    chain.operators.push_back(std::move(op));
  }
  if (!chain.operators.empty()) {
    chain.entry = chain.operators.front().get();
    chain.root = chain.operators.back().get();
  }
  return chain;
}

}  // namespace laminar::stream
