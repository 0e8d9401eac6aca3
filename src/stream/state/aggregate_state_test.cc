// Random operations on the structures below aggregates against simple models.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "stream/state/exact_sum.h"
#include "stream/state/group_table.h"
#include "stream/state/ordered_multiset.h"
#include "stream/state/timer_wheel.h"
#include "stream/state/value_set.h"

namespace laminar::stream {
namespace {

using data::Physical;
using data::StringRef;
using data::Type;
using data::TypeKind;

constexpr uint64_t kSeed = 20261122;

TEST(GroupTable, RandomKeysErasesAndClears) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  std::mt19937_64 random(kSeed);
  const std::vector<std::vector<Type>> shapes = {{Type::of(TypeKind::kInt64)},
                                                 {Type::of(TypeKind::kInt64), Type::of(TypeKind::kInt64)},
                                                 {Type::of(TypeKind::kVarchar), Type::of(TypeKind::kDouble), Type::of(TypeKind::kInt16)}};
  for (const auto& types : shapes) {
    GroupShape shape(types);
    const uint32_t payload = shape.append(8);
    StatePool pool;
    GroupTable table(&shape, &pool);
    data::BatchBuffer batch(types);
    std::map<std::string, char*> model;
    std::vector<uint64_t> hashes(data::kBatchRowsMax);
    std::vector<char*> groups(data::kBatchRowsMax);
    for (int round = 0; round < 60; ++round) {
      batch.clear();
      const int64_t range = round % 3 == 0 ? 20 : 3000;
      const bool nulls = round % 2;
      std::vector<std::string> names;
      for (uint32_t i = 0; i < 500; ++i) {
        ++batch.rows;
        std::string name;
        for (uint32_t c = 0; c < types.size(); ++c) {
          const auto value = static_cast<int64_t>(random() % static_cast<uint64_t>(range)) / (c + 1);
          const std::string text = value % 2 ? "k" + std::to_string(value) : "a key with many bytes " + std::to_string(value);
          if (nulls && random() % 8 == 0) {
            data::set_null(batch.column(c).validity, i);
            name += "|NULL";
            continue;
          }
          name += "|" + std::to_string(value);
          switch (types[c].physical()) {
            case Physical::kI64: batch.column(c).values<int64_t>()[i] = value; break;
            case Physical::kI16: batch.column(c).values<int16_t>()[i] = static_cast<int16_t>(value); break;
            case Physical::kF64: batch.column(c).values<double>()[i] = value == 0 && random() % 2 ? -0.0 : static_cast<double>(value); break;
            default: batch.column(c).values<StringRef>()[i] = batch.strings().copy(text); break;
          }
        }
        names.push_back(name);
      }
      const data::Batch view = batch.view();
      hash_keys(shape, view.columns, view.rows, hashes.data());
      table.find_or_create(view.columns, hashes.data(), nullptr, view.rows, groups.data());
      for (uint32_t i = 0; i < view.rows; ++i) {
        auto [at, fresh] = model.emplace(names[i], groups[i]);
        ASSERT_EQ(at->second, groups[i]) << names[i];
        int64_t& count = *reinterpret_cast<int64_t*>(groups[i] + payload);
        if (fresh) {
          ASSERT_EQ(count, 0);
        }
        ++count;
      }
      ASSERT_EQ(table.size(), model.size());
      for (auto at = model.begin(); at != model.end();) {
        if (random() % 3) {
          ++at;
          continue;
        }
        table.erase(at->second);
        at = model.erase(at);
      }
      std::set<char*> walked;
      GroupTable::Cursor cursor;
      while (uint32_t n = table.next(cursor, groups.data(), 7)) walked.insert(groups.begin(), groups.begin() + n);
      ASSERT_EQ(walked.size(), model.size());
      if (random() % 10 == 0) {
        table.clear();
        pool.reset();
        model.clear();
      }
    }
  }
}

TEST(ExactSum, RandomValuesComeAndGo) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    ExactSum sum, other;
    std::vector<std::pair<double, int64_t>> noise;
    for (int i = 0; i < 50; ++i) {
      const double value = std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 1900) - 1074) * (random() % 2 ? 1 : -1);
      if (!std::isfinite(value)) continue;
      noise.push_back({value, static_cast<int64_t>(random() % 5) + 1});
      sum.add(value, noise.back().second);
    }
    __int128 exact = 0;
    for (int i = 0; i < 50; ++i) {
      const auto value = static_cast<int64_t>(random() % (1ull << 50)) - (1ll << 49);
      const int64_t weight = static_cast<int64_t>(random() % 7) - 3;
      (i % 2 ? sum : other).add(static_cast<double>(value), weight);
      exact += static_cast<__int128>(value) * weight;
    }
    for (const auto& [value, weight] : noise) sum.add(value, -weight);
    sum.add(other);
    ASSERT_EQ(sum.value(), static_cast<double>(exact));
  }
  ExactSum tiny;
  tiny.add(5e-324, 3);
  EXPECT_EQ(tiny.value(), 1.5e-323);
  tiny.add(INFINITY, 1);
  EXPECT_EQ(tiny.value(), INFINITY);
  tiny.add(INFINITY, -1);
  tiny.add(1e308, 17);
  tiny.add(1e308, -16);
  EXPECT_EQ(tiny.value(), 1e308);
}

TEST(OrderedMultiset, RandomAgainstStdMap) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  std::mt19937_64 random(kSeed);
  EntryOrder order;
  order.parts = {{Physical::kString, true, true}, {Physical::kI64, false, false}};
  StatePool pool;
  OrderedMultiset set;
  // Descending texts, NULL first: by position in this list.
  const std::vector<std::string> texts = {"z", "the longer text of the two", "b", "a"};
  std::map<std::pair<int, int64_t>, int64_t> model;
  for (int i = 0; i < 20000; ++i) {
    const int text = static_cast<int>(random() % 5);
    const auto number = static_cast<int64_t>(random() % 40);
    const int64_t by = random() % 2 ? 1 : -1;
    Cell cells[2] = {text ? Cell::of(StringRef(texts[static_cast<size_t>(text - 1)])) : Cell(), Cell::of(number)};
    set.add(order, cells, text ? 0 : 1, by, pool);
    if ((model[{text, number}] += by) == 0) model.erase({text, number});
    if (i % 100) continue;
    auto at = model.begin();
    int64_t total = 0;
    const OrderedMultiset::Node* first = nullptr;
    set.for_each([&](const OrderedMultiset::Node& node) {
      ASSERT_NE(at, model.end());
      ASSERT_EQ(node.count, at->second);
      ASSERT_EQ(node.cells()[1].as<int64_t>(), at->first.second);
      if (!first && node.count > 0) first = &node;
      total += node.count;
      ++at;
    });
    ASSERT_EQ(at, model.end());
    ASSERT_EQ(set.total(), total);
    ASSERT_EQ(set.first(), first);
  }
  set.free(order, pool);
  EXPECT_EQ(set.total(), 0);
}

TEST(ValueSet, CountsValues) {
  std::mt19937_64 random(kSeed);
  StatePool pool;
  ValueSet set;
  std::map<std::string, int64_t> model;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = (random() % 2 ? "x" : "a text beyond twelve bytes ") + std::to_string(random() % 300);
    const int64_t by = random() % 3 ? 1 : -1;
    const int64_t before = set.add(Physical::kString, Cell::of(StringRef(text)), by, pool);
    ASSERT_EQ(before, model.count(text) ? model[text] : 0);
    if ((model[text] += by) == 0) model.erase(text);
    ASSERT_EQ(set.size(), model.size());
  }
  set.free(Physical::kString, pool);
}

TEST(TimerWheel, GoesOffExactlyOnceInTime) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  std::mt19937_64 random(kSeed);
  for (int64_t width : {1, 7, 1000}) {
    TimerWheel wheel(width);
    std::multimap<int64_t, uint64_t> model;
    std::vector<TimerWheel::Timer> due;
    int64_t now = -5000;
    uint64_t serial = 0;
    for (int i = 0; i < 5000; ++i) {
      for (int k = 0; k < 5; ++k) {
        const int64_t time = now - 50 + static_cast<int64_t>(random() % (random() % 20 ? 2000 : 5'000'000));
        wheel.add({time, nullptr, ++serial});
        model.emplace(time, serial);
      }
      now += static_cast<int64_t>(random() % (random() % 50 ? 60 : 100'000));
      due.clear();
      wheel.advance(now, due);
      std::multiset<uint64_t> expected, got;
      for (auto at = model.begin(); at != model.end() && at->first <= now; at = model.erase(at)) expected.insert(at->second);
      for (const TimerWheel::Timer& timer : due) got.insert(timer.serial);
      ASSERT_EQ(got, expected);
      ASSERT_EQ(wheel.size(), model.size());
    }
    due.clear();
    wheel.advance(std::numeric_limits<int64_t>::max(), due);
    ASSERT_EQ(due.size(), model.size());
  }
}

}  // namespace
}  // namespace laminar::stream
