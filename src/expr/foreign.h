// What DuckDB computes for us where we have no kernel: scalar expressions and aggregate functions behind two small
// interfaces. duck/ implements them; expr/ and stream/ know no DuckDB.
//
// Threads: a ForeignFunction or ForeignAggregate is immutable and shared; its instances belong to one core.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"

namespace laminar::expr {

// One core's executor of a foreign scalar expression.
class ForeignEvaluator {
 public:
  virtual ~ForeignEvaluator() = default;
  // Evaluates over rows [0, rows) of the argument columns into `out` (data and validity arrays present); long strings
  // go to `strings`. On an error nothing in `out` counts, and the caller finds the rows with one-row calls.
  virtual Status evaluate(std::span<const data::Column> args, uint32_t rows, data::Column& out, data::StringArena& strings) = 0;
};

class ForeignFunction {
 public:
  virtual ~ForeignFunction() = default;
  virtual const std::vector<data::Type>& argument_types() const = 0;
  virtual const data::Type& result_type() const = 0;
  virtual std::unique_ptr<ForeignEvaluator> instantiate() const = 0;
};

// An aggregate function run through DuckDB's own state functions.
class ForeignAggregate {
 public:
  virtual ~ForeignAggregate() = default;
  virtual const std::string& name() const = 0;
  virtual const std::vector<data::Type>& argument_types() const = 0;
  virtual const data::Type& result_type() const = 0;
  // Bytes of one state, 8-byte aligned. Plain states can be copied as bytes and need no destroy().
  virtual uint32_t state_size() const = 0;
  virtual bool plain_state() const = 0;
  class Instance {
   public:
    virtual ~Instance() = default;
    virtual void initialize(char* state) = 0;
    // Row i goes into states[i].
    virtual Status update(std::span<const data::Column> args, char* const* states, uint32_t rows) = 0;
    virtual Status finalize(char* const* states, uint32_t rows, data::Column& out, data::StringArena& strings) = 0;
    virtual void destroy(char* const* states, uint32_t rows) = 0;
    // Once every state is destroyed: gives their memory back.
    virtual void release_memory() = 0;
  };
  // The instance owns the arena of its states' memory; it outlives them.
  virtual std::unique_ptr<Instance> instantiate() const = 0;
};

}  // namespace laminar::expr
