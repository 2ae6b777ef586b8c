// Maps a Llama's parameters to the tensors of Megatron Core.
#pragma once

#include <vector>

#include "plugin.wire.h"
#include "plugins/model/common/llama_graph.h"

namespace corral::llama {

// Megatron stores the query, key and value heads of each group in one tensor, gate and up in another, and may stack all layers in one
// tensor. Releases differ, so `present` decides: layers stacked or separate, gate and up separate, norms stored under the linear layer that
// follows or under their own name, a prefix of names, a padded vocabulary. If `present` is empty, the map is for writing in today's form,
// with the objects that modules of the fused specification ask for.
WeightMap megatron_map(const LlamaShape& m, const std::vector<TensorInfo>& present);

}  // namespace corral::llama
