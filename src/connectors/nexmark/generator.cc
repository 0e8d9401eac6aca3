#include "connectors/nexmark/generator.h"

#include <array>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace laminar::connectors::nexmark {

namespace {

using data::StringArena;
using data::StringRef;
using data::TypeKind;

constexpr uint64_t kEpochEvents = 50, kAuctionsPerEpoch = 3, kBidsPerEpoch = 46;
constexpr uint64_t kFirstId = 1000, kFirstCategory = 10, kCategories = 5;
constexpr uint64_t kHotAuctionRatio = 2, kHotBidderRatio = 4, kHotSellerRatio = 4, kHotChannelRatio = 2;
constexpr uint64_t kHotStride = 100;  // one id in a hundred can be hot
constexpr uint64_t kActivePersons = 1000, kAuctionsInFlight = 100, kIdLead = 10;
constexpr uint64_t kChannels = 10000;
constexpr uint32_t kPersonBytes = 200, kAuctionBytes = 500, kBidBytes = 100;  // average sizes, made so by `extra`

constexpr std::array<std::string_view, 4> kHotChannels = {"Google", "Facebook", "Baidu", "Apple"};
constexpr std::array<std::string_view, 11> kFirstNames = {"Peter", "Paul",  "Luke",   "John",  "Saul",  "Vicky",
                                                          "Kate",  "Julie", "Sarah", "Deiter", "Walter"};
constexpr std::array<std::string_view, 9> kLastNames = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                                        "Walton", "Smith",  "Jones",   "Noris"};
constexpr std::array<std::string_view, 6> kStates = {"AZ", "CA", "ID", "OR", "WA", "WY"};
constexpr std::array<std::string_view, 10> kCities = {"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
                                                      "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};

// What a random number of an event is for. A lane belongs to one purpose in one table, so that no column depends on
// which others are asked for.
enum Lane : uint32_t {
  kAuctionLane, kBidderLane, kPriceLane, kChannelLane, kExtraLane,
  kNameLane, kDescriptionLane, kReserveLane, kExpiresLane, kCategoryLane, kEmailLane, kCardLane, kCityLane,
  kLanes = 16,
};

constexpr uint64_t kStep = 0x9E3779B97F4A7C15ull;

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// Uniform in [0, n), from the upper or the lower half of a random number.
uint64_t pick(uint64_t random, uint64_t n) { return (random >> 32) * n >> 32; }
uint64_t pick_low(uint64_t random, uint64_t n) { return (random & 0xffffffffu) * n >> 32; }

// 10^(6u) * 100 for u of 20 bits, rounded: one factor for its upper and one for its lower ten bits, in integers, so
// that every build gives the same prices.
class PriceTable {
 public:
  PriceTable() {
    for (int i = 0; i < 1024; ++i) {
      coarse_[i] = static_cast<uint64_t>(std::llround(std::pow(10.0, 6.0 * i / 1024) * 100 * (1 << kCoarseBits)));
      fine_[i] = static_cast<uint64_t>(std::llround(std::pow(10.0, 6.0 * i / (1024 * 1024)) * (1 << kFineBits)));
    }
  }
  int64_t price(uint64_t random) const {
    const uint64_t u = random >> 44;
    return static_cast<int64_t>((coarse_[u >> 10] * fine_[u & 1023] + (uint64_t{1} << (kCoarseBits + kFineBits - 1))) >>
                                (kCoarseBits + kFineBits));
  }

 private:
  static constexpr int kCoarseBits = 20, kFineBits = 16;  // 27 bits of price + 36 fit in 64
  uint64_t coarse_[1024], fine_[1024];
};

const PriceTable& prices() {
  static const PriceTable table;
  return table;
}

// Eight random bytes as eight letters a-z.
uint64_t as_letters(uint64_t random) {
  constexpr uint64_t kEven = 0x00ff00ff00ff00ffull;
  const uint64_t even = ((random & kEven) * 26 >> 8) & kEven;
  const uint64_t odd = ((random >> 8 & kEven) * 26) & ~kEven;
  return (even | odd) + 0x6161616161616161ull;
}

// Writes ceil(n / 8) * 8 bytes at `to`; the first n are the letters.
void write_letters(char* to, uint32_t n, uint64_t random) {
  for (uint32_t i = 0; i < n; i += 8) {
    const uint64_t letters = as_letters(mix(random + kStep * (i / 8 + 1)));
    std::memcpy(to + i, &letters, 8);
  }
}

constexpr uint32_t rounded_up(uint32_t n) { return (n + 7) / 8 * 8; }

StringRef letters(StringArena& arena, uint32_t n, uint64_t random) {
  char* bytes = arena.allocate(rounded_up(n));
  write_letters(bytes, n, random);
  return StringRef(bytes, n);
}

// Letters in words of 3 to 10.
StringRef words(StringArena& arena, uint32_t n, uint64_t random) {
  char* bytes = arena.allocate(rounded_up(n));
  write_letters(bytes, n, random);
  uint64_t lengths = mix(random);
  for (uint32_t i = 3 + (lengths & 7); i + 1 < n; i += 4 + (lengths & 7)) {
    bytes[i] = ' ';
    lengths = lengths >> 3 | lengths << 61;
  }
  return StringRef(bytes, n);
}

// Builds one string in the arena; `bytes_max` bounds it.
class TextWriter {
 public:
  TextWriter(StringArena& arena, uint32_t bytes_max) : begin_(arena.allocate(bytes_max)), at_(begin_) {}
  TextWriter& add(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
    return *this;
  }
  TextWriter& add_letters(uint32_t n, uint64_t random) {
    char bytes[16];
    write_letters(bytes, n, random);
    return add({bytes, n});
  }
  TextWriter& add_number(uint64_t value, int digits_min = 1) {
    char bytes[20];
    int n = 0;
    do {
      bytes[19 - n++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value > 0 || n < digits_min);
    return add({bytes + 20 - n, static_cast<size_t>(n)});
  }
  StringRef finish() { return StringRef(begin_, static_cast<uint32_t>(at_ - begin_)); }

 private:
  char* begin_;
  char* at_;
};

// The length of a random text of at most `length_max` letters.
uint32_t text_length(uint64_t random, uint32_t length_max) { return 3 + static_cast<uint32_t>(pick_low(random, length_max - 3)); }

// The padding that brings a row of `used` bytes to about `average` bytes, give or take a fifth of what is missing.
uint32_t extra_length(uint64_t random, uint32_t used, uint32_t average) {
  if (used >= average) return 0;
  const uint32_t missing = average - used;
  const uint32_t spread = (missing + 2) / 5;
  return missing - spread + static_cast<uint32_t>(spread == 0 ? 0 : pick_low(random, 2 * spread));
}

// The page that a channel's bids come from: 0 to 3 are the hot channels, the others follow.
void write_base_url(TextWriter& out, uint64_t channel) {
  const uint64_t random = mix((channel + 1) * kStep);
  out.add("https://www.nexmark.com/");
  for (int part = 0; part < 3; ++part) {
    const uint64_t r = mix(random + static_cast<uint64_t>(part));
    out.add_letters(3 + (r >> 63), r).add("/");
  }
  out.add("item.htm?query=1");
}

uint32_t reversed_bits(uint32_t x) {
  x = (x & 0x55555555u) << 1 | (x >> 1 & 0x55555555u);
  x = (x & 0x33333333u) << 2 | (x >> 2 & 0x33333333u);
  x = (x & 0x0f0f0f0fu) << 4 | (x >> 4 & 0x0f0f0f0fu);
  return __builtin_bswap32(x);
}

// Seller of an auction or bidder of a bid, when `last` + 1 persons have been.
uint64_t random_person(uint64_t random, uint64_t last) {
  const uint64_t persons = last + 1;
  const uint64_t active = persons < kActivePersons ? persons : kActivePersons;
  return persons - active + pick(random, active + kIdLead);
}

uint64_t random_auction(uint64_t random, uint64_t last) {
  const uint64_t first = last > kAuctionsInFlight ? last - kAuctionsInFlight : 0;
  return first + pick(random, last - first + 1 + kIdLead);
}

bool is_hot(uint64_t random, uint64_t ratio) { return pick_low(random, ratio) > 0; }

template <size_t n>
std::string_view one_of(const std::array<std::string_view, n>& words_, uint64_t random) {
  return words_[pick(random, n)];
}

uint32_t person_name_bytes(uint64_t random) {
  return static_cast<uint32_t>(kFirstNames[pick(random, kFirstNames.size())].size() + 1 +
                               kLastNames[pick_low(random, kLastNames.size())].size());
}

}  // namespace

std::vector<ColumnInfo> columns_of(Table table) {
  switch (table) {
    case Table::kPerson:
      return {{"id", TypeKind::kInt64, Column::kPersonId},
              {"name", TypeKind::kVarchar, Column::kPersonName},
              {"email_address", TypeKind::kVarchar, Column::kEmailAddress},
              {"credit_card", TypeKind::kVarchar, Column::kCreditCard},
              {"city", TypeKind::kVarchar, Column::kCity},
              {"state", TypeKind::kVarchar, Column::kState},
              {"date_time", TypeKind::kTimestamp, Column::kDateTime},
              {"extra", TypeKind::kVarchar, Column::kPersonExtra}};
    case Table::kAuction:
      return {{"id", TypeKind::kInt64, Column::kAuctionId},
              {"item_name", TypeKind::kVarchar, Column::kItemName},
              {"description", TypeKind::kVarchar, Column::kDescription},
              {"initial_bid", TypeKind::kInt64, Column::kInitialBid},
              {"reserve", TypeKind::kInt64, Column::kReserve},
              {"date_time", TypeKind::kTimestamp, Column::kDateTime},
              {"expires", TypeKind::kTimestamp, Column::kExpires},
              {"seller", TypeKind::kInt64, Column::kSeller},
              {"category", TypeKind::kInt64, Column::kCategory},
              {"extra", TypeKind::kVarchar, Column::kAuctionExtra}};
    case Table::kBid:
      return {{"auction", TypeKind::kInt64, Column::kBidAuction},
              {"bidder", TypeKind::kInt64, Column::kBidder},
              {"price", TypeKind::kInt64, Column::kPrice},
              {"channel", TypeKind::kVarchar, Column::kChannel},
              {"url", TypeKind::kVarchar, Column::kUrl},
              {"date_time", TypeKind::kTimestamp, Column::kDateTime},
              {"extra", TypeKind::kVarchar, Column::kBidExtra}};
  }
  CHECK(false);
}

Generator::Generator(const GeneratorOptions& options) : options_(options), key_(hash_u64(options.seed + kStep)) {
  CHECK(options.rate > 0);
  switch (options.table) {
    case Table::kPerson: per_epoch_ = 1, first_offset_ = 0; break;
    case Table::kAuction: per_epoch_ = kAuctionsPerEpoch, first_offset_ = 1; break;
    case Table::kBid: per_epoch_ = kBidsPerEpoch, first_offset_ = 1 + kAuctionsPerEpoch; break;
  }
}

uint64_t Generator::rows_among(uint64_t events) const {
  const uint64_t rest = events % kEpochEvents;
  const uint64_t in_rest = rest <= first_offset_ ? 0 : rest - first_offset_;
  return events / kEpochEvents * per_epoch_ + (in_rest < per_epoch_ ? in_rest : per_epoch_);
}

uint64_t Generator::event_of(uint64_t row) const {
  return row / per_epoch_ * kEpochEvents + first_offset_ + row % per_epoch_;
}

int64_t Generator::time_of_event_us(uint64_t event) const {
  const uint64_t rate = static_cast<uint64_t>(options_.rate);
  return options_.first_event_time_us +
         static_cast<int64_t>(event / rate * 1'000'000 + event % rate * 1'000'000 / rate);
}

uint64_t Generator::random(uint64_t event, uint32_t lane) const { return mix(key_ + (event * kLanes + lane + 1) * kStep); }

// per_row(i, event, epoch) for i in [0, count); divides once instead of once a row.
template <class PerRow>
void Generator::each_row(uint64_t first_row, uint32_t count, PerRow per_row) const {
  uint64_t epoch = first_row / per_epoch_;
  uint64_t in_epoch = first_row % per_epoch_;
  for (uint32_t i = 0; i < count;) {
    const uint64_t left = per_epoch_ - in_epoch;
    const uint32_t end = count - i < left ? count : i + static_cast<uint32_t>(left);
    uint64_t event = epoch * kEpochEvents + first_offset_ + in_epoch;
    for (; i < end; ++i, ++event) per_row(i, event, epoch);
    ++epoch;
    in_epoch = 0;
  }
}

void Generator::fill(const std::vector<Column>& columns, uint64_t first_row, uint32_t count, data::BatchBuffer& out) const {
  CHECK(columns.size() <= out.column_count() && count <= out.rows_max() - out.rows);
  for (uint32_t c = 0; c < columns.size(); ++c) {
    data::Column& target = out.column(c);
    switch (columns[c]) {
      case Column::kPersonId: case Column::kAuctionId: case Column::kInitialBid: case Column::kReserve:
      case Column::kSeller: case Column::kCategory: case Column::kBidAuction: case Column::kBidder: case Column::kPrice:
        DCHECK(target.physical == data::Physical::kI64);
        fill_numbers(columns[c], first_row, count, target.values<int64_t>() + out.rows);
        break;
      case Column::kDateTime: case Column::kExpires:
        DCHECK(target.physical == data::Physical::kI64);
        fill_times(columns[c], first_row, count, target.values<int64_t>() + out.rows);
        break;
      default:
        DCHECK(target.physical == data::Physical::kString);
        fill_strings(columns[c], first_row, count, target.values<StringRef>() + out.rows, out.strings());
    }
  }
}

void Generator::fill_numbers(Column column, uint64_t first_row, uint32_t count, int64_t* out) const {
  const PriceTable& table = prices();
  // Persons and auctions that have been when an epoch's bids come: `epoch` and its three auctions are the last ones.
  const auto last_auction = [](uint64_t epoch) { return epoch * kAuctionsPerEpoch + kAuctionsPerEpoch - 1; };
  switch (column) {
    case Column::kPersonId: case Column::kAuctionId:
      for (uint32_t i = 0; i < count; ++i) out[i] = static_cast<int64_t>(kFirstId + first_row + i);
      break;
    case Column::kInitialBid: case Column::kPrice:
      each_row(first_row, count,
               [&](uint32_t i, uint64_t event, uint64_t) { out[i] = table.price(random(event, kPriceLane)); });
      break;
    case Column::kReserve:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        out[i] = table.price(random(event, kPriceLane)) + table.price(random(event, kReserveLane));
      });
      break;
    case Column::kCategory:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        out[i] = static_cast<int64_t>(kFirstCategory + pick(random(event, kCategoryLane), kCategories));
      });
      break;
    case Column::kBidAuction:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t epoch) {
        const uint64_t r = random(event, kAuctionLane);
        const uint64_t last = last_auction(epoch);
        const uint64_t hot = last / kHotStride * kHotStride, other = random_auction(r, last);
        out[i] = static_cast<int64_t>(kFirstId + (is_hot(r, kHotAuctionRatio) ? hot : other));
      });
      break;
    case Column::kBidder:  // hot sellers and hot bidders are different persons
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t epoch) {
        const uint64_t r = random(event, kBidderLane);
        const uint64_t hot = epoch / kHotStride * kHotStride + 1, other = random_person(r, epoch);
        out[i] = static_cast<int64_t>(kFirstId + (is_hot(r, kHotBidderRatio) ? hot : other));
      });
      break;
    case Column::kSeller:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t epoch) {
        const uint64_t r = random(event, kBidderLane);
        const uint64_t hot = epoch / kHotStride * kHotStride, other = random_person(r, epoch);
        out[i] = static_cast<int64_t>(kFirstId + (is_hot(r, kHotSellerRatio) ? hot : other));
      });
      break;
    default: CHECK(false);
  }
}

void Generator::fill_times(Column column, uint64_t first_row, uint32_t count, int64_t* out) const {
  const int64_t interval_us = 1'000'000 / options_.rate;
  if (1'000'000 % options_.rate == 0) {
    const int64_t begin_us = options_.first_event_time_us;
    each_row(first_row, count, [=](uint32_t i, uint64_t event, uint64_t) {
      out[i] = begin_us + static_cast<int64_t>(event) * interval_us;
    });
  } else {
    each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) { out[i] = time_of_event_us(event); });
  }
  if (column != Column::kExpires) return;
  // About as many auctions are open at a time as the benchmark wants in flight.
  const uint64_t horizon_us = kAuctionsInFlight * kEpochEvents / kAuctionsPerEpoch * 1'000'000 / static_cast<uint64_t>(options_.rate);
  const uint64_t range_us = horizon_us * 2 > 0 ? horizon_us * 2 : 1;
  each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
    const uint64_t r = random(event, kExpiresLane);
    out[i] += 1 + static_cast<int64_t>(static_cast<unsigned __int128>(r) * range_us >> 64);
  });
}

void Generator::fill_strings(Column column, uint64_t first_row, uint32_t count, StringRef* out, StringArena& arena) const {
  switch (column) {
    case Column::kPersonName:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kNameLane);
        TextWriter text(arena, 32);
        text.add(one_of(kFirstNames, r)).add(" ").add(kLastNames[pick_low(r, kLastNames.size())]);
        out[i] = text.finish();
      });
      break;
    case Column::kEmailAddress:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kEmailLane);
        TextWriter text(arena, 32);
        text.add_letters(3 + pick(r, 5), r).add("@").add_letters(3 + pick_low(r, 3), r + 1).add(".com");
        out[i] = text.finish();
      });
      break;
    case Column::kCreditCard:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kCardLane);
        TextWriter text(arena, 24);
        for (int part = 0; part < 4; ++part) {
          if (part > 0) text.add(" ");
          text.add_number((r >> 16 * part & 0xffff) * 10000 >> 16, 4);
        }
        out[i] = text.finish();
      });
      break;
    case Column::kCity:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        out[i] = StringRef(one_of(kCities, random(event, kCityLane)));
      });
      break;
    case Column::kState:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        out[i] = StringRef(kStates[pick_low(random(event, kCityLane), kStates.size())]);
      });
      break;
    case Column::kPersonExtra:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kExtraLane), email = random(event, kEmailLane), city = random(event, kCityLane);
        const uint64_t used = 8 + person_name_bytes(random(event, kNameLane)) + 3 + pick(email, 5) + 1 + 3 +
                              pick_low(email, 3) + 4 + 19 + one_of(kCities, city).size() + 2;
        out[i] = letters(arena, extra_length(r, static_cast<uint32_t>(used), kPersonBytes), r);
      });
      break;
    case Column::kItemName:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kNameLane);
        out[i] = words(arena, text_length(r, 20), r);
      });
      break;
    case Column::kDescription:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kDescriptionLane);
        out[i] = words(arena, text_length(r, 100), r);
      });
      break;
    case Column::kAuctionExtra:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kExtraLane);
        const uint32_t used = 8 + text_length(random(event, kNameLane), 20) +
                              text_length(random(event, kDescriptionLane), 100) + 5 * 8;
        out[i] = letters(arena, extra_length(r, used, kAuctionBytes), r);
      });
      break;
    case Column::kChannel:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kChannelLane);
        if (is_hot(r, kHotChannelRatio)) {
          out[i] = StringRef(one_of(kHotChannels, r));
        } else {
          TextWriter text(arena, 16);
          out[i] = text.add("channel-").add_number(pick(r, kChannels)).finish();
        }
      });
      break;
    case Column::kUrl:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kChannelLane);
        TextWriter text(arena, 96);
        if (is_hot(r, kHotChannelRatio)) {
          write_base_url(text, pick(r, kHotChannels.size()));
        } else {
          const uint64_t channel = pick(r, kChannels);
          const uint64_t random_of_channel = mix(channel * kStep);
          write_base_url(text, kHotChannels.size() + channel);
          if (pick(random_of_channel, 10) > 0) {
            const int64_t reversed = static_cast<int32_t>(reversed_bits(static_cast<uint32_t>(channel)));
            text.add("&channel_id=").add_number(static_cast<uint64_t>(reversed < 0 ? -reversed : reversed));
          }
        }
        out[i] = text.finish();
      });
      break;
    case Column::kBidExtra:
      each_row(first_row, count, [&](uint32_t i, uint64_t event, uint64_t) {
        const uint64_t r = random(event, kExtraLane);
        out[i] = letters(arena, extra_length(r, 4 * 8, kBidBytes), r);
      });
      break;
    default: CHECK(false);
  }
}

}  // namespace laminar::connectors::nexmark
