// From a plan to operators: one operator per plan node, wired, in topological order.
//
// Adding an operator: a line in stream/operators/operator_list.inc names the node kind and its make function.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "plan/node.h"
#include "stream/operators/operator.h"

namespace laminar::stream {

// Operators of one plan in topological order (inputs first); the last one is the root.
struct Pipeline {
  std::vector<std::unique_ptr<Operator>> operators;
  // Scan operators, to be wired to the objects they read: scans[i].op is push()ed with the object's batches (all its
  // columns) on port 0.
  struct Scan {
    std::string object;
    Operator* op;
  };
  std::vector<Scan> scans;
  Operator* root = nullptr;
  // The last operator that holds its whole content, with the plan nodes above it; null when none does.
  Operator* content = nullptr;
};

// Makes the operator of one node, inputs not considered. Types of the inputs are in node.inputs[i]->types().
Result<std::unique_ptr<Operator>> make_operator(const plan::Node& node);
// Makes and wires all operators of a plan.
Result<Pipeline> build_pipeline(const plan::Node& root);
// A second instance of the stateless operators above `pipeline.content`, for reading: push the content's batches into
// `entry`, take the view's rows from `root`. Both null when the content operator is the root itself.
struct ReadChain {
  std::vector<std::unique_ptr<Operator>> operators;
  Operator* entry = nullptr;
  Operator* root = nullptr;
};
Result<ReadChain> build_read_chain(const plan::Node& root);

}  // namespace laminar::stream
