// One node instead of many equal ones: an update of 1,137 tensors in a few launches.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Joins neighbouring nodes that apply one operation, with equal attributes and scalars, to states: these become groups, and a node over
// the tensors of the groups replaces the nodes over their members. A group contains at most a sixteenth of all elements that are joined, so
// that early gradients need not wait for the last gradient of a large group. Sums are added in another order; everything else stays bit for
// bit.
Graph group_updates(Graph g);

}  // namespace corral::passes
