// The Nexmark events, each computed from its number alone: the same rows whatever is asked for first, and in what pieces.
//
// Of every 50 events the first is a person, the next 3 are auctions, the other 46 are bids. Ids count from 1000. A bid
// goes to a hot auction every second time and comes from a hot bidder three times in four, an auction from a hot seller
// three times in four; the others are drawn from the last 100 auctions and the last 1,000 persons and up to 10 ids that
// come into being only later, as the benchmark has it.
//
// Threads: none of its own; any number may share a const Generator.
// Bounds:  fill() allocates nothing but arena blocks for strings.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "data/type.h"

namespace laminar::connectors::nexmark {

enum class Table : uint8_t { kPerson, kAuction, kBid };

enum class Column : uint8_t {
  kPersonId, kPersonName, kEmailAddress, kCreditCard, kCity, kState, kPersonExtra,
  kAuctionId, kItemName, kDescription, kInitialBid, kReserve, kExpires, kSeller, kCategory, kAuctionExtra,
  kBidAuction, kBidder, kPrice, kChannel, kUrl, kBidExtra,
  kDateTime,
};

struct ColumnInfo {
  std::string_view name;
  data::TypeKind type;
  Column column;
};
// All columns of a table, in the benchmark's order.
std::vector<ColumnInfo> columns_of(Table table);

struct GeneratorOptions {
  Table table = Table::kBid;
  uint64_t events = 0;   // of all three kinds; 0: without end
  int64_t rate = 10000;  // events of all three kinds per second of event time
  int64_t first_event_time_us = 1'436'918'400'000'000;  // 2015-07-15 00:00:00
  uint64_t seed = 0;
};

class Generator {
 public:
  explicit Generator(const GeneratorOptions& options);

  // Rows of the table among the first `events` events of all kinds.
  uint64_t rows_among(uint64_t events) const;
  // Event number of a row.
  uint64_t event_of(uint64_t row) const;
  int64_t time_of_event_us(uint64_t event) const;
  // Column c of `out`, rows [out.rows, out.rows + count), gets columns[c] of the table's rows from first_row on.
  // Leaves out.rows as it is.
  void fill(const std::vector<Column>& columns, uint64_t first_row, uint32_t count, data::BatchBuffer& out) const;

 private:
  template <class PerRow>
  void each_row(uint64_t first_row, uint32_t count, PerRow per_row) const;
  void fill_numbers(Column column, uint64_t first_row, uint32_t count, int64_t* out) const;
  void fill_times(Column column, uint64_t first_row, uint32_t count, int64_t* out) const;
  void fill_strings(Column column, uint64_t first_row, uint32_t count, data::StringRef* out, data::StringArena& arena) const;
  uint64_t random(uint64_t event, uint32_t lane) const;

  GeneratorOptions options_;
  uint64_t key_;
  uint64_t per_epoch_, first_offset_;  // of the table, among the 50 events of an epoch
};

}  // namespace laminar::connectors::nexmark
