// How external checkpoints name and lay out a Llama's parameters, by dialect.
#pragma once

#include "plugin.wire.h"
#include "plugins/model/common/llama_graph.h"

namespace corral::llama {

// Throws Unsupported for a dialect that is not known here.
WeightMap weight_map(const LlamaShape& m, const WeightMapRequest& request);

}  // namespace corral::llama
