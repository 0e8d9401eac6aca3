// Law 1 for the Nexmark queries that join: rows in disorder, some late, ticks of every size; views equal DuckDB's batch over the
// accepted rows inside the run and at its end.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "laminar/laminar.h"

namespace laminar {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDelay = 4 * kSecond;

struct Query {
  const char* name;
  const char* ours;
  // {person}, {auction}, {bid}: the rows that are not behind the watermark; {all_...}: all, with wm.
  const char* batch;
};
constexpr Query kQueries[] = {
    {"q3",
     "SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id WHERE a.category = 10 WITH (retention = '1 day')",
     "SELECT p.name, p.city, p.state, a.id FROM {auction} a JOIN {person} p ON a.seller = p.id WHERE a.category = 10"},
    {"q4",
     "SELECT category, count(*) AS n, sum(final) AS total FROM (SELECT max(b.price) AS final, a.category FROM auction a JOIN bid b ON a.id = b.auction "
     "WHERE b.date_time BETWEEN a.date_time AND a.expires AND b.date_time <= a.date_time + INTERVAL '1 day' GROUP BY a.id, a.category) GROUP BY category",
     "SELECT category, count(*) AS n, sum(final) AS total FROM (SELECT max(b.price) AS final, a.category FROM {auction} a JOIN {bid} b ON a.id = b.auction "
     "WHERE b.date_time BETWEEN a.date_time AND a.expires AND b.date_time <= a.date_time + INTERVAL '1 day' GROUP BY a.id, a.category) GROUP BY category"},
    {"q7",
     "SELECT b.auction, b.bidder, b.price FROM bid b JOIN (SELECT window_start, max(price) AS price FROM bid GROUP BY TUMBLE(date_time, INTERVAL '5 seconds')) w "
     "ON b.price = w.price AND b.date_time >= w.window_start AND b.date_time < w.window_start + INTERVAL '5 seconds'",
     "SELECT b.auction, b.bidder, b.price FROM {bid} b JOIN (SELECT epoch_us(date_time) // 5000000 AS w, max(price) AS price FROM {all_bid} "
     "WHERE wm IS NULL OR wm < (epoch_us(date_time) // 5000000 + 1) * 5000000 GROUP BY ALL) w ON b.price = w.price AND epoch_us(b.date_time) // 5000000 = w.w"},
    {"q8",
     "SELECT p.id, p.name, p.window_start FROM (SELECT id, name, window_start FROM person GROUP BY id, name, TUMBLE(date_time, INTERVAL '5 seconds')) p "
     "JOIN (SELECT seller, window_start FROM auction GROUP BY seller, TUMBLE(date_time, INTERVAL '5 seconds')) a ON p.id = a.seller AND p.window_start = a.window_start",
     "SELECT p.id, p.name, make_timestamp(p.w * 5000000) FROM (SELECT DISTINCT id, name, epoch_us(date_time) // 5000000 AS w FROM {all_person} "
     "WHERE wm IS NULL OR wm < (epoch_us(date_time) // 5000000 + 1) * 5000000) p JOIN (SELECT DISTINCT seller, epoch_us(date_time) // 5000000 AS w FROM {all_auction} "
     "WHERE wm IS NULL OR wm < (epoch_us(date_time) // 5000000 + 1) * 5000000) a ON p.id = a.seller AND p.w = a.w"},
    {"q9",
     "SELECT a.id, b.bidder, b.price, b.date_time FROM auction a JOIN bid b ON a.id = b.auction WHERE b.date_time BETWEEN a.date_time AND a.expires AND "
     "b.date_time <= a.date_time + INTERVAL '1 day' QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time, b.bidder) <= 1",
     "SELECT a.id, b.bidder, b.price, b.date_time FROM {auction} a JOIN {bid} b ON a.id = b.auction WHERE b.date_time BETWEEN a.date_time AND a.expires AND "
     "b.date_time <= a.date_time + INTERVAL '1 day' QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time, b.bidder) <= 1"},
    {"q20",
     "SELECT b.auction, b.bidder, b.price, a.item_name FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10 WITH (retention = '1 day')",
     "SELECT b.auction, b.bidder, b.price, a.item_name FROM {bid} b JOIN {auction} a ON b.auction = a.id WHERE a.category = 10"},
    {"interval_left",
     "SELECT b.auction, b.price, a.seller FROM bid b LEFT JOIN auction a ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.date_time + INTERVAL '2 seconds'",
     "SELECT b.auction, b.price, a.seller FROM {bid} b LEFT JOIN {auction} a ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.date_time + INTERVAL '2 seconds'"},
};

struct Kind {
  const char* name;
  const char* columns;
  bool text[6];  // which of the columns, the last being date_time
  size_t width;
};
const Kind kKinds[] = {
    {"person", "id BIGINT, name VARCHAR, city VARCHAR, state VARCHAR, date_time TIMESTAMP", {false, true, true, true, false}, 5},
    {"auction", "id BIGINT, item_name VARCHAR, seller BIGINT, category BIGINT, expires TIMESTAMP, date_time TIMESTAMP", {false, true, false, false, false, false}, 6},
    {"bid", "auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP", {false, false, false, false}, 4},
};

struct Row {
  size_t kind;
  std::vector<std::string> cells;  // times in microseconds
  int64_t time, arrival;
};

void run(Connection& connection, const std::string& sql) {
  const Status status = connection.execute(sql);
  ASSERT_TRUE(status.ok()) << sql << ": " << status.text();
}

std::vector<Row> generate(uint64_t events) {
  std::vector<Row> rows;
  auto database = Database::open().take();
  auto connection = database->connect();
  for (size_t kind = 0; kind < 3; ++kind) {
    const std::string name = kKinds[kind].name;
    run(*connection, "CREATE SOURCE " + name + " (" + kKinds[kind].columns + ", WATERMARK FOR date_time AS date_time) WITH (connector = 'nexmark', table = '" + name +
                         "', events = " + std::to_string(events) + ", rate = 100); CREATE MATERIALIZED VIEW " + name + "s AS SELECT * FROM " + name);
  }
  EXPECT_TRUE(database->drain().ok());
  const char* selects[] = {"SELECT id, name, city, state, epoch_us(date_time) FROM persons ORDER BY date_time, id",
                           "SELECT id, item_name, seller, category, epoch_us(expires), epoch_us(date_time) FROM auctions ORDER BY date_time, id",
                           "SELECT auction, bidder, price, epoch_us(date_time) FROM bids ORDER BY date_time, auction, bidder, price"};
  for (size_t kind = 0; kind < 3; ++kind) {
    auto result = connection->query(selects[kind]);
    EXPECT_TRUE(result.ok()) << result.status().text();
    if (!result.ok()) return rows;
    while ((*result)->next().take()) {
      Row row{kind, {}, 0, 0};
      for (size_t c = 0; c < kKinds[kind].width; ++c) row.cells.push_back((*result)->text(c));
      row.time = std::stoll(row.cells.back());
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string filled(std::string text) {
  for (const Kind& kind : kKinds) {
    const std::string name = kind.name;
    for (const auto& [hole, with] : {std::pair{"{" + name + "}", "(SELECT * FROM memory." + name + "_rows WHERE wm IS NULL OR epoch_us(date_time) >= wm)"},
                                     std::pair{"{all_" + name + "}", "memory." + name + "_rows"}}) {
      for (size_t at; (at = text.find(hole)) != std::string::npos;) text.replace(at, hole.size(), with);
    }
  }
  return text;
}

TEST(NexmarkJoins, EqualTheBatchOnDisorderedRowsAtEveryTickSize) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  std::vector<Row> rows = generate(2'000);
  ASSERT_GT(rows.size(), 1'900u);
  for (Row& row : rows) {
    row.arrival = row.time + static_cast<int64_t>(random() % static_cast<uint64_t>(kDelay));
    if (random() % 50 == 0) row.arrival += kDelay + static_cast<int64_t>(random() % 10) * kSecond;
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.arrival < b.arrival; });

  for (const size_t tick_rows : {size_t{1}, size_t{7}, size_t{100}, size_t{2048}}) {
    SCOPED_TRACE("ticks of " + std::to_string(tick_rows) + " rows");
    auto database = Database::open().take();
    auto connection = database->connect();
    std::vector<std::unique_ptr<Appender>> appenders;
    for (const Kind& kind : kKinds) {
      run(*connection, std::string("CREATE SOURCE ") + kind.name + " (" + kind.columns +
                           ", WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds') WITH (connector = 'memory');"
                           "CREATE TABLE memory." + kind.name + "_rows (" + kind.columns + ", wm BIGINT)");
      appenders.push_back(database->appender(kind.name).take());
    }
    for (const Query& query : kQueries) run(*connection, std::string("CREATE MATERIALIZED VIEW ") + query.name + " AS " + query.ours);
    std::optional<int64_t> watermarks[3];
    std::string inserts[3];
    size_t late = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      Appender& to = *appenders[row.kind];
      std::string values;
      for (size_t c = 0; c < row.cells.size(); ++c) {
        if (kKinds[row.kind].text[c]) to.add(std::string_view(row.cells[c]));
        else to.add(static_cast<int64_t>(std::stoll(row.cells[c])));
        const bool time = c + 1 == row.cells.size() || (row.kind == 1 && c == 4);
        std::string text = row.cells[c];
        for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 2) text.insert(at, "'");
        values += time ? "make_timestamp(" + text + "), " : kKinds[row.kind].text[c] ? "'" + text + "', " : text + ", ";
      }
      ASSERT_TRUE(to.end_row().ok());
      std::optional<int64_t>& watermark = watermarks[row.kind];
      late += watermark && row.time < *watermark;
      inserts[row.kind] += (inserts[row.kind].empty() ? "(" : ", (") + values + (watermark ? std::to_string(*watermark) : "NULL") + ")";
      watermark = std::max(watermark.value_or(row.time - kDelay), row.time - kDelay);
      const bool check = (i + 1) % (rows.size() / 4) == 0 || i + 1 == rows.size();
      if ((i + 1) % tick_rows != 0 && !check) continue;
      for (auto& appender : appenders) ASSERT_TRUE(appender->flush().ok());
      if (!check) continue;
      for (size_t kind = 0; kind < 3; ++kind) {
        if (!inserts[kind].empty()) run(*connection, std::string("INSERT INTO memory.") + kKinds[kind].name + "_rows VALUES " + inserts[kind]);
        inserts[kind].clear();
      }
      for (const Query& query : kQueries) {
        const std::string name = query.name, batch = filled(query.batch);
        auto difference = connection->query("SELECT count(*) FROM ((FROM " + name + " EXCEPT ALL (" + batch + ")) UNION ALL ((" + batch + ") EXCEPT ALL FROM " + name + "))");
        ASSERT_TRUE(difference.ok()) << name << ": " << difference.status().text();
        ASSERT_TRUE((*difference)->next().take());
        EXPECT_EQ((*difference)->int64(0), 0) << name << " after " << i + 1 << " rows";
      }
    }
    EXPECT_GT(late, 0u);
  }
}

}  // namespace
}  // namespace laminar
