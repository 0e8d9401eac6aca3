#include "expr/like_pattern.h"

#include <cstring>

namespace laminar::expr {

namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Greedy with one point to come back to: the last percent sign. Enough, since a piece that fits early leaves the most
// text for those behind it.
bool matches_general(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = ++p;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      ++p;
      do ++t;
      while (t < text.size() && is_continuation(text[t]));
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

}  // namespace

LikePattern::LikePattern(std::string pattern) : pattern_(std::move(pattern)) {
  general_ = pattern_.find('_') != std::string::npos;
  if (general_) return;
  open_start_ = !pattern_.empty() && pattern_.front() == '%';
  open_end_ = !pattern_.empty() && pattern_.back() == '%';
  for (size_t begin = 0; begin < pattern_.size();) {
    const size_t end = std::min(pattern_.find('%', begin), pattern_.size());
    if (end > begin) pieces_.push_back(pattern_.substr(begin, end - begin));
    begin = end + 1;
  }
}

bool LikePattern::matches(std::string_view text) const {
  if (general_) return matches_general(pattern_, text);
  if (pieces_.empty()) return open_start_ || text.empty();
  size_t first = 0, last = pieces_.size();
  if (!open_start_) {
    const std::string& piece = pieces_[first++];
    if (!text.starts_with(piece)) return false;
    text.remove_prefix(piece.size());
    if (first == last) return open_end_ || text.empty();
  }
  if (!open_end_) {
    const std::string& piece = pieces_[--last];
    if (!text.ends_with(piece)) return false;
    text.remove_suffix(piece.size());
  }
  for (; first < last; ++first) {
    const std::string& piece = pieces_[first];
    const void* found = memmem(text.data(), text.size(), piece.data(), piece.size());
    if (!found) return false;
    text.remove_prefix(static_cast<size_t>(static_cast<const char*>(found) - text.data()) + piece.size());
  }
  return true;
}

}  // namespace laminar::expr
