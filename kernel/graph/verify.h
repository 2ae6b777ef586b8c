// Checks that a graph can run. A graph may come from a plugin, so nothing about it is assumed.
#pragma once

#include "corral/graph.h"

namespace corral::graph {

// Throws Error naming node and scope: numbers out of range, unknown operations or attributes, shapes that disagree, a tensor that is read
// before it is written or written twice, accumulation where the operation does not allow it.
void verify(const Graph& g);

// "product in layers.3 (node 17)".
std::string where(const Graph& g, size_t node);

}  // namespace corral::graph
