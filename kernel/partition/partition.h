// Turns the graph of the whole model into the graph of one rank.
#pragma once

#include <span>

#include "corral/graph.h"
#include "kernel/partition/cut.h"
#include "plugin.wire.h"

namespace corral::partition {

// Cuts the graph over each dimension of the mesh, the outermost first, as `cuts` ask. With one rank the graph stays as it is; its axes are
// checked, so that one rank already finds an operation that many ranks could not cut. Throws Error naming the tensor or the operation.
OneRank partition(Graph g, std::span<const Dimension> mesh = {}, std::span<const TensorCut> cuts = {});

}  // namespace corral::partition
