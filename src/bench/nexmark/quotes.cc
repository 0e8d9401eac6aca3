#include "bench/nexmark/quotes.h"

#include <algorithm>

#include "base/hash.h"

namespace laminar::bench {

namespace nexmark = connectors::nexmark;

std::unique_ptr<ColumnStore> make_quotes(nexmark::GeneratorOptions options) {
  constexpr uint64_t kHotSymbols = 16;
  options.table = nexmark::Table::kBid;
  const nexmark::Generator bids(options);
  const uint64_t rows = bids.rows_among(options.events);
  const data::Schema schema = {{"symbol", data::Type::of(data::TypeKind::kInt64), true},
                               {"price", data::Type::of(data::TypeKind::kInt64), true},
                               {"date_time", data::Type::of(data::TypeKind::kTimestamp), true}};
  auto store = std::make_unique<ColumnStore>(schema, rows);
  data::BatchBuffer buffer(schema);
  for (uint64_t first = 0; first < rows; first += buffer.rows) {
    buffer.clear();
    buffer.rows = static_cast<uint32_t>(std::min<uint64_t>(buffer.rows_max(), rows - first));
    for (uint32_t i = 0; i < buffer.rows; ++i) {
      const uint64_t random = hash_combine(options.seed + 1, first + i);
      const uint64_t symbol = (random >> 8) % (random & 1 ? kHotSymbols : static_cast<uint64_t>(kQuoteSymbols));
      // Between two bids.
      const int64_t time = bids.time_of_event_us(bids.event_of(first + i)) + static_cast<int64_t>(random >> 1 & 63);
      buffer.column(0).values<int64_t>()[i] = static_cast<int64_t>(symbol);
      buffer.column(1).values<int64_t>()[i] = static_cast<int64_t>(hash_combine(symbol, static_cast<uint64_t>(time)) % 100'000);
      buffer.column(2).values<int64_t>()[i] = time;
    }
    store->append(buffer);
  }
  return store;
}

}  // namespace laminar::bench
