// A view or stream at run time: its plan, its operators, where its content is read from, and who follows it.
//
// Threads: under the core's lock.
// State:   in the operators; content is read from the last operator that holds it, through a second instance of the
//          stateless operators above, or from a store of its own where no operator holds it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/reject_store.h"
#include "engine/source_stage.h"
#include "engine/subscription.h"
#include "plan/node.h"
#include "sql/backend.h"
#include "stream/build/build.h"
#include "stream/operators/history_operator.h"
#include "stream/operators/view_store_operator.h"
#include "stream/runtime/core.h"

namespace laminar::engine {

// Reads one source from its start for one view, until it has caught up with the others.
struct CatchUp {
  SourceStage* source = nullptr;
  std::unique_ptr<stream::SourceOperator> op;
  std::unique_ptr<stream::SourceFeed> feed;
  uint64_t rows = 0;
  bool ended = false;
  // A batch of which a part has been taken already: its first `taken` rows.
  stream::SourceFeed::Item item;
  uint32_t taken = 0;
};

struct ViewStage final : stream::Stage {
  enum class State : uint8_t {
    kWaiting,     // for its inputs to be live, or for COMMIT
    kCatchingUp,  // reads its sources' past
    kLive,
    kFailed,
  };

  ViewStage();
  ~ViewStage() override;
  static Result<std::unique_ptr<ViewStage>> make(std::shared_ptr<const sql::Object> object, plan::ViewPlan plan);

  // The operator whose changes are the view's.
  stream::Operator* output() { return output_; }
  bool holds_content() const { return !plan.is_stream; }
  // The content at the end of the last tick. Streams have none.
  void scan(const stream::BatchVisitor& visit);
  uint64_t content_rows();
  uint64_t state_bytes() const;

  void attach(Subscription* subscription);
  void detach(Subscription* subscription);

  std::shared_ptr<const sql::Object> object;
  plan::ViewPlan plan;
  stream::Pipeline pipeline;
  std::unique_ptr<RejectStore> rejects;
  stream::HistoryOperator* history = nullptr;
  std::vector<Subscription*> subscriptions;
  State state = State::kWaiting;
  std::vector<std::unique_ptr<CatchUp>> catch_up;
  std::string late_data_object;  // the relation of LATE DATA TO, made with the view
  std::optional<Error> failure;

 private:
  class ReadEnd;
  std::vector<std::unique_ptr<stream::Operator>> extra_;  // throttle, store, history
  stream::ReadChain read_;
  std::unique_ptr<ReadEnd> read_end_;
  stream::Operator* output_ = nullptr;
  stream::Operator* content_ = nullptr;
};

const char* to_text(ViewStage::State state);

}  // namespace laminar::engine
