// Checks that the layouts of a rank's graph are consistent.
#pragma once

#include "corral/graph.h"

namespace corral::partition {

// Each node must give its outputs the layouts that they have, over every mesh dimension:
//   - an axis that is cut in one operand is cut in all that have it, and in the outputs that have it; an output without it owes a
//   reduction;
//   - no more than one axis of a node is cut over a mesh dimension, and none that the operation needs whole;
//   - a partial sum passes only through an operation that is linear in it; adding to a tensor is an addition like any other;
//   - a conversion changes the layout over its own mesh dimension, from one that it takes to the one that it gives.
// No output owes a reduction, and no state that is stored does. A sum over micro-batches is converted after its last one.
// Throws Error naming node, operand and layouts.
void check_layouts(const Graph& g);

}  // namespace corral::partition
