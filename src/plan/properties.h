// What the planner proves of each node from its inputs: append-only, key, event-time columns, the bound of its state.
//
// Event time: a column with time_offset_us = o never falls below the node's watermark + o again, but for late rows.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "plan/node.h"

namespace laminar::plan {

// Bottom-up over the tree. Scans and their column offsets, append_only and key have been filled by the binder; in all
// other nodes append_only, key, time_offset_us of the columns and state_bound are overwritten.
void derive_properties(Node& root);

// The offset of an expression over columns of `input` that is event time: a time column, also shifted by constant
// intervals or rounded down to a grid.
std::optional<int64_t> time_offset(const expr::Expr& expr, const Node& input);
// A constant interval of fixed length in us; months have none.
std::optional<int64_t> fixed_interval(const expr::Expr& expr);

// Whether no row of the node changes behind its watermark, late rows of sources aside: not so for tables, for rankings and
// groups without a window, and what reads them. `object` says so of what a scan reads.
bool settles(const Node& node, const std::function<bool(const std::string& object)>& object);

// Whether the batches of the node carry the total order of their source (Batch::sequence), for ties; elsewhere the numbers
// mean nothing.
bool has_total_order(const Node& node);

}  // namespace laminar::plan
