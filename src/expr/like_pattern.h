// A constant LIKE pattern, prepared: literal pieces between the percent signs, or a general matcher where it has `_`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace laminar::expr {

class LikePattern {
 public:
  explicit LikePattern(std::string pattern);
  bool matches(std::string_view text) const;

 private:
  std::string pattern_;
  bool general_ = false;  // has '_', which stands for one UTF-8 character
  bool open_start_ = false, open_end_ = false;
  std::vector<std::string> pieces_;
};

}  // namespace laminar::expr
