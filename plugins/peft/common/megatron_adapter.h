// Adapters as Megatron Bridge keeps them: the section `peft` of run_config.yaml, and tensors beside those of the layers that they are for.
#pragma once

#include "plugins/peft/common/adapter_config.h"
#include "plugins/peft/common/adapters.h"

namespace corral::lowrank {

// From {"peft": {...}, "checkpoint": {"pretrained_checkpoint": ...}}. `other_method`: the class, where it is none of low-rank matrices.
AdapterConfig read_megatron_adapter(std::string_view json, std::string& other_method);
std::string write_megatron_adapter(const Adapters& adapters, const std::string& base);

// `model_map`: how the model is stored. `config`: of the adapter that is read, "" where one is written. Throws Error (2) where Megatron
// Bridge has no such adapter.
WeightMap megatron_adapter_map(const Adapters& adapters, const WeightMap& model_map, std::string_view config);

}  // namespace corral::lowrank
