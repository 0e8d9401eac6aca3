// Blocks of lines put side by side on a screen.
#pragma once

#include <string>
#include <string_view>

namespace laminar::shell {

// A title and lines in `width` columns and exactly `height` lines, cut or filled with blanks.
std::string pane(std::string_view title, std::string_view lines, size_t width, size_t height);
// The lines of two panes of the same height, one beside the other.
std::string side_by_side(std::string_view left, std::string_view right);
// A bar of `width` columns, filled by that share.
std::string progress_bar(double share, size_t width);

}  // namespace laminar::shell
