// Holds the content of a view and passes its changes on.
//
// State: the view's content; see state/view_store.h.
#pragma once

#include "stream/operators/operator.h"
#include "stream/state/view_store.h"

namespace laminar::stream {

class ViewStoreOperator final : public Operator {
 public:
  ViewStoreOperator(std::vector<data::Type> types, bool append_only)
      : Operator(types), store_(std::move(types), append_only) {
    label = "content";
  }
  void push(uint32_t, const data::Batch& batch) override {
    counters.rows_in += batch.rows;
    counters.rows_out += batch.rows;
    store_.apply(batch);
    emit(batch);
  }
  void finish(const TickInfo&) override {
    store_.end_tick();
    set_output_watermark(input_watermark());
  }
  bool passes_at_once() const override { return true; }
  bool holds_content() const override { return true; }
  void scan_content(const BatchVisitor& visit) override { store_.scan(visit); }
  void share_content(const FixedVisitor& fixed, const BatchVisitor& rest) override { store_.share(fixed, rest); }
  uint64_t state_bytes() const override { return store_.bytes(); }
  uint64_t state_rows() const override { return store_.rows(); }
  // Ticks that ended with a row of negative weight: a fault of ours.
  uint64_t faults() const { return store_.faults(); }

  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override { store_.save(sink, full); }
  bool saves_ahead() const override { return true; }
  bool save_ahead(StateSink& sink, Ahead how, uint64_t& records) override {
    return store_.save_ahead(sink, how == Ahead::kAll, how != Ahead::kGoOn, records);
  }
  Status load_state(StateSource& source) override { return store_.load(source, types(), label); }

 private:
  ViewStore store_;
};

}  // namespace laminar::stream
