#include "shell/session.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "shell/command_line.h"
#include "shell/figures.h"
#include "shell/panes.h"
#include "shell/text_width.h"
#include "shell/watch.h"

namespace laminar::shell {
namespace {

TEST(Caret, StandsUnderTheOffset) {
  EXPECT_EQ(caret_lines("SELECT 1;\nSELECT nix FROM t", 17, 80), "SELECT nix FROM t\n       ^\n");
  EXPECT_EQ(caret_lines("x", 9, 80), "x\n ^\n");
}

TEST(Caret, StaysInSight) {
  const std::string text = "SELECT " + std::string(300, 'a') + " FROM nix";
  for (size_t offset = 0; offset <= text.size(); offset += 5) {
    const std::string lines = caret_lines(text, offset, 60);
    const size_t end = lines.find('\n');
    EXPECT_LE(display_width(std::string_view(lines).substr(0, end)), 60u);
    const std::string_view caret = std::string_view(lines).substr(end + 1);
    EXPECT_LE(caret.size(), 61u);
  }
}

TEST(Watch, IsKnownByItsFirstWord) {
  EXPECT_TRUE(is_watch("WATCH v;"));
  EXPECT_TRUE(is_watch(" -- look\n watch \"v\""));
  EXPECT_FALSE(is_watch("WATCHED v"));
  EXPECT_FALSE(is_watch("SELECT 1"));
  EXPECT_FALSE(is_watch(""));
}

TEST(Arguments, AreRead) {
  std::string message;
  const std::vector<std::string> good = {"dir", "-c", "SELECT 1", "--format=json", "-f", "x.sql"};
  const auto line = read_command_line(good, message);
  ASSERT_TRUE(line) << message;
  EXPECT_EQ(line->database, "dir");
  ASSERT_EQ(line->scripts.size(), 2u);
  EXPECT_FALSE(line->scripts[0].is_file);
  EXPECT_TRUE(line->scripts[1].is_file);
  EXPECT_EQ(line->format, Format::kJson);
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"-c"}, {"--format", "xml"}, {"--nix"}, {"a", "b"}, {"--help=1"}}) {
    EXPECT_FALSE(read_command_line(bad, message));
    EXPECT_FALSE(message.empty());
  }
}

TEST(Figures, Read) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(short_number(999), "999");
  EXPECT_EQ(short_number(12345), "12.3 k");
  EXPECT_EQ(short_number(4560000), "4.56 M");
  EXPECT_EQ(short_duration_us(0.5), "0.50 us");
  EXPECT_EQ(short_duration_us(12345), "12.3 ms");
  EXPECT_EQ(elapsed_text(65'000'000'000), "1 min 05 s");
}

TEST(Panes, FillTheirPlace) {
  const std::string left = pane("left", "a\nb\n", 10, 4), right = pane("right", "日本語日本語日本語\n", 8, 4);
  const std::string both = side_by_side(left, right);
  EXPECT_EQ(std::count(both.begin(), both.end(), '\n'), 4);
  EXPECT_EQ(display_width(progress_bar(0.37, 20)), 20u);
  EXPECT_EQ(progress_bar(1, 3), "███");
  EXPECT_EQ(progress_bar(-1, 2), "░░");
}

}  // namespace
}  // namespace laminar::shell
