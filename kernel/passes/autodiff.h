// Adds the backward phase.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// From the output `losses`, seeded with the new input `weights` of its shape, to a float32 GRADIENT state "gradient.NAME" of every
// trained parameter. Gradients are set to zero on the first micro-batch and added to on each one. Only nodes that a trained parameter
// needs are added. Throws if an operation on the way has no gradient.
Graph autodiff(Graph g);

}  // namespace corral::passes
