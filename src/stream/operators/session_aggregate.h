// GROUP BY with SESSION: per key, runs of rows no more than a gap apart; window_end is the last row's time plus the gap.
//
// Time:    a row is late when its own window [ts, ts + gap) is; it joins the sessions within a gap that are open for
//          it, and merges them. Sessions close at finish() by the input's watermark, and where it is one PER KEY by that
//          of their key.
// State:   open sessions; closed rows go to compact columns where keep_content() was asked for.
#pragma once

#include <memory>

#include "stream/operators/aggregate.h"

namespace laminar::stream {

Result<std::unique_ptr<Operator>> make_session_aggregate(const plan::AggregateNode& node, std::unique_ptr<AggregateLayout> layout);

}  // namespace laminar::stream
