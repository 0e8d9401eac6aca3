#include "bench/demo/demo_views.h"

namespace laminar::bench {
namespace {

constexpr DemoView kViews[] = {
    {"hot_items", "Hot items: most bids in 10 seconds, every 2 seconds",
     R"(SELECT window_start, auction, num
        FROM (SELECT window_start, auction, count(*) AS num
              FROM bid GROUP BY auction, HOP(date_time, INTERVAL '2 seconds', INTERVAL '10 seconds'))
        QUALIFY rank() OVER (PARTITION BY window_start ORDER BY num DESC) <= 3)",
     R"(WITH slices AS MATERIALIZED (SELECT auction, epoch_us(date_time) // 2000000 AS slice, count(*) AS num
                                     FROM bid GROUP BY ALL),
             counts AS (SELECT auction, slice - back AS first, sum(num)::BIGINT AS num
                        FROM slices, range(5) AS r(back) GROUP BY ALL)
        SELECT make_timestamp(first * 2000000) AS window_start, auction, num
        FROM counts QUALIFY rank() OVER (PARTITION BY first ORDER BY num DESC) <= 3)",
     R"(SELECT strftime(window_start, '%H:%M:%S') AS "window", auction, num AS bids
        FROM hot_items ORDER BY window_start DESC, num DESC)"},

    {"ohlc", "Open, high, low, close per auction and minute",
     R"(SELECT window_start, auction, first(price) AS open, max(price) AS high, min(price) AS low, last(price) AS close,
               count(*) AS bids
        FROM bid GROUP BY auction, TUMBLE(date_time, INTERVAL '1 minute'))",
     R"(SELECT make_timestamp((epoch_us(date_time) // 60000000) * 60000000) AS window_start, auction,
               arg_min(price, date_time) AS open, max(price) AS high, min(price) AS low, arg_max(price, date_time) AS close,
               count(*) AS bids
        FROM bid GROUP BY auction, epoch_us(date_time) // 60000000)",
     R"(SELECT strftime(window_start, '%H:%M') AS minute, auction, open, high, low, close, bids
        FROM ohlc ORDER BY window_start DESC, bids DESC)"},

    {"sessions", "Sessions per bidder, ended by a gap of 10 seconds",
     R"(SELECT bidder, window_start, window_end, count(*) AS bids, max(price) AS highest
        FROM bid GROUP BY bidder, SESSION(date_time, INTERVAL '10 seconds'))",
     R"(WITH starts AS (SELECT bidder, price, epoch_us(date_time) AS t,
                               epoch_us(date_time) - lag(epoch_us(date_time)) OVER w > 10000000 AS begins
                        FROM bid WINDOW w AS (PARTITION BY bidder ORDER BY date_time)),
             numbered AS (SELECT bidder, price, t, count(*) FILTER (begins) OVER (PARTITION BY bidder ORDER BY t) AS session
                          FROM starts)
        SELECT bidder, make_timestamp(min(t)) AS window_start, make_timestamp(max(t) + 10000000) AS window_end,
               count(*) AS bids, max(price) AS highest
        FROM numbered GROUP BY bidder, session)",
     R"(SELECT bidder, strftime(window_start, '%H:%M:%S') AS "from", strftime(window_end, '%H:%M:%S') AS until, bids, highest
        FROM sessions ORDER BY window_end DESC, bids DESC)"},

    {"categories", "Averages per category and 10 seconds",
     R"(SELECT window_start, category, count(*) AS auctions, avg(initial_bid) AS avg_initial, avg(reserve) AS avg_reserve
        FROM auction GROUP BY category, TUMBLE(date_time, INTERVAL '10 seconds'))",
     R"(SELECT make_timestamp((epoch_us(date_time) // 10000000) * 10000000) AS window_start, category, count(*) AS auctions,
               avg(initial_bid) AS avg_initial, avg(reserve) AS avg_reserve
        FROM auction GROUP BY category, epoch_us(date_time) // 10000000)",
     R"(SELECT strftime(window_start, '%H:%M:%S') AS "window", category, auctions, round(avg_initial, 1) AS avg_initial,
               round(avg_reserve, 1) AS avg_reserve
        FROM categories ORDER BY window_start DESC, category)"},

    {"totals", "Bids by price range and minute",
     R"(SELECT window_start, count(*) AS bids, count(*) FILTER (price >= 1000000) AS high_bids, sum(price) AS total
        FROM bid GROUP BY TUMBLE(date_time, INTERVAL '1 minute'))",
     R"(SELECT make_timestamp((epoch_us(date_time) // 60000000) * 60000000) AS window_start, count(*) AS bids,
               count(*) FILTER (price >= 1000000) AS high_bids, sum(price) AS total
        FROM bid GROUP BY epoch_us(date_time) // 60000000)",
     ""},
};

}  // namespace

std::span<const DemoView> demo_views() { return kViews; }

std::string_view demo_bid_columns() { return "auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP"; }
std::string_view demo_auction_columns() {
  return "id BIGINT, initial_bid BIGINT, reserve BIGINT, category BIGINT, date_time TIMESTAMP";
}

}  // namespace laminar::bench
