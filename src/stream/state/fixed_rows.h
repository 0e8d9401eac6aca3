// Rows that stay as they are, for readers beside ticks.
#pragma once

#include <functional>
#include <memory>

#include "data/batch.h"

namespace laminar::stream {

// A batch whose columns (what the span points to excepted) stay in place and unchanged while `memory` is held.
using FixedVisitor = std::function<void(const data::Batch&, const std::shared_ptr<const void>& memory)>;

}  // namespace laminar::stream
