// The views of the demo: what each shows, its query as a view, and the same as a batch.
#pragma once

#include <span>
#include <string_view>

namespace laminar::bench {

struct DemoView {
  std::string_view name, title;
  std::string_view ours;   // the query of the view
  std::string_view batch;  // the same in stock SQL
  std::string_view shown;  // what its pane selects; the pane adds LIMIT. Empty: it has no pane
};

std::span<const DemoView> demo_views();
// Declares the sources; the options of the generator go between.
std::string_view demo_bid_columns();
std::string_view demo_auction_columns();

}  // namespace laminar::bench
