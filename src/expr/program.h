// A list of expressions compiled for one core: evaluates them over a batch, column at a time, without allocating.
//
// Threads: one core.
// Owns:    result columns and their string bytes, valid until the next evaluate().
// Errors:  a row whose evaluation fails (overflow, bad cast) is reported in RowErrors and its results are NULL; the
//          caller takes it out of the stream and counts it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "expr/expression.h"

namespace laminar::expr {

// Rows that failed in one evaluate(), ascending by row, at most one message a row; capacity kBatchRowsMax.
struct RowErrors {
  struct Item {
    uint32_t row;
    const std::string* message;  // owned by the program, stable until the next evaluate()
  };
  std::vector<Item> items;
  bool any() const { return !items.empty(); }
};

class Program {
 public:
  // `inputs`: the types of the batches' columns. Never fails for what has_kernel() or kForeign covers; anything else is
  // an internal error.
  static Result<std::unique_ptr<Program>> compile(std::vector<ExprPtr> expressions, std::span<const data::Type> inputs);
  virtual ~Program() = default;

  // One column per expression. A plain column reference is passed through by reference, without a copy.
  virtual std::span<const data::Column> evaluate(const data::Batch& batch, RowErrors& errors) = 0;

  // For a single BOOLEAN expression: the rows where it is true, ascending, into `selection` (room for batch.rows).
  // Rows with errors are in `errors` and not selected. Returns how many.
  virtual uint32_t select(const data::Batch& batch, uint32_t* selection, RowErrors& errors) = 0;

  // Whether any part runs in DuckDB.
  virtual bool uses_foreign() const = 0;
};

}  // namespace laminar::expr
