#include "connectors/nexmark/nexmark_connector.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "connectors/nexmark/generator.h"

namespace laminar::connectors {
namespace {

using nexmark::ColumnInfo;
using nexmark::Generator;
using nexmark::GeneratorOptions;
using nexmark::Table;

constexpr OptionSpec kSourceOptions[] = {
    {.name = "table", .kind = OptionKind::kChoice, .required = true, .choices = "bid|auction|person",
     .doc = "which of the three streams"},
    {.name = "events", .kind = OptionKind::kInteger, .default_text = "0", .max = 1'000'000'000'000,
     .doc = "events of all three streams together, of which 46 in 50 are bids, 3 auctions, 1 a person; 0: without end"},
    {.name = "rate", .kind = OptionKind::kInteger, .default_text = "10000", .min = 1, .max = 1'000'000'000,
     .doc = "events of all three streams per second of event time"},
    {.name = "pace", .kind = OptionKind::kChoice, .default_text = "max", .choices = "max|real",
     .doc = "max: as fast as they are taken; real: `rate` events per second of real time"},
    {.name = "first_event_time", .kind = OptionKind::kString, .default_text = "2015-07-15 00:00:00",
     .doc = "date_time of the first event"},
    {.name = "seed", .kind = OptionKind::kInteger, .default_text = "0", .doc = "other seeds give other rows"},
    {.name = "partitions", .kind = OptionKind::kInteger, .default_text = "1", .min = 1, .max = 1024,
     .doc = "parts with a watermark each, to which blocks of 500 rows go in turn"},
};

// "2015-07-15", "2015-07-15 00:00:00", "2015-07-15T00:00:00.5Z" to microseconds since 1970.
std::optional<int64_t> parse_timestamp_us(std::string_view text) {
  const auto number = [&text](size_t digits) -> std::optional<int> {
    int value = 0;
    if (text.size() < digits) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc() || end != text.data() + digits || text.front() == '-') return std::nullopt;
    text.remove_prefix(digits);
    return value;
  };
  const auto skip = [&text](std::string_view any_of) {
    if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
  };
  const auto year = number(4);
  if (!year || !skip("-")) return std::nullopt;
  const auto month = number(2);
  if (!month || !skip("-")) return std::nullopt;
  const auto day = number(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  int64_t us = std::chrono::sys_days(date).time_since_epoch().count() * int64_t{86'400'000'000};
  if (text.empty()) return us;
  if (!skip(" T")) return std::nullopt;
  const auto hour = number(2);
  if (!hour || *hour > 23 || !skip(":")) return std::nullopt;
  const auto minute = number(2);
  if (!minute || *minute > 59) return std::nullopt;
  us += *hour * int64_t{3'600'000'000} + *minute * int64_t{60'000'000};
  if (skip(":")) {
    const auto second = number(2);
    if (!second || *second > 59) return std::nullopt;
    us += *second * int64_t{1'000'000};
    if (skip(".")) {
      int64_t unit = 100'000;
      if (text.empty()) return std::nullopt;
      for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; unit /= 10, text.remove_prefix(1)) {
        if (unit == 0 && text.front() != '0') return std::nullopt;
        us += (text.front() - '0') * unit;
      }
    }
  }
  skip("Z");
  return text.empty() ? std::optional(us) : std::nullopt;
}

bool equal_ignoring_case(std::string_view name, std::string_view lower_name) {
  if (name.size() != lower_name.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] + 32) : name[i];
    if (c != lower_name[i]) return false;
  }
  return true;
}

// When real-time pace began: the first reader's start, so that later readers catch up with it.
struct Pace {
  std::atomic<int64_t> begin_ns{0};
};

class NexmarkReader final : public stream::SourceReader {
 public:
  NexmarkReader(const GeneratorOptions& options, std::vector<nexmark::Column> columns, std::shared_ptr<Pace> pace, uint32_t partitions)
      : generator_(options), options_(options), columns_(std::move(columns)), pace_(std::move(pace)), partitions_(partitions) {
    if (options.events > 0) total_ = generator_.rows_among(options.events);
    int64_t unset = 0;
    if (pace_) pace_->begin_ns.compare_exchange_strong(unset, monotonic_ns());
  }

  Result<stream::ReadState> read(data::BatchBuffer& out, uint32_t& partition) override {
    partition = static_cast<uint32_t>(next_ / kBlockRows % partitions_);
    uint64_t end = total_.value_or(UINT64_MAX);
    if (pace_) {
      const int64_t elapsed_us = (monotonic_ns() - pace_->begin_ns.load()) / 1000;
      const auto due = static_cast<uint64_t>(static_cast<__int128>(elapsed_us) * options_.rate / 1'000'000) + 1;
      end = std::min(end, generator_.rows_among(due));
    }
    auto count = static_cast<uint32_t>(std::min<uint64_t>(out.rows_max() - out.rows, end - next_));
    if (partitions_ > 1) count = static_cast<uint32_t>(std::min<uint64_t>(count, kBlockRows - next_ % kBlockRows));
    generator_.fill(columns_, next_, count, out);
    next_ += count;
    out.rows += count;
    if (total_ && next_ == *total_) return stream::ReadState::kEnded;
    return count > 0 || out.full() ? stream::ReadState::kRows : stream::ReadState::kIdle;
  }

  uint32_t partition_count() const override { return partitions_; }
  std::optional<uint64_t> rows_total() const override { return total_; }

 private:
  static constexpr uint64_t kBlockRows = 500;
  Generator generator_;
  GeneratorOptions options_;
  std::vector<nexmark::Column> columns_;
  std::shared_ptr<Pace> pace_;  // null: as fast as possible
  uint32_t partitions_;
  std::optional<uint64_t> total_;
  uint64_t next_ = 0;
};

class NexmarkSource final : public stream::SourceDefinition {
 public:
  NexmarkSource(const GeneratorOptions& options, std::vector<nexmark::Column> columns, data::Schema inferred, bool real_pace, uint32_t partitions)
      : options_(options), partitions_(partitions), columns_(std::move(columns)), inferred_(std::move(inferred)),
        pace_(real_pace ? std::make_shared<Pace>() : nullptr) {}

  data::Schema inferred_schema() const override { return inferred_; }
  std::string inferred_watermark_column() const override {
    for (const nexmark::Column column : columns_) {
      if (column == nexmark::Column::kDateTime) return "date_time";
    }
    return {};
  }
  bool replayable() const override { return true; }
  bool bounded() const override { return options_.events > 0; }
  bool partitioned() const override { return partitions_ > 1; }
  Result<std::unique_ptr<stream::SourceReader>> open(stream::DeadLetters) const override {
    return std::unique_ptr<stream::SourceReader>(std::make_unique<NexmarkReader>(options_, columns_, pace_, partitions_));
  }

 private:
  GeneratorOptions options_;
  uint32_t partitions_;
  std::vector<nexmark::Column> columns_;
  data::Schema inferred_;
  std::shared_ptr<Pace> pace_;
};

class NexmarkConnector final : public stream::Connector {
 public:
  std::string_view name() const override { return "nexmark"; }
  std::string_view doc() const override { return "persons, auctions and bids of the Nexmark benchmark, generated"; }
  std::span<const OptionSpec> source_options() const override { return kSourceOptions; }
  bool is_source() const override { return true; }

  Result<std::unique_ptr<stream::SourceDefinition>> make_source(const std::string& name, const data::Schema& schema,
                                                                const OptionValues& options) const override {
    GeneratorOptions generator;
    const std::string table = options.text("table");
    generator.table = table == "bid" ? Table::kBid : table == "auction" ? Table::kAuction : Table::kPerson;
    generator.events = static_cast<uint64_t>(options.integer("events"));
    generator.rate = options.integer("rate");
    generator.seed = static_cast<uint64_t>(options.integer("seed"));
    const std::optional<int64_t> first_us = parse_timestamp_us(options.text("first_event_time"));
    if (!first_us) {
      return Status(ErrorCode::kInvalidOption,
                    "invalid value of option first_event_time of source " + name + ": '" + options.text("first_event_time") +
                        "'; expected a timestamp such as '2015-07-15 00:00:00'",
                    options.value_offset("first_event_time"));
    }
    generator.first_event_time_us = *first_us;

    const std::vector<ColumnInfo> all = nexmark::columns_of(generator.table);
    std::vector<nexmark::Column> columns;
    data::Schema inferred;
    if (schema.empty()) {
      for (const ColumnInfo& info : all) {
        columns.push_back(info.column);
        inferred.push_back({std::string(info.name), data::Type::of(info.type), true});
      }
    }
    for (const data::Field& field : schema) {
      const auto match = std::find_if(all.begin(), all.end(),
                                      [&](const ColumnInfo& info) { return equal_ignoring_case(field.name, info.name); });
      if (match == all.end()) {
        std::string names;
        for (const ColumnInfo& info : all) names += (names.empty() ? "" : ", ") + std::string(info.name);
        return Status(ErrorCode::kTypeMismatch, "no such column in nexmark table " + table + ": " + name + "." + field.name +
                                                    "; columns are " + names);
      }
      const data::Type type = data::Type::of(match->type);
      if (!(field.type == type)) {
        return Status(ErrorCode::kTypeMismatch, "type of a nexmark column: " + name + "." + field.name + " is " +
                                                    type.text() + ", declared as " + field.type.text());
      }
      columns.push_back(match->column);
    }
    return std::unique_ptr<stream::SourceDefinition>(std::make_unique<NexmarkSource>(
        generator, std::move(columns), std::move(inferred), options.text("pace") == "real", static_cast<uint32_t>(options.integer("partitions"))));
  }
};

}  // namespace

const stream::Connector* nexmark_connector() {
  static const NexmarkConnector connector;
  return &connector;
}

}  // namespace laminar::connectors
