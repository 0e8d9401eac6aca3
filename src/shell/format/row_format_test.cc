#include "shell/format/row_format.h"

#include <numeric>

#include <gtest/gtest.h>

#include "shell/text_width.h"

namespace laminar::shell {
namespace {

std::string csv(std::string_view text, bool is_null = false) {
  std::string out;
  append_csv_field(text, is_null, out);
  return out;
}

std::string json(std::string_view text, std::string_view type, bool is_null = false) {
  std::string out;
  append_json_value(text, is_null, json_form(type), out);
  return out;
}

TEST(Csv, Quotes) {
  EXPECT_EQ(csv("plain text"), "plain text");
  EXPECT_EQ(csv("x,y"), "\"x,y\"");
  EXPECT_EQ(csv("say \"no\""), "\"say \"\"no\"\"\"");
  EXPECT_EQ(csv("a\nb"), "\"a\nb\"");
  EXPECT_EQ(csv(""), "\"\"");
  EXPECT_EQ(csv("", true), "");
}

TEST(Json, ValuesByType) {
  EXPECT_EQ(json("12", "BIGINT"), "12");
  EXPECT_EQ(json("-1.50", "DECIMAL(18,2)"), "-1.50");
  EXPECT_EQ(json("1e+20", "DOUBLE"), "1e+20");
  EXPECT_EQ(json("inf", "DOUBLE"), "\"inf\"");
  EXPECT_EQ(json("-nan", "FLOAT"), "\"-nan\"");
  EXPECT_EQ(json("true", "BOOLEAN"), "true");
  EXPECT_EQ(json("{\"a\":1}", "JSON"), "{\"a\":1}");
  EXPECT_EQ(json("[1, 2]", "INTEGER[]"), "\"[1, 2]\"");
  EXPECT_EQ(json("2026-01-01 00:00:00", "TIMESTAMP"), "\"2026-01-01 00:00:00\"");
  EXPECT_EQ(json("a\"b\\c\n\x01", "VARCHAR"), "\"a\\\"b\\\\c\\n\\u0001\"");
  EXPECT_EQ(json("", "BIGINT", true), "null");
}

size_t width_of(const std::vector<size_t>& columns) {
  size_t sum = 1, dropped = 0;
  for (const size_t w : columns) w == 0 ? ++dropped : sum += w + 3;
  return dropped > 0 ? sum + 4 : sum;
}

TEST(Table, ColumnsFitTheWidth) {
  EXPECT_EQ(fit_columns({3, 4}, 0), (std::vector<size_t>{3, 4}));
  EXPECT_EQ(fit_columns({3, 4}, 80), (std::vector<size_t>{3, 4}));
  // The widest gives way first.
  EXPECT_EQ(fit_columns({5, 100}, 40), (std::vector<size_t>{5, 28}));
  EXPECT_EQ(fit_columns({50, 100, 3}, 60), (std::vector<size_t>{23, 24, 3}));
  for (size_t columns = 1; columns < 30; ++columns) {
    for (size_t width = 20; width < 120; width += 7) {
      std::vector<size_t> natural(columns);
      for (size_t i = 0; i < columns; ++i) natural[i] = 1 + i * 7919 % 40;
      const std::vector<size_t> fitted = fit_columns(natural, width);
      EXPECT_LE(width_of(fitted), width) << columns << " columns";
      EXPECT_GT(fitted[0], 0u);
      for (size_t i = 0; i < columns; ++i) EXPECT_LE(fitted[i], natural[i]);
    }
  }
}

Table table_of(std::vector<std::string> row) {
  Table table;
  for (size_t i = 0; i < row.size(); ++i) {
    table.columns.push_back({"c" + std::to_string(i), i == 0 ? "BIGINT" : "VARCHAR"});
  }
  std::vector<TableCell> cells;
  for (std::string& text : row) cells.push_back({std::move(text)});
  table.rows.push_back(std::move(cells));
  table.rows_total = 1;
  return table;
}

TEST(Table, Draws) {
  EXPECT_EQ(draw_table(table_of({"7", "日本"}), 0),
            "┌────┬──────┐\n"
            "│ c0 │ c1   │\n"
            "├────┼──────┤\n"
            "│  7 │ 日本 │\n"
            "└────┴──────┘\n");
}

TEST(Table, NoLineIsWiderThanTheScreen) {
  Table table =
      table_of({"1", std::string(300, 'x'), "short", "日本語日本語日本語日本語", "e", "f", "g", "h", "i", "j"});
  table.rows_total = 1234567;
  for (size_t width = 20; width < 200; width += 3) {
    const std::string drawn = draw_table(table, width);
    for (size_t begin = 0; begin < drawn.size();) {
      const size_t end = drawn.find('\n', begin);
      if (const std::string_view line = std::string_view(drawn).substr(begin, end - begin);
          !line.starts_with("1,234")) {
        EXPECT_LE(display_width(line), width);
      }
      begin = end + 1;
    }
    EXPECT_NE(drawn.find("1,234,567 rows (1 shown)"), std::string::npos);
  }
}

TEST(Format, Names) {
  for (const Format format : {Format::kCsv, Format::kJson, Format::kTable})
    EXPECT_EQ(format_named(name_of(format)), format);
  EXPECT_FALSE(format_named("xml"));
}

}  // namespace
}  // namespace laminar::shell
