// An exchange: takes rows from the senders of all cores and hands each to the core that its key names, once a tick.
//
// There is a box for each (sender, receiver). During a level of a tick the sending core alone writes its boxes; its
// finish() is the marker that closes them, with the watermark. In the next level the receiving core reads the boxes in the
// order of the senders, so the rows of one sender keep their order, and empties them. Nothing is ever full, and nobody waits
// with a row in hand: levels do not begin before all cores have ended the one before (runtime/core.h).
//
// Threads: sender(c) and receiver(c) on whichever thread runs core c's part; levels order the two.
// Owns:    the rows between the two, copied once, strings included.
// Bounds:  what a tick brings: a tick is bounded, and boxes keep their buffers for the next one.
// Memory:  after warm-up nothing is allocated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plan/distribution.h"
#include "stream/operators/operator.h"
#include "stream/state/group_table.h"

namespace laminar::stream {

// The core that a key goes to.
class KeySpread {
 public:
  // `types`: of the rows; `keys`: the columns that choose the core.
  KeySpread(const std::vector<data::Type>& types, std::vector<uint32_t> keys, uint32_t cores);
  // The core of each row of the batch, for at most data::kBatchRowsMax rows.
  const uint32_t* cores_of(const data::Batch& batch);

 private:
  const std::vector<uint32_t> keys_;
  const uint32_t cores_;
  GroupShape shape_;
  std::vector<data::Column> columns_;
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> targets_;
};

class Exchange {
 public:
  // `senders`: 1 (core 0 alone) or as many as cores. kGather has one receiver, core 0; the others have `cores`.
  Exchange(std::vector<data::Type> types, const plan::Exchange& how, uint32_t senders, uint32_t cores);
  ~Exchange();

  uint32_t senders() const { return static_cast<uint32_t>(senders_.size()); }
  uint32_t receivers() const { return static_cast<uint32_t>(receivers_.size()); }
  Operator& sender(uint32_t core);
  Operator& receiver(uint32_t core);

  // Brings the receivers' watermarks to where the senders' inputs stand: for an exchange put in between ticks, or restored.
  void start();

  // Rows handed over, and those of them that changed cores. Between ticks.
  uint64_t rows() const;
  uint64_t crossed() const;
  uint64_t held_bytes() const;
  std::string label;

 private:
  class Sender;
  class Receiver;
  struct Box {
    std::vector<std::unique_ptr<data::BatchBuffer>> buffers;  // the first `used` hold rows
    size_t used = 0;
    uint64_t rows = 0;  // ever
    data::BatchBuffer& room(const std::vector<data::Type>& types);
    void append(const std::vector<data::Type>& types, const data::Batch& batch, const uint32_t* rows, uint32_t count);
  };
  Box& box(uint32_t sender, uint32_t receiver) { return boxes_[sender * receivers_.size() + receiver]; }
  const Box& box(uint32_t sender, uint32_t receiver) const { return boxes_[sender * receivers_.size() + receiver]; }

  const std::vector<data::Type> types_;
  const plan::Exchange how_;
  std::vector<Box> boxes_;
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
};

}  // namespace laminar::stream
