// Random rows and questions against a plain list: keys with NULLs, batches of every size, times over and chunks taken out.
#include "stream/joins/join_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <set>
#include <tuple>

namespace laminar::stream {
namespace {

using data::BatchBuffer;
using data::Type;
using data::TypeKind;

struct Row {
  int64_t key;  // below zero: NULL
  bool text_null;
  std::string text;
  int64_t id, time;
};

TEST(JoinLog, FindsWhatAListFinds) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  const std::vector<Type> types = {Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar), Type::of(TypeKind::kInt64), Type::of(TypeKind::kTimestamp)};
  for (int round = 0; round < 24; ++round) {
    const bool two_keys = round % 2;
    const std::vector<uint32_t> keys = two_keys ? std::vector<uint32_t>{0, 1} : std::vector<uint32_t>{0};
    const GroupShape shape(two_keys ? std::vector<Type>{types[0], types[1]} : std::vector<Type>{types[0]});
    JoinLog log(types, keys, 3);
    std::vector<Row> held;
    BatchBuffer batch(types);
    std::vector<uint64_t> hashes(data::kBatchRowsMax);
    std::vector<data::Column> columns(keys.size());
    const uint64_t largest = round % 3 ? 40 : 2048, distinct = round % 4 ? 3000 : 7;
    int64_t now = 0, limit = 0, id = 0;
    const auto fill = [&](std::vector<Row>& rows) {
      batch.clear();
      rows.clear();
      for (uint64_t n = 1 + random() % largest; n > 0; --n) {
        now += static_cast<int64_t>(random() % 3);
        Row row{static_cast<int64_t>(random() % distinct) - (random() % 9 == 0 ? 5000 : 0), random() % 9 == 0,
                random() % 2 ? "x" : "more than twelve bytes", ++id, now - static_cast<int64_t>(random() % 50)};
        row.time = std::max(row.time, limit);  // none is late
        const uint32_t i = batch.rows++;
        batch.column(0).values<int64_t>()[i] = row.key;
        if (row.key < 0) data::set_null(batch.column(0).validity, i);
        batch.column(1).values<data::StringRef>()[i] = batch.strings().copy(row.text);
        if (row.text_null) data::set_null(batch.column(1).validity, i);
        batch.column(2).values<int64_t>()[i] = row.id;
        batch.column(3).values<int64_t>()[i] = row.time;
        rows.push_back(row);
      }
    };
    const auto same_key = [&](const Row& a, const Row& b) {
      if ((a.key < 0) != (b.key < 0) || (a.key >= 0 && a.key != b.key)) return false;
      return !two_keys || (a.text_null == b.text_null && (a.text_null || a.text == b.text));
    };
    std::vector<Row> rows;
    std::vector<uint32_t> selection;
    for (int step = 0; step < 60; ++step) {
      fill(rows);
      const data::Batch view = batch.view();
      for (size_t k = 0; k < keys.size(); ++k) columns[k] = view.columns[keys[k]];
      hash_keys(shape, columns, view.rows, hashes.data());
      selection.clear();
      for (uint32_t i = 0; i < view.rows; ++i) {
        if (random() % 8) selection.push_back(i);
      }
      if (random() % 2) {
        log.append(view, hashes.data(), selection.data(), static_cast<uint32_t>(selection.size()));
        for (const uint32_t i : selection) held.push_back(rows[i]);
      } else {
        const int64_t after = static_cast<int64_t>(random() % 100) - 80, before = after + static_cast<int64_t>(random() % 100);
        std::multiset<std::tuple<int64_t, int64_t>> found, expected;
        std::vector<uint32_t> refs, probes;
        log.find({columns, hashes.data(), selection.data(), static_cast<uint32_t>(selection.size()), view.columns[3].values<int64_t>(), after, before},
                 [&](uint32_t probe, uint32_t row) {
                   probes.push_back(probe);
                   refs.push_back(row);
                 });
        BatchBuffer one(types, 1);
        for (size_t i = 0; i < refs.size(); ++i) {
          one.clear();
          for (uint32_t c = 0; c < 4; ++c) log.gather(c, &refs[i], 1, one.column(c));
          const int64_t partner = one.column(2).values<int64_t>()[0];
          const auto row = std::find_if(held.begin(), held.end(), [&](const Row& r) { return r.id == partner; });
          ASSERT_NE(row, held.end());
          ASSERT_EQ(one.column(0).is_null(0), row->key < 0);
          ASSERT_EQ(one.column(1).is_null(0), row->text_null);
          if (!row->text_null) {
            ASSERT_EQ(one.column(1).values<data::StringRef>()[0].view(), row->text);
          }
          found.emplace(rows[selection[probes[i]]].id, partner);
        }
        for (const uint32_t i : selection) {
          for (const Row& row : held) {
            if (row.time >= rows[i].time + after && row.time <= rows[i].time + before && same_key(row, rows[i])) expected.emplace(rows[i].id, row.id);
          }
        }
        // Rows whose time is over may be found still, and those alone.
        for (const auto& pair : expected) {
          const auto at = found.find(pair);
          ASSERT_NE(at, found.end());
          found.erase(at);
        }
        ASSERT_TRUE(found.empty());
        log.take_costly(random() % 3, [&](const JoinLog::Chunk& chunk) {
          const data::Batch all = chunk.batch();
          for (uint32_t i = chunk.begin; i < chunk.end; ++i) {
            const int64_t gone = all.columns[2].values<int64_t>()[i];
            ASSERT_EQ(std::erase_if(held, [&](const Row& r) { return r.id == gone; }), 1u);
          }
        });
      }
      if (random() % 4) continue;
      limit = std::max(limit, now - static_cast<int64_t>(random() % 150));
      const uint64_t before = log.rows();
      log.release(limit);
      EXPECT_LE(log.rows(), before);
      // What has left is over; to know which, all chunks are looked at.
      std::set<int64_t> here;
      log.each_chunk([&](const JoinLog::Chunk& chunk) {
        for (uint32_t i = chunk.begin; i < chunk.end; ++i) here.insert(chunk.columns[2].values<int64_t>()[i]);
      });
      EXPECT_EQ(here.size(), log.rows());
      for (const Row& row : held) EXPECT_TRUE(row.time < limit || here.contains(row.id));
      std::erase_if(held, [&](const Row& r) { return !here.contains(r.id); });
      EXPECT_EQ(held.size(), log.rows());
    }
    log.release(data::kWatermarkEnded);
    EXPECT_EQ(log.rows(), 0u);
    EXPECT_TRUE(log.empty());
  }
}

}  // namespace
}  // namespace laminar::stream
