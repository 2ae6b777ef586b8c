// A graph of one rank that lacks one of its conversions: a mistake that checks must see.
#pragma once

#include <algorithm>
#include <cstddef>

#include "corral/graph.h"

namespace corral {

// Removes the conversion number `node`; readers of its output, and ports, get its input.
inline Graph without_conversion(Graph g, size_t node) {
  const TensorId x = g.nodes[node].inputs[0], y = g.nodes[node].outputs[0];
  g.nodes.erase(g.nodes.begin() + static_cast<std::ptrdiff_t>(node));
  for (Node& n : g.nodes)
    for (auto* operands : {&n.inputs, &n.outputs}) std::replace(operands->begin(), operands->end(), y, x);
  for (Port& p : g.outputs)
    if (p.tensor == y) p.tensor = x;
  return g;
}

}  // namespace corral
