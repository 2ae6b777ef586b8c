// From the whole model's graph to one rank's. With one rank it is the identity.
#pragma once

#include "corral/graph.h"

namespace corral::partition {

// Checks the axes of every node: what cannot be cut for many ranks is found on one.
Graph partition(Graph g);

}  // namespace corral::partition
