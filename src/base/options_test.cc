#include "base/options.h"

#include <gtest/gtest.h>

#include <random>

#include "base/duration.h"

namespace laminar {
namespace {

constexpr OptionSpec kTable[] = {
    {.name = "path", .kind = OptionKind::kString, .required = true},
    {.name = "format", .kind = OptionKind::kChoice, .default_text = "csv", .choices = "csv|json|parquet"},
    {.name = "rate", .kind = OptionKind::kInteger, .default_text = "10", .min = 1, .max = 1000},
    {.name = "cache.ttl", .kind = OptionKind::kInterval, .min = 1},
    {.name = "size", .kind = OptionKind::kBytes},
    {.name = "header", .kind = OptionKind::kBoolean, .default_text = "true"},
    {.name = "ratio", .kind = OptionKind::kDouble},
};

Result<OptionValues> check(std::vector<OptionInput> inputs) {
  return OptionValues::check(kTable, inputs, "source s", 7);
}

TEST(Options, GivenAndDefaultValues) {
  auto result = check({{"PATH", "/x", 1, 2},
                       {"rate", "5", 3, 4},
                       {"cache.ttl", "2 minutes", 5, 6},
                       {"size", "64 MB", 7, 8},
                       {"header", "Off", 9, 10},
                       {"ratio", "-1.5e3", 11, 12},
                       {"format", "JSON", 13, 14}});
  ASSERT_TRUE(result.ok()) << result.status().text();
  EXPECT_EQ(result->text("path"), "/x");
  EXPECT_EQ(result->integer("rate"), 5);
  EXPECT_EQ(result->integer("cache.ttl"), 120'000'000);
  EXPECT_EQ(result->integer("size"), 64'000'000);
  EXPECT_FALSE(result->boolean("header"));
  EXPECT_EQ(result->number("ratio"), -1500.0);
  EXPECT_EQ(result->text("format"), "json");
  EXPECT_EQ(result->value_offset("rate"), 4);

  result = check({{"path", "/x", 1, 2}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->integer("rate"), 10);
  EXPECT_TRUE(result->boolean("header"));
  EXPECT_EQ(result->text("format"), "csv");
  EXPECT_FALSE(result->has("size"));
}

TEST(Options, Refusals) {
  struct Case {
    OptionInput input;
    ErrorCode code;
    int64_t offset;
    const char* part;
  };
  const Case cases[] = {
      {{"fromat", "csv", 20, 30}, ErrorCode::kUnknownOption, 20, "did you mean format?"},
      {{"zzzzzzzz", "csv", 20, 30}, ErrorCode::kUnknownOption, 20, "options are path, format"},
      {{"format", "xml", 20, 30}, ErrorCode::kInvalidOption, 30, "one of csv, json or parquet"},
      {{"rate", "0", 20, 30}, ErrorCode::kInvalidOption, 30, "from 1 to 1000"},
      {{"rate", "five", 20, 30}, ErrorCode::kInvalidOption, 30, "a whole number"},
      {{"rate", "1.5", 20, 30}, ErrorCode::kInvalidOption, 30, "a whole number"},
      {{"cache.ttl", "2 months", 20, 30}, ErrorCode::kInvalidOption, 30, "a duration"},
      {{"cache.ttl", "0 seconds", 20, 30}, ErrorCode::kInvalidOption, 30, "a duration"},
      {{"size", "many", 20, 30}, ErrorCode::kInvalidOption, 30, "a size"},
      {{"header", "maybe", 20, 30}, ErrorCode::kInvalidOption, 30, "true or false"},
      {{"ratio", "nan", 20, 30}, ErrorCode::kInvalidOption, 30, "a number"},
      {{"path", "again", 20, 30}, ErrorCode::kInvalidOption, 20, "twice"},
  };
  for (const Case& c : cases) {
    const auto result = check({{"path", "/x", 1, 2}, c.input});
    ASSERT_FALSE(result.ok()) << c.input.key << " = " << c.input.value;
    EXPECT_EQ(result.error().code, c.code) << result.error().message;
    EXPECT_EQ(result.error().offset, c.offset) << result.error().message;
    EXPECT_NE(result.error().message.find(c.part), std::string::npos) << result.error().message;
  }
  const auto missing = check({});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kMissingOption);
  EXPECT_EQ(missing.error().offset, 7);
}

TEST(Options, Bytes) {
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("1 GiB"), int64_t{1} << 30);
  EXPECT_EQ(parse_bytes("1.5kb"), 1500);
  EXPECT_EQ(parse_bytes("9223372036854775807"), INT64_MAX);
  for (const char* bad : {"", "MB", "-1", "1 XB", "1 MB x", "1..5 MB", "99999999999 TB"})
    EXPECT_EQ(parse_bytes(bad), -1) << bad;
}

TEST(Duration, Texts) {
  struct Case {
    const char* text;
    int64_t us;
  };
  for (const Case& c : {Case{"5 minutes", 300'000'000},
                        {"1 minute 30 seconds", 90'000'000},
                        {"1.5s", 1'500'000},
                        {"250ms", 250'000},
                        {"3 us", 3},
                        {"2 Weeks", 1'209'600'000'000},
                        {"00:01:30", 90'000'000},
                        {"-1 day 02:00:00", -79'200'000'000},
                        {"0.000001 seconds", 1},
                        {" 7 d ", 604'800'000'000},
                        {"1m30s", 90'000'000},
                        {"01:02:03.5", 3'723'500'000},
                        {"0 seconds", 0},
                        {"- 5 s", -5'000'000}}) {
    const ParsedDuration parsed = parse_duration(c.text);
    EXPECT_TRUE(parsed.ok()) << c.text;
    EXPECT_EQ(parsed.us, c.us) << c.text;
  }
  struct Bad {
    const char* text;
    DurationProblem problem;
    size_t offset;
  };
  for (const Bad& c : {Bad{"", DurationProblem::kEmpty, 0},
                       {"minutes", DurationProblem::kMalformed, 0},
                       {"5", DurationProblem::kNoUnit, 0},
                       {"5 parsecs", DurationProblem::kUnknownUnit, 2},
                       {"1 day 2 months", DurationProblem::kVariableUnit, 8},
                       {"0.1 us", DurationProblem::kTooFine, 0},
                       {"99999999999 days", DurationProblem::kTooLarge, 0},
                       {"5 minutes!", DurationProblem::kMalformed, 9},
                       {"00:61:00", DurationProblem::kMalformed, 0},
                       {"1.5:00", DurationProblem::kMalformed, 0},
                       {"1 day 5", DurationProblem::kNoUnit, 6}}) {
    const ParsedDuration parsed = parse_duration(c.text);
    EXPECT_EQ(parsed.problem, c.problem) << c.text;
    EXPECT_EQ(parsed.offset, c.offset) << c.text;
  }
  EXPECT_EQ(parse_duration("5", "minute").us, 300'000'000);
  EXPECT_EQ(parse_duration_us("-5 s"), -1);
  EXPECT_EQ(parse_duration_us("2s"), 2'000'000);
}

TEST(Duration, FormatAndParseAgree) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    int64_t us = static_cast<int64_t>(random() >> (1 + random() % 62));
    if (random() % 2) us = -us;
    const ParsedDuration parsed = parse_duration(format_duration(us));
    ASSERT_TRUE(parsed.ok()) << format_duration(us);
    ASSERT_EQ(parsed.us, us) << format_duration(us);
  }
}

}  // namespace
}  // namespace laminar
