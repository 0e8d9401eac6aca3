// Names of objects as keys: without regard to case.
#pragma once

#include <string>

namespace laminar::engine {

std::string lower(std::string text);

}  // namespace laminar::engine
