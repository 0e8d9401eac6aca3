#include "stream/build/build.h"

#include <algorithm>

#include "base/check.h"
#include "stream/build/column_use.h"
#include "stream/joins/asof_operator.h"
#include "stream/joins/horizon_operator.h"
#include "stream/joins/join_operator.h"
#include "stream/operators/aggregate.h"
#include "stream/operators/filter_operator.h"
#include "stream/operators/project_operator.h"
#include "stream/operators/scan_operator.h"
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

class Builder {
 public:
  Builder(Pipeline& pipeline, const plan::Node& root) : pipeline_(pipeline), content_(below_stateless(root)) {}

  // `needed`: the columns of `node` that its reader looks at.
  Result<Operator*> build(const plan::Node& node, const std::vector<bool>& needed) {
    std::vector<Operator*> inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ASSIGN_OR_RETURN(Operator * input, build(*node.inputs[i], input_columns_used(node, i, needed)));
      inputs.push_back(input);
    }
    Result<std::unique_ptr<Operator>> made = make_operator(node);
    if (!made.ok()) return made.status();
    Operator* op = made->get();
    pipeline_.operators.push_back(made.take());
    if (&node == content_.content && op->holds_content()) pipeline_.content = op;
    // Before it is wired: whoever holds the content forms no changes that nobody wants.
    if (pipeline_.content && is_stateless_chain_link(node) && content_.holds(node)) set_only_on_demand(node, *op);
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i]->add_output(op, static_cast<uint32_t>(i));
    if (node.kind == plan::NodeKind::kScan) {
      pipeline_.scans.push_back({static_cast<const plan::ScanNode&>(node).object, op});
    } else if (node.kind == plan::NodeKind::kFilter) {
      static_cast<FilterOperator*>(op)->need_only(needed);
    }
    return op;
  }

 private:
  Pipeline& pipeline_;
  const ContentSearch content_;
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

Result<Pipeline> build_pipeline(const plan::Node& root) {
  Pipeline pipeline;
  ASSIGN_OR_RETURN(pipeline.root, Builder(pipeline, root).build(root, std::vector<bool>(root.columns.size(), true)));
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
