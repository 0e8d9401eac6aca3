// GROUP BY with TUMBLE, HOP or CUMULATE.
//
// Every open window has a table of its own. Where rows only come (append-only), windows overlap, and nobody needs the
// changes of open windows, rows go into the table of their slice once, and a window's table is merged from its slices
// when it closes or is read.
//
// Time:    lateness is judged row by row against the row's own watermark; windows close at finish() by the input's. Where
//          the watermark is one PER KEY, each group closes by that of its key as well, and a window ends with its last group.
// State:   open windows; closed rows go to compact columns where keep_content() was asked for.
#pragma once

#include <memory>

#include "stream/operators/aggregate.h"

namespace laminar::stream {

Result<std::unique_ptr<Operator>> make_window_aggregate(const plan::AggregateNode& node, std::unique_ptr<AggregateLayout> layout);

}  // namespace laminar::stream
