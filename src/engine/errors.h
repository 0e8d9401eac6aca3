// Errors of statements.
#pragma once

#include "base/status.h"

namespace laminar::engine {

// The error at this place of the statement, where it names none of its own.
inline Status at_offset(const Status& status, int64_t offset) {
  if (status.ok() || status.error().offset >= 0) return status;
  Error error = status.error();
  error.offset = offset;
  return Status(std::move(error));
}

}  // namespace laminar::engine
