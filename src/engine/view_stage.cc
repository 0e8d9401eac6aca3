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
  if (node.kind == plan::NodeKind::kWindowAssign) return &node;
  if (node.kind == plan::NodeKind::kAggregate && static_cast<const plan::AggregateNode&>(node).window) return &node;
  if (node.kind == plan::NodeKind::kJoin && static_cast<const plan::JoinNode&>(node).time) return &node;
  if (node.kind == plan::NodeKind::kAsof && static_cast<const plan::AsofNode&>(node).timed) return &node;
  return nullptr;
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
class ViewStage::ReadEnd final : public stream::Operator {
 public:
  using Operator::Operator;
  void push(uint32_t, const data::Batch& batch) override { (*visit)(batch); }
  const stream::BatchVisitor* visit = nullptr;
};

ViewStage::ViewStage() = default;
ViewStage::~ViewStage() = default;

Result<std::unique_ptr<ViewStage>> ViewStage::make(std::shared_ptr<const sql::Object> object, plan::ViewPlan plan) {
  auto view = std::make_unique<ViewStage>();
  view->name = object->name;
  view->object = std::move(object);
  view->plan = std::move(plan);
  const plan::Node& root = *view->plan.root;
  ASSIGN_OR_RETURN(view->pipeline, stream::build_pipeline(root));
  view->rejects = std::make_unique<RejectStore>(late_shapes(root), kRejectRowsMax);
  for (auto& op : view->pipeline.operators) {
    op->set_rejects(view->rejects.get());
    view->operators.push_back(op.get());
  }
  view->output_ = view->pipeline.root;
  const std::vector<data::Type> types = root.types();
  const auto append = [&view](std::unique_ptr<stream::Operator> op) {
    view->output_->add_output(op.get(), 0);
    view->output_ = op.get();
    view->operators.push_back(op.get());
    view->extra_.push_back(std::move(op));
  };
  const bool throttled = view->plan.emit == plan::EmitMode::kEvery;
  if (throttled) {
    append(std::make_unique<stream::ThrottleOperator>(types, view->plan.every_us));
    view->clock_driven = true;
  }
  if (!view->plan.is_stream) {
    if (throttled || !view->pipeline.content) {
      append(std::make_unique<stream::ViewStoreOperator>(types, root.append_only && !throttled));
      view->content_ = view->output_;
    } else {
      view->content_ = view->pipeline.content;
      view->content_->keep_content(true);
      if (view->content_ != view->pipeline.root) {
        ASSIGN_OR_RETURN(view->read_, stream::build_read_chain(root));
        view->read_end_ = std::make_unique<ReadEnd>(types);
        view->read_.root->add_output(view->read_end_.get(), 0);
      }
    }
  }
  if (view->plan.retain_history_bytes > 0) {
    auto history = std::make_unique<stream::HistoryOperator>(types, view->plan.retain_history_bytes);
    view->history = history.get();
    append(std::move(history));
  }
  return view;
}

void ViewStage::scan(const stream::BatchVisitor& visit) {
  CHECK(content_);
  if (!read_end_) return content_->scan_content(visit);
  read_end_->visit = &visit;
  content_->scan_content([this](const data::Batch& batch) { read_.entry->push(0, batch); });
  read_end_->visit = nullptr;
}

uint64_t ViewStage::content_rows() { return content_ ? content_->state_rows() : 0; }

uint64_t ViewStage::state_bytes() const {
  uint64_t bytes = 0;
  for (const stream::Operator* op : operators) bytes += op->state_bytes();
  return bytes;
}

void ViewStage::attach(Subscription* subscription) {
  output_->add_output(subscription, 0);
  operators.push_back(subscription);
  subscriptions.push_back(subscription);
}

void ViewStage::detach(Subscription* subscription) {
  output_->remove_output(subscription);
  std::erase(operators, static_cast<stream::Operator*>(subscription));
  std::erase(subscriptions, subscription);
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
