// Which tensors are activations: what a precision may round.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Sets Tensor.activation of every output that its operation's definition names as one, in bodies too; states and outputs of the graph keep
// their type. Before a precision, which reads nothing else to tell them.
Graph mark_activations(Graph g);

}  // namespace corral::passes
