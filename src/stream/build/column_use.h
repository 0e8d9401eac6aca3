// What plan nodes do with columns: which of an input they read, and whether an expression can fail.
#pragma once

#include <vector>

#include "expr/expression.h"
#include "plan/node.h"

namespace laminar::stream {

// The columns of input `input` that `node` reads when `needed` of its own columns are read.
std::vector<bool> input_columns_used(const plan::Node& node, size_t input, const std::vector<bool>& needed);

// Whether the expression gives a value or NULL for every row. False where in doubt.
bool never_fails(const expr::Expr& expr);

}  // namespace laminar::stream
