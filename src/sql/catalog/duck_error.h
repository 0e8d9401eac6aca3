// Shorthands for throwing our errors through DuckDB; how they travel is in parse/session_parser.h. Include in .cc files
// only.
#pragma once

#include <string>
#include <utility>

#include "base/status.h"
#include "sql/parse/session_parser.h"

namespace laminar::sql {

[[noreturn]] inline void raise(const Error& error) { throw_error(error); }
[[noreturn]] inline void raise(ErrorCode code, std::string message, int64_t offset = -1) {
  throw_error(Error{code, std::move(message), offset});
}
inline void raise_if_error(const Status& status) { throw_if_error(status); }
template <class T>
T take_or_raise(Result<T> result) {
  if (!result.ok()) throw_error(result.error());
  return result.take();
}

}  // namespace laminar::sql
