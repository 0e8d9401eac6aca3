// The codes of what servers do; see error_codes.inc.
#pragma once

#include "base/status.h"

namespace laminar::stream {

inline constexpr ErrorCode kServerUnavailable{5005};  // cannot be reached, or does not answer
inline constexpr ErrorCode kServerRefused{5006};      // says no

}  // namespace laminar::stream
