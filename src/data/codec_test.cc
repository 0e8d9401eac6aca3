#include "data/codec.h"

#include <gtest/gtest.h>

#include <random>

namespace laminar::data {
namespace {

std::vector<Type> all_kinds() {
  return {Type::of(TypeKind::kBoolean), Type::of(TypeKind::kInt64), Type::of(TypeKind::kInt128), Type::of(TypeKind::kVarchar),
          Type::of(TypeKind::kInterval), Type::of(TypeKind::kFloat), Type::decimal(18, 3)};
}

void fill(BatchBuffer& buffer, uint32_t rows, std::mt19937_64& random) {
  for (uint32_t i = 0; i < rows; ++i) {
    for (uint32_t c = 0; c < buffer.column_count(); ++c) {
      Column& column = buffer.column(c);
      const bool null = random() % 5 == 0;
      if (null) set_null(column.validity, i);
      if (column.physical == Physical::kString) {
        const std::string text(random() % 40, static_cast<char>('a' + random() % 26));
        column.values<StringRef>()[i] = null ? StringRef() : buffer.strings().copy(std::string_view(text));
      } else if (!null) {
        for (uint32_t b = 0; b < physical_size(column.physical); ++b) {
          static_cast<char*>(column.data)[size_t{i} * physical_size(column.physical) + b] = static_cast<char>(random());
        }
      }
    }
    buffer.weights()[i] = random() % 3 == 0 ? -1 : 2;
    buffer.sequence()[i] = random();
  }
  buffer.rows = rows;
  buffer.has_weights = buffer.has_sequence = true;
}

void expect_same(const Batch& a, uint32_t row_a, const Batch& b, uint32_t row_b) {
  ByteWriter bytes_a, bytes_b;
  encode_row(a, row_a, bytes_a);
  encode_row(b, row_b, bytes_b);
  EXPECT_EQ(bytes_a.view(), bytes_b.view());
}

TEST(codec, batches_and_rows_come_back) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const uint32_t rows : {0u, 1u, 63u, 64u, 65u, 2048u}) {
    BatchBuffer from(all_kinds()), to(all_kinds(), 4096), by_row(all_kinds());
    fill(from, rows, random);
    ByteWriter bytes;
    encode_batch(from.view(), from.column_count(), bytes);
    encode_batch(from.view(), from.column_count(), bytes);
    ByteReader reader(bytes.view());
    ASSERT_TRUE(decode_batch(reader, to.column_count(), to).ok());
    ASSERT_TRUE(decode_batch(reader, to.column_count(), to).ok());
    EXPECT_TRUE(reader.at_end());
    ASSERT_EQ(to.rows, 2 * rows);
    for (uint32_t i = 0; i < rows; ++i) {
      expect_same(from.view(), i, to.view(), i);
      expect_same(from.view(), i, to.view(), rows + i);
      EXPECT_EQ(from.weights()[i], to.weights()[rows + i]);
      EXPECT_EQ(from.sequence()[i], to.sequence()[rows + i]);
      ByteWriter row;
      encode_row(from.view(), i, row);
      ByteReader row_reader(row.view());
      ASSERT_TRUE(decode_row(row_reader, by_row).ok());
      expect_same(from.view(), i, by_row.view(), i);
    }
  }
}

TEST(codec, cut_bytes_are_refused) {
  std::mt19937_64 random(7);
  BatchBuffer from(all_kinds());
  fill(from, 70, random);
  ByteWriter bytes;
  encode_batch(from.view(), from.column_count(), bytes);
  for (size_t n = 0; n < bytes.size(); ++n) {
    BatchBuffer to(all_kinds());
    ByteReader reader(bytes.view().substr(0, n));
    EXPECT_FALSE(decode_batch(reader, to.column_count(), to).ok()) << n;
  }
}

TEST(codec, schemas_come_back) {
  Schema schema = {{"a", Type::decimal(10, 2), true}, {"b", Type{TypeKind::kBoxed, 0, 0, "INTEGER[]"}, false}};
  ByteWriter bytes;
  encode_schema(schema, bytes);
  ByteReader reader(bytes.view());
  const Schema back = decode_schema(reader);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].type, schema[0].type);
  EXPECT_TRUE(back[0].not_null);
  EXPECT_EQ(back[1].type, schema[1].type);
  EXPECT_EQ(back[1].name, "b");
}

}  // namespace
}  // namespace laminar::data
