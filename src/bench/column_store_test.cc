#include "bench/column_store.h"

#include <gtest/gtest.h>

#include "bench/arguments.h"

namespace laminar::bench {
namespace {

TEST(ColumnStore, SlicesAnywhereWithNulls) {
  const data::Schema schema = {{"a", data::Type::of(data::TypeKind::kInt64), false},
                               {"s", data::Type::of(data::TypeKind::kVarchar), false}};
  constexpr uint64_t kRows = 1000;
  ColumnStore store(schema, kRows);
  data::BatchBuffer buffer(schema, 300);
  for (uint64_t row = 0; row < kRows;) {
    buffer.clear();
    for (; buffer.rows < 300 && row < kRows; ++row, ++buffer.rows) {
      const std::string text = "a text that is not inline " + std::to_string(row);
      buffer.column(0).values<int64_t>()[buffer.rows] = static_cast<int64_t>(row);
      buffer.column(1).values<data::StringRef>()[buffer.rows] = buffer.strings().copy(text);
      if (row % 3 == 0) data::set_null(buffer.column(0).validity, buffer.rows);
    }
    store.append(buffer);
  }
  ASSERT_EQ(store.rows(), kRows);
  for (const auto& [begin, rows] :
       std::vector<std::pair<uint64_t, uint64_t>>{{0, 1000}, {64, 128}, {1, 1}, {63, 700}, {999, 1}, {130, 64}}) {
    const ColumnStore::Slice slice = store.slice(begin, rows);
    ASSERT_EQ(slice.rows, rows);
    EXPECT_EQ(slice.columns[1].validity, nullptr);
    for (uint64_t i = 0; i < rows; ++i) {
      ASSERT_EQ(slice.columns[0].is_null(i), (begin + i) % 3 == 0) << begin << " + " << i;
      if (!slice.columns[0].is_null(i)) {
        ASSERT_EQ(slice.columns[0].value<int64_t>(i), static_cast<int64_t>(begin + i));
      }
      ASSERT_EQ(slice.columns[1].value<data::StringRef>(i).view(),
                "a text that is not inline " + std::to_string(begin + i));
    }
  }
}

TEST(Arguments, NumbersAndRefusals) {
  constexpr ArgumentSpec kSpecs[] = {{"n", "N", ""}, {"json", "", ""}, {"input", "F", "", true}};
  const std::vector<std::string> good = {"--n", "10_000", "--json", "--input=a", "--input", "b"};
  const Result<Arguments> read = Arguments::read(good, kSpecs);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read->number("n", 1, 1, 100'000), 10'000u);
  EXPECT_FALSE(read->number("n", 1, 1, 10).ok());
  EXPECT_EQ(read->all("input"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(read->has("json"));
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"--nix"}, {"--n"}, {"--n", "1", "--n", "2"}, {"--json=1"}, {"word"}}) {
    EXPECT_FALSE(Arguments::read(bad, kSpecs).ok());
  }
  const std::vector<std::string> millions = {"--n=3M"};
  EXPECT_EQ(*Arguments::read(millions, kSpecs)->number("n", 1, 1, 100'000'000), 3'000'000u);
}

}  // namespace
}  // namespace laminar::bench
