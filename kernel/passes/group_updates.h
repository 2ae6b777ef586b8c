// One node where many did the same: an update of 1,137 tensors in a few launches.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Joins neighbouring nodes that apply one operation, with equal attributes and scalars, to states: these become groups, and a node over
// the tensors of the groups replaces the nodes over their members. A group contains at most a sixteenth of all elements that are joined, so
// that memory of early gradients is not held until the last gradient of a large group is there. Sums are added up in another order; all
// else stays bit for bit.
Graph group_updates(Graph g);

}  // namespace corral::passes
