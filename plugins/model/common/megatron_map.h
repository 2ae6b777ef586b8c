// A Llama's parameters as Megatron Core stores them.
#pragma once

#include <vector>

#include "plugin.wire.h"
#include "plugins/model/common/llama_graph.h"

namespace corral::llama {

// Query, key and value heads of a group stand together in one tensor, gate and up in another, and a stack of layers is one tensor.
// `present` decides what releases and specifications do differently: layers in a stack or each for itself, gate and up apart, norms under
// the linear layer that follows them or under their own name, a prefix, a padded vocabulary. Where it is empty: as it is written today,
// with the objects that modules of the fused specification ask for.
WeightMap megatron_map(const LlamaShape& m, const std::vector<TensorInfo>& present);

}  // namespace corral::llama
