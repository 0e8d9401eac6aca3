#include "shell/text_width.h"

#include <gtest/gtest.h>

namespace laminar::shell {
namespace {

TEST(TextWidth, CountsColumns) {
  EXPECT_EQ(display_width(""), 0u);
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("äöü"), 3u);
  EXPECT_EQ(display_width("日本"), 4u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("\xff\xfe"), 2u);
  EXPECT_EQ(display_width("🚀"), 2u);
}

TEST(TextWidth, CutsAtCharacters) {
  EXPECT_EQ(cut_to_width("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to_width("abcdef", 4), "abc…");
  EXPECT_EQ(cut_to_width("日本語", 4), "日…");
  EXPECT_EQ(cut_to_width("日本語", 1), "…");
  EXPECT_EQ(cut_to_width("abc", 0), "");
  for (size_t width = 1; width < 12; ++width) EXPECT_LE(display_width(cut_to_width("aä日b本🚀c", width)), width);
}

TEST(TextWidth, OneLine) {
  EXPECT_EQ(single_line("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(single_line(std::string_view("\x1b[31m\0", 6)), "\\x1b[31m\\x00");
  EXPECT_EQ(single_line("ok ä \xc3"), "ok ä ?");
}

}  // namespace
}  // namespace laminar::shell
