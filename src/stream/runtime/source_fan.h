// Hands the rows of a source to the cores: collects the batches of a tick, then gives each core its share or all of them.
//
// A share is a stretch of the tick's rows, over all sources in the order they came: the rows of core 0, then of core 1 and so
// on are the tick in its order, so whoever reads the cores in turn sees the order of one core.
//
// Threads: the fan and Intake::add() on the leader; Intake::run() on each core once they are complete, for one core at a time.
// Bounds:  the batches of one tick, by reference: whoever brings them keeps them until the tick ends.
// Memory:  after warm-up nothing is allocated.
#pragma once

#include <memory>
#include <vector>

#include "stream/operators/operator.h"

namespace laminar::stream {

class SourceFan;

// What one tick takes in, of all sources.
class Intake {
 public:
  void add(SourceFan* fan, const data::Batch& batch);
  // All cores get them, each behind its rows.
  void add_moves(SourceFan* fan, KeyMoves moves) { moves_.push_back({fan, moves}); }
  uint64_t rows() const { return rows_; }
  bool empty() const { return items_.empty(); }
  // Before run(), on the leader.
  void prepare(uint32_t cores);
  // Pushes core `core`'s share, of `cores`, into its scans.
  void run(uint32_t core, uint32_t cores);
  void clear();

 private:
  struct Item {
    SourceFan* fan;
    data::Batch batch;
    uint64_t begin;  // rows before it
  };
  struct Moves {
    SourceFan* fan;
    KeyMoves moves;
  };
  std::vector<Item> items_;
  std::vector<Moves> moves_;
  uint64_t rows_ = 0;
  std::vector<std::vector<data::Column>> slices_;  // columns of a cut batch, by core
  std::vector<std::unique_ptr<std::vector<int64_t>>> row_watermarks_;  // copies: the source uses its own again
  size_t row_watermarks_used_ = 0;
  std::vector<std::unique_ptr<std::vector<uint64_t>>> sequences_;  // the same
  size_t sequences_used_ = 0;
};

class SourceFan final : public Operator {
 public:
  SourceFan(std::vector<data::Type> types, Intake& intake) : Operator(std::move(types)), intake_(intake) { label = "fan"; }

  void push(uint32_t, const data::Batch& batch) override { intake_.add(this, batch); }
  void push_moves(uint32_t, KeyMoves moves) override { intake_.add_moves(this, moves); }
  bool wants_input() const override { return has_outputs(); }

  // Between ticks. `whole`: all rows, not a share.
  void connect(Operator* scan, uint32_t core, bool whole);
  void disconnect(Operator* scan);

 private:
  friend class Intake;
  struct Reader {
    Operator* scan;
    uint32_t core;
    bool whole;
  };
  Intake& intake_;
  std::vector<Reader> readers_;
};

}  // namespace laminar::stream
