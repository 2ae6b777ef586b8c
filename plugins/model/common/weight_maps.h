// The names and layouts of a Llama's parameters in checkpoints, one map per dialect.
#pragma once

#include "plugin.wire.h"
#include "plugins/model/common/llama_graph.h"

namespace corral::llama {

// Throws Unsupported for an unknown dialect.
WeightMap weight_map(const LlamaShape& m, const WeightMapRequest& request);

}  // namespace corral::llama
