// A watermark group at run time: follows its sources in every tick that reaches one of them.
//
// Threads: under the core's lock.
#pragma once

#include <memory>
#include <vector>

#include "sql/backend.h"
#include "stream/operators/watermark_group_operator.h"
#include "stream/runtime/core.h"

namespace laminar::engine {

struct WatermarkGroupStage final : stream::Stage {
  WatermarkGroupStage(std::shared_ptr<const sql::Object> object, stream::WatermarkGroupOperator::Policy policy, int64_t max_drift_us,
                      std::vector<stream::SourceOperator*> members)
      : op(policy, max_drift_us, std::move(members)) {
    name = object->name;
    operators = {&op};
  }
  stream::WatermarkGroupOperator op;
};

}  // namespace laminar::engine
