#include "stream/state/view_store.h"

#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>

#include "data/value.h"
#include "stream/state/column_store.h"

namespace laminar::stream {
namespace {

using data::BatchBuffer;
using data::Type;
using data::TypeKind;
using Row = std::vector<std::string>;

std::vector<Type> test_types() {
  return {Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar), Type::of(TypeKind::kInt16), Type::of(TypeKind::kDouble),
          Type::of(TypeKind::kInt128)};
}

Row row_of(const data::Batch& batch, uint32_t row, const std::vector<Type>& types) {
  Row result;
  for (size_t c = 0; c < types.size(); ++c) {
    const data::Value value = data::Value::from_column(types[c], batch.columns[c], row);
    result.push_back(value.is_null ? "NULL"
                     : types[c].is_string()
                         ? "'" + value.text + "'"
                         : std::string(reinterpret_cast<const char*>(value.bits), data::physical_size(types[c].physical())));
  }
  return result;
}

std::map<Row, int64_t> content(ViewStore& store, const std::vector<Type>& types) {
  std::map<Row, int64_t> rows;
  store.scan([&](const data::Batch& batch) {
    EXPECT_LE(batch.rows, data::kBatchRowsMax);
    for (uint32_t i = 0; i < batch.rows; ++i) rows[row_of(batch, i, types)] += batch.weight(i);
  });
  return rows;
}

void fill_row(BatchBuffer& buffer, std::mt19937_64& random, uint64_t values) {
  const uint32_t row = buffer.rows++;
  const uint64_t key = random() % values;
  buffer.column(0).values<int64_t>()[row] = static_cast<int64_t>(key % 7);
  const std::string text = key % 5 == 0 ? std::string(key % 300, 'x') + std::to_string(key) : std::to_string(key % 11);
  buffer.column(1).values<data::StringRef>()[row] = buffer.strings().copy(text);
  buffer.column(2).values<int16_t>()[row] = static_cast<int16_t>(key % 3);
  buffer.column(3).values<double>()[row] = static_cast<double>(key) * 0.5;
  const __int128 wide = static_cast<__int128>(key % 2) << 70;
  std::memcpy(static_cast<char*>(buffer.column(4).data) + size_t{row} * 16, &wide, 16);
  for (uint32_t c = 0; c < 5; ++c) {
    if ((key >> c) % 9 == 0) data::set_null(buffer.column(c).validity, row);
  }
}

// A reader keeps shared rows as they were while more are appended, and after the store has gone.
template <class Store, class Append>
void keeps_what_is_shared(std::unique_ptr<Store> store, const Append& append) {
  const std::vector<Type> types = test_types();
  std::mt19937_64 random(1);
  BatchBuffer buffer(types);
  const auto append_some = [&] {
    buffer.clear();
    while (buffer.rows < 1500) fill_row(buffer, random, 100'000);
    append(*store, buffer.view());
  };
  for (int i = 0; i < 20; ++i) append_some();
  struct Shared {
    std::vector<data::Column> columns;
    uint32_t rows;
    std::shared_ptr<const void> memory;
    std::vector<Row> expected;
  };
  std::vector<Shared> held;
  uint64_t copied = 0;
  store->share(
      [&](const data::Batch& batch, const std::shared_ptr<const void>& memory) {
        held.push_back({{batch.columns.begin(), batch.columns.end()}, batch.rows, memory, {}});
        for (uint32_t i = 0; i < batch.rows; ++i) held.back().expected.push_back(row_of(batch, i, types));
      },
      [&](const data::Batch& batch) { copied += batch.rows; });
  EXPECT_EQ(held.size() * data::kBatchRowsMax + copied, 30'000u);
  EXPECT_LT(copied, data::kBatchRowsMax);
  for (int i = 0; i < 20; ++i) append_some();
  store.reset();
  for (const Shared& shared : held) {
    data::Batch batch;
    batch.rows = shared.rows;
    batch.columns = shared.columns;
    for (uint32_t i = 0; i < batch.rows; ++i) ASSERT_EQ(row_of(batch, i, types), shared.expected[i]);
  }
}

TEST(ViewStore, SharedRowsStay) {
  keeps_what_is_shared(std::make_unique<ViewStore>(test_types(), true), [](ViewStore& store, const data::Batch& batch) { store.apply(batch); });
  keeps_what_is_shared(std::make_unique<ColumnStore>(test_types()), [](ColumnStore& store, const data::Batch& batch) { store.append(batch); });
}

TEST(ViewStore, AppendedRowsComeBackInOrder) {
  const auto types = test_types();
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  ViewStore store(types, true);
  std::vector<Row> expected;
  for (int tick = 0; tick < 60; ++tick) {
    BatchBuffer buffer(types);
    const uint32_t rows = static_cast<uint32_t>(random() % 2049);
    for (uint32_t i = 0; i < rows; ++i) fill_row(buffer, random, 5000);
    const data::Batch batch = buffer.view();
    store.apply(batch);
    store.end_tick();
    for (uint32_t i = 0; i < rows; ++i) expected.push_back(row_of(batch, i, types));
  }
  std::vector<Row> found;
  store.scan([&](const data::Batch& batch) {
    for (uint32_t i = 0; i < batch.rows; ++i) found.push_back(row_of(batch, i, types));
  });
  EXPECT_EQ(found, expected);
  EXPECT_EQ(store.rows(), expected.size());
  EXPECT_EQ(store.faults(), 0u);
}

TEST(ViewStore, ChangesFoldToTheMultiset) {
  const auto types = test_types();
  for (int round = 0; round < 6; ++round) {
    const uint64_t seed = std::random_device{}();
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    const uint64_t values = round % 2 ? 50 : 4000;
    ViewStore store(types, false);
    std::map<Row, int64_t> expected;
    for (int tick = 0; tick < 40; ++tick) {
      // In this tick: new rows, and half of the rows go, the goodbyes before or after.
      BatchBuffer changes(types);
      const uint32_t rows = 1 + static_cast<uint32_t>(random() % 700);
      for (uint32_t i = 0; i < rows; ++i) {
        fill_row(changes, random, values);
        changes.weights()[i] = 1 + static_cast<int64_t>(random() % 2);
      }
      changes.has_weights = true;
      std::map<Row, int64_t> after = expected;
      const data::Batch plus = changes.view();
      BatchBuffer goodbyes(types);
      for (uint32_t i = 0; i < rows; ++i) {
        const Row row = row_of(plus, i, types);
        after[row] += plus.weight(i);
        if (random() % 2) {
          const int64_t gone = 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(after[row]));
          goodbyes.append_row(plus, i, -gone);
          if ((after[row] -= gone) == 0) after.erase(row);
        }
      }
      const data::Batch minus = goodbyes.view();
      if (random() % 2) {
        store.apply(minus);
        store.apply(plus);
      } else {
        store.apply(plus);
        store.apply(minus);
      }
      store.end_tick();
      expected = std::move(after);
      ASSERT_EQ(content(store, types), expected) << "seed " << seed << " tick " << tick;
    }
    EXPECT_EQ(store.faults(), 0u);
  }
}

TEST(ViewStore, NegativeWeightIsAFault) {
  const auto types = test_types();
  std::mt19937_64 random(1);
  BatchBuffer buffer(types);
  fill_row(buffer, random, 10);
  buffer.weights()[0] = -1;
  buffer.has_weights = true;
  ViewStore store(types, false);
  store.apply(buffer.view());
  store.end_tick();
  EXPECT_EQ(store.faults(), 1u);
}

TEST(StringHeap, PiecesAreLargeEnoughAndReused) {
  StringHeap heap;
  std::map<char*, uint32_t> held;
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const uint32_t n = 13 + static_cast<uint32_t>(random() % (i % 100 == 0 ? 100000 : 2000));
    char* piece = heap.allocate(n);
    std::memset(piece, static_cast<int>(n), n);
    auto next = held.upper_bound(piece);
    EXPECT_TRUE(next == held.end() || piece + n <= next->first);
    EXPECT_TRUE(next == held.begin() || std::prev(next)->first + std::prev(next)->second <= piece);
    held[piece] = n;
    if (held.size() > 500) {
      auto victim = held.begin();
      std::advance(victim, static_cast<ptrdiff_t>(random() % held.size()));
      heap.free(victim->first, victim->second);
      held.erase(victim);
    }
  }
  EXPECT_LT(heap.bytes(), 64u << 20);
}

}  // namespace
}  // namespace laminar::stream
