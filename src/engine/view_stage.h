// A view or stream at run time: its plan, its operators, where its content is read from, and who follows it.
//
// Threads: under the core's lock.
// Cores:   a view may have its operators on several cores (docs/design/cores.md); its history and whoever follows it run on
//          the leader, after the parts.
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
  std::unique_ptr<stream::SourceFan> fan;  // of a view with parts
  std::unique_ptr<stream::SourceFeed> feed;
  uint64_t rows = 0;
  bool ended = false;
  // A batch of which a part has been taken already: its first `taken` rows.
  stream::SourceFeed::Item item;
  uint32_t taken = 0;
  std::vector<data::BatchBuffer*> read;       // in the running slice
  std::unique_ptr<data::BatchBuffer> part;    // the cut-off rows of one
};

// Where the objects that a view reads are, on several cores.
struct CoreLayout {
  uint32_t cores = 1;
  bool with_parts = false;  // even where all is on one core
  plan::ObjectPlacement placement;
  std::function<uint32_t(const std::string& object)> level;
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
  static Result<std::unique_ptr<ViewStage>> make(std::shared_ptr<const sql::Object> object, plan::ViewPlan plan, const CoreLayout& layout = {});

  const std::vector<data::Type>& types() const { return outputs_[0]->types(); }
  int64_t watermark() const { return outputs_[0]->output_watermark(); }
  // A reader of the view's changes on that core; those of a spread view have one on each core.
  void connect(stream::Operator* reader, uint32_t core) { outputs_[core]->add_output(reader, 0); }
  void disconnect(stream::Operator* reader, uint32_t core) { outputs_[core]->remove_output(reader); }
  bool holds_content() const { return !plan.is_stream; }
  // The content at the end of the last tick, of all cores or of one. Streams have none.
  void scan(const stream::BatchVisitor& visit);
  // The same, with rows that stay as they are told apart.
  void share(const stream::FixedVisitor& fixed, const stream::BatchVisitor& rest);
  void scan_core(uint32_t core, const stream::BatchVisitor& visit);
  uint64_t content_rows();
  uint64_t state_bytes() const;
  // Calls with each operator and the core it is on.
  void each_operator(const std::function<void(const stream::Operator&, uint32_t core)>& visit) const;

  // Its operators in order, each with its instances by core.
  std::vector<std::vector<stream::Operator*>> instances() const;
  // How its rows lie on the cores, and the level in which they come.
  const plan::Placement& placement() const { return by_row_ ? *by_row_ : distribution.of(*plan.root); }
  uint32_t level() const { return pipeline.root_level; }
  uint32_t cores() const { return static_cast<uint32_t>(outputs_.size()); }

  // Between its cores, to followers and of late rows.
  std::vector<const stream::Exchange*> exchanges() const;

  // After its operators have their state back: exchanges learn of the watermarks.
  void restart_exchanges();

  void attach(Subscription* subscription);
  void detach(Subscription* subscription);

  std::shared_ptr<const sql::Object> object;
  plan::ViewPlan plan;
  plan::Distribution distribution;
  uint32_t layout_cores = 1;
  stream::Pipeline pipeline;
  // By core. The shared schema is that of the first.
  std::vector<std::unique_ptr<RejectStore>> rejects;
  uint64_t late_count() const;
  uint64_t error_count() const;
  // Passes late rows on into `store`: directly, or by an exchange where the view has parts; then its receiver runs before the
  // store, at late_level.
  void send_late_to(stream::Operator* store);
  std::unique_ptr<stream::Exchange> late_exchange;
  uint32_t late_level = 0;
  stream::HistoryOperator* history = nullptr;
  std::vector<Subscription*> subscriptions;
  uint64_t memory_limit_bytes = 0;  // of state, content and history; 0: none
  State state = State::kWaiting;
  std::vector<std::unique_ptr<CatchUp>> catch_up;
  stream::Intake catch_up_intake;
  std::string late_data_object;  // the relation of LATE DATA TO, made with the view
  std::optional<Error> failure;

 private:
  class ReadEnd;
  void spread_by_row();
  // The operator on the leader that hands changes to those who follow the view.
  stream::Operator* tail();
  void drop_tail();

  std::vector<std::unique_ptr<stream::Operator>> extra_;  // throttle, store, history
  stream::ReadChain read_;
  std::unique_ptr<ReadEnd> read_end_;
  std::vector<stream::Operator*> outputs_, contents_;  // by core
  std::optional<plan::Placement> by_row_;              // where an exchange stands before the content
  std::unique_ptr<stream::Exchange> gather_;           // of a spread view that is followed
};

const char* to_text(ViewStage::State state);

}  // namespace laminar::engine
