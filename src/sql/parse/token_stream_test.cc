#include "sql/parse/token_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "duckdb/parser/parser.hpp"
#include "sql/parse/script.h"

namespace laminar::sql {
namespace {

// Starts of the tokens up to the first lexical error, ours and DuckDB's.
std::vector<int64_t> our_starts(const std::string& text) {
  std::vector<int64_t> starts;
  int64_t at = 0;
  while (true) {
    const auto token = next_token(text, at);
    if (!token.ok() || token->kind == TokenKind::kEnd) return starts;
    starts.push_back(token->begin);
    at = token->end;
  }
}

std::vector<int64_t> duckdb_starts(const std::string& text) {
  std::vector<int64_t> starts;
  for (const auto& token : duckdb::Parser::Tokenize(text)) starts.push_back(static_cast<int64_t>(token.start));
  return starts;
}

TEST(TokenStream, CutsWhereDuckDbCuts) {
  const std::vector<std::string> parts = {"a",           "b1",
                                          "'x'",         "'x",
                                          "\"q\"",       "\"q",
                                          "$$",          "$a$",
                                          "$1",          "$n",
                                          " ",           "\n",
                                          "\v",          "\f",
                                          "--c",         "--c\n",
                                          "/*",          "*/",
                                          "1",           "1.5",
                                          ".5",          "1e5",
                                          "1e",          "1e+",
                                          "1..2",        "0x1F",
                                          "1_000",       "5m",
                                          "e'\\''",      "E'a",
                                          "b'01'",       "x'ff'",
                                          "n'z'",        "?",
                                          "?|",          "#1",
                                          "@",           "->",
                                          "->>",         "=-",
                                          "=>",          "::",
                                          ":=",          "..",
                                          ":",           "**",
                                          "//",          "!=",
                                          "<>",          "<=",
                                          "+-",          "@-",
                                          "%-",          "{",
                                          "}",           "[",
                                          "]",           "(",
                                          ")",           ";",
                                          ",",           "é",
                                          "a?",          "select?",
                                          "$",           "\\",
                                          "~",           "`",
                                          "&&-",         "|-",
                                          "<->",         "'a'\n'b'",
                                          "'a'--c\n'b'", "'a' \n --d\n 'b'",
                                          "\xc2\xa0",    "''",
                                          "\"\"",        "not null",
                                          "with time"};
  const uint32_t seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t n = 1 + random() % 6; n > 0; --n) text += parts[random() % parts.size()];
    const std::vector<int64_t> theirs = duckdb_starts(text);
    std::vector<int64_t> ours = our_starts(text);
    // DuckDB stops at escapes that make no character, such as \0 or half of a longer one.
    if (text.find('\\') != std::string::npos) ours.resize(std::min(ours.size(), theirs.size()));
    ASSERT_EQ(ours, theirs) << "seed " << seed << ": [" << text << "]";
  }
}

TEST(TokenStream, LexicalErrors) {
  struct Case {
    const char* text;
    int64_t offset;
    const char* message;
  };
  for (const Case& c : {Case{"SELECT 'abc", 7, "unterminated string"},
                        {"SELECT E'a\\'", 7, "unterminated string"},
                        {"SELECT \"abc", 7, "unterminated quoted name"},
                        {"SELECT $t$ x $t", 7, "unterminated dollar-quoted string"},
                        {"SELECT 1 /* a /* b */", 9, "unterminated /* comment"},
                        {"a \"\"", 2, "a quoted name cannot be empty"}}) {
    const auto tokens = tokenize(c.text);
    ASSERT_FALSE(tokens.ok()) << c.text;
    EXPECT_EQ(tokens.error().code, ErrorCode::kSyntaxError);
    EXPECT_EQ(tokens.error().offset, c.offset) << c.text;
    EXPECT_EQ(tokens.error().message, c.message);
  }
  EXPECT_EQ(tokenize(std::string_view("a\0b", 3)).error().offset, 1);
}

TEST(TokenStream, StringValues) {
  struct Case {
    const char* text;
    const char* value;
  };
  for (const Case& c : {Case{"'a''b'", "a'b"},
                        {"E'a\\n\\t\\\\\\'\\x41\\u00e9'", "a\n\t\\'Aé"},
                        {"$$x'y$$", "x'y"},
                        {"$t$ $$ $t$", " $$ "},
                        {"'a'\n 'b' -- c\n 'd'", "abd"},
                        {"''", ""},
                        {"'--'", "--"}}) {
    const auto tokens = tokenize(c.text);
    ASSERT_TRUE(tokens.ok()) << c.text;
    ASSERT_EQ(tokens->size(), 1u) << c.text;
    const auto value = string_value(c.text, tokens->front());
    ASSERT_TRUE(value.ok()) << c.text;
    EXPECT_EQ(*value, c.value);
  }
  for (const char* bad : {"x'ff'", "b'01'", "E'\\400'", "E'\\u00'"}) {
    EXPECT_FALSE(string_value(bad, tokenize(bad)->front()).ok()) << bad;
  }
  EXPECT_EQ(name_of("\"a\"\"b\"", tokenize("\"a\"\"b\"")->front()), "a\"b");
}

TEST(CompleteStatementEnd, FindsTheFirstWholeStatement) {
  EXPECT_EQ(complete_statement_end("SELECT 1; SELECT 2;"), 9u);
  EXPECT_EQ(complete_statement_end(" ; ; SELECT 1;x"), 14u);
  EXPECT_EQ(complete_statement_end("SELECT ';' /* ; */ -- ;\n, \";\", $$;$$, E'\\';' ;"), 46u);
  for (const char* open :
       {"", ";", "SELECT 1", "SELECT 'a;", "SELECT \"a;", "SELECT $$ ;", "/* SELECT 1;", "-- SELECT 1;"}) {
    EXPECT_FALSE(complete_statement_end(open).has_value()) << open;
  }
}

TEST(LineColumn, CountsCharacters) {
  const std::string script = "a\nbé c\r\nd\re";
  const auto at = [&](int64_t offset) {
    const LineColumn place = line_column(script, offset);
    return std::to_string(place.line) + ":" + std::to_string(place.column);
  };
  EXPECT_EQ(at(0), "1:1");
  EXPECT_EQ(at(2), "2:1");
  EXPECT_EQ(at(6), "2:4");  // c, behind a letter of two bytes
  EXPECT_EQ(at(9), "3:1");
  EXPECT_EQ(at(11), "4:1");
  EXPECT_EQ(at(999), "4:2");
  EXPECT_EQ(at(-1), "1:1");
}

}  // namespace
}  // namespace laminar::sql
