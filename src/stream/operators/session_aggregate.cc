#include "stream/operators/session_aggregate.h"

namespace laminar::stream {

Result<std::unique_ptr<Operator>> make_session_aggregate(const plan::AggregateNode& node, std::unique_ptr<AggregateLayout>) {
  return Status(ErrorCode::kNotImplemented, "SESSION windows are not there yet", node.offset);
}

}  // namespace laminar::stream
