#include "shell/statement_buffer.h"

#include <gtest/gtest.h>

namespace laminar::shell {
namespace {

std::vector<std::string> texts(StatementBuffer& buffer, bool at_end) {
  std::vector<std::string> out;
  while (auto statement = buffer.next()) out.push_back(statement->text);
  if (auto statement = at_end ? buffer.rest() : std::nullopt) out.push_back(statement->text);
  return out;
}

TEST(StatementBuffer, StatementsComeAsTheyAreComplete) {
  StatementBuffer buffer;
  buffer.append("SELECT 1; SELECT ';");
  EXPECT_EQ(texts(buffer, false), std::vector<std::string>{"SELECT 1;"});
  buffer.append("' -- ;\n");
  EXPECT_TRUE(texts(buffer, false).empty());
  buffer.append(", 2;SELECT 3");
  EXPECT_EQ(texts(buffer, true), (std::vector<std::string>{" SELECT ';' -- ;\n, 2;", "SELECT 3"}));
  EXPECT_TRUE(buffer.blank());
}

TEST(StatementBuffer, SplitsTheSameWhateverThePieces) {
  const std::string script =
      "SELECT 1;\n/* ; /* ; */ */ SELECT $$;$$;\nSELECT \"a;b\" FROM t -- end ;\n;SELECT 'it''s;'";
  StatementBuffer whole;
  whole.append(script);
  const std::vector<std::string> expected = texts(whole, true);
  for (size_t piece = 1; piece < script.size(); ++piece) {
    StatementBuffer buffer;
    std::vector<std::string> got;
    for (size_t at_ = 0; at_ < script.size(); at_ += piece) {
      buffer.append(std::string_view(script).substr(at_, piece));
      for (std::string& text : texts(buffer, false)) got.push_back(std::move(text));
    }
    for (std::string& text : texts(buffer, true)) got.push_back(std::move(text));
    EXPECT_EQ(got, expected) << "pieces of " << piece;
  }
}

TEST(StatementBuffer, PositionsAreThoseOfTheScript) {
  StatementBuffer buffer;
  buffer.append("SELECT 1;\n\n  -- a comment\n  SELECT\n    x; SELECT y;");
  ASSERT_TRUE(buffer.next());
  const auto second = buffer.next();
  ASSERT_TRUE(second);
  const TextPosition word = second->position_of(-1),
                     x = second->position_of(static_cast<int64_t>(second->text.find('x')));
  EXPECT_EQ(word.line, 4);
  EXPECT_EQ(word.column, 3);
  EXPECT_EQ(x.line, 5);
  EXPECT_EQ(x.column, 5);
  const auto third = buffer.next();
  ASSERT_TRUE(third);
  const TextPosition y = third->position_of(static_cast<int64_t>(third->text.find('y')));
  EXPECT_EQ(y.line, 5);
  EXPECT_EQ(y.column, 15);
}

TEST(StatementBuffer, DotLines) {
  StatementBuffer buffer;
  buffer.append("-- first\n  .help \n.format");
  const auto help = buffer.next_dot_line(false);
  ASSERT_TRUE(help);
  EXPECT_EQ(help->text, ".help");
  EXPECT_EQ(help->begin.line, 2);
  EXPECT_EQ(help->begin.column, 3);
  EXPECT_FALSE(buffer.next_dot_line(false));
  const auto format = buffer.next_dot_line(true);
  ASSERT_TRUE(format);
  EXPECT_EQ(format->text, ".format");
  buffer.append("SELECT\n.5;");
  EXPECT_FALSE(buffer.next_dot_line(true));
}

TEST(StatementBuffer, BlankIsBlanksAndComments) {
  EXPECT_EQ(skip_blank(" \n-- x\n/* /* */ ; */ "), 21u);
  EXPECT_EQ(skip_blank(" - 1"), 1u);
  StatementBuffer buffer;
  buffer.append(";; -- nothing\n ;");
  EXPECT_FALSE(buffer.next());
}

}  // namespace
}  // namespace laminar::shell
