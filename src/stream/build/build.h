// From a plan to operators: one operator per plan node and core that runs it, wired, in topological order, with exchanges
// where rows change cores.
//
// Adding an operator: a line in stream/operators/operator_list.inc names the node kind and its make function.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "plan/distribution.h"
#include "plan/node.h"
#include "stream/operators/operator.h"
#include "stream/runtime/core.h"
#include "stream/runtime/exchange.h"

namespace laminar::stream {

class LookupOperator;

// Operators of one plan in topological order (inputs first); the last ones are the root's.
struct Pipeline {
  std::vector<std::unique_ptr<Operator>> operators;
  // Scan operators, to be wired to the objects they read: scans[i].op is push()ed with the object's batches (all its
  // columns) on port 0.
  struct Scan {
    std::string object;
    Operator* op;
    uint32_t core = 0;
    bool spread = false;  // one of several that share the rows
  };
  std::vector<Scan> scans;
  // To be bound to the lookup tables that they ask.
  std::vector<LookupOperator*> lookups;
  Operator* root = nullptr;  // on core 0
  // The last operator that holds its whole content, with the plan nodes above it; null when none does. On core 0.
  Operator* content = nullptr;

  // By core: one of each, or as many as there are cores where the root is spread.
  std::vector<Operator*> roots, contents;
  std::vector<std::vector<Operator*>> instances;  // the operators of each plan node, inputs first
  std::vector<const plan::Node*> nodes;           // of the instances
  std::vector<std::unique_ptr<Exchange>> exchanges;
  std::vector<Part> parts;  // all operators, exchanges' included, by level and core
  uint32_t root_level = 0;
};

// The part for (level, core), added where it is not there yet.
Part& part_of(std::vector<Part>& parts, uint32_t level, uint32_t core);

// Makes the operator of one node, inputs not considered. Types of the inputs are in node.inputs[i]->types().
Result<std::unique_ptr<Operator>> make_operator(const plan::Node& node);
// Makes and wires all operators of a plan.
Result<Pipeline> build_pipeline(const plan::Node& root);
// The same for several cores. `level_of`: the level in which the changes of an object come.
Result<Pipeline> build_pipeline(const plan::Node& root, const plan::Distribution& distribution, uint32_t cores,
                                const std::function<uint32_t(const std::string& object)>& level_of);
// A second instance of the stateless operators above `pipeline.content`, for reading: push the content's batches into
// `entry`, take the view's rows from `root`. Both null when the content operator is the root itself.
struct ReadChain {
  std::vector<std::unique_ptr<Operator>> operators;
  Operator* entry = nullptr;
  Operator* root = nullptr;
};
Result<ReadChain> build_read_chain(const plan::Node& root);

}  // namespace laminar::stream
