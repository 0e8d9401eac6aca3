// Keeps the changes that pass through it, tick by tick, for changes('v') and SUBSCRIBE ... AS OF TICK.
//
// State:   a ChangeLog, bounded in bytes; and the running tick's changes, whose tick is known at finish() only.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "stream/operators/operator.h"
#include "stream/state/change_log.h"

namespace laminar::stream {

class HistoryOperator final : public Operator {
 public:
  HistoryOperator(std::vector<data::Type> types, uint64_t bytes_max);

  void push(uint32_t port, const data::Batch& batch) override;
  void finish(const TickInfo& tick) override;

  ChangeLog& log() { return log_; }
  uint64_t state_bytes() const override { return log_.bytes(); }
  uint64_t state_rows() const override { return log_.rows(); }

  // Table 0: batches of one tick by tick and number; table 1: what was forgotten.
  bool saves_state() const override { return true; }
  void save_state(StateSink& sink, bool full) override;
  Status load_state(StateSource& source) override;

 private:
  ChangeLog log_;
  std::vector<std::string> saved_keys_;  // oldest first
  uint64_t saved_tick_ = 0;
  std::vector<std::unique_ptr<data::BatchBuffer>> pending_;  // the first pending_used_ hold rows
  size_t pending_used_ = 0;
};

}  // namespace laminar::stream
