// Makes one-minute bars from ticks and prints each bar as soon as its minute is over.
#include <cmath>
#include <cstdio>

#include "laminar/laminar.h"

using namespace laminar;

constexpr const char* kSetup = R"(
CREATE SOURCE ticks (symbol VARCHAR, price DOUBLE, size BIGINT, ts TIMESTAMP,
                     WATERMARK FOR ts AS ts - INTERVAL '1 second') WITH (connector = 'memory');
CREATE MATERIALIZED VIEW bars AS
SELECT symbol, window_start, first(price) AS open, max(price) AS high, min(price) AS low, last(price) AS close,
       CAST(sum(size) AS BIGINT) AS volume
FROM ticks GROUP BY symbol, TUMBLE(ts, INTERVAL '1 minute') EMIT ON WINDOW CLOSE;)";

void print_bars(const TickChanges& changes) {
  for (const ChangeBatch& batch : changes.batches) {
    const auto& c = batch.columns;
    for (size_t row = 0; row < batch.rows; ++row) {
      const int64_t minute = c[1].value<int64_t>(row) / 60'000'000 % 1440;
      std::printf("%02d:%02d %-5.*s open %.2f  high %.2f  low %.2f  close %.2f  volume %lld\n",
                  static_cast<int>(minute / 60), static_cast<int>(minute % 60), static_cast<int>(c[0].string(row).size()),
                  c[0].string(row).data(), c[2].value<double>(row), c[3].value<double>(row), c[4].value<double>(row),
                  c[5].value<double>(row), static_cast<long long>(c[6].value<int64_t>(row)));
    }
  }
}

Status run() {
  ASSIGN_OR_RETURN(auto database, Database::open());
  RETURN_IF_ERROR(database->execute(kSetup));
  ASSIGN_OR_RETURN(auto bars, database->subscribe("bars", print_bars));
  ASSIGN_OR_RETURN(auto ticks, database->appender("ticks"));

  const int64_t open_us = 1'767'605'400'000'000;  // 2026-01-05 09:30:00
  for (int second = 0; second < 180; second += 5) {
    const double wave = std::round(std::sin(second / 20.0) * 100) / 100;
    ticks->add("ABC").add(100 + wave).add(10).add(open_us + second * int64_t{1'000'000});
    RETURN_IF_ERROR(ticks->end_row());
    ticks->add("XYZ").add(50 - wave).add(20).add(open_us + second * int64_t{1'000'000});
    RETURN_IF_ERROR(ticks->end_row());
    RETURN_IF_ERROR(ticks->flush());  // the bars of a minute come here, with the first row of the next
  }
  return ticks->advance_watermark(open_us + 180 * int64_t{1'000'000});  // no earlier ticks will come
}

int main() {
  const Status status = run();
  if (!status.ok()) std::fprintf(stderr, "%s: %s\n", status.error().code_text().c_str(), status.text().c_str());
  return !status.ok();
}
