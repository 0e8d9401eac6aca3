// Quotes to go with the bids of Nexmark, as a market gives them: as many as bids and at their pace, for 1,000 symbols, half of
// the quotes for 16 of them. A bid's symbol is auction % 1000.
//
// Columns: symbol BIGINT, price BIGINT, date_time TIMESTAMP. Two quotes of a symbol at one time are equal in all columns, so
// which of them an ASOF join takes does not show.
#pragma once

#include <memory>

#include "bench/column_store.h"
#include "connectors/nexmark/generator.h"

namespace laminar::bench {

inline constexpr int64_t kQuoteSymbols = 1000;

// `options` are those of the bids.
std::unique_ptr<ColumnStore> make_quotes(connectors::nexmark::GeneratorOptions options);

}  // namespace laminar::bench
