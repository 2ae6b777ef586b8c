// Turns the graph of the whole model into the graph of one rank. With one rank it is the identity.
#pragma once

#include "corral/graph.h"

namespace corral::partition {

// Checks the axes of every node, so that one rank already finds an operation that many ranks could not cut.
Graph partition(Graph g);

}  // namespace corral::partition
