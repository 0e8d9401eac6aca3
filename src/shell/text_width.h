// How many columns of a terminal UTF-8 text takes, and text cut to fit.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace laminar::shell {

// Wide characters (CJK, emoji) count two, combining ones none; a byte that is no UTF-8 counts one.
size_t display_width(std::string_view text);
// Line breaks, tabs and other control characters as visible signs, bytes that are no UTF-8 as '?': one cell, one line.
std::string single_line(std::string_view text);
// The text if it takes at most `width` columns, else its beginning and an ellipsis, `width` columns in all.
std::string cut_to_width(std::string_view text, size_t width);
// The longest prefix, in bytes, of at most `width` columns.
size_t prefix_of_width(std::string_view text, size_t width);

}  // namespace laminar::shell
