// The small model with two fused nodes per layer: the query with its rope, and the gated part of the MLP.
#pragma once

#include <algorithm>

#include "tests/unit/passes_small_model.h"

namespace corral {

inline Graph fused_model() {
  Graph g = small_model();
  std::vector<Node> nodes = std::move(g.nodes);
  g.nodes.clear();
  GraphBuilder b(g);
  for (size_t i = 0; i < nodes.size(); ++i) {
    b.scope = g.names[nodes[i].scope];
    const auto is = [&](size_t at, const char* op) { return at < nodes.size() && op_of(g, nodes[at]) == op; };
    const size_t first = g.nodes.size();
    if (is(i, "product") && is(i + 1, "rope") && nodes[i + 1].inputs[0] == nodes[i].outputs[0]) {
      g.nodes.insert(g.nodes.end(), {nodes[i], nodes[i + 1]});
      b.fuse(first, "test.turned", {nodes[i].inputs[0], nodes[i].inputs[1], nodes[i + 1].inputs[1]}, nodes[i + 1].outputs,
             {{"test.note", attribute(int64_t{2})}});
      i += 1;
    } else if (is(i, "product") && is(i + 1, "product") && is(i + 2, "swiglu")) {
      g.nodes.insert(g.nodes.end(), {nodes[i], nodes[i + 1], nodes[i + 2]});
      b.fuse(first, "test.gated", {nodes[i].inputs[0], nodes[i].inputs[1], nodes[i + 1].inputs[1]}, nodes[i + 2].outputs);
      i += 2;
    } else {
      g.nodes.push_back(nodes[i]);
    }
  }
  return g;
}

}  // namespace corral
