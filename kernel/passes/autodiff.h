// Adds the backward phase.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// From the output `losses`, seeded with the new input `weights` of its shape, to a float32 GRADIENT state "gradient.NAME" of every
// parameter that is trained; these are set to zero on the first micro-batch and added to on every one. Nothing is computed that no trained
// parameter needs. Throws where an operation on the way has no gradient.
Graph autodiff(Graph g);

}  // namespace corral::passes
