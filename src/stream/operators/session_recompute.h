// SESSION windows over an input that takes rows back: a row that goes may split a session, or join none any more.
//
// Rows of one key and one time form a point with its own states. A session is a run of points no more than a gap apart;
// its row is made by merging the states of its points. What a tick touched is told by the sessions of each touched key
// before and after it.
//
// Time:    rows are late as in SessionAggregate. A session is closed, and its points go, when no row that is on time can
//          come within a gap of it: at its end + gap + lateness. So the sessions are a function of the rows that are
//          there, whatever ticks they came in. Changes have ends after watermark - gap - lateness.
// Bounds:  one set of states per point of an open session; a touched key costs its points once a tick.
#pragma once

#include <memory>

#include "stream/operators/aggregate.h"

namespace laminar::stream {

std::unique_ptr<Operator> make_session_recompute(const plan::AggregateNode& node, std::unique_ptr<AggregateLayout> layout);

}  // namespace laminar::stream
