// Marks activations: the tensors that a precision may round.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Sets Tensor.activation for every output that the definition of its operation names as an activation, in bodies too. States and outputs of
// the graph keep their type. Runs before a precision, which reads this mark only.
Graph mark_activations(Graph g);

}  // namespace corral::passes
