// Where the parts of a plan run on several cores: which nodes run on all of them, each core on its share of the rows, which
// on one core alone, and between which nodes rows change cores (an exchange).
//
// Rule of thumb: what has a key is spread by it; what has none, or is not known to be spreadable, runs on one core, which is
// always right. See docs/design/cores.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "plan/node.h"

namespace laminar::plan {

// How rows of a node or an object lie on the cores.
struct Placement {
  bool one_core = true;
  // Spread: rows with equal values in these columns are on the same core, chosen by their hash in this order. Empty: spread
  // in some other way; the changes of one row still meet on one core.
  std::vector<uint32_t> keys;
  // Spread by shares of a source's rows: any core may read all of them instead.
  bool movable = false;

  static Placement spread(std::vector<uint32_t> keys = {}) { return {false, std::move(keys), false}; }
  static Placement source() { return {false, {}, true}; }
};

enum class ExchangeKind : uint8_t {
  kNone,
  kHash,    // each row to the core of its key
  kGather,  // all rows to the one core
  kStay,    // rows stay on the one core, the other cores learn of the watermark
};
struct Exchange {
  ExchangeKind kind = ExchangeKind::kNone;
  std::vector<uint32_t> keys;  // kHash: columns of the input
};

class Distribution {
 public:
  // Everything on one core.
  Distribution() = default;

  const Placement& of(const Node& node) const;
  // How input i reaches the node.
  const Exchange& exchange(const Node& node, size_t input) const;
  // The columns of input i by which its rows are spread over the node's instances; empty when they are spread otherwise.
  std::vector<uint32_t> spread_by(const Node& node, size_t input) const;
  // Whether any node is spread.
  bool spreads() const;
  // What EXPLAIN adds to the line of the input: "exchange by [bidder]", "gather to one core"; empty for none.
  std::string exchange_text(const Node& node, size_t input) const;

 private:
  friend class Distributor;
  std::map<const Node*, Placement> placements_;
  std::map<const Node*, std::vector<Exchange>> exchanges_;
};

// How the rows of an object arrive: a source's by shares, a table's on one core, a view's as its plan says.
using ObjectPlacement = std::function<Placement(const std::string& object)>;

Distribution distribute(const Node& root, const ObjectPlacement& object);

// EXPLAIN with the exchanges and the cores of each part.
std::string explain(const ViewPlan& plan, const Distribution& distribution, uint32_t cores);

}  // namespace laminar::plan
