// Rewrites of our own plan, after translation: windows into the aggregates above them, columns nobody reads,
// projections on projections.
#pragma once

#include <vector>

#include "plan/node.h"

namespace laminar::sql {

// An aggregate that groups by the columns of a WindowAssign below it, with projections and filters between, becomes one
// windowed aggregate over the window's input; conditions on the window move above. Any other aggregate comes back as it
// is.
plan::NodePtr fuse_window(std::unique_ptr<plan::AggregateNode> aggregate);

// Drops columns that nothing above reads and merges projections. The root's columns stay.
plan::NodePtr simplify(plan::NodePtr root);

// `expression` with column i replaced by columns[i].
expr::ExprPtr substitute(const expr::ExprPtr& expression, const std::vector<expr::ExprPtr>& columns);

}  // namespace laminar::sql
