// Removes nodes whose outputs nobody reads.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Keeps what outputs and in-place updates of states need. Numbers of tensors stay; states and inputs that nothing uses are dropped where
// `unused_too`.
Graph eliminate(Graph g, bool unused_too = false);

}  // namespace corral::passes
