// The operators of an object in a checkpoint: what each instance saves, and who reads it when the number of cores has changed.
//
// Records: operator i on core c has part c * 1024 + i, its tables are the operator's own; table 255 of it holds the format
// version, the operator's label, counters and watermarks. Exchanges are empty between ticks and have none.
//
// Threads: under the core's lock.
// Errors:  LDB-6006 for records that cannot be read; LDB-6004 when the rows of an operator cannot be told apart by core.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/view_stage.h"
#include "storage/checkpoint/checkpoint_store.h"
#include "stream/operators/operator.h"

namespace laminar::engine {

// One part of an object as an operator's store.
class CheckpointSink final : public stream::StateSink {
 public:
  CheckpointSink(storage::CheckpointBatch& batch, uint32_t object, uint16_t part) : batch_(batch), object_(object), part_(part) {}
  void put(uint8_t table, std::string_view key, std::string_view value) override { batch_.put({object_, part_, table}, key, value); }
  void erase(uint8_t table, std::string_view key) override { batch_.erase({object_, part_, table}, key); }
  void erase_prefix(uint8_t table, std::string_view prefix) override { batch_.erase_prefix({object_, part_, table}, prefix); }

 private:
  storage::CheckpointBatch& batch_;
  const uint32_t object_;
  const uint16_t part_;
};

class CheckpointSource final : public stream::StateSource {
 public:
  CheckpointSource(storage::CheckpointReader& reader, uint32_t object, uint16_t part) : reader_(reader), object_(object), part_(part) {}
  Status scan(uint8_t table, const Visitor& visit) override { return reader_.scan({object_, part_, table}, visit); }
  uint32_t version() const override { return 1; }

 private:
  storage::CheckpointReader& reader_;
  const uint32_t object_;
  const uint16_t part_;
};

inline constexpr uint32_t kOperatorsMax = 1000;  // of an object

// One operator of an object, on each core that runs it.
struct SavedOperator {
  std::vector<stream::Operator*> on;
  // The rows of each input, and the columns that spread them; empty where that is not known.
  struct Input {
    std::vector<data::Type> types;
    std::vector<uint32_t> keys;
  };
  std::vector<Input> inputs;
};

// Those whose state is the object's: followers come and go.
std::vector<SavedOperator> saved_operators(stream::Stage& stage, ViewStage* view);

// A part of their state; true while there is more. The first call says how it begins.
bool save_operators_ahead(const std::vector<SavedOperator>& operators, uint32_t object, stream::Operator::Ahead how, uint64_t records,
                          storage::CheckpointBatch& batch);
// `ahead`: of those that can, all has been saved ahead but for what changed since.
void save_operators(const std::vector<SavedOperator>& operators, uint32_t object, bool full, bool ahead, storage::CheckpointBatch& batch);
Status load_operators(const std::vector<SavedOperator>& operators, uint32_t object, const std::string& name, storage::CheckpointReader& reader);

}  // namespace laminar::engine
