// Gradients of a step with one micro-batch. Nothing is summed over micro-batches, so a gradient is live from its first term only.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Lets the first node that adds to a gradient overwrite it, and removes the nodes that set gradients to 0. For a graph whose step has one
// micro-batch. The numbers stay bit for bit the same.
Graph write_gradients(Graph g);

// By tensor: true for a gradient that each run of the graph overwrites before anything reads it, so that it is live from there on only.
// Other states may be read between steps.
std::vector<bool> made_within_step(const Graph& g);

}  // namespace corral::passes
