#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "connectors/nexmark/generator.h"
#include "connectors/nexmark/nexmark_connector.h"
#include "data/value.h"

namespace laminar::connectors {
namespace {

using data::BatchBuffer;
using data::Field;
using data::Schema;
using data::StringRef;
using data::Type;
using data::TypeKind;

Result<std::unique_ptr<stream::SourceDefinition>> make(const std::vector<OptionInput>& inputs, const Schema& schema = {}) {
  auto options = OptionValues::check(nexmark_connector()->source_options(), inputs, "source s", 0);
  if (!options.ok()) return options.status();
  return nexmark_connector()->make_source("s", schema, *options);
}

using Rows = std::vector<std::vector<std::string>>;

// All rows, read through buffers of the given sizes in turn.
Rows read_all(const stream::SourceDefinition& source, const Schema& schema, const std::vector<uint32_t>& sizes) {
  auto reader = source.open(nullptr);
  EXPECT_TRUE(reader.ok());
  Rows rows;
  for (size_t turn = 0;; ++turn) {
    BatchBuffer out(schema, sizes[turn % sizes.size()]);
    uint32_t partition = 7;
    auto state = (*reader)->read(out, partition);
    EXPECT_TRUE(state.ok());
    EXPECT_EQ(partition, 0u);
    for (uint32_t i = 0; i < out.rows; ++i) {
      std::vector<std::string> row;
      for (uint32_t c = 0; c < schema.size(); ++c) {
        EXPECT_FALSE(out.column(c).is_null(i));
        row.push_back(schema[c].type.is_string() ? std::string(out.column(c).values<StringRef>()[i].view())
                                                 : std::to_string(out.column(c).values<int64_t>()[i]));
      }
      rows.push_back(std::move(row));
    }
    if (*state == stream::ReadState::kEnded) return rows;
    EXPECT_EQ(*state, stream::ReadState::kRows);
  }
}

Rows table_rows(const std::string& table, const std::string& events, const std::string& seed = "0") {
  auto source = make({{"table", table}, {"events", events}, {"seed", seed}});
  EXPECT_TRUE(source.ok());
  return read_all(**source, (*source)->inferred_schema(), {2048});
}

int64_t number(const std::string& text) { return std::stoll(text); }

TEST(Nexmark, ProportionsAndIds) {
  constexpr int64_t kEvents = 200'000;
  const Rows persons = table_rows("person", std::to_string(kEvents));
  const Rows auctions = table_rows("auction", std::to_string(kEvents));
  const Rows bids = table_rows("bid", std::to_string(kEvents));
  EXPECT_EQ(persons.size(), kEvents / 50);
  EXPECT_EQ(auctions.size(), kEvents / 50 * 3);
  EXPECT_EQ(bids.size(), kEvents / 50 * 46);

  std::vector<int64_t> person_time, auction_time;
  for (size_t i = 0; i < persons.size(); ++i) {
    ASSERT_EQ(number(persons[i][0]), 1000 + static_cast<int64_t>(i));
    person_time.push_back(number(persons[i][6]));
  }
  for (size_t i = 0; i < auctions.size(); ++i) {
    ASSERT_EQ(number(auctions[i][0]), 1000 + static_cast<int64_t>(i));
    auction_time.push_back(number(auctions[i][5]));
  }
  for (const auto* times : {&person_time, &auction_time}) EXPECT_TRUE(std::is_sorted(times->begin(), times->end()));
  EXPECT_EQ(person_time[0], 1'436'918'400'000'000);
  EXPECT_EQ(person_time[1] - person_time[0], 50 * 100);

  // Ids refer to what has been, or to one of the next ten ids.
  const auto seen = [](const std::vector<int64_t>& times, int64_t now) {
    return std::upper_bound(times.begin(), times.end(), now) - times.begin();
  };
  size_t hot_sellers = 0;
  for (const auto& auction : auctions) {
    const int64_t now = number(auction[5]), expires = number(auction[6]), seller = number(auction[7]), category = number(auction[8]);
    ASSERT_GE(seller, 1000);
    ASSERT_LT(seller, 1000 + seen(person_time, now) + 10);
    hot_sellers += seller % 100 == 0;
    ASSERT_GT(expires, now);
    ASSERT_LE(expires, now + 2 * 166'600 + 1);
    ASSERT_GE(category, 10);
    ASSERT_LT(category, 15);
    ASSERT_GT(number(auction[4]), number(auction[3]));  // reserve, initial_bid
  }
  EXPECT_NEAR(static_cast<double>(hot_sellers) / auctions.size(), 0.7525, 0.02);

  size_t hot_auctions = 0, hot_bidders = 0, hot_channels = 0, lead = 0;
  int64_t last_time = 0;
  std::vector<double> decades(6);
  for (const auto& bid : bids) {
    const int64_t auction = number(bid[0]), bidder = number(bid[1]), price = number(bid[2]), now = number(bid[5]);
    ASSERT_GE(now, last_time);
    last_time = now;
    const int64_t auctions_seen = seen(auction_time, now), persons_seen = seen(person_time, now);
    ASSERT_GE(auction, std::max<int64_t>(1000, 1000 + auctions_seen - 1 - 100 - 100));
    ASSERT_LT(auction, 1000 + auctions_seen + 10);
    lead += auction >= 1000 + auctions_seen;
    ASSERT_GE(bidder, 1000);
    ASSERT_GE(bidder, 1000 + persons_seen - 1000 - 1);
    ASSERT_LT(bidder, 1000 + persons_seen + 10);
    hot_auctions += auction == 1000 + (auctions_seen - 1) / 100 * 100;
    hot_bidders += bidder == 1000 + (persons_seen - 1) / 100 * 100 + 1;
    ASSERT_GE(price, 100);
    ASSERT_LE(price, 100'000'000);
    decades[std::min<size_t>(5, std::to_string(price).size() - 3)] += 1.0 / bids.size();
    hot_channels += bid[3].compare(0, 8, "channel-") != 0;
  }
  EXPECT_NEAR(static_cast<double>(hot_auctions) / bids.size(), 0.5, 0.02);
  EXPECT_NEAR(static_cast<double>(hot_bidders) / bids.size(), 0.75, 0.01);
  EXPECT_NEAR(static_cast<double>(hot_channels) / bids.size(), 0.5, 0.01);
  EXPECT_NEAR(static_cast<double>(lead) / bids.size(), 0.5 * 10 / 111, 0.01);
  for (const double share : decades) EXPECT_NEAR(share, 1.0 / 6, 0.01);
}

TEST(Nexmark, Texts) {
  const auto average = [](const Rows& rows, const std::vector<size_t>& texts, size_t numbers) {
    double bytes = 0;
    for (const auto& row : rows) {
      for (const size_t c : texts) bytes += static_cast<double>(row[c].size());
      bytes += 8.0 * static_cast<double>(numbers);
    }
    return bytes / static_cast<double>(rows.size());
  };
  const Rows persons = table_rows("person", "100000"), auctions = table_rows("auction", "100000"), bids = table_rows("bid", "100000");
  EXPECT_NEAR(average(persons, {1, 2, 3, 4, 5, 7}, 1), 200, 10);
  EXPECT_NEAR(average(auctions, {1, 2, 9}, 6), 500, 15);
  EXPECT_NEAR(average(bids, {6}, 4), 100, 5);
  std::map<std::string, std::set<std::string>> urls;
  std::set<std::string> states;
  for (const auto& person : persons) {
    states.insert(person[5]);
    EXPECT_NE(person[1].find(' '), std::string::npos);
    EXPECT_NE(person[2].find('@'), std::string::npos);
    EXPECT_EQ(person[3].size(), 19u);
  }
  EXPECT_EQ(states.size(), 6u);
  size_t with_id = 0, cold = 0;
  for (const auto& bid : bids) {
    urls[bid[3]].insert(bid[4]);
    EXPECT_EQ(bid[4].compare(0, 24, "https://www.nexmark.com/"), 0);
    EXPECT_EQ(std::count(bid[4].begin(), bid[4].end(), '/'), 6);
    if (bid[3].compare(0, 8, "channel-") == 0) ++cold, with_id += bid[4].find("&channel_id=") != std::string::npos;
    for (const char c : bid[6]) ASSERT_TRUE(c >= 'a' && c <= 'z');
  }
  for (const auto& [channel, of_channel] : urls) EXPECT_EQ(of_channel.size(), 1u) << channel;  // a channel has one page
  for (const char* hot : {"Google", "Facebook", "Baidu", "Apple"}) EXPECT_TRUE(urls.contains(hot));
  EXPECT_NEAR(static_cast<double>(with_id) / cold, 0.9, 0.02);
}

TEST(Nexmark, SameRowsHoweverTheyAreCutAndWhicheverColumnsAreRead) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const char* table : {"bid", "auction", "person"}) {
    for (const char* rate : {"10000", "7", "3000000"}) {
      const std::vector<OptionInput> options = {{"table", table}, {"events", "9973"}, {"rate", rate}, {"seed", "42"}};
      auto source = make(options);
      ASSERT_TRUE(source.ok());
      const Schema all = (*source)->inferred_schema();
      EXPECT_EQ((*source)->inferred_watermark_column(), "date_time");
      EXPECT_TRUE((*source)->replayable() && (*source)->bounded());
      const Rows whole = read_all(**source, all, {2048});
      EXPECT_EQ((*source)->open(nullptr).take()->rows_total(), whole.size());
      std::vector<uint32_t> sizes;
      for (int i = 0; i < 9; ++i) sizes.push_back(1 + static_cast<uint32_t>(random() % 300));
      EXPECT_EQ(read_all(**source, all, sizes), whole);

      std::vector<size_t> order(all.size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::shuffle(order.begin(), order.end(), random);
      order.resize(1 + random() % order.size());
      Schema some;
      for (const size_t c : order) some.push_back(all[c]);
      some[0].name[0] = static_cast<char>(some[0].name[0] - 32);  // names are compared without regard to case
      auto part = make(options, some);
      ASSERT_TRUE(part.ok()) << part.status().text();
      const Rows rows = read_all(**part, some, sizes);
      ASSERT_EQ(rows.size(), whole.size());
      for (size_t i = 0; i < rows.size(); ++i) {
        for (size_t c = 0; c < order.size(); ++c) ASSERT_EQ(rows[i][c], whole[i][order[c]]);
      }
    }
  }
  EXPECT_NE(table_rows("bid", "1000", "1"), table_rows("bid", "1000", "2"));
}

TEST(Nexmark, RowsAmongAgreesWithEventNumbers) {
  for (const nexmark::Table table : {nexmark::Table::kPerson, nexmark::Table::kAuction, nexmark::Table::kBid}) {
    const nexmark::Generator generator({.table = table});
    for (uint64_t row = 0; row < 200; ++row) {
      const uint64_t event = generator.event_of(row);
      EXPECT_EQ(generator.rows_among(event), row);
      EXPECT_EQ(generator.rows_among(event + 1), row + 1);
    }
  }
}

TEST(Nexmark, EndlessAndPaced) {
  auto endless = make({{"table", "bid"}});
  ASSERT_TRUE(endless.ok());
  EXPECT_FALSE((*endless)->bounded());
  const Schema schema = (*endless)->inferred_schema();
  BatchBuffer out(schema);
  uint32_t partition = 0;
  auto reader = (*endless)->open(nullptr).take();
  EXPECT_EQ(reader->rows_total(), std::nullopt);
  for (int i = 0; i < 10; ++i) {
    out.clear();
    ASSERT_EQ(*reader->read(out, partition), stream::ReadState::kRows);
    ASSERT_EQ(out.rows, 2048u);
  }

  auto paced = make({{"table", "person"}, {"pace", "real"}, {"rate", "1"}});  // the next person comes after 50 seconds
  ASSERT_TRUE(paced.ok());
  reader = (*paced)->open(nullptr).take();
  out = BatchBuffer((*paced)->inferred_schema());
  EXPECT_EQ(*reader->read(out, partition), stream::ReadState::kRows);
  EXPECT_EQ(out.rows, 1u);
  EXPECT_EQ(*reader->read(out, partition), stream::ReadState::kIdle);
  EXPECT_EQ(out.rows, 1u);
}

TEST(Nexmark, Refusals) {
  const auto wrong_type = make({{"table", "bid"}}, {{"price", Type::of(TypeKind::kDouble), false}});
  ASSERT_FALSE(wrong_type.ok());
  EXPECT_EQ(wrong_type.error().code, ErrorCode::kTypeMismatch);
  EXPECT_EQ(wrong_type.error().message, "type of a nexmark column: s.price is BIGINT, declared as DOUBLE");
  const auto no_column = make({{"table", "bid"}}, {{"seller", Type::of(TypeKind::kInt64), false}});
  ASSERT_FALSE(no_column.ok());
  EXPECT_EQ(no_column.error().code, ErrorCode::kTypeMismatch);
  for (const char* text : {"yesterday", "2015-02-30", "2015-07-15 24:00:00", "2015-07-15 00:00:00.", "2015-7-1"}) {
    const auto bad_time = make({{"table", "bid"}, {"first_event_time", text, 3, 9}});
    ASSERT_FALSE(bad_time.ok()) << text;
    EXPECT_EQ(bad_time.error().code, ErrorCode::kInvalidOption);
    EXPECT_EQ(bad_time.error().offset, 9);
  }
  for (const char* text : {"1969-12-31T23:59:59.999999Z", "2015-07-15", "2015-07-15 01:02"}) {
    EXPECT_TRUE(make({{"table", "bid"}, {"first_event_time", text}}).ok()) << text;
  }
  EXPECT_EQ(make({}).error().code, ErrorCode::kMissingOption);
  EXPECT_EQ(nexmark_connector()->make_sink("k", {}, OptionValues()).error().code, ErrorCode::kWrongObjectKind);
}

}  // namespace
}  // namespace laminar::connectors
