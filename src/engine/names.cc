#include "engine/names.h"

#include <algorithm>
#include <cctype>

namespace laminar::engine {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace laminar::engine
