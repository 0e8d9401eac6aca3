// Aggregate functions over groups: what an accumulator keeps in a group's row and the column-wise operations on it.
//
// make_accumulator() chooses the form: constant work per row where the input is append-only, an exact retractable form
// (sums without drift, ordered multisets, all rows for DuckDB to go over again) where it is not.
//
// Threads: one operator's core.
// Owns:    nothing of a group; states lie in the rows, their long parts in the StatePool of the rows' table.
// Errors:  a row that cannot be added (overflow) leaves its state as it was and is reported in RowFaults.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "data/batch.h"
#include "plan/node.h"
#include "stream/state/state_pool.h"

namespace laminar::stream {

struct RowFault {
  uint32_t row;
  const char* message;
};

// Rows and the groups they go to.
struct AggregateInput {
  std::span<const data::Column> columns;
  const int64_t* weights = nullptr;    // by batch row; null: all +1
  const uint64_t* sequence = nullptr;  // by batch row
  uint64_t sequence_base = 0;
  const uint32_t* rows = nullptr;  // batch rows; null: 0 .. count-1
  char* const* groups = nullptr;
  uint32_t count = 0;
  std::vector<RowFault>* faults = nullptr;

  int64_t weight(uint32_t row) const { return weights ? weights[row] : 1; }
  uint64_t sequence_of(uint32_t row) const { return sequence ? sequence[row] : sequence_base + row; }
};

class Accumulator {
 public:
  virtual ~Accumulator() = default;

  // A state of zero bytes is the empty state unless needs_initialize().
  uint32_t state_bytes() const { return state_bytes_; }
  void set_offset(uint32_t offset) { offset_ = offset; }
  virtual bool needs_initialize() const { return false; }
  virtual void initialize(char* const*, uint32_t) {}

  virtual void update(const AggregateInput& input, StatePool& pool) = 0;
  // Whether DISTINCT is its own work.
  virtual bool handles_distinct() const { return false; }
  // Adds from[i] to into[i]; `from` stays whole.
  virtual bool mergeable() const { return true; }
  virtual void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) = 0;
  // Writes the results of groups[i] to rows at + i; long strings go to `strings`.
  virtual void finalize(char* const* groups, uint32_t count, data::Column& out, uint32_t at, data::StringArena& strings) = 0;

  // Whether states hold pool memory that must be freed when a single group goes, and foreign memory that must be freed
  // even when the whole pool is reset.
  virtual bool holds_memory() const { return false; }
  virtual bool holds_foreign_memory() const { return false; }
  virtual void destroy(char* const*, uint32_t, StatePool&) {}

  // Checkpoints: a group's state as bytes, and those bytes into a fresh state. A state that holds no memory is its bytes.
  virtual bool saves_state() const { return !holds_memory() && !holds_foreign_memory(); }
  virtual void save(const char* group, ByteWriter& out) const { out.raw(group + offset_, state_bytes_); }
  virtual void load(char* group, ByteReader& in, StatePool&) {
    const std::string_view bytes = in.raw(state_bytes_);
    if (bytes.size() == state_bytes_) std::memcpy(group + offset_, bytes.data(), state_bytes_);
  }

 protected:
  explicit Accumulator(uint32_t state_bytes) : state_bytes_(state_bytes) {}
  template <class State>
  State& state(char* group) const {
    return *reinterpret_cast<State*>(group + offset_);
  }
  template <class State>
  const State& state(const char* group) const {
    return *reinterpret_cast<const State*>(group + offset_);
  }
  uint32_t offset_ = 0;

 private:
  uint32_t state_bytes_;
};
using AccumulatorPtr = std::unique_ptr<Accumulator>;

// What an operator's input and its own work ask of its accumulators.
struct AccumulatorNeeds {
  bool append_only = true;
  bool keeps_order = true;  // see plan::Node
  bool merge = false;       // states of a group are put together: sessions
};

// The accumulator of a call over input columns of the given types, FILTER and DISTINCT included. Refuses with
// NotIncremental what cannot be retracted, with NotImplemented what has no form at all.
Result<AccumulatorPtr> make_accumulator(const plan::AggregateCall& call, const std::vector<data::Type>& input_types,
                                        const AccumulatorNeeds& needs);

}  // namespace laminar::stream
