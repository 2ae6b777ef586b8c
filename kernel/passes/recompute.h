// Trades arithmetic for memory: the backward phase computes forward values again instead of keeping them.  arXiv:1604.06174,
// arXiv:2205.05198
#pragma once

#include <string>

#include "corral/graph.h"

namespace corral::passes {

// granularity "none", "selective" (outputs of operations marked cheap are made again) or "full" (of the first `num_layers` scopes layers.N,
// 0: all, only what enters a layer is kept). The numbers stay bit for bit the same. Throws for another granularity, naming it.
Graph recompute(Graph g, const std::string& granularity, int64_t num_layers);

}  // namespace corral::passes
