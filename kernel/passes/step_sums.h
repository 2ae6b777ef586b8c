// The numbers that a training step reports, summed on the device.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Adds the states loss_sum = sum of weights x losses and weight_sum = sum of weights (F64 [1], over all micro-batches of a step) and
// grad_norm (F32 [1], written by the optimizer); the output `losses` is gone. For a differentiated graph, after the precision: sums keep
// their types.
Graph step_sums(Graph g);

}  // namespace corral::passes
