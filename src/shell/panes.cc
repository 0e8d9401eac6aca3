#include "shell/panes.h"

#include <algorithm>
#include <array>

#include "shell/text_width.h"

namespace laminar::shell {
namespace {

constexpr std::string_view kBold = "\x1b[1m", kPlain = "\x1b[0m";

std::string_view next_line(std::string_view& lines) {
  const size_t end = lines.find('\n');
  const std::string_view line = lines.substr(0, end);
  lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  return line;
}

std::string filled(std::string_view text, size_t width) {
  std::string out = cut_to_width(text, width);
  const size_t used = display_width(out);
  out.append(width > used ? width - used : 0, ' ');
  return out;
}

}  // namespace

std::string pane(std::string_view title, std::string_view lines, size_t width, size_t height) {
  std::string out;
  for (size_t row = 0; row < height; ++row) {
    if (row == 0) {
      out.append(kBold).append(filled(title, width)).append(kPlain);
    } else {
      out += filled(next_line(lines), width);
    }
    out += '\n';
  }
  return out;
}

std::string side_by_side(std::string_view left, std::string_view right) {
  std::string out;
  while (!left.empty() || !right.empty()) {
    out.append(next_line(left)).append(" ").append(next_line(right)).append("\n");
  }
  return out;
}

std::string progress_bar(double share, size_t width) {
  static constexpr std::array<std::string_view, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width) * 8);
  std::string out;
  for (size_t i = 0; i < eighths / 8; ++i) out += "█";
  out.append(kEighths[eighths % 8]);
  const size_t used = eighths / 8 + (eighths % 8 > 0 ? 1 : 0);
  for (size_t i = used; i < width; ++i) out += "░";
  return out;
}

}  // namespace laminar::shell
