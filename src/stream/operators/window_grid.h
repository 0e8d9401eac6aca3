// The numbering of windows under the names of this folder.
#pragma once

#include "plan/window_grid.h"

namespace laminar::stream {

using plan::floor_div;
using plan::WindowGrid;

}  // namespace laminar::stream
