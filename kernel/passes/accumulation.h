// Gradients of a step that has one micro-batch: nothing is summed over micro-batches, so no gradient has to be live from the step's begin.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// The first node that adds to a gradient writes it instead, and the nodes that set gradients to 0 are gone. For a graph whose step is one
// micro-batch; the numbers stay bit for bit the same.
Graph write_gradients(Graph g);

// Is this state made anew by each run of the graph before anything reads it? Then it needs memory from there on only.
// By tensor; of gradients only, anything else may be asked for between steps.
std::vector<bool> made_within_step(const Graph& g);

}  // namespace corral::passes
