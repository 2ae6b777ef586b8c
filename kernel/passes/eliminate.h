// Removes nodes whose outputs nobody reads.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Keeps the nodes that outputs and in-place updates of states need. Tensors keep their numbers. If `unused_too`, states and inputs without
// uses are removed as well.
Graph eliminate(Graph g, bool unused_too = false);

}  // namespace corral::passes
