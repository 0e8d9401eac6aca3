#include "engine/view_stage.h"

#include <algorithm>

#include "base/check.h"
#include "stream/operators/throttle_operator.h"

namespace laminar::engine {

namespace {

constexpr uint64_t kRejectRowsMax = 1 << 20;

// Whose rows can be late: the window or join within time nearest to the sources.
const plan::Node* windowed_node(const plan::Node& node) {
  for (const plan::NodePtr& input : node.inputs) {
    if (const plan::Node* found = windowed_node(*input)) return found;
  }
  if (node.kind == plan::NodeKind::kWindowAssign || node.kind == plan::NodeKind::kSort) return &node;
  if (node.kind == plan::NodeKind::kAggregate && static_cast<const plan::AggregateNode&>(node).window) return &node;
  if (node.kind == plan::NodeKind::kJoin && static_cast<const plan::JoinNode&>(node).time) return &node;
  if (node.kind == plan::NodeKind::kAsof && static_cast<const plan::AsofNode&>(node).timed) return &node;
  return nullptr;
}

// Whether rows come out when the clock alone goes on.
bool waits_for_clock(const plan::Node& node) {
  if (node.kind == plan::NodeKind::kAsof) {
    const auto& asof = static_cast<const plan::AsofNode&>(node);
    if (asof.on_final && asof.versions == plan::AsofNode::Versions::kByChange) return true;
  }
  return std::any_of(node.inputs.begin(), node.inputs.end(), [](const plan::NodePtr& input) { return waits_for_clock(*input); });
}

std::vector<data::Schema> late_shapes(const plan::Node& root) {
  std::vector<data::Schema> shapes;
  const plan::Node* node = windowed_node(root);
  if (!node) return shapes;
  for (const plan::NodePtr& input : node->inputs) {
    data::Schema& schema = shapes.emplace_back();
    for (const plan::OutputColumn& column : input->columns) schema.push_back({column.name, column.type});
  }
  return shapes;
}

}  // namespace

// Takes what the read chain gives and hands it to the visitor of the running scan.
// Whether all rows and columns of `out` are those of `in`, where they lie.
bool are_columns_of(const data::Batch& out, const data::Batch& in) {
  const auto is_there = [&in](const data::Column& column) {
    return std::any_of(in.columns.begin(), in.columns.end(),
                       [&](const data::Column& c) { return c.data == column.data && c.validity == column.validity; });
  };
  return out.rows == in.rows && !out.weights && std::all_of(out.columns.begin(), out.columns.end(), is_there);
}

class ViewStage::ReadEnd final : public stream::Operator {
 public:
  using Operator::Operator;
  void push(uint32_t, const data::Batch& batch) override { (*visit)(batch); }
  const stream::BatchVisitor* visit = nullptr;
};

ViewStage::ViewStage() = default;
ViewStage::~ViewStage() = default;

Result<std::unique_ptr<ViewStage>> ViewStage::make(std::shared_ptr<const sql::Object> object, plan::ViewPlan plan, const CoreLayout& layout) {
  auto view = std::make_unique<ViewStage>();
  view->name = object->name;
  view->object = std::move(object);
  view->plan = std::move(plan);
  const plan::Node& root = *view->plan.root;
  if (layout.with_parts) {
    view->layout_cores = layout.cores;
    if (layout.cores > 1) view->distribution = plan::distribute(root, layout.placement);
    ASSIGN_OR_RETURN(view->pipeline, stream::build_pipeline(root, view->distribution, layout.cores, layout.level));
  } else {
    ASSIGN_OR_RETURN(view->pipeline, stream::build_pipeline(root));
  }
  std::vector<stream::Part>& parts = view->pipeline.parts;
  uint32_t cores = 1;
  for (const stream::Part& part : parts) cores = std::max(cores, part.core + 1);
  for (uint32_t c = 0; c < cores; ++c) view->rejects.push_back(std::make_unique<RejectStore>(late_shapes(root), kRejectRowsMax / cores));
  for (const stream::Part& part : parts) {
    for (stream::Operator* op : part.operators) op->set_rejects(view->rejects[part.core].get());
  }
  view->outputs_ = view->pipeline.roots;
  view->contents_ = view->pipeline.contents;
  const std::vector<data::Type> types = root.types();
  const auto append = [&view, &parts](auto make_one) {
    for (uint32_t c = 0; c < view->outputs_.size(); ++c) {
      std::unique_ptr<stream::Operator> op = make_one();
      view->outputs_[c]->add_output(op.get(), 0);
      view->outputs_[c] = op.get();
      stream::part_of(parts, view->pipeline.root_level, c).operators.push_back(op.get());
      view->extra_.push_back(std::move(op));
    }
  };
  const bool throttled = view->plan.emit == plan::EmitMode::kEvery;
  const bool stores = throttled || (!view->plan.is_stream && view->contents_.empty() && !root.append_only);
  if (stores && view->outputs_.size() > 1 && view->placement().keys.empty()) view->spread_by_row();
  if (throttled) {
    append([&] { return std::make_unique<stream::ThrottleOperator>(types, view->plan.every_us); });
    view->clock_driven = true;
  }
  view->clock_driven |= waits_for_clock(root);
  if (!view->plan.is_stream) {
    if (throttled || view->contents_.empty()) {
      append([&] { return std::make_unique<stream::ViewStoreOperator>(types, root.append_only && !throttled); });
      view->contents_ = view->outputs_;
    } else {
      for (stream::Operator* content : view->contents_) content->keep_content(true);
      if (view->contents_[0] != view->pipeline.root) {
        ASSIGN_OR_RETURN(view->read_, stream::build_read_chain(root));
        view->read_end_ = std::make_unique<ReadEnd>(types);
        view->read_.root->add_output(view->read_end_.get(), 0);
      }
    }
  }
  if (layout.with_parts) {
    view->parts = parts;
  } else {
    CHECK(parts.size() == 1);
    view->operators = parts[0].operators;
  }
  if (view->plan.retain_history_bytes > 0) {
    auto history = std::make_unique<stream::HistoryOperator>(types, view->plan.retain_history_bytes);
    view->tail()->add_output(history.get(), 0);
    view->operators.push_back(history.get());
    view->history = history.get();
    view->extra_.push_back(std::move(history));
  }
  return view;
}

// Rows that come and go meet on the core that their values name, whichever core they came from: so their content can be
// spread anew over another number of cores.
void ViewStage::spread_by_row() {
  plan::Exchange how{plan::ExchangeKind::kHash, {}};
  for (uint32_t c = 0; c < std::min<size_t>(types().size(), stream::GroupShape::kKeysMax); ++c) how.keys.push_back(c);
  auto exchange = std::make_unique<stream::Exchange>(types(), how, cores(), cores());
  exchange->label = "exchange by row";
  for (uint32_t c = 0; c < cores(); ++c) {
    outputs_[c]->add_output(&exchange->sender(c), 0);
    stream::part_of(pipeline.parts, pipeline.root_level, c).operators.push_back(&exchange->sender(c));
  }
  ++pipeline.root_level;
  for (uint32_t c = 0; c < cores(); ++c) {
    outputs_[c] = &exchange->receiver(c);
    stream::part_of(pipeline.parts, pipeline.root_level, c).operators.push_back(outputs_[c]);
  }
  by_row_ = plan::Placement::spread(std::move(how.keys));
  pipeline.exchanges.push_back(std::move(exchange));
}

// Where the changes of all cores come together, on the leader.
stream::Operator* ViewStage::tail() {
  if (history) return history;
  if (outputs_.size() == 1) return outputs_[0];
  if (!gather_) {
    gather_ = std::make_unique<stream::Exchange>(types(), plan::Exchange{plan::ExchangeKind::kGather, {}}, cores(), cores());
    gather_->label = "gather to followers";
    for (uint32_t c = 0; c < cores(); ++c) {
      outputs_[c]->add_output(&gather_->sender(c), 0);
      stream::part_of(parts, pipeline.root_level, c).operators.push_back(&gather_->sender(c));
    }
    // It has seen what they have: followers begin with the watermark of now.
    gather_->start();
    operators.insert(operators.begin(), &gather_->receiver(0));
  }
  return &gather_->receiver(0);
}

void ViewStage::drop_tail() {
  if (!gather_ || history || !subscriptions.empty()) return;
  for (uint32_t c = 0; c < cores(); ++c) {
    outputs_[c]->remove_output(&gather_->sender(c));
    std::erase(stream::part_of(parts, pipeline.root_level, c).operators, &gather_->sender(c));
  }
  std::erase(operators, &gather_->receiver(0));
  gather_.reset();
}

void ViewStage::scan(const stream::BatchVisitor& visit) {
  for (uint32_t c = 0; c < contents_.size(); ++c) scan_core(c, visit);
}

void ViewStage::scan_core(uint32_t core, const stream::BatchVisitor& visit) {
  CHECK(core < contents_.size());
  if (!read_end_) return contents_[core]->scan_content(visit);
  read_end_->visit = &visit;
  contents_[core]->scan_content([this](const data::Batch& batch) { read_.entry->push(0, batch); });
  read_end_->visit = nullptr;
}

void ViewStage::share(const stream::FixedVisitor& fixed, const stream::BatchVisitor& rest) {
  for (stream::Operator* content : contents_) {
    if (!read_end_) {
      content->share_content(fixed, rest);
      continue;
    }
    const auto read = [this](const data::Batch& batch, const stream::BatchVisitor& visit) {
      read_end_->visit = &visit;
      read_.entry->push(0, batch);
      read_end_->visit = nullptr;
    };
    const auto read_fixed = [&](const data::Batch& batch, const std::shared_ptr<const void>& memory) {
      // What only picks columns gives those that it was given.
      read(batch, [&](const data::Batch& out) { are_columns_of(out, batch) ? fixed(out, memory) : rest(out); });
    };
    content->share_content(read_fixed, [&](const data::Batch& batch) { read(batch, rest); });
  }
}

uint64_t ViewStage::content_rows() {
  uint64_t rows = 0;
  for (stream::Operator* content : contents_) rows += plan.is_stream ? 0 : content->state_rows();
  return rows;
}

void ViewStage::each_operator(const std::function<void(const stream::Operator&, uint32_t core)>& visit) const {
  for (const stream::Part& part : parts) {
    for (const stream::Operator* op : part.operators) visit(*op, part.core);
  }
  for (const stream::Operator* op : operators) visit(*op, 0);
}

std::vector<std::vector<stream::Operator*>> ViewStage::instances() const {
  std::vector<std::vector<stream::Operator*>> list = pipeline.instances;
  // Throttle and store, as many as there are outputs.
  for (size_t i = 0; i + outputs_.size() <= extra_.size(); i += outputs_.size()) {
    if (extra_[i].get() == history) break;
    list.emplace_back();
    for (size_t c = 0; c < outputs_.size(); ++c) list.back().push_back(extra_[i + c].get());
  }
  return list;
}

std::vector<const stream::Exchange*> ViewStage::exchanges() const {
  std::vector<const stream::Exchange*> list;
  for (const auto& exchange : pipeline.exchanges) list.push_back(exchange.get());
  if (late_exchange) list.push_back(late_exchange.get());
  if (gather_) list.push_back(gather_.get());
  return list;
}

void ViewStage::restart_exchanges() {
  for (const auto& exchange : pipeline.exchanges) exchange->start();
  if (late_exchange) late_exchange->start();
  if (gather_) gather_->start();
}

uint64_t ViewStage::state_bytes() const {
  uint64_t bytes = 0;
  each_operator([&bytes](const stream::Operator& op, uint32_t) { bytes += op.state_bytes(); });
  for (const stream::Exchange* exchange : exchanges()) bytes += exchange->held_bytes();
  return bytes;
}

uint64_t ViewStage::late_count() const {
  uint64_t count = 0;
  for (const auto& store : rejects) count += store->late_count();
  return count;
}

uint64_t ViewStage::error_count() const {
  uint64_t count = 0;
  for (const auto& store : rejects) count += store->error_count();
  return count;
}

void ViewStage::send_late_to(stream::Operator* store) {
  if (parts.empty()) {
    rejects[0]->set_late_listener([store](const data::Batch& batch) { store->push(0, batch); });
    return;
  }
  const uint32_t cores = static_cast<uint32_t>(rejects.size());
  uint32_t level = 0;
  for (const stream::Part& part : parts) level = std::max(level, part.level);
  late_level = level + 1;
  late_exchange = std::make_unique<stream::Exchange>(store->types(), plan::Exchange{plan::ExchangeKind::kGather, {}}, cores, cores);
  late_exchange->label = "gather late rows";
  for (uint32_t c = 0; c < cores; ++c) {
    stream::Operator* sender = &late_exchange->sender(c);
    rejects[c]->set_late_listener([sender](const data::Batch& batch) { sender->push(0, batch); });
    stream::part_of(parts, level, c).operators.push_back(sender);
  }
  late_exchange->receiver(0).add_output(store, 0);
}

void ViewStage::attach(Subscription* subscription) {
  tail()->add_output(subscription, 0);
  operators.push_back(subscription);
  subscriptions.push_back(subscription);
}

void ViewStage::detach(Subscription* subscription) {
  tail()->remove_output(subscription);
  std::erase(operators, static_cast<stream::Operator*>(subscription));
  std::erase(subscriptions, subscription);
  drop_tail();
}

const char* to_text(ViewStage::State state) {
  switch (state) {
    case ViewStage::State::kWaiting: return "waiting";
    case ViewStage::State::kCatchingUp: return "catching up";
    case ViewStage::State::kLive: return "live";
    case ViewStage::State::kFailed: return "failed";
  }
  return "";
}

}  // namespace laminar::engine
